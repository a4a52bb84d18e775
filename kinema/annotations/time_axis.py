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

    def put(self, first: np.ndarray, stop: np.ndarray, shares: np.ndarray) -> None:
        """Add windows to their bins, of each bin in the order of the windows."""
        more = int(stop.max(initial=self.stop)) - self.stop
        self._sums = np.pad(self._sums, ((0, more), (0, 0)))
        self._counts = np.pad(self._counts, (0, more))
        lengths, begin = stop - first, first - self._first
        distinct, shortest = bool((np.diff(first) > 0).all()), int(lengths.min(initial=0))
        for place in range(int(lengths.max(initial=0)) - 1, -1, -1):
            inside = slice(None) if place < shortest else lengths > place
            bins = begin[inside] + place
            if distinct:
                self._sums[bins] += shares[inside]
                self._counts[bins] += 1
            else:
                np.add.at(self._sums, bins, shares[inside])
                np.add.at(self._counts, bins, 1)

    def smoothed(self, first: int, stop: int, half: int) -> np.ndarray:
        """(bins, classes) means over each bin and ``half`` bins to either side, where there are windows; else zeros."""
        number, begin = stop - first, first - half
        counts, means = np.zeros(number + 2 * half), np.zeros((number + 2 * half, self._sums.shape[1]))
        low, high = max(begin, self._first), min(stop + half, self.stop)
        seen, own = slice(low - begin, high - begin), slice(low - self._first, high - self._first)
        counts[seen] = self._counts[own]
        means[seen] = self._sums[own] / np.maximum(self._counts[own], 1)[:, None]
        total, covered, there = np.zeros((number, means.shape[1])), np.zeros(number), counts > 0
        for shift in range(2 * half + 1):
            total += means[shift : shift + number]
            covered += there[shift : shift + number]
        total[~there[half : half + number]] = 0
        return total / np.maximum(covered, 1)[:, None]

    def drop(self, before: int) -> None:
        """Forget bins before one."""
        cut = max(0, before - self._first)
        self._sums, self._counts = self._sums[cut:], self._counts[cut:]
        self._first += cut
