"""What labelled intervals teach: the windows of an index that are examples of a class, or of none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from kinema.annotations.bouts import BACKGROUND
from kinema.annotations.interval import Interval, by_file
from kinema.search import database
from kinema.search.connection import snapshot
from kinema.search.labelled_videos import IndexedVideos
from kinema.search.labelled_windows import classes_of, covered
from kinema.search.results import Window
from kinema.search.sampling import evenly

ROUNDING = 1e-6
"""Seconds of a window that labels may touch where it is background."""
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


def labelled_videos(library: str | Path, intervals: Sequence[Interval], background: bool) -> list[LabelledVideo]:
    """The videos that intervals belong to, and what their windows are examples of.

    A window is an example of the one class that it is of (:func:`~kinema.search.labelled_windows.classes_of`), if there
    is just one; and of :data:`~kinema.annotations.bouts.BACKGROUND` where intervals touch nothing of it, if those label
    whole videos.

    Args:
        library: the folder of an index.
        intervals: their videos are found by the ends of their paths, as everywhere in :mod:`kinema.annotations`.
        background: whether what has no label is none of the classes.

    Raises:
        DataError: intervals are of videos that are not in the index or could be several, or go beyond a video's end.
    """
    videos = IndexedVideos(library)
    found = []
    for name, own in by_file(videos.placed(intervals)).items():
        path = videos.path(name)
        with snapshot(library) as db:
            windows = tuple(database.windows_where(db, "path = ?", [path]))
        found.append(LabelledVideo(path, windows, tuple(own), tuple(_classes(windows, own, background))))
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


def _classes(windows: Sequence[Window], intervals: Sequence[Interval], background: bool) -> list[str | None]:
    times = np.array([(window.start, window.end) for window in windows])
    named = classes_of(times, [(one.start, one.end, one.label) for one in intervals])
    spans = np.array([(one.start, one.end) for one in intervals])
    bare = background & (covered(times, spans) < ROUNDING)
    return [
        names[0] if len(names) == 1 else BACKGROUND if none and not names else None
        for names, none in zip(named, bare.tolist(), strict=True)
    ]
