"""The file that holds the flow of one video: every field on its own, found by the time at which it begins.

Little-endian. A prefix that all versions share (magic, version, CRC-32 of both); the packed fields one after another
(:mod:`kinema.flow.quantise`); one :data:`INDEX` row for each; a description in JSON; and a trailer that says where the
index begins and how long the description is, with a CRC-32 of index, description and these numbers. Fields have a
CRC-32 each, in the index, so that reading a few of a long video's fields checks those and no more.
"""

from __future__ import annotations

import functools
import json
import os
import struct
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from kinema.common.files import atomic_path
from kinema.errors import DataError
from kinema.flow.quantise import pack_field, unpack_fields

VERSION = 3
_MAGIC = b"KINEFLOW"
_PREFIX = struct.Struct("<8sHI")
_TRAILER = struct.Struct("<QII")

INDEX = np.dtype([("offset", "<u8"), ("bytes", "<u4"), ("checksum", "<u4"), ("begin", "<f8"), ("step", "<f4")])
"""A row for each field: where it lies, its CRC-32, the second of the video at which it begins, and the step in pixels
that its components were rounded to."""

TOLERANCE = 1e-4
"""Seconds between the time asked for and the beginning of the field that is meant."""

CHECKED_FILES = 256
"""Files whose index is kept in memory, by each process."""


@dataclass(frozen=True)
class VideoFlow:
    """The checked index of a file.

    Attributes:
        path: the file.
        size: height and width of its fields, pixels.
        index: rows of :data:`INDEX`.
        about: what its writer said of it.
    """

    path: Path
    size: tuple[int, int]
    index: np.ndarray
    about: dict[str, Any]

    def __len__(self) -> int:
        return len(self.index)

    @functools.cached_property
    def _begins(self) -> np.ndarray:
        return np.ascontiguousarray(self.index["begin"])  # a search in the index would copy them each time

    def rows(self, times: np.ndarray) -> np.ndarray:
        """The numbers of the fields that begin at ``times``, in seconds, ascending or not.

        Raises:
            DataError: there is no field at one of them.
        """
        rows = self._begins.searchsorted(times - TOLERANCE)
        off = np.abs(self._begins.take(rows, mode="clip") - times)
        if off.max(initial=0) > TOLERANCE:
            missed = float(times[off.argmax()])
            raise DataError(
                f"{self.path} holds no flow field at {missed:.3f} s: it was extracted with another manifest; "
                "extract it again into another folder"
            )
        return rows

    def read(self, rows: Iterable[int]) -> np.ndarray:
        """Read fields by their numbers: ``(N, 2, H, W)`` float32, pixels.

        Raises:
            DataError: the file is gone, or a field of it is damaged.
        """
        entries = self.index[list(rows)]
        fields = np.empty((len(entries), 2, *self.size), np.float32)
        packed = []
        try:
            with self.path.open("rb", buffering=0) as file:
                for offset, count, checksum, begin, _ in entries.tolist():
                    file.seek(offset)
                    packed.append(file.read(count))
                    if zlib.crc32(packed[-1]) != checksum:
                        raise damaged(self.path, f"the checksum of the field at {begin:.3f} s does not match")
            unpack_fields(packed, entries["step"].tolist(), fields)
        except ValueError as error:
            raise damaged(self.path, str(error)) from error
        except OSError as error:
            raise DataError(f"cannot read {self.path}: {error.strerror}; extract its flow again") from error
        return fields


def damaged(path: Path, reason: str) -> DataError:
    """The error for a file that is not as it was written."""
    return DataError(f"{path} is damaged ({reason}): delete it and run `kinema flow extract` again")


def write_video_flow(path: Path, fields: Iterable[tuple[float, np.ndarray]], about: dict[str, Any]) -> VideoFlow:
    """Write a file, atomically; the same fields give the same bytes.

    Args:
        path: the file; its folder is made.
        fields: for each field when it begins, in seconds, ascending, and ``(2, H, W)`` pixels, all of one size.
        about: plain values that describe it.

    Raises:
        DataError: a field is not finite or of another size than the first, or there is none.
        OutputError: the disk is full or the folder unwritable.
    """
    rows, size = [], None
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        prefix = struct.pack("<8sH", _MAGIC, VERSION)
        file.write(prefix + struct.pack("<I", zlib.crc32(prefix)))
        for begin, field in fields:
            size = size or field.shape[1:]
            if field.shape[1:] != size:
                raise DataError(f"the field at {begin:.3f} s has another size than those before: make them alike")
            data, step = pack_field(field)
            rows.append((file.tell(), len(data), zlib.crc32(data), begin, step))
            file.write(data)
        if size is None:
            raise DataError(f"there are no flow fields to write to {path}: the video is shorter than a step")
        start = file.tell()
        text = json.dumps({**about, "size": list(size)}, sort_keys=True).encode()
        tail = np.array(rows, INDEX).tobytes() + text
        numbers = struct.pack("<QI", start, len(text))
        file.write(tail + numbers + struct.pack("<I", zlib.crc32(numbers, zlib.crc32(tail))))
    return open_video_flow(path)


def open_video_flow(path: str | Path) -> VideoFlow:
    """Check a file and read its index; kept in memory as long as the file stays the same.

    Raises:
        DataError: the file is missing, damaged, or was written by a newer version of kinema.
    """
    try:
        state = os.stat(path)
    except OSError as error:
        raise DataError(f"there is no flow at {path}; make it with `kinema flow extract`") from error
    return _open(os.fspath(path), (state.st_size, state.st_mtime_ns))  # a Path is slow as a key


@functools.lru_cache(maxsize=CHECKED_FILES)
def _open(name: str, _state: tuple[int, int]) -> VideoFlow:
    path = Path(name)
    try:
        with path.open("rb") as file:
            return _read_index(path, file)
    except OSError as error:
        raise DataError(
            f"cannot read {path}: {error.strerror}; give access to it, or extract its flow again"
        ) from error


def _read_index(path: Path, file: BinaryIO) -> VideoFlow:
    length = os.fstat(file.fileno()).st_size
    head = file.read(_PREFIX.size)
    if len(head) < _PREFIX.size or head[:8] != _MAGIC or zlib.crc32(head[:10]) != _PREFIX.unpack(head)[2]:
        raise damaged(path, "it does not begin as a flow file does")
    version = _PREFIX.unpack(head)[1]
    if version != VERSION:
        advice = "update kinema" if version > VERSION else "extract its flow again into another folder"
        raise DataError(f"{path} has format {version} of flow files, this kinema reads {VERSION}: {advice}")
    if length < _PREFIX.size + _TRAILER.size:
        raise damaged(path, "it is cut short")
    file.seek(length - _TRAILER.size)
    trailer = file.read()
    start, about_length, checksum = _TRAILER.unpack(trailer)
    room = length - _TRAILER.size - start - about_length
    if room <= 0 or room % INDEX.itemsize:
        raise damaged(path, "it is cut short")
    file.seek(start)
    tail = file.read(length - _TRAILER.size - start)
    if zlib.crc32(trailer[:-4], zlib.crc32(tail)) != checksum:
        raise damaged(path, "the checksum of its index does not match")
    try:
        about = json.loads(tail[room:])
        height, width = about.pop("size")
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise damaged(path, "its description is of another form") from error
    return VideoFlow(path, (height, width), np.frombuffer(tail[:room], INDEX), about)
