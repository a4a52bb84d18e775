"""A long video in few numbers: what a timeline draws of a stretch of it, whatever its length."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from kinema.search.video_windows import VideoWindows

MARGIN = 2
"""Windows before and after a stretch that are told too, so that lines go on beyond it."""


def summary(windows: VideoWindows, values: np.ndarray, start: float, end: float, bins: int) -> dict[str, Any]:
    """Something that each window of a video has, from ``start`` to ``end`` seconds: of each window where there are no
    more than ``bins`` of them, else the least, mean and largest of each bin that has any.

    Args:
        windows: N of them; a value is drawn in the middle of its window.
        values: (N,) float32.
        start: seconds.
        end: seconds.
        bins: how many.

    Returns:
        `at` seconds, and `low`, `mean` and `high` there; `step`, the seconds from one to the next, more than which is
        a gap.
    """
    centres = (windows.starts + windows.ends) / 2
    first, after = np.searchsorted(centres, [start, end])
    first, after = max(0, int(first) - MARGIN), int(after) + MARGIN
    centres, values = centres[first:after], values[first:after]
    step = float(np.median(np.diff(windows.starts))) if len(windows) > 1 else end - start
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


class Runs(NamedTuple):
    """Stretches of a video, one after the other."""

    starts: np.ndarray
    """(N,) float64 seconds, sorted."""
    ends: np.ndarray
    """(N,) float64 seconds."""
    classes: np.ndarray
    """(N,) int64, the place of each one's class."""
    shares: np.ndarray
    """(N,) float32, how probable it is."""


def visible(runs: Runs, start: float, end: float, bins: int) -> list[list[float]]:
    """The runs between two times as [start, end, class, probability], where there are no more than ``bins`` of them;
    else, bin after bin, the class that fills most of it, and its mean probability."""
    first = int(np.searchsorted(runs.ends, start, "right"))
    after = int(np.searchsorted(runs.starts, end))
    shown = Runs(*(column[first:after] for column in runs))
    if len(shown.starts) > bins:
        shown = _coarse(shown, start, end, bins)
    times = (np.round(edges, 3).tolist() for edges in (shown.starts, shown.ends))
    rows = zip(*times, shown.classes.tolist(), shown.shares.tolist(), strict=True)
    return [[one, other, kind, round(share, 3)] for one, other, kind, share in rows]


def _coarse(runs: Runs, start: float, end: float, bins: int) -> Runs:
    width, lengths = (end - start) / bins, runs.ends - runs.starts
    place = np.clip((((runs.starts + runs.ends) / 2 - start) / width).astype(np.int64), 0, bins - 1)
    kinds = int(runs.classes.max()) + 1
    filled = np.bincount(place * kinds + runs.classes, lengths, bins * kinds).reshape(bins, kinds)
    likely = np.bincount(place * kinds + runs.classes, lengths * runs.shares, bins * kinds).reshape(bins, kinds)
    held = np.flatnonzero(filled.sum(1) > 0)
    most = filled[held].argmax(1)
    return Runs(start + held * width, start + (held + 1) * width, most, likely[held, most] / filled[held, most])
