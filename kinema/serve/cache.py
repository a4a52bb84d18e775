"""Files that were made once: pictures and the map, kept beside the index below a size."""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

from kinema.common.files import atomic_path, make_folder
from kinema.common.processes import available_cores
from kinema.errors import OutputError

DIGEST = hashlib.sha256().digest_size
"""Bytes at the beginning of a file that are the digest of the others, so that a damaged one is made again."""


class Cache:
    """Files in a folder that is kept below a size; several processes may share it.

    Args:
        folder: made if there is none; where it cannot be, files are kept for as long as this object.
        limit: bytes; beyond them the files that were not asked for for longest are deleted.
    """

    def __init__(self, folder: Path, limit: int = 512 << 20):
        self._limit = limit
        try:
            self._folder = make_folder(folder)
        except OutputError:
            self._temporary = tempfile.TemporaryDirectory(prefix="kinema-previews-")
            self._folder = Path(self._temporary.name)
        self._room = threading.Semaphore(available_cores())
        self._lock = threading.Lock()
        self._written = limit  # look at the folder when the first file comes

    def get(self, key: tuple[object, ...], make: Callable[[], bytes]) -> bytes:
        """The file of a key; ``make`` is asked for it where there is none, or a damaged one."""
        path = self._folder / hashlib.sha256(repr(key).encode()).hexdigest()
        with contextlib.suppress(OSError):
            os.utime(path)
            kept = path.read_bytes()
            if hashlib.sha256(kept[DIGEST:]).digest() == kept[:DIGEST]:
                return kept[DIGEST:]
        with self._room:
            content = make()
        with self._lock, contextlib.suppress(OutputError):  # two threads may have made the same; the disk may be full
            with atomic_path(path) as temporary:
                temporary.write_bytes(hashlib.sha256(content).digest() + content)
            self._written += len(content)
            if self._written >= self._limit / 8:
                self._make_room()
        return content

    def _make_room(self) -> None:
        self._written = 0
        files = sorted(self._files())
        excess = sum(size for _, size, _ in files) - self._limit
        for _, size, path in files:
            if excess <= 0:
                return
            with contextlib.suppress(OSError):
                os.unlink(path)
            excess -= size

    def _files(self) -> Iterator[tuple[float, int, str]]:
        """When each was last asked for, its size and path; what others delete meanwhile is passed over."""
        with contextlib.suppress(OSError):
            for entry in os.scandir(self._folder):
                with contextlib.suppress(OSError):
                    status = entry.stat()
                    yield status.st_mtime, status.st_size, entry.path
