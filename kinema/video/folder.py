"""Finding the videos of a folder."""

from __future__ import annotations

import errno
import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

from kinema.common import storage
from kinema.common.addresses import address_of, shown
from kinema.errors import DataError
from kinema.video.fragment import fragment_of
from kinema.video.identity import in_words
from kinema.video.pictures import are_frames

KINDS = (
    "264 265 3g2 3gp 3gpp asf avi divx dv f4v flv gif h264 h265 hevc ivf m1v m2t m2ts m2v m4v mjpeg mjpg mkv mod mov "
    "mp4 mpe mpeg mpg mts mxf nut ogm ogv qt rm rmvb tod ts vob vro webm wmv y4m"
)
SUFFIXES = frozenset(f".{kind}" for kind in KINDS.split())

Found = TypeVar("Found")

SAID = 6
"""Suffixes that are named of what is passed over."""


def walk_videos(folder: str | Path) -> Iterator[tuple[Path, bool]]:
    """Walk a folder, or its address, and the folders in it, through links too, but not names that begin with a dot.

    What is held meanwhile are the names of one folder at a time, and of those above it.

    Yields:
        Each file, and whether its suffix is that of a video; of a folder that holds nothing but numbered pictures
        (:mod:`kinema.video.pictures`) the folder, as a video. Sorted by the parts of the path.

    Raises:
        DataError: there is no such folder, or one in it cannot be listed.
    """
    root = Path(folder)
    if not _listing(storage.is_folder, root):
        said = (
            f"{shown(root)} is a file, and no folder" if os.path.isfile(root) else f"there is no folder {shown(root)}"
        )
        if fragment_of(root) is not None:
            said = f"{shown(root)} is a part of a video, and no folder"
        raise DataError(f"{said}; name one that holds videos")
    yield from _walk(root, set(), top=True)


def _walk(folder: Path, seen: set[str], top: bool = False) -> Iterator[tuple[Path, bool]]:
    real = os.path.realpath(folder)
    if real in seen:  # links may lead in circles
        return
    seen.add(real)
    entries = sorted(item for item in _listing(_entries, folder) if item[0] and not item[0].startswith("."))
    if not top and not any(is_folder for _, is_folder in entries) and are_frames([name for name, _ in entries]):
        yield folder, True
        return
    for name, is_folder in entries:
        path = folder / name
        if is_folder:
            yield from _walk(path, seen)
        else:
            yield path, path.suffix.lower() in SUFFIXES


def _entries(folder: Path) -> list[tuple[str, bool]]:
    """The names in a folder, and whether they are folders."""
    if (address := address_of(folder)) is not None:
        return [(name, state.folder) for name, state in storage.listed(address)]
    with os.scandir(folder) as found:
        return [(item.name, _leads_to_folder(item)) for item in found]


def _leads_to_folder(item: os.DirEntry[str]) -> bool:
    try:
        return item.is_dir()
    except OSError as error:
        if error.errno == errno.ELOOP:  # a link that leads to itself is as one that leads nowhere
            return False
        raise


def _listing(do: Callable[[Path], Found], folder: Path) -> Found:
    try:
        return do(folder)
    except OSError as error:
        way_out = "give access to it or move it away"
        if address_of(folder) is not None:
            way_out = "see to the address, the credentials and the network"
        raise DataError(f"cannot list {error.filename}: {in_words(error)}; {way_out}") from error


def find_videos(folder: str | Path) -> tuple[list[Path], list[Path]]:
    """The videos of a folder, and its other files, both sorted: what :func:`walk_videos` finds.

    Raises:
        DataError: there is no such folder, or one in it cannot be listed.
    """
    videos: list[Path] = []
    others: list[Path] = []
    for path, is_video in walk_videos(folder):
        (videos if is_video else others).append(path)
    return videos, others


def passed_over(folder: str | Path) -> str:
    """Say in a sentence how many files of a folder are not named as videos are, by suffix; empty if all are."""
    counts = Counter(path.suffix.lower() or "no suffix" for path, is_video in walk_videos(folder) if not is_video)
    if not counts:
        return ""
    named = ", ".join(f"{count} {suffix}" for suffix, count in counts.most_common(SAID))
    more = f", {len(counts) - SAID} more suffixes" if len(counts) > SAID else ""
    return f"passed over, since they are not named as videos are: {named}{more}"


def without_videos(folder: Path, others: Sequence[Path]) -> str:
    """Say in a sentence that a folder holds no videos, but ``others``."""
    found = f"only {len(others)} files with other suffixes" if others else "nor any other file"
    return f"{shown(folder)} holds no videos, {found}; a video's name ends in one of: {KINDS}"
