"""Writing labels that took long to find: the place is looked at first, and what is lost is said at the end."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path

from kinema.annotations.files import FORMATS, known_by_name, one_video, write_intervals
from kinema.annotations.interval import Interval
from kinema.annotations.videos import LabelledVideos
from kinema.errors import ConfigError, DataError, OutputError


def check_target(out: str | Path, format: str | None, *others: str | Path | None) -> None:
    """Refuse a place for labels, and for what else is written, before the work begins.

    Raises:
        ConfigError: there is no such format.
        DataError: the file's name means none, or several.
        OutputError: something is there, or two would be one file.
    """
    if format is not None and format not in FORMATS:
        raise ConfigError(f"there is no format {format!r}; there are {', '.join(FORMATS)}")
    if format is None:
        known_by_name(Path(out))
    refuse_present(out, *others)
    places = [os.path.abspath(place) for place in (out, *others) if place is not None]
    if twice := [place for place in places if places.count(place) > 1]:
        raise OutputError(f"two things would be written to {twice[0]}; give each a file of its own")


def check_videos(out: str | Path, format: str | None, count: Callable[[], int]) -> None:
    """Refuse a file of a format that holds one video, where there are several, before the work begins.

    Args:
        out: what is to be written.
        format: its format; None to go by the name.
        count: says how many videos there are, if that matters.

    Raises:
        OutputError: there are several.
    """
    chosen = known_by_name(Path(out)) if format is None else FORMATS[format]
    if chosen.single and Path(out).suffix.lower() == chosen.suffix and (number := count()) > 1:
        raise one_video(Path(out), chosen, number)


def refuse_present(*paths: str | Path | None) -> None:
    """Refuse to write over what is there; None is no place.

    Raises:
        OutputError: something is, or a path is named twice.
    """
    for path in paths:
        if path is not None and (Path(path).exists() or Path(path).is_symlink()):
            raise OutputError(f"{path} is there already; name another file, or move it away")
    named = [Path(path) for path in paths if path is not None]
    if twice := [path for path in named if named.count(path) > 1]:
        raise OutputError(f"{twice[0]} is to hold two things; give each a file of its own")


def write_labels(
    out: str | Path, intervals: Sequence[Interval], format: str | None = None, fps: float | None = None
) -> list[str]:
    """Write found intervals, and return lines that say what the format could not hold, and where the files are.

    Raises:
        DataError: there are none, or the format needs to know a frame rate.
        OutputError: something is there already, or it cannot be written.
    """
    if not intervals:
        raise DataError(
            f"nothing was found that could be written to {out}; lower --enter and --shortest, or label more"
        )
    videos = LabelledVideos(fps=fps)
    files = write_intervals(out, intervals, format, videos)
    return [*(f"note: {note}" for note in dict.fromkeys(videos.notes)), *map(str, files)]
