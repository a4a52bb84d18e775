"""Writing labels that took long to find: the place is looked at first, and what is lost is said at the end."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from kinema.annotations.files import one_video, write_intervals
from kinema.annotations.interval import Interval
from kinema.annotations.registry import format_to_write
from kinema.annotations.videos import LabelledVideos
from kinema.common.files import refuse_present
from kinema.errors import DataError


def check_target(out: str | Path, format: str | None, *others: str | Path | None) -> None:
    """Refuse a place for labels, and for what else is written, before the work begins.

    Raises:
        ConfigError: there is no such format.
        DataError: the file's name means none, or several.
        OutputError: something is there, or two would be one file.
    """
    format_to_write(Path(out), format)
    refuse_present(out, *others)


def check_videos(out: str | Path, format: str | None, count: Callable[[], int]) -> None:
    """Refuse a file of a format that holds one video, where there are several, before the work begins.

    Args:
        out: what is to be written.
        format: its format; None to go by the name.
        count: says how many videos there are, if that matters.

    Raises:
        OutputError: there are several.
    """
    chosen = format_to_write(Path(out), format)
    if chosen.single and Path(out).suffix.lower() == chosen.suffix and (number := count()) > 1:
        raise one_video(Path(out), chosen, number)


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
