"""Flow fields kept on disk, for those who train so long that computing them again each epoch would cost more.

One file per entry, named by its key: a hash of everything its content depends on. Change the estimator, the view or the
video and the key changes, so an entry is never out of date; what is no longer used may be deleted at any time.

File format, little-endian: a prefix that all versions share (magic, version, CRC-32 of both), then the size of a number
in bytes, dimensions, shape padded to six, SHA-256 key, CRC-32 of all after the prefix but itself, and the numbers.
"""

from __future__ import annotations

import dataclasses
import logging
import math
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import numpy as np

import kinema
from kinema.errors import ConfigError, DataError
from kinema.files import atomic_path, make_folder
from kinema.flow.base import FlowEstimator
from kinema.provenance import config_sha256

VERSION = 1
_MAGIC = b"KINEFLOW"
_PREFIX = struct.Struct("<8sHI")
_HEADER = struct.Struct("<HH6I32s")
_CHECKSUM = struct.Struct("<I")
_START = _PREFIX.size + _HEADER.size + _CHECKSUM.size
_TYPES: dict[str, np.dtype[Any]] = {"float16": np.dtype("<f2"), "float32": np.dtype("<f4")}

logger = logging.getLogger(__name__)


def video_fingerprint(path: str | Path, root: str | Path | None = None) -> str:
    """A hash of a video's name, size and time of change: quick, and different once the file was replaced.

    The name is taken relative to ``root``, so that a cache stays valid when a whole folder of videos moves; without
    ``root`` it is the bare file name.

    Raises:
        DataError: there is no such file.
    """
    path = Path(path)
    try:
        state = path.stat()
        name = (path.relative_to(root) if root else Path(path.name)).as_posix()
    except (OSError, ValueError) as error:
        raise DataError(f"cannot take the fingerprint of {path}: {error}; scan its folder again") from error
    return cache_key(name=name, size=state.st_size, changed=state.st_mtime_ns)


def cache_key(**parts: Any) -> str:
    """The SHA-256, in hexadecimal, of named plain values, sequences and mappings of these, or dataclasses.

    Raises:
        ConfigError: a value is something else, whose text need not be the same in the next run.
    """

    plain = {
        name: dataclasses.asdict(part) if dataclasses.is_dataclass(part) and not isinstance(part, type) else part
        for name, part in parts.items()
    }
    try:
        return config_sha256(plain)
    except TypeError as error:
        raise ConfigError(f"a cache key is made of plain values and dataclasses: {error}") from error


def flow_key(*, video: str, estimator: FlowEstimator, view: Any, step: float, segment: Any) -> str:
    """The key of the flow of one segment of a video.

    Args:
        video: from :func:`video_fingerprint`.
        estimator: its name and all its parameters count.
        view: how frames are cut and scaled before, a dataclass.
        step: time between two frames, seconds.
        segment: which part of the video: an index, or the times of its frames.

    The version of kinema counts too, since what an estimator's defaults do may change with it.
    """
    recipe = {"name": estimator.name, "parameters": estimator.parameters, "kinema": kinema.__version__}
    return cache_key(video=video, estimator=recipe, view=view, step=step, segment=segment)


class FlowCache:
    """A folder of arrays by key; several processes may read and write it at once, the same keys included.

    Numbers are stored as float16 unless told otherwise: half the space, and a relative error of at most 2^-11 (a vector
    of 8 pixels is off by up to 0.004), below 6e-5 pixels an absolute one of at most 2^-25. :meth:`put` returns what
    :meth:`get` will, so that training sees the same numbers whether an entry was there or not.

    An entry that is damaged (cut short, bits flipped, a file under a wrong name) is never returned: it counts as
    missing and is written again. The first one in each process is logged.

    Args:
        folder: made if missing.
        precision: of the numbers on disk; "float32" for what must come back exactly, such as scores.

    Raises:
        OutputError: the folder cannot be made or written to.
    """

    def __init__(self, folder: str | Path, precision: Literal["float16", "float32"] = "float16"):
        if precision not in _TYPES:
            raise ConfigError(f"unknown cache precision {precision!r}: choose one of {', '.join(_TYPES)}")
        self.folder = make_folder(folder)
        self.precision = precision
        self.damaged = 0

    def path(self, key: str) -> Path:
        """The file of an entry, present or not."""
        return self.folder / key[:2] / f"{key}.flow"

    def get(self, key: str) -> np.ndarray | None:
        """The float32 array stored under ``key``; None if there is none, or it is damaged.

        Raises:
            DataError: a newer version of kinema wrote it.
        """
        path = self.path(key)
        try:
            return _unpack(path.read_bytes(), key)
        except FileNotFoundError:
            return None
        except _NewerVersion as error:
            raise DataError(
                f"{path} has cache format {error}, this kinema reads up to {VERSION}: "
                "update kinema or use another cache folder"
            ) from error
        except (OSError, _Damaged) as error:
            self.damaged += 1
            if self.damaged == 1:
                logger.warning(
                    "flow cache entry %s is unusable (%s): it is computed again, as any other like it", path, error
                )
            return None

    def put(self, key: str, array: np.ndarray) -> np.ndarray:
        """Store a floating-point array of up to six dimensions; return it as float32 with the precision of the disk.

        Raises:
            DataError: it holds numbers that are not finite or too large for the precision.
            OutputError: the disk is full or the folder unwritable.
        """
        with np.errstate(over="ignore"):
            stored = np.asarray(array).astype(_TYPES[self.precision])
        if not np.isfinite(stored).all():
            raise DataError(f"values that are not finite, or too large for {self.precision}, cannot be cached")
        with atomic_path(self.path(key)) as temporary:
            temporary.write_bytes(_pack(stored, key))
        return stored.astype(np.float32)

    def get_or_compute(self, key: str, compute: Callable[[], np.ndarray]) -> np.ndarray:
        """The entry under ``key``, computed and stored first where it is missing."""
        found = self.get(key)
        return self.put(key, compute()) if found is None else found


class _Damaged(Exception):
    pass


class _NewerVersion(Exception):
    pass


def _pack(array: np.ndarray, key: str) -> bytes:
    prefix = struct.pack("<8sH", _MAGIC, VERSION)
    shape = (*array.shape, *[0] * (6 - array.ndim))
    header = _HEADER.pack(array.itemsize, array.ndim, *shape, bytes.fromhex(key))
    numbers = array.tobytes()
    checksum = zlib.crc32(numbers, zlib.crc32(header))
    return b"".join((prefix, _CHECKSUM.pack(zlib.crc32(prefix)), header, _CHECKSUM.pack(checksum), numbers))


def _unpack(data: bytes, key: str) -> np.ndarray:
    if len(data) < _PREFIX.size:
        raise _Damaged("cut short")
    magic, version, prefix_checksum = _PREFIX.unpack_from(data)
    if magic != _MAGIC or zlib.crc32(data[: _PREFIX.size - 4]) != prefix_checksum:
        raise _Damaged("not a cache entry")
    if version > VERSION:
        raise _NewerVersion(version)
    if len(data) < _START:
        raise _Damaged("cut short")
    itemsize, dimensions, *shape, digest = _HEADER.unpack_from(data, _PREFIX.size)
    (checksum,) = _CHECKSUM.unpack_from(data, _START - _CHECKSUM.size)
    header, numbers = data[_PREFIX.size : _PREFIX.size + _HEADER.size], memoryview(data)[_START:]
    if zlib.crc32(numbers, zlib.crc32(header)) != checksum:
        raise _Damaged("its checksum does not match")
    if digest.hex() != key:
        raise _Damaged("it belongs to another key")
    assert len(numbers) == itemsize * math.prod(shape[:dimensions])  # the checksum vouches for it
    return np.frombuffer(numbers, f"<f{itemsize}").reshape(shape[:dimensions]).astype(np.float32)
