"""Videos that were unpacked to folders of numbered pictures, as Jester comes and as frames are often kept."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path

import av
from av.container import InputContainer

from kinema.common.addresses import address_of, shown
from kinema.common.object_cache import fetched
from kinema.common.storage import exists
from kinema.errors import VideoError

NAME = re.compile(r"(|img_|image_|frame_)(\d+)\.(jpg|jpeg|png)", re.IGNORECASE)
"""Prefix, number and ending of a picture's name; flow_x_00001.jpg, say, is no frame."""
RATE_FILE = "fps.txt"
"""Holds the frames a second of the pictures in its folder, in the folders of that, and in the folders of those."""

NO_PICTURES = {RATE_FILE, "thumbs.db", "desktop.ini"}
"""Files, in small letters, that may lie beside pictures: the rate, and what systems leave there."""


def picture_names(names: Iterable[str]) -> list[str]:
    """The names, sorted, of those files of a folder that count."""
    return sorted(name for name in names if not name.startswith(".") and name.lower() not in NO_PICTURES)


def are_frames(names: Iterable[str]) -> bool:
    """Whether the files of a folder are the frames of one video: two pictures or more, numbered in one way."""
    found = [NAME.fullmatch(name) for name in picture_names(names)]
    return len(found) > 1 and all(found) and len({match.group(1, 3) for match in found if match}) == 1


def open_pictures(local: Path, folder: Path) -> InputContainer:
    """Open a folder of numbered pictures like a video.

    Args:
        local: where it is read: itself, or a copy of it.
        folder: itself.

    Raises:
        VideoError: it holds no such pictures or not all of them, or nothing says how many make a second.
    """
    with os.scandir(local) as found:
        files = {entry.name: entry.is_file() for entry in found}
    names = picture_names(files)
    if not are_frames(names):
        raise VideoError(folder, "it is a folder, but not one of numbered pictures such as 00001.jpg")
    matches = [match for name in names if (match := NAME.fullmatch(name))]
    numbers = [int(match[2]) for match in matches]
    there = {int(match[2]) for match in matches if files[match.string]}
    gaps = sorted(set(range(min(numbers), max(numbers) + 1)) - there)  # a link to nothing is one, too
    widths = {len(match[2]) for match in matches}
    if gaps or len(widths) > 1:
        lack = f"picture {gaps[0]} is missing" if gaps else "their numbers differ in length"
        raise VideoError(folder, f"its pictures cannot be put in order: {lack}; extract them anew")
    prefix, ending = matches[0][1], matches[0][3]
    pattern = f"{str(local).replace('%', '%%')}/{prefix}%0{widths.pop()}d.{ending}"
    options = {"framerate": f"{_rate(folder):g}", "start_number": str(min(numbers))}
    try:
        return av.open(f"file:{pattern}", format="image2", options=options)
    except (av.FFmpegError, OSError) as error:
        raise VideoError(folder, f"its pictures cannot be read ({error.strerror or error})") from error


def _rate(folder: Path) -> float:
    """Frames a second, by the nearest :data:`RATE_FILE`."""
    whole = folder if address_of(folder) else folder.absolute()
    around = [place for place in whole.parents[:2] if place.parent != Path()]  # of an address only what is in a bucket
    for place in (whole, *around):
        path = place / RATE_FILE
        if exists(path):
            try:
                with fetched(path) as local:
                    rate = float(local.read_text())
            except ValueError:
                rate = 0.0
            if not 0 < rate < 10_000:
                raise VideoError(folder, f"{shown(path)} should hold the number of its pictures that make a second")
            return rate
    raise VideoError(
        folder,
        f"pictures have no clock; write how many make a second into a file {RATE_FILE} beside or above their folder",
    )
