"""A long video in few numbers: what a timeline draws of a stretch of it, whatever its length."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

MARGIN = 2
"""Windows before and after a stretch that are told too, so that lines go on beyond it."""


@dataclass(frozen=True, eq=False)
class Track:
    """Something that each window of a video has.

    Attributes:
        starts: (N,) float64 seconds, sorted.
        ends: (N,) float64 seconds.
        values: (N,) float32.
    """

    starts: np.ndarray
    ends: np.ndarray
    values: np.ndarray

    @property
    def centres(self) -> np.ndarray:
        """(N,) the seconds in the middle of each window, where its value is drawn."""
        return (self.starts + self.ends) / 2


def summary(track: Track, start: float, end: float, bins: int) -> dict[str, Any]:
    """A track from ``start`` to ``end`` seconds: its windows where there are no more than ``bins`` of them, else the
    least, mean and largest value of each bin that has any.

    Returns:
        `at` seconds, and `low`, `mean` and `high` there; `step`, the seconds from one to the next, more than which is
        a gap.
    """
    centres, values = track.centres, track.values
    first, after = np.searchsorted(centres, [start, end])
    first, after = max(0, int(first) - MARGIN), int(after) + MARGIN
    centres, values = centres[first:after], values[first:after]
    step = float(np.median(np.diff(track.starts))) if len(track.starts) > 1 else end - start
    if len(centres) > bins + 2 * MARGIN:
        width = (end - start) / bins
        place = np.floor((centres - start) / width).astype(np.int64)
        edges = np.flatnonzero(np.diff(place, prepend=place[0] - 1))
        counts = np.diff(edges, append=len(place))
        low, high = np.minimum.reduceat(values, edges), np.maximum.reduceat(values, edges)
        mean = np.add.reduceat(values, edges, dtype=np.float64) / counts
        centres, step = start + (place[edges] + 0.5) * width, max(step, width)
    else:
        low = mean = high = values
    told = {"low": low, "mean": mean, "high": high}
    return {
        "at": np.round(centres, 4).tolist(),
        **{name: np.round(part.astype(np.float64), 4).tolist() for name, part in told.items()},
        "step": round(step, 4),
    }


@dataclass(frozen=True, eq=False)
class Runs:
    """Stretches of a video, one after the other.

    Attributes:
        starts: (N,) float64 seconds, sorted.
        ends: (N,) float64 seconds.
        classes: (N,) int64, the place of each one's class.
        shares: (N,) float32, how probable it is.
    """

    starts: np.ndarray
    ends: np.ndarray
    classes: np.ndarray
    shares: np.ndarray


def visible(runs: Runs, start: float, end: float, bins: int) -> list[list[float]]:
    """The runs between two times as [start, end, class, probability], where there are no more than ``bins`` of them;
    else, bin after bin, the class that fills most of it, and its mean probability."""
    first = int(np.searchsorted(runs.ends, start, "right"))
    after = int(np.searchsorted(runs.starts, end))
    starts, ends = runs.starts[first:after], runs.ends[first:after]
    classes, shares = runs.classes[first:after], runs.shares[first:after]
    if len(starts) > bins:
        starts, ends, classes, shares = _coarse(starts, ends, classes, shares, start, end, bins)
    rows = zip(np.round(starts, 3).tolist(), np.round(ends, 3).tolist(), classes.tolist(), shares.tolist(), strict=True)
    return [[one, other, kind, round(share, 3)] for one, other, kind, share in rows]


def _coarse(
    starts: np.ndarray,
    ends: np.ndarray,
    classes: np.ndarray,
    shares: np.ndarray,
    start: float,
    end: float,
    bins: int,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    width = (end - start) / bins
    place = np.clip((((starts + ends) / 2 - start) / width).astype(np.int64), 0, bins - 1)
    kinds = int(classes.max()) + 1
    filled = np.bincount(place * kinds + classes, ends - starts, bins * kinds).reshape(bins, kinds)
    likely = np.bincount(place * kinds + classes, (ends - starts) * shares, bins * kinds).reshape(bins, kinds)
    held = np.flatnonzero(filled.sum(1) > 0)
    most = filled[held].argmax(1)
    return start + held * width, start + (held + 1) * width, most, likely[held, most] / filled[held, most]
