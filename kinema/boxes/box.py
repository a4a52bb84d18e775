"""A box in the picture, and what an encoder is shown of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kinema.errors import DataError

MOTION = "motion"
"""In place of files of boxes: boxes around what moves."""
MARGIN = 1.0
"""Share of a box's sides that is added on each side: what surrounds a subject says how it moves, and encoders that take
the camera's motion out of what they see would take a subject that fills the picture for the camera's."""
LEAST = 0.4
"""Shortest side of what is cut, as a share of the frame's shorter side: a smaller box would be blurred or noise."""


@dataclass(frozen=True)
class Box:
    """A part of the picture, in shares of its width and height; 0, 0 is its upper left corner.

    Attributes:
        left: from 0 to 1.
        top: from 0 to 1.
        right: above ``left``, to 1.
        bottom: above ``top``, to 1.

    Raises:
        DataError: it has no area or lies outside the picture.
    """

    left: float = 0.0
    top: float = 0.0
    right: float = 1.0
    bottom: float = 1.0

    def __post_init__(self) -> None:
        if not (0 <= self.left < self.right <= 1 and 0 <= self.top < self.bottom <= 1):
            raise DataError(
                f"a box from {self.left:g}, {self.top:g} to {self.right:g}, {self.bottom:g} is no part of 0 to 1"
            )

    @property
    def whole(self) -> bool:
        """Whether it is the whole picture."""
        return (self.left, self.top, self.right, self.bottom) == (0, 0, 1, 1)


WHOLE = Box()


@dataclass(frozen=True)
class Place:
    """What is cut of the pictures of a clip.

    Attributes:
        box: with its margin.
        subject: whose box it is; empty where subjects have no names.
    """

    box: Box
    subject: str = ""


def framed(
    box: Box,
    shape: tuple[int, int],
    aspect: float,
    squeeze: bool,
    margin: float = MARGIN,
    least: float = LEAST,
) -> Box:
    """What is cut of a picture to show the subject in ``box``: with a margin, no smaller than is sensible, and of the
    proportions of what an encoder sees, as far as the picture allows.

    Args:
        box: around the subject.
        shape: height and width of the picture in pixels, of which the proportions count.
        aspect: width by height of what the encoder sees.
        squeeze: whether it may be squeezed into that, where the picture is too small for the proportions; otherwise
            they are kept, and the subject's ends are cut off.
        margin: added on each side, as a share of the box's side.
        least: shortest side, as a share of the picture's shorter side.
    """
    height, width = shape
    across, down = (box.right - box.left) * width, (box.bottom - box.top) * height
    floor = least * min(width, height)
    across, down = max(across * (1 + 2 * margin), floor), max(down * (1 + 2 * margin), floor)
    across, down = max(across, down * aspect), max(down, across / aspect)
    if squeeze:
        across, down = min(across, width), min(down, height)
    else:
        fitting = min(1.0, width / across, height / down)
        across, down = across * fitting, down * fitting
    left, right = _within((box.left + box.right) / 2, across / width)
    top, bottom = _within((box.top + box.bottom) / 2, down / height)
    return Box(left, top, right, bottom)


def cut(frames: np.ndarray, box: Box, size: tuple[int, int]) -> np.ndarray:
    """What lies in a box of frames (T, H, W, 3) uint8, scaled to ``size`` (height, width): (T, *size, 3) uint8.

    The box is taken to the nearest whole pixels, one at least. Scaling down averages areas.
    """
    import cv2  # here, since who asks an index needs none

    height, width = frames.shape[1:3]
    left, top = min(round(box.left * width), width - 1), min(round(box.top * height), height - 1)
    right, bottom = max(round(box.right * width), left + 1), max(round(box.bottom * height), top + 1)
    part = frames[:, top:bottom, left:right]
    if part.shape[1:3] == size:
        return part
    shrinking = part.shape[1] >= size[0] and part.shape[2] >= size[1]
    how = cv2.INTER_AREA if shrinking else cv2.INTER_LINEAR
    return np.stack([cv2.resize(frame, size[::-1], interpolation=how) for frame in part])


def _within(middle: float, length: float) -> tuple[float, float]:
    """A stretch of 0 to 1 of a length, around ``middle`` as far as it does not stick out."""
    if length >= 1:
        return 0.0, 1.0
    begin = min(max(middle - length / 2, 0.0), 1 - length)
    return begin, min(begin + length, 1.0)
