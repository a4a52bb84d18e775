"""The folder of a run, and the manifest of its videos, which one process writes and the others read."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kinema.errors import DataError
from kinema.files import make_folder
from kinema.locking import locked
from kinema.training.together import Together
from kinema.video import Manifest, read_manifest, scan_folder, write_manifest
from kinema.video.manifest import MANIFEST

SEEN = 15.0
"""Seconds after which what one node has written is seen by the others, whatever their file systems keep in mind."""


@contextmanager
def run_folder(path: str | Path, together: Together) -> Iterator[Path]:
    """Be the one training that writes to a folder, which is made if it is missing.

    Args:
        path: the folder.
        together: the processes of the training, the first of which keeps out others.

    Raises:
        OutputError: another process trains there, or the folder cannot be written.
    """
    out = make_folder(path)
    if together.rank != 0:
        yield out
        return
    busy = f"another process is training in {out}; wait until it has ended, or choose another folder"
    with locked(out / ".lock", busy):
        yield out


def agreed_videos(videos: str | Path, out: Path, manifest: str | Path | None, together: Together) -> Manifest:
    """What a folder holds, as the first process has found, and written to the run's ``manifest.parquet``.

    Args:
        videos: the folder.
        out: the run's folder.
        manifest: what ``kinema scan`` wrote of the folder; None to scan it now, in the first process alone.
        together: the processes of the training.

    Raises:
        DataError: the folder or the manifest does not hold what it should, or a process reads another manifest than
            the first.
    """
    path = out / MANIFEST
    name = f"manifest of {out.name}"
    if together.rank == 0:
        entries = scan_folder(videos, path) if manifest is None else read_manifest(manifest)
        if manifest is not None and Path(manifest) != path:
            write_manifest(entries, path)
        if together.count > 1:
            together.agree(name, _fingerprint(entries))
        return entries
    wanted = together.agree(name, "")
    read = path if manifest is None else Path(manifest)
    until = time.monotonic() + SEEN
    while True:
        try:
            entries = read_manifest(read)
            if _fingerprint(entries) == wanted:
                return entries
            problem = f"{read} is not what the first process reads or wrote"
        except DataError as error:
            problem = str(error)
        if manifest is not None or time.monotonic() > until:
            raise DataError(
                f"the process of rank {together.rank} has another manifest ({problem}); give all nodes one --manifest, "
                "or none, and let --out be the same folder on all of them"
            )
        time.sleep(0.5)


def _fingerprint(entries: Manifest) -> str:
    return entries.sha256("path", "status", "frames", "bytes")
