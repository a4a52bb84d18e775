"""What scans of a folder have found so far, kept while they run, so that nothing is decoded twice."""

from __future__ import annotations

import hashlib
import os
from contextlib import ExitStack
from pathlib import Path
from typing import Self

import numpy as np
import pyarrow as pa

from kinema.common.addresses import shown
from kinema.common.files import make_folder
from kinema.common.locking import locked
from kinema.common.object_cache import beside
from kinema.common.parts import Parts
from kinema.errors import DataError, VideoError
from kinema.video.damage import may_pass
from kinema.video.identity import size_and_time
from kinema.video.manifest import SCHEMA, Manifest, ManifestEntry
from kinema.video.manifest_files import read_manifest


class Scanned:
    """The rows that a scan to ``out`` has to do with: those of earlier scans, and its own.

    What is found is written to a folder of parts beside ``out`` as it comes. That is also where a scan that was killed
    has left what it had. A context manager: at the end what is not written yet is.

    Args:
        out: the manifest that will be written; None to keep all in memory.

    Raises:
        OutputError: another scan writes ``out``, or nothing can be written there.
    """

    def __init__(self, out: str | Path | None):
        self._parts = Parts[ManifestEntry](
            None if out is None else beside(out), lambda entries: Manifest.of(entries).table
        )
        self._stack = ExitStack()
        tables = [SCHEMA.empty_table()]
        if out is not None:
            lock = make_folder(beside(out).parent) / f".{Path(out).name}.lock"
            busy = f"another scan writes {shown(out)}; wait until it has ended, or choose another file"
            self._stack.enter_context(locked(lock, busy))
            for earlier in (Path(out), *self._parts.earlier()):
                try:
                    tables.append(read_manifest(earlier).table)
                except DataError:  # something else, or none yet
                    continue
        self._known = Manifest(pa.concat_tables(tables))
        hashes = np.fromiter(map(_hash, self._known.paths()), np.uint64, len(self._known))
        self._order = np.argsort(hashes, kind="stable")
        self._hashes = hashes[self._order]
        self._rows = len(self._known)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        with self._stack:
            self._parts.flush()

    def find(self, path: Path, root: Path) -> int | None:
        """The row of what an earlier scan found in the file at ``path``; None if none did, or it has changed since.

        A row that a failing storage may be to blame for is none.
        """
        if not len(self._hashes):
            return None
        name = path.relative_to(root).as_posix()
        place = np.searchsorted(self._hashes, _hash(name), "right")
        while place and self._hashes[place - 1] == _hash(name):  # the latest comes last
            place -= 1
            row = int(self._order[place])
            entry = self._known[row]
            if entry.path == name:
                return row if not may_pass(entry.error) and _as_it_was(path, entry) else None
        return None

    def add(self, entry: ManifestEntry) -> int:
        """Note what was found in a file; return its row."""
        self._parts.add(entry)
        self._rows += 1
        return self._rows - 1

    def manifest(self, rows: np.ndarray) -> Manifest:
        """The entries of these rows (N,)."""
        self._parts.flush()
        return Manifest(pa.concat_tables([self._known.table, *self._parts.tables]), rows)

    def finish(self) -> None:
        """Forget the parts: all that was found is in the manifest."""
        self._parts.finish()


def _hash(name: str) -> int:
    return int.from_bytes(hashlib.blake2b(os.fsencode(name), digest_size=8).digest(), "little")


def _as_it_was(path: Path, entry: ManifestEntry) -> bool:
    try:
        return entry.modified > 0 and size_and_time(path) == (entry.bytes, entry.modified)
    except VideoError:
        return False
