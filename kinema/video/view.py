"""How a decoded frame becomes pixels: turned upright, cropped, scaled, RGB."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from av import VideoFrame
from av.video.reformatter import Interpolation, VideoReformatter
from numpy.typing import NDArray

from kinema.errors import ConfigError

Pixels = NDArray[np.uint8]

# Without the second flag libswscale gives every two columns one colour: a 720p frame scaled to 320 pixels then differs
# by 2 levels on average from the true one and is darker, with it by 0.5; it costs nothing.
SCALING = Interpolation.AREA | Interpolation.FULL_CHR_H_INT


@dataclass(frozen=True)
class View:
    """How a frame is cut and scaled while it is read; the default leaves it as it is.

    Attributes:
        crop: width and height in pixels of a central crop, taken first, at the displayed scale; where a frame is
            smaller than that, all of it is kept.
        short_side: the frame is then scaled so that its shorter side has this many pixels, or
        size: is scaled to this height and width, whatever its proportions.

    Raises:
        ConfigError: a number is not positive, or both ``short_side`` and ``size`` are given.
    """

    crop: tuple[int, int] | None = None
    short_side: int | None = None
    size: tuple[int, int] | None = None

    def __post_init__(self) -> None:
        numbers = (*(self.crop or ()), *(self.size or ()), *(() if self.short_side is None else (self.short_side,)))
        if any(number < 1 for number in numbers):
            raise ConfigError(f"{self} asks for less than one pixel: use positive numbers")
        if self.short_side is not None and self.size is not None:
            raise ConfigError(f"{self} gives both short_side and size: drop one of them")

    def scaled(self, width: int, height: int) -> tuple[int, int]:
        """Return the width and height to which a (cropped) frame of ``width`` x ``height`` pixels is scaled."""
        if self.size is not None:
            return self.size[1], self.size[0]
        if self.short_side is None:
            return width, height
        scale = self.short_side / min(width, height)
        return max(1, round(width * scale)), max(1, round(height * scale))


@dataclass(frozen=True)
class Orientation:
    """What turns a stored frame upright: an optional transposition, then mirroring of columns and rows."""

    transpose: bool = False
    mirror_columns: bool = False
    mirror_rows: bool = False

    @classmethod
    def of(cls, frame: VideoFrame) -> Orientation:
        """Read the display matrix of ``frame``: it maps (x, y) to (a x + c y, b x + d y), in quarter turns."""
        # PyAV ties a frame whose side data are looked at into a reference cycle, and with it the decoder's buffers; so
        # a copy of one pixel is looked at.
        speck = VideoReformatter().reformat(
            frame, width=1, height=1, format="gray", interpolation=Interpolation.POINT, threads=1
        )
        matrix: Any = speck.side_data.get("DISPLAYMATRIX")
        if matrix is None:
            return cls()
        a, b, _, c, d = np.frombuffer(matrix, np.int32)[:5].tolist()
        if abs(a) >= abs(b):
            return cls(False, a < 0, d < 0)
        return cls(True, c < 0, b < 0)

    def swap(self, size: tuple[int, int]) -> tuple[int, int]:
        """Carry a width and height from the stored to the displayed frame, or back."""
        return size[::-1] if self.transpose else size

    def apply(self, pixels: Pixels) -> Pixels:
        """Return ``pixels`` (H, W, 3) upright, as a view."""
        if self.transpose:
            pixels = pixels.transpose(1, 0, 2)
        if self.mirror_columns:
            pixels = pixels[:, ::-1]
        return pixels[::-1] if self.mirror_rows else pixels


class Converter:
    """Turns decoded frames into RGB arrays of one size, that of the first frame it is shown.

    Conversion and scaling are one step of libswscale wherever the crop keeps the whole frame. Scaling down averages
    areas, so it does not alias. Transparency is dropped, non-square pixels stay as stored, and no tone mapping is done.
    """

    def __init__(self, view: View, first: VideoFrame):
        self.orientation = Orientation.of(first)
        width, height = self.orientation.swap((first.width, first.height))
        crop_width, crop_height = view.crop or (width, height)
        crop_width, crop_height = min(crop_width, width), min(crop_height, height)
        self._stored = first.width, first.height
        self._crop: tuple[slice, slice] | None = None
        if (crop_width, crop_height) != (width, height):
            left, top = (width - crop_width) // 2, (height - crop_height) // 2
            self._crop = slice(top, top + crop_height), slice(left, left + crop_width)
        self._size = view.scaled(crop_width, crop_height)
        self._convert, self._scale = VideoReformatter(), VideoReformatter()

    def __call__(self, frame: VideoFrame) -> Pixels:
        """Return ``frame`` as (H, W, 3) uint8."""
        if self._crop is None:
            return self.orientation.apply(_pixels(self._convert, frame, self.orientation.swap(self._size)))
        cut = self.orientation.apply(_pixels(self._convert, frame, self._stored))[self._crop]
        if cut.shape[1::-1] == self._size:
            return cut
        return _pixels(self._scale, VideoFrame.from_ndarray(np.ascontiguousarray(cut), format="rgb24"), self._size)


def _pixels(reformatter: VideoReformatter, frame: VideoFrame, size: tuple[int, int]) -> Pixels:
    """``frame`` at ``size`` (width, height) as (H, W, 3).

    libswscale scales into planes twice as fast as into packed pixels, to the same levels but for one at times. Where
    there is nothing to scale it leaves the last columns of planes unwritten, at widths that are no multiple of 16.
    """
    packed = size == (frame.width, frame.height)
    kind = "rgb24" if packed else "gbrp"
    rgb = reformatter.reformat(frame, width=size[0], height=size[1], format=kind, interpolation=SCALING, threads=1)
    if packed:
        return np.asarray(rgb.to_ndarray(), np.uint8)
    import cv2  # here, so that who only asks for headers does without

    green, blue, red = (
        np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)[: size[1], : size[0]]
        for plane in rgb.planes
    )
    return np.asarray(cv2.merge((red, green, blue)), np.uint8)
