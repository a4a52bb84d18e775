"""One open video file: its video stream, decoded in display order by one thread, from any time on."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import av
from av.container import InputContainer
from av.stream import Disposition
from av.video.stream import VideoStream

from kinema.errors import VideoError
from kinema.video.heap import decoder_freed
from kinema.video.pictures import open_pictures

# Read from the start only: in gif and apng a frame is a change to the one before, in mpeg (program streams: .mpg, .vob)
# few packets carry a time, and libav guesses wrong ones after a seek.
UNSEEKABLE = {"gif", "apng", "mpeg"}
WITHOUT_PTS = {"avi"}  # libav guesses presentation times there, wrongly where B-frames are packed; decoding times hold
SEEK_GAP = 1.0  # seconds; to decode this much costs less than a seek that lands on the key frame just passed


class Shown(NamedTuple):
    """A decoded frame.

    Attributes:
        time: when it comes on screen, in seconds from the first frame of the file.
        frame: still in the codec's own format.
        number: how many frames of the file come before it; None when decoding did not begin at the start.
    """

    time: float
    frame: av.VideoFrame
    number: int | None


class Source:
    """An open file that is known to hold at least one frame, and a place in it.

    Attributes:
        container: libav's container.
        stream: its first video stream that is no cover picture.
        first: the first frame.
        origin: the time of the first frame on the file's own clock, in seconds.
        damage: empty, or why decoding stopped before the end of the file.

    Raises:
        VideoError: the file cannot be opened, or no frame of it decodes.
    """

    container: InputContainer
    stream: VideoStream
    _run: Generator[Shown, None, None]  # the decoding that is under way
    _current: Shown  # its latest frame

    def __init__(self, path: str | Path):
        self.path = str(path)
        self.damage = ""
        self._origin: int | None = None  # in ticks of the stream's time base
        self._begin()
        self.first = self._current.frame
        self.origin = float((self._origin or 0) * self._base)

    def close(self) -> None:
        """Free the decoder and the file."""
        self._run.close()
        self.container.close()
        decoder_freed()

    def frames(self, start: float) -> Iterator[Shown]:
        """Yield frames in display order from the one on screen at ``start`` seconds, or an earlier one."""
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
        return self._current.time + float((self._current.frame.duration or self._step) * self._base)

    def duration(self) -> float:
        """Return the seconds that the header promises, 0 where it promises none."""
        stream, container = self.stream, self.container
        if stream.frames and stream.average_rate and container.format.name in WITHOUT_PTS:
            return float(stream.frames / stream.average_rate)  # of its durations libav takes what is missing
        if stream.duration:
            return float(stream.duration * self._base)
        return max(0.0, (container.duration or 0) / av.time_base - self.origin)  # here counted from the clock's zero

    def shortfall(self, frames: int) -> str:
        """Say what is missing when ``frames`` frames were all that decoded from the start; empty if nothing is.

        Short of damage only time is compared, since headers miscount frames. A few frames do not matter, nor sound that
        outlasts the picture a little where the header times only the whole.
        """
        if self.damage:
            declared = f" of {self.stream.frames}" if self.stream.frames else ""
            return f"corrupt after {frames}{declared} frames ({self.damage})"
        promised, end = self.duration(), self.end()
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
        if self.container.format.name not in UNSEEKABLE:
            for target in (start, start - 1.0):  # some containers seek by decoding time, and land late
                if target > SEEK_GAP and self._seek(target) and self._current.time <= start:
                    return
        self._rewind()

    def _seek(self, target: float) -> bool:
        """Go to a key frame near ``target`` seconds; tell whether there is one that decodes."""
        assert self._origin is not None
        self._run.close()
        try:
            self.container.seek(self._origin + int(target / self._base), stream=self.stream)
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
        self.container, self.stream = _open(self.path)
        self._base = self.stream.time_base or Fraction(1, av.time_base)
        self._run = self._decode(from_start=True)
        first = next(self._run, None)
        if first is None:
            self.close()
            raise VideoError(self.path, f"no frame of it can be decoded{self.damage and f' ({self.damage})'}")
        self._current = first

    def _decode(self, from_start: bool) -> Generator[Shown, None, None]:
        """Decode onwards from where the container stands, to the end or to the first damage."""
        self.damage, number = "", 0
        by_dts = self.container.format.name in WITHOUT_PTS
        self._step = max(1, round(1 / (self._base * (self.stream.average_rate or 25))))
        last: int | None = None
        try:
            for packet in self.container.demux(self.stream):
                for frame in packet.decode():
                    ticks = frame.dts if by_dts else frame.pts
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
                    yield Shown(self._seconds(ticks), frame, number if from_start else None)
                    number += 1
        except av.FFmpegError as error:
            self.damage = error.strerror or type(error).__name__
        except IndexError:  # how PyAV ends, all packets decoded, when a stream has turned up that it did not know of
            return

    def _seconds(self, ticks: int) -> float:
        assert self._origin is not None
        return (ticks - self._origin) * self._base.numerator / self._base.denominator


def _open(path: str) -> tuple[InputContainer, VideoStream]:
    """Open ``path``, a file or a folder of pictures, for decoding by one thread."""
    if Path(path).is_dir():
        return _video_stream(open_pictures(Path(path)), path)
    try:
        # The prefix keeps libav from taking a name for an address, and the white list from following one in the file.
        container = av.open(
            f"file:{path}", mode="r", metadata_errors="replace", container_options={"protocol_whitelist": "file"}
        )
    except (av.FFmpegError, OSError) as error:
        raise VideoError(path, _why_not(Path(path))) from error
    return _video_stream(container, path)


def _video_stream(container: InputContainer, path: str) -> tuple[InputContainer, VideoStream]:
    """An open container with its first video stream that is no cover picture; closes it if there is none."""
    try:
        streams = [s for s in container.streams.video if not s.disposition & Disposition.attached_pic]
        if not streams:
            raise VideoError(path, "it holds no video stream")
        if streams[0].codec_context is None:
            raise VideoError(path, "its codec is unknown to this build of libav; convert it, for example to H.264")
        streams[0].codec_context.thread_type = "NONE"
        streams[0].codec_context.thread_count = 1
    except VideoError:
        container.close()
        raise
    return container, streams[0]


def _why_not(file: Path) -> str:
    """Say in human terms why libav does not open ``file``."""
    try:
        boxes = _top_level_boxes(file)
        if file.stat().st_size == 0:
            return "the file is empty"
    except OSError as error:
        return f"{error.strerror}".lower()
    if b"ftyp" in boxes and b"moov" not in boxes:
        return "the file is truncated: its index (the moov box) is missing"
    return "it is not a video, or its header is damaged"


def _top_level_boxes(file: Path) -> set[bytes]:
    """Return the types of the outermost boxes of an MP4 or MOV file, up to where they stop making sense."""
    kinds: set[bytes] = set()
    end = file.stat().st_size
    with file.open("rb") as stream:
        while stream.tell() + 8 <= end:
            start = stream.tell()
            size, kind = int.from_bytes(stream.read(4), "big"), stream.read(4)
            if size == 1:  # the size follows in 64 bits
                size = int.from_bytes(stream.read(8), "big")
            if size < 8:
                break
            kinds.add(kind)
            stream.seek(start + size)
    return kinds
