"""What a format is: how it is known, read and written, and what it can hold."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from kinema.annotations.interval import Interval
from kinema.annotations.videos import LabelledVideos

Kind = Literal["table", "json", "xml", "nwb"]
"""What a file is before anybody asks whose it is."""


@dataclass(frozen=True)
class Format:
    """A format of labels.

    Attributes:
        name: as options name it.
        title: as people name it.
        kind: what its files are.
        suffix: what the names of files that are written end in; or the whole name.
        knows: whether the content of a file of its kind is of this format.
        read: the intervals of such content; what it leaves out goes to the videos' notes.
        write: the intervals, sorted by file and time, to a path that does not exist.
        subjects: whether it holds who does something.
        confidence: whether it holds how sure a program is.
        point: what becomes of a point in time; empty if it holds them.
        single: whether a file holds the labels of one video alone.
    """

    name: str
    title: str
    kind: Kind
    suffix: str
    knows: Callable[[Any], bool]
    read: Callable[[Any, LabelledVideos], Iterable[Interval]]
    write: Callable[[Path, Sequence[Interval], LabelledVideos], None]
    subjects: bool = True
    confidence: bool = True
    point: str = ""
    single: bool = False

    def losses(self, intervals: Sequence[Interval]) -> list[str]:
        """Sentences about what of the intervals the format cannot hold."""
        counts = Counter[str]()
        for one in intervals:
            counts["subjects, which are left out"] += one.subject is not None and not self.subjects
            counts["confidence, which is left out"] += one.confidence is not None and not self.confidence
            counts[f"points in time, which become {self.point}"] += one.start == one.end and bool(self.point)
        return [
            f"{self.title} holds no {what} ({count} of {len(intervals)} intervals)"
            for what, count in counts.items()
            if count
        ]
