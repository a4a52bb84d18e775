"""From one format of labels to another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from os.path import commonpath
from pathlib import Path

from kinema.annotations.files import read_intervals, write_intervals
from kinema.annotations.interval import Interval
from kinema.annotations.videos import LabelledVideos


@dataclass(frozen=True)
class Converted:
    """What a conversion did.

    Attributes:
        intervals: what was read.
        source: the format's title.
        files: what was written.
        notes: sentences about what was left out or changed.
    """

    intervals: tuple[Interval, ...]
    source: str
    files: tuple[Path, ...]
    notes: tuple[str, ...]

    def __str__(self) -> str:
        return f"{counted(self.intervals, self.files)}, read as {self.source}"


def counted(intervals: Sequence[Interval], files: Sequence[Path]) -> str:
    """How many intervals, classes and videos some files hold, in words."""
    classes, videos = ({getattr(one, name) for one in intervals} for name in ("label", "file"))
    parts = ((intervals, "interval"), (classes, "class"), (videos, "video"))
    counts = [f"{len(what)} {name}{('es' if name[-1] == 's' else 's') * (len(what) != 1)}" for what, name in parts]
    there = str(files[0]) if len(files) == 1 else f"{len(files)} files in {commonpath([file.parent for file in files])}"
    return f"{there}: {counts[0]} of {counts[1]} in {counts[2]}"


def convert(
    source: str | Path,
    target: str | Path,
    source_format: str | None = None,
    target_format: str | None = None,
    fps: float | None = None,
    videos: str | Path | None = None,
) -> Converted:
    """Read labels in one format and write them in another.

    Args:
        source: a file of labels, or a folder of files of one format.
        target: the file to write, or a folder of files where the format holds one video each.
        source_format: a name in :data:`~kinema.annotations.registry.FORMATS`; None to go by name and content.
        target_format: the same; None to go by the name.
        fps: frames a second, for formats that count frames; None to go by the files and the videos.
        videos: the folder that holds the videos; labels are checked against them, and frame rates taken from there.

    Raises:
        KinemaError: see :func:`~kinema.annotations.files.read_intervals` and
            :func:`~kinema.annotations.files.write_intervals`.
    """
    known = LabelledVideos(videos, fps)
    found, intervals = read_intervals(source, source_format, known)
    files = write_intervals(target, intervals, target_format, known)
    return Converted(tuple(intervals), found.title, tuple(files), tuple(dict.fromkeys(known.notes)))
