"""What all pages share: their surroundings, and moving pictures of videos."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined

from kinema import __version__
from kinema.common.files import write_text
from kinema.report.pictures import PALETTE, animation, still, themed

FPS = 8
LONGEST_SHOWN = 3.0
"""Seconds of a video that a moving picture shows."""
SHORT_SIDE = 64


@dataclass(frozen=True)
class MovingPicture:
    """A video as a moving picture and as a still for paper and for those who want no motion; both data URIs."""

    moving: str
    still: str


def write_page(path: str | Path, template: str, /, **content: Any) -> Path:
    """Write what a template of the package makes of some content, in the surroundings of all pages; return the path.

    Raises:
        OutputError: the file cannot be written.
    """
    environment = Environment(
        loader=PackageLoader("kinema", "report"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    environment.globals |= {"palette": PALETTE, "version": __version__}
    environment.filters["percent"] = lambda share, digits=1: f"{share:.{digits}%}"
    environment.filters["words"] = in_words
    environment.filters["themed"] = themed
    return write_text(path, environment.get_template(template).render(**content))


def in_words(label: str) -> str:
    """Spell a label out: ``circle_ccw`` is "circle anti-clockwise"."""
    short = {"cw": "clockwise", "ccw": "anti-clockwise"}
    return " ".join(short.get(word, word) for word in label.replace("_", " ").split(" "))


def read_frames(path: Path) -> np.ndarray:
    """Up to :data:`LONGEST_SHOWN` seconds of a video as small frames (T, H, W, 3) uint8 at :data:`FPS`.

    Raises:
        VideoError: it cannot be read.
    """
    from kinema.video import Video, View

    wanted = [i / FPS for i in range(round(LONGEST_SHOWN * FPS))]
    with Video(path, View(short_side=SHORT_SIDE)) as video:
        clip = video.at_times(wanted)
    end = int(np.searchsorted(clip.timestamps, clip.timestamps[-1]))  # beyond it the last frame is only repeated
    return clip.frames[: max(end + 1, 2)]


def read_part(path: str | Path, start: float, end: float, short_side: int) -> np.ndarray:
    """A part of a video as frames (T, H, W, 3) uint8 at :data:`FPS`, two or more.

    Args:
        path: the video.
        start: seconds.
        end: seconds; at most :data:`LONGEST_SHOWN` from ``start`` are read.
        short_side: pixels.

    Raises:
        VideoError: it cannot be read.
    """
    from kinema.video import Video, View

    count = max(2, round((min(end, start + LONGEST_SHOWN) - start) * FPS))
    with Video(path, View(short_side=short_side)) as video:
        return video.at_times((start + (np.arange(count) + 0.25) / FPS).tolist()).frames


def shown(frames: np.ndarray, place: int | None = None) -> MovingPicture:
    """Frames (T, H, W, 3) uint8 at :data:`FPS` as a moving picture, whose still is that at a place, or the middle."""
    chosen = frames[len(frames) // 2 if place is None else place]
    return MovingPicture(animation(frames, FPS, scale=1), still(chosen, scale=1))


def moving_picture(path: Path) -> MovingPicture:
    """A small moving picture of a video; errors as of :func:`read_frames`."""
    return shown(read_frames(path), 0)
