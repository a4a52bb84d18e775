"""The manifest of a folder of videos: what each file holds, found by decoding it once; kept in columns.

A row takes some hundred bytes, its path included, wherever it is one of millions, and processes that are forked share
them. Files of manifests are :mod:`kinema.video.manifest_files`.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import astuple, dataclass, fields
from operator import eq
from typing import Any, Self, overload

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from kinema.errors import DataError

MANIFEST = "manifest.parquet"
"""What a manifest is called in the folder of a run or a store."""

OK, PARTIAL, UNREADABLE = STATUSES = ("ok", "partial", "unreadable")
BATCH = 1 << 16
"""Rows that are looked at together, so that no whole column has to be copied."""


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
        modified: when the file was changed last, in nanoseconds since 1970; 0 if nobody noted it.
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
    modified: int = 0


COLUMNS = tuple(field.name for field in fields(ManifestEntry))
NAMED = {"path", "error"}
"""Columns whose values name files, which need not be valid UTF-8: kept as the system's bytes."""
SCHEMA = pa.schema(
    [
        ("path", pa.binary()),
        ("status", pa.dictionary(pa.int8(), pa.string())),
        ("duration", pa.float64()),
        ("frames", pa.int32()),
        ("fps", pa.float64()),
        ("width", pa.int32()),
        ("height", pa.int32()),
        ("rotation", pa.int16()),
        ("codec", pa.dictionary(pa.int16(), pa.string())),
        ("variable_rate", pa.bool_()),
        ("start", pa.float64()),
        ("bytes", pa.int64()),
        ("error", pa.binary()),
        ("modified", pa.int64()),
    ]
)


class Manifest(Sequence[ManifestEntry]):
    """Entries in columns; a sequence of :class:`ManifestEntry`, each made when it is asked for.

    Args:
        table: of :data:`SCHEMA`.
        rows: (N,) int32, which of its rows there are, in this order; None for all.

    Example:
        >>> from kinema.video import Manifest, ManifestEntry
        >>> manifest = Manifest.of([ManifestEntry("a.mp4", "ok", 2.5), ManifestEntry("b.mp4", "ok", 1.5)])
        >>> manifest[1].path, float(manifest.column("duration").sum())
        ('b.mp4', 4.0)
    """

    def __init__(self, table: pa.Table, rows: np.ndarray | None = None):
        self.table, self.rows = table.unify_dictionaries(), rows
        self._columns = [table.column(name) for name in COLUMNS]

    @classmethod
    def of(cls, entries: Iterable[ManifestEntry]) -> Manifest:
        """A manifest of entries; itself if it is one."""
        if isinstance(entries, Manifest):
            return entries
        columns = zip(*(astuple(entry) for entry in entries), strict=True)
        values = dict(zip(COLUMNS, columns, strict=False)) or dict.fromkeys(COLUMNS, ())
        stored = {name: [os.fsencode(value) for value in values[name]] for name in NAMED}
        return cls(pa.table({**values, **stored}, SCHEMA))

    def __len__(self) -> int:
        return len(self.table) if self.rows is None else len(self.rows)

    @overload
    def __getitem__(self, place: int) -> ManifestEntry: ...
    @overload
    def __getitem__(self, place: slice) -> Manifest: ...
    def __getitem__(self, place: int | slice) -> ManifestEntry | Manifest:
        if isinstance(place, slice):
            return self.take(np.arange(len(self), dtype=np.int32)[place])
        row = range(len(self))[place]
        row = row if self.rows is None else int(self.rows[row])
        return _entry(column[row].as_py() for column in self._columns)

    def __iter__(self) -> Iterator[ManifestEntry]:
        for batch in self.batches():
            yield from map(_entry, zip(*(column.to_pylist() for column in batch.columns), strict=True))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and len(self) == len(other) and all(map(eq, self, other))

    def take(self, places: np.ndarray) -> Manifest:
        """The entries at ``places``: their numbers, or whether each is wanted; nothing is copied but those."""
        rows = np.flatnonzero(places) if places.dtype == bool else places
        return Manifest(self.table, (rows if self.rows is None else self.rows[rows]).astype(np.int32, copy=False))

    def batches(self, *columns: str) -> Iterator[pa.RecordBatch]:
        """The entries, or these columns of them, some at a time; columns that repeat themselves as plain ones."""
        table = self.table.select(list(columns or COLUMNS))
        for first in range(0, len(self), BATCH):
            part = table.slice(first, BATCH) if self.rows is None else table.take(self.rows[first : first + BATCH])
            yield part.combine_chunks().to_batches()[0]

    def column(self, name: str) -> np.ndarray:
        """The numbers (N,) of a column."""
        parts = [batch.column(0).to_numpy(zero_copy_only=False) for batch in self.batches(name)]
        return np.concatenate(parts) if parts else np.zeros(0)

    def paths(self) -> Iterator[str]:
        """The path of each entry."""
        for batch in self.batches("path"):
            yield from map(os.fsdecode, batch.column(0).to_pylist())

    def sha256(self, *columns: str) -> str:
        """SHA-256, in hexadecimal, of the entries, or of these columns of them: a line each, commas between."""
        digest = hashlib.sha256()
        for batch in self.batches(*columns):
            lines = pc.binary_join_element_wise(*map(_text, batch.columns), b",")
            digest.update(b"\n".join([*lines.to_pylist(), b""]))
        return digest.hexdigest()

    def __reduce__(self) -> tuple[type[Self], tuple[Any, ...]]:
        return type(self), (self.table, self.rows)


def _text(column: pa.Array) -> pa.Array:
    return column if pa.types.is_binary(column.type) else column.cast(pa.string()).cast(pa.binary())


def _entry(values: Iterable[Any]) -> ManifestEntry:
    given = dict(zip(COLUMNS, values, strict=True))
    return ManifestEntry(**given | {name: os.fsdecode(given[name]) for name in NAMED})


def usable(
    entries: Iterable[ManifestEntry],
    max_bad_share: float = 0.1,
    min_duration: Callable[[float], float] = lambda fps: 0.0,
) -> tuple[Manifest, str]:
    """Choose the entries that training can use, and say in words what was left out and why.

    Unreadable files and videos shorter than the seconds that ``min_duration`` asks of one of so many frames a second
    are left out; partly readable ones stay, with the duration that decodes.

    Returns:
        The entries to use, and a summary for the user: what is left out or partial and why, up to 20 files of a kind.

    Raises:
        DataError: more than ``max_bad_share`` of all files (0 to 1) are unreadable, or nothing is left.
    """
    every = Manifest.of(entries)
    status, short = np.zeros(len(every), np.int8), np.zeros(len(every), bool)
    for number, batch in enumerate(every.batches("status", "duration", "fps")):
        place = slice(number * BATCH, number * BATCH + len(batch))
        states, duration, fps = batch.columns
        codes = np.array([STATUSES.index(word) for word in states.dictionary.to_pylist()], np.int8)
        status[place] = codes[states.indices.to_numpy()]
        rates, which = np.unique(fps.to_numpy(), return_inverse=True)
        short[place] = duration.to_numpy() < np.array([min_duration(rate) for rate in rates.tolist()])[which]
    bad, readable = status == STATUSES.index(UNREADABLE), status != STATUSES.index(UNREADABLE)
    if bad.sum() > max_bad_share * len(every):
        first = every[int(bad.argmax())]
        raise DataError(
            f"{bad.sum()} of {len(every)} videos cannot be read, more than the share of {max_bad_share:g} "
            f"that is allowed (the first is {first.path}: {first.error}); mend or remove them, "
            "or allow a larger max_bad_share"
        )
    left_out, chosen = every.take(short & readable), every.take(~short & readable)
    if not len(chosen):
        longest = max(left_out, key=lambda entry: entry.duration, default=None)
        detail = longest and f" (the longest, {longest.path}, has {_lengths(longest, min_duration)})"
        raise DataError(
            f"none of {len(every)} videos is as long as a clip{detail or ''}; give longer videos, or make clips "
            "shorter with fewer frames or a smaller step"
        )
    partial = every.take(~short & (status == STATUSES.index(PARTIAL)))
    lines = [
        f"{len(chosen)} of {len(every)} videos are used",
        *_listed("left out, unreadable", every.take(bad), lambda entry: entry.error),
        *_listed("left out, shorter than a clip", left_out, lambda entry: _lengths(entry, min_duration)),
        *_listed("used as far as it goes", partial, lambda entry: entry.error),
    ]
    return (every if len(chosen) == len(every) else chosen), "\n".join(lines)


def _lengths(entry: ManifestEntry, min_duration: Callable[[float], float]) -> str:
    return f"{entry.duration:.3f} s of {min_duration(entry.fps):g} s"


def _listed(verdict: str, entries: Manifest, reason: Callable[[ManifestEntry], str], most: int = 20) -> list[str]:
    lines = [f"{verdict}: {entry.path}: {reason(entry)}" for entry in entries[:most]]
    return lines if len(entries) <= most else [*lines, f"{verdict}: {len(entries) - most} more"]
