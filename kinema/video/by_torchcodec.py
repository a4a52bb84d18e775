"""torchcodec as decoder of the files that it reads as PyAV does; all others are left to PyAV, with a reason.

PyAV opens every file, so that headers, choice of the stream and errors are the same. When frames come on screen is told
by packets (:mod:`kinema.video.packets`), so torchcodec is asked for no frame that nobody wants to see, and each that it
gives is checked to be the one that was meant.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from av import VideoFrame

from kinema.common.extras import remedy
from kinema.common.provenance import installed
from kinema.errors import ConfigError, blaming
from kinema.video.clock import longest_pause
from kinema.video.damage import Damage
from kinema.video.decoder import Convert, Decoder, Header, LeftToPyAV, Shown
from kinema.video.identity import size_and_time
from kinema.video.loading import root_cause
from kinema.video.packets import Packets, packets_of
from kinema.video.screen import TOLERANCE
from kinema.video.source import WITHOUT_PTS, Source
from kinema.video.view import Converter, Orientation, Pixels, View

CONTAINERS = {"mov,mp4,m4a,3gp,3g2,mj2", "matroska,webm", "avi"}
"""Whose packets say where to seek; and which name no other files, since torchcodec follows all names."""
PIXEL_FORMATS = {"yuv420p", "yuvj420p", "yuv444p"}
"""Of which frames have been the same to the bit (``benchmarks/decoders.py``)."""
LEFT: dict[tuple[str, int, int], str] = {}
"""Why files were left to PyAV in this process while they were read, by path, size and time."""


class TorchCodec(Decoder):
    """A file that torchcodec decodes on the CPU by one thread, or PyAV, where torchcodec reads it otherwise.

    Raises:
        ConfigError: torchcodec is not installed, or does not load.
        VideoError: the file cannot be opened, or no frame of it decodes.
    """

    device = "cpu"

    def __init__(self, path: str | Path):
        problem = why_not_torchcodec()
        if problem:
            raise ConfigError(problem)
        self._source = Source(path)
        self.path, self.origin = self._source.path, self._source.origin
        self._base = self._source.stream.time_base or Fraction(1, 1_000_000)
        self._decoder: Any = None
        self._sound = Damage()
        self._reason, self._packets = "", Packets(np.empty(0, np.int64), "", 0)
        try:
            with blaming(self.path):
                self._look_at_packets()
        except BaseException:
            self.close()
            raise

    @property
    def decoded_by(self) -> str:
        """What decodes this file; with the reason, where it is PyAV."""
        return f"pyav ({self._reason})" if self._reason else "torchcodec"

    @property
    def header(self) -> Header:
        """What the file says of itself."""
        return self._source.header

    @property
    def damage(self) -> Damage:
        """Nothing, while torchcodec decodes: a file that it stumbles over is left to PyAV."""
        return self._source.damage if self._reason else self._sound

    @property
    def steady(self) -> bool:
        """Whether the file's clock never jumps."""
        return self._source.steady if self._reason else True

    def frames(self, start: float, counted: bool = False) -> Iterator[Shown]:
        """Yield frames, not decoded yet, from the one on screen at ``start`` seconds; PyAV counts them."""
        if self._reason or counted:
            yield from self._counted(self._source.frames(start))
            return
        begin = int(np.searchsorted(self._times, start + TOLERANCE, side="right")) - 1
        for number in range(max(0, begin), len(self._times)):
            yield Shown(float(self._times[number]), number, None)

    def frames_from(self, number: int) -> Iterator[Shown]:
        """Yield frames by number: PyAV decodes, and so counts them, without converting them."""
        return self._counted(self._source.frames_from(number))

    def converter(self, view: View) -> Convert:
        """What fetches, cuts and scales this file's frames."""
        own = self._source.converter(view)
        upright = Converter(view, VideoFrame(self.header.width, self.header.height, "rgb24"))

        def convert(frame: VideoFrame | int) -> Pixels:
            if isinstance(frame, VideoFrame):
                return own(frame)
            return upright(VideoFrame.from_numpy_buffer(self._fetched(frame), "rgb24"))

        return convert

    def end(self) -> float:
        """Return when the last frame goes off screen, in seconds from the first frame."""
        if self._reason:
            return self._source.end()
        lasts = float(self._packets.last * self._base)
        if not 0 < lasts <= longest_pause(self._source.container):
            lasts = float(np.diff(self._times[-2:]).sum()) or 1 / (self.header.fps or 25)
        return float(self._times[-1]) + lasts

    def duration(self) -> float:
        """Return the seconds that the header promises, 0 where it promises none."""
        return self._source.duration()

    def shortfall(self) -> str:
        """Say what is missing when all was decoded from the start; empty if nothing is."""
        return self._source.shortfall() if self._reason else self._source.ends_early(self.end())

    def close(self) -> None:
        """Free the decoders and the file."""
        self._decoder = None
        self._source.close()

    def _look_at_packets(self) -> None:
        """Find out when frames come on screen, and whether torchcodec reads the file as PyAV does."""
        self._file = (self.path, *size_and_time(self.path))
        self._reason = LEFT.get(self._file) or self._odd()
        if self._reason:
            return
        found = packets_of(self.path, self._source.container.format.name in WITHOUT_PTS)
        if isinstance(found, str):
            self._reason = found
            return
        self._packets = found
        self._times = (found.ticks - found.ticks[:1]) * self._base.numerator / self._base.denominator
        if not len(found.ticks) or abs(float(found.ticks[0] * self._base) - self.origin) > TOLERANCE:
            self._reason = "its first packets are not shown"

    def _counted(self, decoded: Iterator[Shown]) -> Iterator[Shown]:
        """The frames that PyAV has decoded, as torchcodec's of the same times, so that pixels are the same however they
        are asked for.
        """
        for shown in decoded:
            if self._reason:
                yield shown
                continue
            place = int(np.searchsorted(self._times, shown.time - TOLERANCE))
            if self._source.damage or place == len(self._times) or self._times[place] > shown.time + TOLERANCE:
                self._leave(str(self._source.damage) or "its packets are not its frames")
            yield shown._replace(frame=place)

    def _odd(self) -> str:
        """Why torchcodec would read such a file otherwise, by what the header and the first frame say."""
        container, first, header = self._source.container.format.name, self._source.first, self.header
        if container not in CONTAINERS:
            return f"torchcodec is not trusted with {container}"
        if header.pixel_format not in PIXEL_FORMATS:
            return f"torchcodec has other colours of {header.pixel_format}"
        if header.pixel_format != "yuv444p" and (first.width % 2 or first.height % 2):
            return "torchcodec has other colours of sides of odd length"
        if first.interlaced_frame:
            return "its frames are interlaced"
        turned = Orientation.of(first)
        if (turned.mirror_columns != turned.mirror_rows) != turned.transpose:
            return "its frames are mirrored"
        return ""

    def _fetched(self, number: int) -> Pixels:
        """The frame of a number, upright and in RGB.

        Raises:
            LeftToPyAV: torchcodec does not give it.
        """
        if self._reason:  # from before PyAV took over
            raise LeftToPyAV(self._reason)
        try:
            if self._decoder is None:
                self._decoder = self._opened()
            frame = self._decoder.get_frame_at(number)
            pixels = frame.data.cpu().numpy()
        except Exception as error:  # torchcodec raises RuntimeError, IndexError, ValueError, and whatever PyTorch does
            said = str(error).strip().splitlines() or [type(error).__name__]
            self._leave(f"torchcodec: {said[-1].rpartition(', ')[2]}", error)
        if abs(frame.pts_seconds - float(self._packets.ticks[number] * self._base)) > TOLERANCE:
            self._leave(f"torchcodec gave the frame at {frame.pts_seconds:.3f} s of its clock for another")
        return np.ascontiguousarray(pixels)

    def _opened(self) -> Any:
        from torchcodec.decoders import VideoDecoder

        return VideoDecoder(
            self._source.container.name,  # begins with file:, so that no name is taken for an address
            stream_index=self._source.stream.index,
            dimension_order="NHWC",
            num_ffmpeg_threads=1,
            device=self.device,
            custom_frame_mappings=self._packets.mapping,
        )

    def _leave(self, reason: str, error: Exception | None = None) -> NoReturn:
        self._reason, self._decoder, LEFT[self._file] = reason, None, reason
        raise LeftToPyAV(reason) from error


class TorchCodecOnGPU(TorchCodec):
    """As :class:`TorchCodec`, decoded by an NVIDIA GPU. Frames come back to the CPU, where they are scaled."""

    device = "cuda"


def version() -> str:
    """The version of torchcodec; empty where it is not installed."""
    return installed(["torchcodec"]).get("torchcodec", "")


@cache
def why_not_torchcodec() -> str:
    """Why torchcodec cannot be used here, in a sentence with the way out; empty where it can. Looked at once."""
    try:
        import torchcodec.decoders  # noqa: F401
    except ModuleNotFoundError as error:
        if error.name == "torchcodec":
            return f"torchcodec is not installed: {remedy('torchcodec')}, or set KINEMA_DECODER=pyav"
        return f"torchcodec {version()} does not load: the package {error.name} is missing"
    except Exception as error:  # it gathers what loading each of its libraries raised in a RuntimeError
        return f"torchcodec {version()} does not load: {root_cause(error)}"
    return ""
