"""A time axis of equal bins, onto which the probabilities of overlapping windows are averaged as they come."""

from __future__ import annotations

import numpy as np


class TimeAxis:
    """Sums of windows' probabilities in bins, and of how many windows; what has been used is dropped.

    Args:
        first: number of the first bin.
        classes: how many there are.
    """

    def __init__(self, first: int, classes: int):
        self._first = first
        self._sums, self._counts = np.zeros((0, classes)), np.zeros(0)

    @property
    def stop(self) -> int:
        """The bin after the last one."""
        return self._first + len(self._counts)

    def grow(self, stop: int) -> None:
        """Let there be bins up to ``stop``."""
        more = max(0, stop - self.stop)
        self._sums = np.concatenate([self._sums, np.zeros((more, self._sums.shape[1]))])
        self._counts = np.concatenate([self._counts, np.zeros(more)])

    def put(self, first: np.ndarray, stop: np.ndarray, shares: np.ndarray) -> None:
        """Add windows to their bins, of each bin in the order of the windows."""
        self.grow(int(stop.max(initial=self.stop)))
        lengths = stop - first
        for place in range(int(lengths.max(initial=0)) - 1, -1, -1):
            inside = lengths > place
            bins = first[inside] + place - self._first
            if len(bins) > 1 and (np.diff(bins) <= 0).any():
                np.add.at(self._sums, bins, shares[inside])
                np.add.at(self._counts, bins, 1)
            else:
                self._sums[bins] += shares[inside]
                self._counts[bins] += 1

    def smoothed(self, first: int, stop: int, half: int) -> np.ndarray:
        """(bins, classes) means over each bin and ``half`` bins to either side, where there are windows; else zeros."""
        number = stop - first
        before, after = max(0, self._first - first + half), max(0, stop + half - self.stop)
        seen = slice(max(0, first - half - self._first), stop + half - self._first)
        sums = np.pad(self._sums[seen], ((before, after), (0, 0)))
        counts = np.pad(self._counts[seen], (before, after))
        means = sums / np.maximum(counts, 1)[:, None]
        total, covered = np.zeros((number, means.shape[1])), np.zeros(number)
        for shift in range(2 * half + 1):
            total += means[shift : shift + number]
            covered += counts[shift : shift + number] > 0
        total[counts[half : half + number] == 0] = 0
        return total / np.maximum(covered, 1)[:, None]

    def drop(self, before: int) -> None:
        """Forget bins before one."""
        cut = max(0, before - self._first)
        self._sums, self._counts = self._sums[cut:], self._counts[cut:]
        self._first += cut
