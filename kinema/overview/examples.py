"""Which labels of a class stand for it: the moving frames of each, side by side in a grid, or in a still sheet."""

from __future__ import annotations

import importlib.util
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import zip_longest
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from kinema.annotations.interval import Interval, by_file
from kinema.config.requests import ExamplesConfig, Order
from kinema.errors import KinemaError
from kinema.overview.labelled import LabelledFiles
from kinema.report.pages import FPS, LONGEST_SHOWN, read_part
from kinema.report.pictures import PALETTE, animated_webp

SHORTEST_SHOWN = 0.5
"""Seconds that are shown of a label that is shorter, or a point in time."""
COLUMNS = 8
"""Examples beside each other in a moving grid."""
TILE = (128, 96)
"""Width and height in pixels of an example in a sheet; in a moving grid, its height."""
_GAP, _HEADING, _WIDEST = 4, 22, 2.4
_INK, _PAPER = PALETTE["ink"][0], PALETTE["paper"][0]
_TINT = 24


@dataclass(frozen=True)
class Example:
    """A label that stands for its class.

    Attributes:
        interval: the label.
        path: of its video.
        frames: (T, H, W, 3) uint8, :data:`~kinema.report.pages.FPS` a second, of the middle of the label.
    """

    interval: Interval
    path: str
    frames: np.ndarray


class Examples:
    """Chooses labels of each class, spread over its videos, and reads them; a video that cannot be read is left out.

    Args:
        labelled: the labels.
        config: how many of a class, at most, and in which order. Labels without a confidence, as people give them, come
            before all others; those that are as confident are in random order.
        short_side: pixels of frames.

    Attributes:
        broken: what was wrong with each video that could not be read, by path.
    """

    def __init__(self, labelled: LabelledFiles, config: ExamplesConfig, short_side: int):
        self._labelled, self._config, self._short_side = labelled, config, short_side
        self.broken: dict[str, str] = {}

    def of(self, label: str) -> list[Example]:
        """Those of a class."""
        found: list[Example] = []
        for one in spread(self._labelled.of(label), self._config.order, self._config.seed):
            path = self._labelled.paths[one.file]
            if len(found) == self._config.count:
                break
            if path in self.broken:
                continue
            try:
                found.append(Example(one, path, read_part(path, *part_shown(one), self._short_side)))
            except KinemaError as error:
                self.broken[path] = str(error)
        return found


def spread(intervals: Sequence[Interval], order: Order, seed: int) -> Iterator[Interval]:
    """Labels in the order in which they are shown: one of each video, then another of each, and so on."""
    mixed = random.Random(seed).sample(list(intervals), len(intervals))
    if order == "confident":
        mixed.sort(key=lambda one: 1.0 if one.confidence is None else one.confidence, reverse=True)
    rounds = zip_longest(*by_file(mixed).values())
    return (one for some in rounds for one in some if one is not None)


def part_shown(one: Interval, most: float = LONGEST_SHOWN) -> tuple[float, float]:
    """Start and end in seconds of what is shown of a label: its middle, not too little and at most ``most``."""
    middle, length = (one.start + one.end) / 2, one.end - one.start
    half = min(max(length, SHORTEST_SHOWN), most) / 2
    start = max(0.0, middle - half)
    return start, start + 2 * half


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
