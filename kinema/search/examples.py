"""What labelled intervals teach: the windows of an index that are examples of a class, or of none."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

import numpy as np

from kinema.annotations.bouts import BACKGROUND
from kinema.annotations.interval import Interval, by_file
from kinema.errors import DataError, first_few
from kinema.search import database
from kinema.search.results import Window
from kinema.search.sampling import evenly

LEAST = 0.5
"""The share of a window that intervals of a class have to cover."""
ROUNDING = 1e-6
"""Seconds by which a window may miss that."""
BACKGROUND_MOST = 10
"""Windows without a label that are examples, at most, for each that has one."""
BACKGROUND_LEAST = 200
"""But so many in any case."""


@dataclass(frozen=True)
class LabelledVideo:
    """A video with labels.

    Attributes:
        path: as the index has it.
        windows: all of it, in the order of time.
        intervals: its labels.
        classes: of each window the class that it is an example of; None for none.
    """

    path: str
    windows: tuple[Window, ...]
    intervals: tuple[Interval, ...]
    classes: tuple[str | None, ...]

    @property
    def seconds(self) -> float:
        """How long the video is, as far as its windows go."""
        return max(window.end for window in self.windows)


def labelled_videos(db: sqlite3.Connection, intervals: Iterable[Interval], background: bool) -> list[LabelledVideo]:
    """The videos that intervals belong to, and what their windows are examples of.

    A window is an example of the one class whose intervals cover at least half of it, if there is just one; and of
    :data:`~kinema.annotations.bouts.BACKGROUND` where intervals touch nothing of it, if those label whole videos.

    Args:
        db: the database of an index.
        intervals: their files are paths in the index, or the ends of such, with or without the suffix.
        background: whether what has no label is none of the classes.

    Raises:
        DataError: intervals are of videos that are not in the index or could be several, or lie beyond a video's end.
    """
    found = []
    for path, own in _placed(db, intervals).items():
        windows = tuple(database.windows_where(db, "path = ?", [path]))
        spans = np.array([(window.start, window.end) for window in windows])
        beyond = [one for one in own if one.start > spans[:, 1].max()]
        if beyond:
            raise DataError(
                f"an interval of {beyond[0].label!r} begins at {beyond[0].start:.3f} s, and {path} ends at "
                f"{spans[:, 1].max():.3f} s; mend the label, or the frame rate if its times are frames"
            )
        found.append(LabelledVideo(path, windows, tuple(own), tuple(_classes(spans, own, background))))
    return found


def examples(videos: Sequence[LabelledVideo]) -> dict[int, str]:
    """The class of each window that is an example, by its number: all that have a class, and some of the background."""
    chosen = [
        (window.id, name) for video in videos for window, name in zip(video.windows, video.classes, strict=True) if name
    ]
    named = [one for one in chosen if one[1] != BACKGROUND]
    rest = [one for one in chosen if one[1] == BACKGROUND]
    kept = evenly(len(rest), max(BACKGROUND_LEAST, BACKGROUND_MOST * len(named)))
    return dict(named + [rest[place] for place in kept.tolist()])


def covered(windows: np.ndarray, spans: np.ndarray) -> np.ndarray:
    """(N,) seconds of each of the windows (N, 2) that lie in at least one of the spans (M, 2)."""
    total, reached = np.zeros(len(windows)), -np.inf
    for start, end in sorted(spans.tolist()):
        start, reached = max(start, reached), max(end, reached)
        total += (np.minimum(windows[:, 1], reached) - np.maximum(windows[:, 0], start)).clip(min=0)
    return total


def _classes(windows: np.ndarray, intervals: Sequence[Interval], background: bool) -> list[str | None]:
    by_class: dict[str, list[tuple[float, float]]] = {}
    for one in intervals:
        by_class.setdefault(one.label, []).append((one.start, one.end))
    names = sorted(by_class)
    seconds = np.stack([covered(windows, np.array(by_class[name])) for name in names], 1)
    enough = seconds >= LEAST * (windows[:, 1] - windows[:, 0])[:, None] - ROUNDING
    single, first = enough.sum(1) == 1, enough.argmax(1)
    none = background & (seconds.max(1) < ROUNDING)
    return [
        names[place] if one else BACKGROUND if empty else None
        for one, place, empty in zip(single, first.tolist(), none, strict=True)
    ]


def _placed(db: sqlite3.Connection, intervals: Iterable[Interval]) -> Mapping[str, list[Interval]]:
    """The intervals of each video, by the path that the index has it under."""
    known: dict[str, list[str]] = {}
    for video in database.indexed_videos(db):
        if video.windows:
            name = PurePosixPath(video.path.replace("\\", "/"))
            for key in {name.name, name.stem}:
                known.setdefault(key, []).append(video.path)
    placed: dict[str, list[Interval]] = {}
    gone = []
    for file, own in by_file(intervals).items():
        paths = _ending_like(file, known.get(PurePosixPath(file).name, []))
        if len(paths) > 1:
            raise DataError(f"{file} could be any of {first_few(paths)} in the index; write more of its path")
        if not paths:
            gone.append(file)
        else:
            placed.setdefault(paths[0], []).extend(own)
    if gone:
        raise DataError(
            f"the labels name videos that are not in the index: {first_few(gone)}; index them, or take them out"
        )
    return placed


def _ending_like(file: str, paths: Sequence[str]) -> list[str]:
    """Those of paths with whose end a file's path has most parts in common."""

    def common(path: str) -> int:
        theirs = PurePosixPath(path.replace("\\", "/")).parent.parts[::-1]
        ours = PurePosixPath(file).parent.parts[::-1]
        return next(
            (n for n, (a, b) in enumerate(zip(ours, theirs, strict=False)) if a != b), min(len(ours), len(theirs))
        )

    most = max((common(path) for path in paths), default=0)
    return [path for path in paths if common(path) == most]
