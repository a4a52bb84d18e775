"""How a decoded frame becomes pixels: turned upright, cropped, scaled, RGB."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from av import VideoFrame
from av.filter import Graph
from av.video.reformatter import Interpolation, VideoReformatter
from numpy.typing import NDArray

from kinema.errors import ConfigError, DataError

Pixels = NDArray[np.uint8]

# Without the second flag libswscale gives every two columns one colour: a 720p frame scaled to 320 pixels then differs
# by 2 levels on average from the true one and is darker, with it by 0.5; it costs nothing.
SCALING = Interpolation.AREA | Interpolation.FULL_CHR_H_INT

LONGEST_SIDE = 1 << 15
"""Pixels that a side of a scaled frame may have: more cannot be encoded as a picture, and takes too much memory."""


@dataclass(frozen=True)
class View:
    """How a frame is cut and scaled while it is read; the default leaves it as it is.

    Attributes:
        crop: width and height in pixels of a central crop, taken first, at the displayed scale; where a frame is
            smaller than that, all of it is kept.
        short_side: the frame is then scaled so that its shorter side has this many pixels, or
        size: is scaled to this height and width, whatever its proportions.
        enlarge: whether a frame whose shorter side is shorter than ``short_side`` is scaled up to it.

    Raises:
        ConfigError: a number is not positive, or both ``short_side`` and ``size`` are given.
    """

    crop: tuple[int, int] | None = None
    short_side: int | None = None
    size: tuple[int, int] | None = None
    enlarge: bool = True

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
        if scale > 1 and not self.enlarge:
            return width, height
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


class WholeFrames:
    """Takes frames that are flagged as interlaced for whole ones, as ffmpeg's own scaling does.

    libswscale scales each field of such a frame by itself: of what moves, two halves then alternate from line to line
    however small the result, and one line has no fields at all. Of a whole frame both fields are averaged where it is
    scaled down by two or more; at its stored size the lines stay as they are.
    """

    def __init__(self) -> None:
        self._graph: Graph | None = None
        self._kind: tuple[int, int, str] | None = None

    def __call__(self, frame: VideoFrame) -> VideoFrame:
        """Return ``frame``, or the same pixels without the flag."""
        if not frame.interlaced_frame:
            return frame
        kind = frame.width, frame.height, frame.format.name
        if self._graph is None or kind != self._kind:
            self._graph, self._kind = Graph(), kind
            source = self._graph.add_buffer(None, frame.width, frame.height, frame.format, time_base=Fraction(1, 1000))
            whole, sink = self._graph.add("setfield", "prog"), self._graph.add("buffersink")
            source.link_to(whole)
            whole.link_to(sink)
            self._graph.configure()
        self._graph.push(frame)
        pulled = self._graph.pull()
        assert isinstance(pulled, VideoFrame)
        return pulled


class Converter:
    """Turns decoded frames into RGB arrays of one size, that of the first frame it is shown.

    Conversion and scaling are one step of libswscale wherever the crop keeps the whole frame. Scaling down averages
    areas, so it does not alias. Transparency is dropped, non-square pixels stay as stored, and no tone mapping is done.
    Interlaced frames are taken as they are stored (:class:`WholeFrames`), not deinterlaced.

    Raises:
        DataError: a side of the scaled frames would be longer than :data:`LONGEST_SIDE`.
    """

    def __init__(self, view: View, first: VideoFrame):
        self._whole = WholeFrames()
        first = self._whole(first)
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
        if max(self._size) > LONGEST_SIDE:
            raise DataError(
                f"its frames of {width}x{height} pixels would be scaled to {self._size[0]}x{self._size[1]}; crop them"
            )
        self._convert, self._scale = VideoReformatter(), VideoReformatter()

    def __call__(self, frame: VideoFrame) -> Pixels:
        """Return ``frame`` as (H, W, 3) uint8."""
        frame = self._whole(frame)
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

    width, height = size
    green, blue, red = [np.frombuffer(memoryview(p), np.uint8).reshape(-1, p.line_size) for p in rgb.planes]
    return np.asarray(cv2.merge((red[:height, :width], green[:height, :width], blue[:height, :width])), np.uint8)
