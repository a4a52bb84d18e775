"""The folder of a run, and the manifest of its videos, which one process writes and the others read."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from kinema.common.files import make_folder
from kinema.common.locking import locked
from kinema.errors import DataError
from kinema.training.coordination import Together
from kinema.video import Manifest, read_manifest, scan_folder, write_manifest
from kinema.video.fragment import named_part
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


def agreed_videos(
    videos: str | Path, out: Path, manifest: str | Path | None, together: Together, wanted: Sequence[str] = ()
) -> Manifest:
    """What a folder holds, as the first process has found, and written to the run's ``manifest.parquet``.

    Args:
        videos: the folder.
        out: the run's folder.
        manifest: what ``kinema scan`` wrote of the folder; None to scan it now, in the first process alone.
        together: the processes of the training.
        wanted: names of videos; those that are parts of videos get entries of their own.

    Raises:
        DataError: the folder or the manifest does not hold what it should, or a process reads another manifest than
            the first.
    """
    path = out / MANIFEST
    name = f"manifest of {out.name}"
    if together.rank == 0:
        found = scan_folder(videos, path) if manifest is None else read_manifest(manifest)
        entries = _with_parts(found, wanted)
        if entries is not found or (manifest is not None and Path(manifest) != path):
            write_manifest(entries, path)
        if together.count > 1:
            together.agree(name, _fingerprint(entries))
        return entries
    agreed = together.agree(name, "")
    read = path if manifest is None else Path(manifest)
    until = time.monotonic() + SEEN
    while True:
        try:
            entries = _with_parts(read_manifest(read), wanted)
            if _fingerprint(entries) == agreed:
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


def _with_parts(entries: Manifest, wanted: Sequence[str]) -> Manifest:
    """The entries, and those of parts of videos that are not among them; of what is not there is none."""
    parts = {name: part for name in wanted if (part := named_part(name)) is not None}
    if not parts:
        return entries
    names = {*parts, *(part.path for part in parts.values())}
    known = {entry.path: entry for entry in entries if entry.path in names}
    made = []
    for name, part in parts.items():
        whole = known.get(part.path)
        if name not in known and whole is not None and part.start < whole.duration:
            length = min(part.end, whole.duration) - part.start
            made.append(replace(whole, path=name, duration=length, frames=max(1, round(length * whole.fps))))
    return Manifest.of([*entries, *made]) if made else entries


def _fingerprint(entries: Manifest) -> str:
    return entries.sha256("path", "status", "frames", "bytes")
