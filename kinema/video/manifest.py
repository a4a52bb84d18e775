"""The manifest of a folder of videos: what each file holds, found by decoding it once, kept as CSV."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Sequence
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from typing import Any

from kinema.errors import DataError
from kinema.files import write_csv

MANIFEST = "manifest.csv"
"""What a manifest is called in the folder of a run or a store."""

OK, PARTIAL, UNREADABLE = STATUSES = ("ok", "partial", "unreadable")


@dataclass(frozen=True)
class ManifestEntry:
    """One file of a scanned folder; numbers are of what decodes, not of what the header says.

    Attributes:
        path: relative to the scanned folder, with forward slashes.
        status: "ok", "partial" (damaged or cut short, but some frames decode) or "unreadable".
        duration: seconds from the first frame coming on screen to the last one going.
        frames: how many decode.
        fps: frames a second, on average.
        width: pixels, as stored: before rotation.
        height: pixels, as stored.
        rotation: degrees counter-clockwise by which the stored frames are turned for display, from -180 to 180.
        codec: name of the decoder.
        variable_rate: frames do not stay on screen equally long (to within the milliseconds some containers round to).
        start: seconds on the file's own clock of the first frame.
        bytes: size of the file.
        error: why the status is not "ok".
    """

    path: str
    status: str
    duration: float = 0.0
    frames: int = 0
    fps: float = 0.0
    width: int = 0
    height: int = 0
    rotation: int = 0
    codec: str = ""
    variable_rate: bool = False
    start: float = 0.0
    bytes: int = 0
    error: str = ""


COLUMNS = tuple(field.name for field in fields(ManifestEntry))
PARSERS: dict[str, Callable[[str], Any]] = {
    "str": str,
    "int": int,
    "float": float,
    "bool": {"True": True, "False": False}.__getitem__,
}


def write_manifest(entries: Iterable[ManifestEntry], path: str | Path) -> Path:
    """Write ``entries`` as CSV, atomically; return the path.

    Raises:
        OutputError: the folder is unwritable or the disk is full.
    """
    return write_csv(path, [COLUMNS, *(astuple(entry) for entry in entries)])


def read_manifest(path: str | Path) -> list[ManifestEntry]:
    """Read what :func:`write_manifest` wrote.

    Raises:
        DataError: the file is missing, or is not a manifest; the message names the line at fault.
    """
    try:
        with Path(path).open(newline="", encoding="utf-8", errors="surrogateescape") as file:
            reader = csv.DictReader(file, strict=True)
            if tuple(reader.fieldnames or ()) != COLUMNS:
                columns = ", ".join(COLUMNS)
                raise DataError(f"{path} is no manifest, whose columns are {columns}; write one with `kinema scan`")
            return [_entry(row, f"{path}, line {reader.line_num}") for row in reader]
    except (OSError, csv.Error) as error:
        raise DataError(f"cannot read the manifest {path}: {error}; write one with `kinema scan`") from error


def _entry(row: dict[str, str], place: str) -> ManifestEntry:
    try:
        if set(row) != set(COLUMNS) or None in row.values():
            raise ValueError(f"it should have {len(COLUMNS)} values")
        entry = ManifestEntry(**{f.name: PARSERS[str(f.type)](row[f.name]) for f in fields(ManifestEntry)})
    except (KeyError, ValueError) as error:
        raise DataError(f"{place}: not a row of a manifest ({error}); write it anew with `kinema scan`") from error
    if entry.status not in STATUSES:
        raise DataError(f"{place}: the status should be one of {', '.join(STATUSES)}, not {entry.status!r}")
    return entry


def usable(
    entries: Sequence[ManifestEntry],
    max_bad_share: float = 0.1,
    min_duration: Callable[[ManifestEntry], float] = lambda entry: 0.0,
) -> tuple[list[ManifestEntry], str]:
    """Choose the entries that training can use, and say in words what was left out and why.

    Unreadable files and videos shorter than the seconds that ``min_duration`` asks of them are left out; partly
    readable ones stay, with the duration that decodes.

    Returns:
        The entries to use, and a summary for the user: what is left out or partial and why, up to 20 files of a kind.

    Raises:
        DataError: more than ``max_bad_share`` of all files (0 to 1) are unreadable, or nothing is left.
    """
    unreadable = [entry for entry in entries if entry.status == UNREADABLE]
    readable = [entry for entry in entries if entry.status != UNREADABLE]
    chosen = [entry for entry in readable if entry.duration >= min_duration(entry)]
    short = [entry for entry in readable if entry.duration < min_duration(entry)]
    if len(unreadable) > max_bad_share * len(entries):
        raise DataError(
            f"{len(unreadable)} of {len(entries)} videos cannot be read, more than the share of {max_bad_share:g} "
            f"that is allowed (the first is {unreadable[0].path}: {unreadable[0].error}); mend or remove them, "
            "or allow a larger max_bad_share"
        )
    if not chosen:
        longest = max(short, key=lambda entry: entry.duration, default=None)
        detail = longest and f" (the longest, {longest.path}, has {_lengths(longest, min_duration)})"
        raise DataError(
            f"none of {len(entries)} videos is as long as a clip{detail or ''}; give longer videos, or make clips "
            "shorter with fewer frames or a smaller step"
        )
    lines = [
        f"{len(chosen)} of {len(entries)} videos are used",
        *_listed("left out, unreadable", [(entry.path, entry.error) for entry in unreadable]),
        *_listed("left out, shorter than a clip", [(entry.path, _lengths(entry, min_duration)) for entry in short]),
        *_listed("used as far as it goes", [(e.path, e.error) for e in chosen if e.status == PARTIAL]),
    ]
    return chosen, "\n".join(lines)


def _lengths(entry: ManifestEntry, min_duration: Callable[[ManifestEntry], float]) -> str:
    return f"{entry.duration:.3f} s of {min_duration(entry):g} s"


def _listed(verdict: str, reasons: list[tuple[str, str]], most: int = 20) -> list[str]:
    lines = [f"{verdict}: {path}: {reason}" for path, reason in reasons[:most]]
    return lines if len(reasons) <= most else [*lines, f"{verdict}: {len(reasons) - most} more"]
