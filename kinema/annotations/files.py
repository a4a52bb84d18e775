"""Reading and writing files of labels, whatever their format."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any

from kinema.annotations.format import Format
from kinema.annotations.formats.intervals import NEEDED
from kinema.annotations.interval import Interval, by_file
from kinema.annotations.registry import FORMATS, format_named, format_to_write
from kinema.annotations.videos import LabelledVideos
from kinema.common.files import atomic_path, make_folder, refuse_pipe, refuse_present
from kinema.common.tables import read_table
from kinema.errors import DataError, OutputError, first_few, words_of

KINDS = {
    ".csv": "table",
    ".tsv": "table",
    ".json": "json",
    ".boris": "json",
    ".xml": "xml",
    ".eaf": "xml",
    ".nwb": "nwb",
}
"""What a file is, by how its name ends."""
EXPORT = FORMATS["fiftyone"].suffix
"""The one file of labels in a folder that holds a data set."""

INDEX_LABELS = "labels.sqlite"
"""What an index keeps its labels in, which people may take for a file of labels."""
INDEX_SAID = ", it is an index's own: write these with `kinema labels export FILE --index INDEX`, and name that file"


def read_intervals(
    path: str | Path, format: str | None = None, videos: LabelledVideos | None = None
) -> tuple[Format, list[Interval]]:
    """The intervals of a file, or of all files in a folder, sorted by file and time; and their format.

    Args:
        path: a file of labels, or a folder of files of one format, in folders or not; or a data set of FiftyOne.
        format: its name in :data:`~kinema.annotations.registry.FORMATS`; None to go by name and content.
        videos: what is known of the videos; with a folder of them, intervals are placed in it and checked.

    Raises:
        ConfigError: there is no such format, or a package that reads it is not installed.
        DataError: the file cannot be read, is of no known format or another, holds no labels, or says what cannot be.
        VideoError: a video that is asked for its frame rate or length cannot be read.
    """
    path, videos = Path(path), videos or LabelledVideos()
    if (path / EXPORT).is_file():
        path = path / EXPORT
    if not path.is_dir():
        chosen, content = _recognised(path, format)
        with _blaming(path, chosen):
            found = videos.placed(list(chosen.read(content, videos)))
    else:
        files = sorted(one for one in path.rglob("[!.]*") if one.suffix.lower() in KINDS and one.is_file())
        if format is not None:
            files = [one for one in files if KINDS[one.suffix.lower()] == format_named(format).kind]
        if not files:
            way = INDEX_SAID if (path / INDEX_LABELS).is_file() else f"; their names end in {', '.join(KINDS)}"
            raise DataError(f"{path} holds no files of labels{way}")
        parts = [read_intervals(one, format, videos) for one in files]
        titles = sorted({part[0].title for part in parts})
        if len(titles) > 1:
            raise DataError(f"{path} holds files of {' and '.join(titles)}; say which to read with --from")
        chosen, found = parts[0][0], [one for part in parts for one in part[1]]
    if not found:
        raise DataError(f"{path} holds no labels of intervals; label some, or name another file")
    return chosen, sorted(found, key=lambda one: (one.file, one.start, one.end, one.label, one.subject or ""))


def write_intervals(
    path: str | Path, intervals: Sequence[Interval], format: str | None = None, videos: LabelledVideos | None = None
) -> list[Path]:
    """Write intervals, where nothing is yet, and return the files.

    Args:
        path: a file; or a folder of such files, if the format holds one video each and ``path`` does not end so.
        intervals: at least one, in any order.
        format: its name in :data:`~kinema.annotations.registry.FORMATS`; None to go by the name of the file.
        videos: what is known of the videos; its notes say what the format could not hold.

    Raises:
        ConfigError: there is no such format, or a package that writes it is not installed.
        DataError: the format cannot write a name, or needs to know a frame rate.
        OutputError: something is there already, or the file cannot be written.
    """
    path, videos = Path(path), videos or LabelledVideos()
    chosen = format_to_write(path, format)
    ordered = sorted(intervals, key=lambda one: (one.file, one.start, one.end, one.label, one.subject or ""))
    files = by_file(ordered)
    check_videos(path, format, lambda: len(files))
    if not chosen.single or path.suffix.lower() == chosen.suffix:
        targets = {path: ordered}
    else:
        targets = {path / _beneath(file, chosen.suffix): part for file, part in files.items()}
        if len(targets) < len(files):
            raise DataError(
                f"several videos would have their labels in one file in {path}; give them paths that differ"
            )
    refuse_present(*targets)
    videos.notes += chosen.losses(ordered)
    for target, part in targets.items():
        with atomic_path(target) as temporary, _blaming(target, chosen, reading=False):
            chosen.write(temporary, part, videos)
    return list(targets)


def check_target(out: str | Path, format: str | None, *others: str | Path | None) -> None:
    """Refuse a place for labels, and for what else is written, before the work begins.

    Raises:
        ConfigError: there is no such format.
        DataError: the file's name means none, or several.
        OutputError: something is there, two would be one file, or nothing can be written there.
    """
    format_to_write(Path(out), format)
    refuse_present(out, *others)
    for place in (out, *others):
        if place is not None:
            make_folder(Path(place).parent)


def check_videos(out: str | Path, format: str | None, count: Callable[[], int]) -> None:
    """Refuse a file of a format that holds one video, where there are several.

    Args:
        out: what is to be written.
        format: its format; None to go by the name.
        count: says how many videos there are, if that matters.

    Raises:
        OutputError: there are several.
    """
    chosen = format_to_write(Path(out), format)
    if chosen.single and Path(out).suffix.lower() == chosen.suffix and (number := count()) > 1:
        raise OutputError(
            f"{chosen.title} holds one video a file, and there are {number}: name a folder in place of {out}, and the "
            f"format with --to {chosen.name}"
        )


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


def _beneath(file: str, suffix: str) -> PurePosixPath:
    """Where in a folder the labels of a video go: as the video lies in its own, whole paths as if it were the root."""
    parts = [part for part in PurePosixPath(file).parts if part not in ("/", "..")]
    return PurePosixPath(*parts[:-1], parts[-1] + suffix)


def _recognised(path: Path, name: str | None) -> tuple[Format, Any]:
    """The format of a file, and its content as far as all formats of its kind take it in the same way."""
    wanted = None if name is None else format_named(name)
    kind = wanted.kind if wanted else KINDS.get(path.suffix.lower())
    if path.name == INDEX_LABELS:
        raise DataError(f"{path} is no file of labels{INDEX_SAID}")
    if kind is None and path.exists():
        raise DataError(f"{path} is of no known format by its name; say which with --from: {', '.join(FORMATS)}")
    content = _content(path, kind or "json")
    with _blaming(path, wanted):
        fitting = [one for one in FORMATS.values() if one.kind == kind and one.knows(content)]
    if wanted is not None and wanted not in fitting:
        other = f", but one of {fitting[0].title}" if fitting else ""
        raise DataError(f"{path} is no file of {wanted.title}{other}; name the format with --from, or leave that out")
    if not fitting:
        titles = ", ".join(one.title for one in FORMATS.values() if one.kind == kind)
        way = (
            f"; plain CSV has the columns {', '.join(NEEDED)}, this file {first_few(content[0])}"
            if kind == "table"
            else ""
        )
        raise DataError(f"{path} is of no known format; known with such an ending are {titles}{way}")
    return wanted or fitting[0], content


def _content(path: Path, kind: str) -> Any:
    if kind == "table":
        return read_table(path, "a header and a row for each label", "name a file that is there")
    try:
        refuse_pipe(path)
        if kind == "nwb":
            path.open("rb").close()
            return path
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not text in UTF-8 ({error}); export the labels anew") from error
    except (OSError, ValueError) as error:  # a name with a zero in it is a ValueError
        why = getattr(error, "strerror", None) or error
        raise DataError(f"cannot read the labels {path}: {why}; name a file that is there") from error
    try:
        if kind == "json":
            return json.loads(text)
        if "<!DOCTYPE" in text or "<!ENTITY" in text:  # which can grow without bounds, and no tool writes
            raise DataError(f"{path} declares a document type or entities of its own; export the labels anew")
        return ET.fromstring(text)
    except (ValueError, RecursionError, ET.ParseError) as error:
        raise DataError(f"{path} is not {kind.upper()} ({error}); export the labels anew") from error


@contextmanager
def _blaming(path: Path, format: Format | None, reading: bool = True) -> Iterator[None]:
    """Name the file in what is said of its content, and say so of what is not as its format wants it."""
    try:
        yield
    except DataError as error:
        raise DataError(f"{path}: {error}") from error
    except (KeyError, TypeError, ValueError, AttributeError, IndexError, OverflowError) as error:
        if not reading:
            raise
        title = format.title if format else "any known tool"
        said = f"{type(error).__name__}: {words_of(error, 100)}"
        raise DataError(f"{path} is not as {title} writes it ({said}); export it anew") from error
