"""What decodes videos: the one interface between those who read clips and the libraries that decode.

PyAV (:mod:`kinema.video.source`) reads everything, and says what is wrong with it; another decoder leaves to PyAV what
it does not read, or reads otherwise.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from kinema.errors import KinemaError
from kinema.video.damage import Damage
from kinema.video.view import Pixels, View

Convert = Callable[[Any], Pixels]
"""From a decoder's own frames to (H, W, 3) uint8."""


class Shown(NamedTuple):
    """A frame and its place.

    Attributes:
        time: when it comes on screen, in seconds from the first frame of the file.
        frame: whatever its decoder's :meth:`Decoder.converter` takes; maybe not decoded yet.
        number: how many frames of the file come before it; None when decoding did not begin at the start.
    """

    time: float
    frame: Any
    number: int | None


class Header(NamedTuple):
    """What a file says of its video; the attributes are those of :class:`~kinema.video.clip.VideoInfo`."""

    frames: int
    fps: float
    width: int
    height: int
    rotation: int
    codec: str
    pixel_format: str


class LeftToPyAV(KinemaError):
    """A frame cannot be had from this decoder, which has PyAV read the file from now on: ask again from the start."""


class Decoder(ABC):
    """An open file that is known to hold at least one frame. Not to be shared between threads.

    A decoder is made of a path alone. It may raise :class:`LeftToPyAV` once, from :meth:`frames` or what
    :meth:`converter` gives; the frames it gave before count no more.

    Attributes:
        path: the file, as errors name it.
        origin: the time of the first frame on the file's own clock, in seconds.

    Raises:
        VideoError: the file cannot be opened, or no frame of it decodes.
    """

    path: str
    origin: float

    @property
    @abstractmethod
    def decoded_by(self) -> str:
        """What decodes this file; with the reason, where it is not what was asked for."""

    @property
    @abstractmethod
    def header(self) -> Header:
        """What the file says of itself."""

    @property
    @abstractmethod
    def damage(self) -> Damage:
        """What was wrong with the part that was decoded since the start or the latest seek."""

    @property
    @abstractmethod
    def steady(self) -> bool:
        """Whether the file's clock never jumps; if it does, the header's duration says nothing."""

    @abstractmethod
    def frames(self, start: float, counted: bool = False) -> Iterator[Shown]:
        """Yield frames in display order from the one on screen at ``start`` seconds, or an earlier one.

        Args:
            start: seconds; at 0 all frames come.
            counted: whether they are counted, so that only such may come as are known to decode.
        """

    @abstractmethod
    def frames_from(self, number: int) -> Iterator[Shown]:
        """Yield frames in display order from ``number`` or an earlier one, numbered as they decode."""

    @abstractmethod
    def converter(self, view: View) -> Convert:
        """What cuts and scales this file's frames to a view.

        Raises:
            DataError: a side of the scaled frames would be too long.
        """

    @abstractmethod
    def end(self) -> float:
        """Return when the latest decoded frame goes off screen, in seconds from the first frame."""

    @abstractmethod
    def duration(self) -> float:
        """Return the seconds that the header promises, 0 where it promises none."""

    @abstractmethod
    def shortfall(self) -> str:
        """Say what is missing or was mended when all was decoded from the start; empty if nothing is."""

    @abstractmethod
    def close(self) -> None:
        """Free the decoder and the file."""
