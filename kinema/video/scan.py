"""Finding the videos of a folder and what each one really holds."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import TypeVar

import numpy as np

from kinema.clock import clock
from kinema.errors import DataError, VideoError, blaming
from kinema.processes import available_cores
from kinema.progress import make_bar
from kinema.video.identity import size_and_time
from kinema.video.manifest import OK, PARTIAL, UNREADABLE, ManifestEntry
from kinema.video.pictures import are_frames
from kinema.video.source import Source

KINDS = (
    "264 265 3g2 3gp 3gpp asf avi divx dv f4v flv gif h264 h265 hevc ivf m1v m2t m2ts m2v m4v mjpeg mjpg mkv mod mov "
    "mp4 mpe mpeg mpg mts mxf nut ogm ogv qt rm rmvb tod ts vob vro webm wmv y4m"
)
SUFFIXES = frozenset(f".{kind}" for kind in KINDS.split())
CONSTANT = 0.0015  # seconds by which steps may differ in a file of constant rate: some containers round to milliseconds

SAID = 6
"""Suffixes that are named of what is passed over."""
TOLD = 250
"""Frames after which a scan tells where it is."""

Told = Callable[[float], None]
"""Is told up to which second a file has been decoded."""
Item = TypeVar("Item")
Seen = TypeVar("Seen")


def find_videos(folder: str | Path) -> tuple[list[Path], list[Path]]:
    """Walk ``folder`` and the folders in it, through links too, passing over names that begin with a dot.

    Returns:
        The files whose suffix is that of a video, with the folders that hold nothing but numbered pictures
        (:mod:`kinema.video.pictures`), and the other files; both sorted.

    Raises:
        DataError: there is no such folder, or one in it cannot be listed.
    """

    def refuse(error: OSError) -> None:
        reason = (error.strerror or str(error)).lower()
        raise DataError(f"cannot list {error.filename}: {reason}; give access to it or move it away") from error

    root = Path(folder)
    if not root.is_dir():
        raise DataError(f"there is no folder {root}; name one that holds videos")
    videos: list[Path] = []
    others: list[Path] = []
    seen: set[str] = set()  # links may lead in circles
    for parent, folders, names in os.walk(root, onerror=refuse, followlinks=True):
        real = os.path.realpath(parent)
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        names = [name for name in names if not name.startswith(".")]
        if parent != str(root) and not folders and are_frames(names):
            videos.append(Path(parent))
            continue
        for name in names:
            (videos if Path(name).suffix.lower() in SUFFIXES else others).append(Path(parent, name))
    return sorted(videos), sorted(others)


def passed_over(folder: str | Path) -> str:
    """Say in a sentence how many files of a folder are not named as videos are, by suffix; empty if all are."""
    counts = Counter(path.suffix.lower() or "no suffix" for path in find_videos(folder)[1])
    if not counts:
        return ""
    named = ", ".join(f"{count} {suffix}" for suffix, count in counts.most_common(SAID))
    more = f", {len(counts) - SAID} more suffixes" if len(counts) > SAID else ""
    return f"passed over, since they are not named as videos are: {named}{more}"


def without_videos(folder: Path, others: Sequence[Path]) -> str:
    """Say in a sentence that a folder holds no videos, but ``others``."""
    found = f"only {len(others)} files with other suffixes" if others else "nor any other file"
    return f"{folder} holds no videos, {found}; a video's name ends in one of: {KINDS}"


def scan_folder(folder: str | Path, *, workers: int | None = None, progress: bool = True) -> list[ManifestEntry]:
    """Decode every video in ``folder`` once and say what it holds, sorted by path.

    Args:
        folder: searched with all folders in it (see :func:`find_videos`).
        workers: files decoded at the same time; None for as many as there are processor cores.
        progress: show a bar with the time left.

    Raises:
        DataError: there is no such folder, or no video in it.
    """
    root = Path(folder)
    videos, others = find_videos(root)
    if not videos:
        raise DataError(without_videos(root, others))
    return _of_each(videos, lambda path, told: scan_file(path, root, told), "Scanning", workers, progress)


def probe_files(
    root: Path, files: Sequence[str], *, workers: int | None = None, progress: bool = True
) -> dict[str, str]:
    """Open videos and decode their first frames: quicker than to scan them, and blind to damage further on.

    Args:
        root: the folder that ``files`` are relative to.
        files: the videos.
        workers: files opened at the same time; None for as many as there are processor cores.
        progress: show a bar with the time left.

    Returns:
        Why a file cannot be read, for each that cannot.
    """
    reasons = _of_each(files, lambda file, _: _first_frame(root / file), "Opening", workers, progress)
    return {file: reason for file, reason in zip(files, reasons, strict=True) if reason}


def _first_frame(path: Path) -> str:
    """Why the first frame does not decode; empty if it does."""
    try:
        Source(path).close()
    except VideoError as error:
        return error.reason
    return ""


def _of_each(
    items: Sequence[Item], look: Callable[[Item, Told], Seen], verb: str, workers: int | None, progress: bool
) -> list[Seen]:
    bar = make_bar("at")
    bar.disable = bar.disable or not progress
    task = bar.add_task(verb, total=len(items), at="")

    def seen(item: Item) -> Seen:
        name = Path(str(item)).name
        found = look(item, lambda seconds: bar.update(task, at=f"{name} at {clock(seconds)}"))
        bar.advance(task)
        return found

    with bar, ThreadPoolExecutor(workers or available_cores()) as pool:  # libav decodes without Python's lock
        return list(pool.map(seen, items))


def scan_file(path: Path, root: Path, told: Told = lambda seconds: None) -> ManifestEntry:
    """Decode the file at ``path`` in full; a file that cannot be read gives an entry that says so.

    Args:
        path: the file.
        root: the folder that the entry's path is relative to.
        told: now and then, up to which second the file has been decoded.
    """
    name = path.relative_to(root).as_posix()
    size = 0
    try:
        size = size_and_time(path)[0]
        return _decoded(path, name, size, told)
    except VideoError as error:
        return ManifestEntry(name, UNREADABLE, bytes=size, error=error.reason)


def _decoded(path: Path, name: str, size: int, told: Told) -> ManifestEntry:
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
            bytes=size,
            error=missing,
        )
