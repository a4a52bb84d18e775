"""Examples side by side: a moving grid of a class, and a still sheet with a row for each class."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from kinema.overview.examples import Example
from kinema.report.pages import FPS
from kinema.report.pictures import PALETTE, animated_webp

COLUMNS = 8
"""Examples beside each other in a moving grid."""
TILE = (128, 96)
"""Width and height in pixels of an example in a sheet; in a moving grid, its height."""
_GAP, _HEADING, _WIDEST = 4, 22, 2.4
_INK, _PAPER = PALETTE["ink"][0], PALETTE["paper"][0]
_TINT = 24


def moving_grid(examples: Sequence[Example]) -> bytes:
    """Examples of a class side by side as an animated WebP; those that are shorter begin again, so all keep moving.

    Args:
        examples: at least one.
    """
    shapes = [one.frames.shape[1:3] for one in examples]
    aspect = float(np.clip(np.median([width / height for height, width in shapes]), 1 / _WIDEST, _WIDEST))
    box = (round(TILE[1] * aspect), TILE[1])
    longest = max(len(one.frames) for one in examples)
    pages = [_row_of([one.frames[at % len(one.frames)] for one in examples], box) for at in range(longest)]
    return animated_webp(np.stack(pages), FPS, scale=1, quality=60)


def contact_sheet(rows: Mapping[str, Sequence[Example]], first: int = 1) -> Image.Image:
    """A still picture with a row for each class: its number and name, and the middle frame of each example.

    Args:
        rows: the examples of each class; at least one of one class.
        first: number of the first class.
    """
    most = max(len(examples) for examples in rows.values())
    height = _HEADING + TILE[1] + 2 * _GAP
    sheet = Image.new("RGB", (most * (TILE[0] + _GAP) + _GAP, height * len(rows) + _GAP), _PAPER)
    draw, font = ImageDraw.Draw(sheet), _font()
    for number, (label, examples) in enumerate(rows.items()):
        top = number * height + _GAP
        draw.text((_GAP, top + 2), f"{first + number}. {_drawable(label)}", fill=_INK, font=font)
        for place, one in enumerate(examples):
            tile = Image.fromarray(_fitted(one.frames[len(one.frames) // 2], TILE))
            sheet.paste(tile, (_GAP + place * (TILE[0] + _GAP), top + _HEADING))
    return sheet


def _row_of(frames: Sequence[np.ndarray], box: tuple[int, int]) -> np.ndarray:
    """Frames in boxes of one size, in rows of :data:`COLUMNS`."""
    columns = min(COLUMNS, len(frames))
    rows = -(-len(frames) // columns)
    page = np.full((rows * (box[1] + _GAP) - _GAP, columns * (box[0] + _GAP) - _GAP, 3), 255, np.uint8)
    for place, frame in enumerate(frames):
        top, left = place // columns * (box[1] + _GAP), place % columns * (box[0] + _GAP)
        page[top : top + box[1], left : left + box[0]] = _fitted(frame, box)
    return page


def _fitted(frame: np.ndarray, box: tuple[int, int]) -> np.ndarray:
    """A frame as large as it can be within a box (width, height), of which the rest is dark."""
    height, width = frame.shape[:2]
    scale = min(box[0] / width, box[1] / height)
    size = max(1, min(box[0], round(width * scale))), max(1, min(box[1], round(height * scale)))
    small = cv2.resize(frame, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)
    fitted = np.full((box[1], box[0], 3), _TINT, np.uint8)
    top, left = (box[1] - size[1]) // 2, (box[0] - size[0]) // 2
    fitted[top : top + size[1], left : left + size[0]] = small
    return fitted


@lru_cache
def _font() -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """The font that comes with matplotlib, which knows many scripts, else Pillow's own."""
    spec = importlib.util.find_spec("matplotlib")
    if spec is not None and spec.origin is not None:
        file = Path(spec.origin).parent / "mpl-data" / "fonts" / "ttf" / "DejaVuSans.ttf"
        if file.is_file():
            return ImageFont.truetype(str(file), 13)
    return ImageFont.load_default(13)


def _drawable(label: str) -> str:
    """A class's name, a question mark for each sign that the font does not know; the number beside it tells."""
    unknown = bytes(_font().getmask("\uffff"))
    return "".join("?" if not sign.isspace() and bytes(_font().getmask(sign)) == unknown else sign for sign in label)
