"""Two files of labels beside each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath

from kinema.annotations.agreement import OVERLAP, STEP, Agreement, compare
from kinema.annotations.bouts import BACKGROUND
from kinema.annotations.files import read_intervals
from kinema.annotations.interval import Interval
from kinema.annotations.videos import LabelledVideos
from kinema.errors import DataError, first_few


def compare_files(
    a: str | Path,
    b: str | Path,
    *,
    step: float = STEP,
    overlap: float = OVERLAP,
    videos: str | Path | None = None,
    fps: float | None = None,
) -> tuple[Agreement, tuple[str, ...]]:
    """How the labels of B agree with those of A, and sentences on what was left out.

    Videos are the same where their paths are, or else their names without ending, if each side has such a name but
    once. Those that B alone labels are left out, since A may not have looked at them.

    Args:
        a: a file of labels, or a folder of files of one format.
        b: another.
        step: seconds of a frame.
        overlap: IoU from which on a bout is found.
        videos: the folder that holds the videos; None where they are taken to end with their last label.
        fps: frames a second, for formats that count frames; None to go by the files and the videos.

    Raises:
        DataError: a file cannot be read, or both have no video or no class in common.
        ConfigError: a number is out of range.
    """
    known = LabelledVideos(videos, fps)
    ours, theirs = ([one for one in read_intervals(path, None, known)[1] if one.label != BACKGROUND] for path in (a, b))
    ours, theirs = _named_alike(ours, theirs)
    for name, what in (("file", "video"), ("label", "class")):
        left, right = (sorted({getattr(one, name) for one in side}) for side in (ours, theirs))
        if not set(left) & set(right):
            raise DataError(
                f"{a} and {b} have no {what} in common: there are {first_few(left)} in the one, and {first_few(right)} "
                "in the other"
            )
    alone = sorted({one.file for one in theirs} - {one.file for one in ours})
    theirs = [one for one in theirs if one.file not in alone]
    notes = [f"{b} alone labels {first_few(alone)}, which {'are' if alone[1:] else 'is'} left out"] if alone else []
    seconds = {}
    if videos is not None:
        for file in {one.file for one in (*ours, *theirs)}:
            info = known.info(file)
            seconds[file] = info.duration or 0.0 if info is not None else 0.0
    return compare(ours, theirs, seconds, step, overlap), (*known.notes, *notes)


def _named_alike(a: Sequence[Interval], b: Sequence[Interval]) -> tuple[list[Interval], list[Interval]]:
    """Both with the paths of A for videos that have but the same name."""
    files, others = ({one.file for one in side} for side in (a, b))
    stems: tuple[dict[str, list[str]], ...] = ({}, {})
    for names, found in zip((files, others), stems, strict=True):
        for file in names:
            found.setdefault(PurePosixPath(file).stem, []).append(file)
    alike = {
        found[0]: stems[0][stem][0]
        for stem, found in stems[1].items()
        if found[0] not in files and len(found) == 1 and len(stems[0].get(stem, ())) == 1
    }
    return list(a), [replace(one, file=alike.get(one.file, one.file)) for one in b]
