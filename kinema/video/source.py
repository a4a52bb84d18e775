"""PyAV as decoder: the video stream of an open file, decoded in display order by one thread, from any time on."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import ExitStack
from fractions import Fraction
from functools import cache, cached_property
from pathlib import Path

import av
from av.container import InputContainer
from av.packet import Packet
from av.video.stream import VideoStream

from kinema.common import addresses
from kinema.common.heap import decoder_freed
from kinema.errors import VideoError, blaming
from kinema.video.clock import Clock, is_steady, longest_pause
from kinema.video.container import open_stream
from kinema.video.damage import Damage
from kinema.video.decoder import Convert, Decoder, Header, Shown
from kinema.video.view import Converter, Orientation, View, WholeFrames

# Read from the start only: in gif and apng a frame is a change to the one before, in mpeg (program streams: .mpg, .vob)
# few packets carry a time, and libav guesses wrong ones after a seek.
UNSEEKABLE = {"gif", "apng", "mpeg"}
WITHOUT_PTS = {"avi"}  # libav guesses presentation times there, wrongly where B-frames are packed; decoding times hold
SEEK_GAP = 1.0  # seconds; to decode this much costs less than a seek that lands on the key frame just passed
FARTHEST = 1 << 62  # ticks


class Source(Decoder):
    """An open file that is known to hold at least one frame, and a place in it; its frames are PyAV's, as decoded.

    Attributes:
        container: libav's container.
        stream: its video stream (:func:`~kinema.video.container.open_stream`).
        first: the first frame.

    Raises:
        VideoError: the file cannot be opened, or no frame of it decodes.
    """

    container: InputContainer
    stream: VideoStream
    _run: Generator[Shown, None, None]  # the decoding that is under way
    _current: Shown  # its latest frame

    def __init__(self, path: str | Path):
        self.path = addresses.shown(path)
        self._damage = Damage()
        self._origin: int | None = None  # in ticks of the stream's time base
        self._steady: bool | None = None  # None as long as nobody has asked
        self._begin()
        self.first = self._current.frame
        if not in_colours(self.first.format.name):
            self.close()
            raise VideoError(self.path, f"nothing here turns its pixel format {self.first.format.name} into RGB")
        self.origin = float((self._origin or 0) * self._base)

    @property
    def decoded_by(self) -> str:
        """PyAV."""
        return "pyav"

    @cached_property
    def header(self) -> Header:
        """What the file says of itself."""
        stream, first = self.stream, self.first
        width, height = Orientation.of(WholeFrames()(first)).swap((first.width, first.height))
        fps = float(stream.average_rate or 0)
        codec = stream.codec_context.name
        return Header(stream.frames, fps, width, height, first.rotation, codec, first.format.name)

    @property
    def damage(self) -> Damage:
        """What was wrong with the part that was decoded since the start or the latest seek."""
        return self._damage

    def converter(self, view: View) -> Convert:
        """What cuts and scales this file's frames."""
        return Converter(view, self.first)

    def close(self) -> None:
        """Free the decoder and the file."""
        self._run.close()
        self._opened.close()
        decoder_freed()

    @property
    def steady(self) -> bool:
        """Whether the file's clock never jumps; if it does, the header's duration says nothing."""
        if self._steady is None:
            with blaming(self.path):
                self._steady = is_steady(self.path, self.container, self.stream)
        return self._steady

    def frames(self, start: float, counted: bool = False) -> Iterator[Shown]:
        """Yield frames in display order from the one on screen at ``start`` seconds, or an earlier one; all decode."""
        if self._current.time > start or start - self._current.time > SEEK_GAP:
            self._move_to(start)
        yield from self._onwards()

    def frames_from(self, number: int) -> Iterator[Shown]:
        """Yield frames in display order from ``number`` or an earlier one, each with its number."""
        if self._current.number is None or self._current.number > number:
            self._rewind()
        yield from self._onwards()

    def end(self) -> float:
        """Return when the latest decoded frame goes off screen, in seconds from the first frame."""
        ticks, base = self._current.frame.duration, self._base.numerator / self._base.denominator
        if not 0 < ticks * base <= longest_pause(self.container):
            ticks = self._step
        return self._current.time + ticks * base

    def duration(self) -> float:
        """Return the seconds that the header promises, 0 where it promises none."""
        stream, container = self.stream, self.container
        if stream.frames and stream.average_rate and container.format.name in WITHOUT_PTS:
            return float(stream.frames / stream.average_rate)  # of its durations libav takes what is missing
        if stream.duration:
            return float(stream.duration * self._base)
        return max(0.0, (container.duration or 0) / av.time_base - self.origin)  # here counted from the clock's zero

    def shortfall(self) -> str:
        """Say what is missing or was mended when all was decoded from the start; empty if nothing is.

        Of what is missing only time is compared, since headers miscount frames. A few frames do not matter, nor sound
        that outlasts the picture a little where the header times only the whole.
        """
        said = [str(self.damage)] if self.damage else []
        early = "" if self.damage.jumps else self.ends_early(self.end())
        return "; ".join([*said, early] if early else said)

    def ends_early(self, end: float) -> str:
        """Say where the last frame goes off screen, at ``end`` seconds, long before the header says; or nothing."""
        promised = self.duration()
        exact = self.stream.duration or len(self.container.streams) == 1
        slack = max(5 / float(self.stream.average_rate or 25), promised / 50) if exact else max(1.0, promised / 10)
        return f"ends early, after {end:.3f} of {promised:.3f} s" if promised - end > slack else ""

    def _onwards(self) -> Iterator[Shown]:
        yield self._current
        for shown in self._run:
            self._current = shown
            yield shown

    def _move_to(self, start: float) -> None:
        """Go to the last key frame before ``start``, or to the first frame where seeking does not succeed."""
        if self.container.format.name not in UNSEEKABLE and self.steady:
            for target in (start, start - 1.0):  # some containers seek by decoding time, and land late
                if target > SEEK_GAP and self._seek(target) and self._current.time <= start:
                    return
            self._rewind()
        elif self._current.time > start:
            self._rewind()

    def _seek(self, target: float) -> bool:
        """Go to a key frame near ``target`` seconds; tell whether there is one that decodes."""
        assert self._origin is not None
        self._run.close()
        try:
            self.container.seek(self._origin + min(int(target / self._base), FARTHEST), stream=self.stream)
        except av.FFmpegError:
            return False
        self._run = self._decode(from_start=False)
        landed = next(self._run, None)
        if landed is None or not landed.frame.key_frame:  # a few containers mark packets as key that are not
            return False
        self._current = landed
        return True

    def _rewind(self) -> None:
        """Go to the first frame; opening anew is the one way that every container supports."""
        self.close()
        self._begin()

    def _begin(self) -> None:
        self._opened = ExitStack()
        self.container, self.stream = open_stream(self.path, self._opened)
        self._base = self.stream.time_base or Fraction(1, av.time_base)
        self._run = self._decode(from_start=True)
        first = next(self._run, None)
        if first is None:
            sized = bool(self.stream.width)  # libav does not say the size of what is too large
            self.close()
            why = self.damage.reason and f" ({self.damage.reason})"
            why += "" if sized else "; frames larger than 8K are not read"
            raise VideoError(self.path, f"no frame of it can be decoded{why}")
        self._current = first

    def _decode(self, from_start: bool) -> Generator[Shown, None, None]:
        """Decode onwards from where the container stands to the end; what does not decode costs its own frames."""
        self._damage, number = Damage(), 0
        by_dts = self.container.format.name in WITHOUT_PTS
        self._step = max(1, round(1 / (self._base * (self.stream.average_rate or 25))))
        last: int | None = None
        frame: av.VideoFrame | None = None
        with blaming(self.path):
            for packet in self._packets():
                for shown in self._frames_of(packet, frame):
                    ticks = packet.dts if shown is frame else shown.dts if by_dts else shown.pts
                    frame = shown
                    if last is None:
                        if ticks is None and not from_start:
                            return  # nothing tells where the seek has led
                        ticks = ticks or 0
                    elif ticks is None or ticks <= last:
                        ticks = last + self._step
                    else:
                        self._step = ticks - last
                    last = ticks
                    if self._origin is None:
                        self._origin = ticks
                    yield Shown(self._seconds(ticks), shown, number if from_start else None)
                    number += 1

    def _packets(self) -> Iterator[Packet]:
        """The packets from where the container stands, with mended times."""
        clock = Clock(self.container, self.stream)
        try:
            for packet in self.container.demux(self.stream):
                if clock.mend(packet):
                    self._steady = False
                    self.damage.jumped(self._place(packet), clock.first)
                yield packet
        except av.FFmpegError as error:
            self.damage.broke_off(error)
        except IndexError:  # how PyAV ends, all packets read, when a stream has turned up that it did not know of
            return

    def _frames_of(self, packet: Packet, before: av.VideoFrame | None) -> list[av.VideoFrame]:
        """What a packet gives; an empty one says that the frame before stays."""
        if packet.size == 0 and packet.dts is not None:
            return [before] if before is not None and not self.stream.codec_context.has_b_frames else []
        try:
            return packet.decode()
        except av.FFmpegError as error:
            theora = self.stream.codec_context.name == "theora"
            if not (theora and packet.size > 0 and bytes(packet)[0] >= 0x80):  # a header, as where files were joined
                self.damage.lost(self._place(packet), error)
            return []

    def _place(self, packet: Packet) -> float:
        """When a packet's frame would come on screen, in seconds from the first frame."""
        ticks = packet.dts if packet.pts is None else packet.pts
        return 0.0 if ticks is None or self._origin is None else max(0.0, self._seconds(ticks))

    def _seconds(self, ticks: int) -> float:
        assert self._origin is not None
        return (ticks - self._origin) * self._base.numerator / self._base.denominator


@cache
def in_colours(pixel_format: str) -> bool:
    """Whether libswscale turns pictures of a pixel format into RGB; a few of those that decoders give it does not."""
    try:
        av.VideoFrame(16, 16, pixel_format).reformat(format="rgb24")
    except (av.FFmpegError, OSError, ValueError):
        return False
    return True
