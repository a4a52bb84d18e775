"""What each video of a folder really holds, found by decoding it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import ExitStack, closing
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TypeVar

import numpy as np

from kinema.common.addresses import resolved
from kinema.common.clock import clock
from kinema.common.cluster import spread
from kinema.common.processes import available_cores
from kinema.common.progress import make_bar, track
from kinema.errors import DataError, KinemaError, VideoError, blaming
from kinema.video.folder import walk_videos, without_videos
from kinema.video.identity import size_and_time
from kinema.video.manifest import OK, PARTIAL, UNREADABLE, Manifest, ManifestEntry
from kinema.video.manifest_files import write_manifest
from kinema.video.scanned import Scanned
from kinema.video.source import Source

CONSTANT = 0.0015  # seconds by which steps may differ in a file of constant rate: some containers round to milliseconds

TOLD = 250
"""Frames after which a scan tells where it is."""
AHEAD = 8
"""Files that are in hand at a time for each that is decoded."""

Told = Callable[[float], None]
"""Is told up to which second a file has been decoded."""
Item = TypeVar("Item")
Seen = TypeVar("Seen")


def scan_folder(
    folder: str | Path,
    out: str | Path | None = None,
    *,
    workers: int | None = None,
    progress: bool = True,
    cluster: str | None = None,
) -> Manifest:
    """Decode every video in ``folder`` once and say what it holds, sorted by path.

    With ``out`` nothing is decoded twice: files that are as an earlier scan to ``out`` found them, by size and time,
    are taken from there, and a scan that is stopped or killed goes on with what it had.

    Args:
        folder: or its address; searched with all folders in it (see :func:`~kinema.video.folder.walk_videos`).
        out: where the manifest is written (see :func:`~kinema.video.manifest_files.write_manifest`); None for nowhere.
        workers: files decoded at the same time; None for as many as there are processor cores.
        progress: show a bar with the time left.
        cluster: whose machines decode, all of which see the folder under its name (:mod:`kinema.common.cluster`); None
            for this process.

    Raises:
        DataError: there is no such folder, or no video in it.
        OutputError: ``out`` cannot be written, or another scan writes it.
        ConfigError: there is no such cluster, or a machine of it does not see the folder.
    """
    root, order = Path(folder) if cluster is None else resolved(folder), list[int]()
    count = _count(root)
    with ExitStack() as stack:
        scanned = stack.enter_context(Scanned(out))

        def unknown() -> Iterator[tuple[int, Path]]:
            """What has to be decoded, each with its place; of the rest the rows are noted."""
            for place, path in enumerate(path for path, is_video in walk_videos(root) if is_video):
                row = scanned.find(path, root)
                order.append(-1 if row is None else row)
                if row is None:
                    yield place, path
                else:
                    bar.advance(task)

        bar = make_bar("at", wanted=progress)
        task = bar.add_task("Scanning", total=count, at="")

        def decoded(item: tuple[int, Path]) -> ManifestEntry:
            path = item[1]
            return scan_file(path, root, lambda seconds: bar.update(task, at=f"{path.name} at {clock(seconds)}"))

        stack.enter_context(bar)
        if cluster is None:
            seen = _as_they_come(unknown(), decoded, workers or available_cores())
        else:
            seen = _on_cluster(cluster, unknown(), root)
        for (place, _), entry in seen:
            order[place] = scanned.add(entry)
            bar.advance(task)
        manifest = scanned.manifest(np.array(order, np.int32))
        if out is not None:
            write_manifest(manifest, out)
            scanned.finish()
    return manifest


def _on_cluster(
    cluster: str, items: Iterable[tuple[int, Path]], root: Path
) -> Iterator[tuple[tuple[int, Path], ManifestEntry]]:
    """As :func:`_as_they_come` of :func:`scan_file`; a file over which workers are lost is unreadable."""
    for item, found in spread(cluster, items, partial, [scan_numbered, root], shared=[root], weigh=size_of):
        if isinstance(found, KinemaError):
            found = ManifestEntry(item[1].relative_to(root).as_posix(), UNREADABLE, error=str(found))
        yield item, found


def size_of(item: tuple[int, Path]) -> int:
    """Bytes of a file, which comes with a number; 0 if there is none."""
    try:
        return size_and_time(item[1])[0]
    except VideoError:
        return 0


def scan_numbered(root: Path, item: tuple[int, Path]) -> ManifestEntry:
    """As :func:`scan_file`, of a file that comes with a number: what a worker of a cluster does."""
    return scan_file(item[1], root)


def _count(root: Path) -> int:
    count, others = 0, list[Path]()
    for path, is_video in walk_videos(root):
        count += is_video
        if not count and not is_video:
            others.append(path)
    if not count:
        raise DataError(without_videos(root, others))
    return count


def probe_files(root: Path, files: Sequence[str], *, workers: int | None = None) -> dict[str, str]:
    """Open videos and decode their first frames: quicker than to scan them, and blind to damage further on.

    Args:
        root: the folder that ``files`` are relative to.
        files: the videos.
        workers: files opened at the same time; None for as many as there are processor cores.

    Returns:
        Why a file cannot be read, for each that cannot.
    """
    opened = _as_they_come(files, lambda file: _first_frame(root / file), workers or available_cores())
    reasons = dict(track(opened, "Opening", len(files)))
    return {file: reasons[file] for file in files if reasons[file]}


def _first_frame(path: Path) -> str:
    """Why the first frame does not decode; empty if it does."""
    try:
        Source(path).close()
    except VideoError as error:
        return error.reason
    return ""


def _as_they_come(items: Iterable[Item], look: Callable[[Item], Seen], workers: int) -> Iterator[tuple[Item, Seen]]:
    """Look at items in threads, few of them ahead, and yield each with what was seen as soon as it was."""
    waiting: dict[Future[Seen], Item] = {}

    def done() -> Iterator[tuple[Item, Seen]]:
        found = wait(waiting, return_when=FIRST_COMPLETED).done
        for future in sorted(found, key=lambda future: future.exception() is not None):  # nothing seen is lost
            yield waiting.pop(future), future.result()

    with ThreadPoolExecutor(workers) as pool:  # libav decodes without Python's lock
        try:
            for item in items:
                waiting[pool.submit(look, item)] = item
                if len(waiting) >= AHEAD * workers:
                    yield from done()
            while waiting:
                yield from done()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def scan_file(path: Path, root: Path, told: Told = lambda seconds: None) -> ManifestEntry:
    """Decode the file at ``path`` in full; a file that cannot be read gives an entry that says so.

    Args:
        path: the file.
        root: the folder that the entry's path is relative to.
        told: now and then, up to which second the file has been decoded.
    """
    name = path.relative_to(root).as_posix()
    size = modified = 0
    try:
        size, modified = size_and_time(path)
        return replace(_decoded(path, name, told), bytes=size, modified=modified)
    except VideoError as error:
        return ManifestEntry(name, UNREADABLE, bytes=size, error=error.reason, modified=modified)


def _decoded(path: Path, name: str, told: Told) -> ManifestEntry:
    with closing(Source(path)) as source, blaming(path):
        decoded: list[float] = []
        for shown in source.frames_from(0):
            decoded.append(shown.time)
            if len(decoded) % TOLD == 0:
                told(shown.time)
        times = np.array(decoded)
        steps, end = np.diff(times), source.end()
        missing = source.shortfall()
        header_rate = float(source.stream.average_rate or 0)
        return ManifestEntry(
            path=name,
            status=PARTIAL if missing else OK,
            duration=round(end, 6),
            frames=len(times),
            fps=round(len(steps) / float(times[-1]) if len(steps) else header_rate, 6),
            width=source.first.width,
            height=source.first.height,
            rotation=source.first.rotation,
            codec=source.stream.codec_context.name,
            variable_rate=bool(len(steps) and np.ptp(steps) > CONSTANT),
            start=round(source.origin, 6),
            error=missing,
        )
