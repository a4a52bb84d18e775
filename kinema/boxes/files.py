"""Reading boxes from a file, or a folder of files, of whatever tool."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

import numpy as np

from kinema.boxes.formats import coco, deeplabcut, sleap, table
from kinema.boxes.tracks import Found, Tracks
from kinema.common.addresses import shown
from kinema.common.object_cache import fetched
from kinema.errors import ConfigError, DataError, first_few, words_of
from kinema.video.folder import walk_videos
from kinema.video.fragment import whole_of

READERS = {".json": coco.read, ".slp": sleap.read, ".h5": sleap.read, ".hdf5": sleap.read}
"""By extension; a CSV file is DeepLabCut's or a table."""
ODD = (ValueError, TypeError, LookupError, AttributeError, ArithmeticError, RuntimeError, csv.Error)
"""What the readers and their libraries say of files that no tool wrote; too deep a JSON is a RuntimeError."""


def open_tracks(source: str) -> Tracks:
    """The boxes of a file or of all files of a folder; read once as long as they do not change.

    Raises:
        DataError: there is no such file, or it cannot be read; the sentence names it.
        ConfigError: what reads it is not installed.
    """
    path = Path(source)
    _state(path)
    if path.is_dir():
        files = sorted(one for one in path.iterdir() if one.suffix.lower() in {".csv", *READERS})
        if not files:
            raise DataError(f"{source} holds no files of boxes: .csv, .json, .slp or .h5")
    else:
        files = [path]
    return _read(source, tuple(files), tuple(_state(one) for one in files))


def check_tracks(source: str, folder: Path, videos: Iterable[Path] | None = None) -> None:
    """Refuse a file of boxes that has none of any video of a folder, which is looked through as far as the first that
    it has boxes of.

    Args:
        source: the file, or a folder of files.
        folder: of the videos.
        videos: which of them are wanted; None for all that it holds.

    Raises:
        DataError: it is so, or the file or the folder cannot be read.
        ConfigError: what reads it is not installed.
    """
    tracks, without = open_tracks(source), 0
    if videos is None:
        videos = (path for path, is_video in walk_videos(folder) if is_video)
    for path in videos:
        if tracks.has_boxes_of(whole_of(path)):
            return
        without += 1
    if without:
        raise DataError(
            f"{source} has boxes of {first_few(list(tracks.videos))}, and of none of the {without} videos in "
            f"{shown(folder)}: name the file that belongs to them, or motion, as crop"
        )


@lru_cache(maxsize=4)
def _read(source: str, files: tuple[Path, ...], _states: tuple[tuple[int, int], ...]) -> Tracks:
    return Tracks.of(source, [found for file in files for found in _found(file)])


def _found(path: Path) -> list[Found]:
    try:
        found = _read_file(path)
        for one in found:
            if not (np.isfinite(one.moments).all() and np.isfinite(one.sides).all() and (one.moments >= 0).all()):
                raise DataError(
                    f"of {one.video} it has a frame or a side of a box that is no number, or before the first"
                )
        return found
    except OSError as error:
        raise DataError(f"cannot read the boxes {shown(path)}: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{shown(path)} is no text in UTF-8; is it what its name says?") from error
    except (ConfigError, DataError) as error:
        said = str(error)
        raise type(error)(said if shown(path) in said else f"{shown(path)}: {said}") from error
    except ODD as error:
        said = f"{type(error).__name__}: {words_of(error, 100)}"
        raise DataError(f"{shown(path)} is not as its tool writes it ({said}); export it anew") from error


def _read_file(path: Path) -> list[Found]:
    suffix = path.suffix.lower()
    with fetched(path) as local:
        if suffix == ".csv":
            with local.open(encoding="utf-8-sig", errors="replace") as stream:
                ours = not stream.readline().startswith("scorer")
            return table.read(path) if ours else deeplabcut.read(path)
        if suffix in READERS:
            return READERS[suffix](local)
    raise DataError(f"{shown(path)} is no file of boxes: kinema reads .csv, .json (COCO), .slp and .h5 (SLEAP)")


def _state(path: Path) -> tuple[int, int]:
    try:
        status = path.stat()
    except (OSError, ValueError) as error:  # a name with a zero in it is a ValueError
        why = getattr(error, "strerror", None) or error
        raise DataError(
            f"cannot read the boxes {shown(path)}: {why}; name a file of the boxes of these videos, or motion, as crop"
        ) from error
    return status.st_size, status.st_mtime_ns
