"""Reading clips from a video file by time or by frame number."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from types import TracebackType

import numpy as np
from av import VideoFrame

from kinema.errors import KinemaError, VideoError, blaming
from kinema.video.clip import Clip
from kinema.video.source import Shown, Source
from kinema.video.view import Converter, Pixels, View

TOLERANCE = 1e-6  # seconds by which a frame may come on screen too late and still count, against rounding


@dataclass(frozen=True)
class VideoInfo:
    """What the header of a file says; only decoding tells what is true of ``duration`` and ``frames``.

    Attributes:
        path: the file.
        duration: seconds, 0 if the header does not say.
        frames: number of frames, 0 if the header does not say.
        fps: frames a second on average, 0 if the header does not say.
        width: pixels, as displayed: after rotation.
        height: pixels, as displayed.
        rotation: degrees counter-clockwise by which the stored frames are turned for display, from -180 to 180.
        codec: name of the decoder.
        pixel_format: libav's name of the stored pixel format.
        start: seconds on the file's own clock of the first displayed frame, which is time 0 everywhere in kinema.
    """

    path: str
    duration: float
    frames: int
    fps: float
    width: int
    height: int
    rotation: int
    codec: str
    pixel_format: str
    start: float


class Video:
    """An open video file that gives clips; a context manager.

    Time 0 is the first displayed frame, wherever the file's own clock begins. Several clips may be asked for; asking
    in the order of time is quickest. Not to be shared between threads.

    Args:
        path: the file, or its address in a storage.
        view: how frames are cut and scaled.

    Raises:
        VideoError: the file cannot be opened, no frame of it can be decoded, or its frames cannot be scaled so.

    Example:
        >>> with Video("jump.mp4", View(short_side=64)) as video:
        ...     clip = video.at_times([0.5, 0.625, 0.75])
    """

    def __init__(self, path: str | Path, view: View | None = None):
        self._source = Source(path)
        try:
            with blaming(path):
                self._convert = Converter(view or View(), self._source.first)
        except KinemaError as error:
            self.close()
            raise error if isinstance(error, VideoError) else VideoError(path, str(error)) from error

    def __enter__(self) -> Video:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Free the decoder and the file."""
        self._source.close()

    @property
    def info(self) -> VideoInfo:
        """What the header says."""
        source, stream, first = self._source, self._source.stream, self._source.first
        width, height = self._convert.orientation.swap((first.width, first.height))
        return VideoInfo(
            path=source.path,
            duration=source.duration(),
            frames=stream.frames,
            fps=float(stream.average_rate or 0),
            width=width,
            height=height,
            rotation=first.rotation,
            codec=stream.codec_context.name,
            pixel_format=first.format.name,
            start=source.origin,
        )

    def at_times(self, seconds: Sequence[float]) -> Clip:
        """Return the frame on screen at each time: the last that comes on screen at or before it.

        Times before the first frame give the first, times after the last give the last that decodes. Decoding begins
        at the key frame before the earliest time and ends with the latest; only frames that are wanted are converted.

        Args:
            seconds: one or more finite times in seconds, in any order.

        Raises:
            ValueError: no times, or one that is not finite.
            VideoError: the file changed or vanished while it was open.
        """
        times = np.asarray(seconds, np.float64)
        if times.ndim != 1 or not times.size or not np.isfinite(times).all():
            raise ValueError(f"expected one or more finite times, got {seconds}")
        wanted = times + TOLERANCE
        return self._pick(wanted, ((s, s.time) for s in self._source.frames(float(wanted.min()))))

    def at_indices(self, indices: Sequence[int]) -> Clip:
        """Return frames by number, counting those that decode: the same as picking from :meth:`read`.

        Numbers after the last frame give the last. Frames are counted by decoding from the start, since neither
        headers nor packets can be trusted for it: where the clock will do, :meth:`at_times` is cheaper.

        Raises:
            ValueError: no indices, or a negative one.
            VideoError: the file changed or vanished while it was open.
        """
        numbers = np.asarray(indices)
        if numbers.ndim != 1 or not numbers.size or numbers.dtype.kind not in "iu" or numbers.min() < 0:
            raise ValueError(f"expected one or more frame numbers from 0, got {indices}")
        shown = self._source.frames_from(int(numbers.min()))
        return self._pick(numbers, ((s, s.number or 0) for s in shown))

    def read(self) -> Clip:
        """Return all frames that decode, held in memory at once; ``warning`` says what is missing or was mended.

        Raises:
            VideoError: the file changed or vanished while it was open, or its frames need too much memory.
        """
        times, frames = zip(*((s.time, self._pixels(s.frame)) for s in self._source.frames_from(0)), strict=True)
        with blaming(self._source.path):
            return Clip(np.stack(frames), np.array(times), self._source.path, self._source.shortfall())

    def follow(self, times: Iterable[float]) -> Iterator[tuple[float, Pixels]]:
        """Yield the frame on screen at each of ascending times, until the video ends; the times may go on for ever.

        One pass over the file, in which no more than two frames are held: for what is too long for :meth:`at_times`.
        Afterwards :attr:`damage` tells what was wrong on the way.

        Yields:
            When the frame came on screen, in seconds, and the frame (H, W, 3) uint8; a frame that stays on screen is
            the same array again.

        Raises:
            VideoError: the file changed or vanished while it was open.
        """
        waiting = iter(times)
        first = next(waiting, None)
        if first is None:
            return
        frames = self._source.frames(first)
        yield from on_screen(
            ((shown.time, shown.frame) for shown in frames), chain((first,), waiting), self._pixels, self._source.end
        )

    @property
    def damage(self) -> str:
        """What was wrong with the part decoded latest, in a sentence: what is missing, what was mended; or nothing."""
        return str(self._source.damage)

    @property
    def shortfall(self) -> str:
        """As :attr:`damage`, and by how much the file ends before its header says: of one read from start to end."""
        return self._source.shortfall()

    @property
    def steady(self) -> bool:
        """Whether the file's own clock never jumps; where it does, the header's duration says nothing."""
        return self._source.steady

    def _pixels(self, frame: VideoFrame) -> Pixels:
        with blaming(self._source.path):
            return self._convert(frame)

    def _pick(self, wanted: np.ndarray, frames: Iterator[tuple[Shown, float]]) -> Clip:
        """Choose for each of ``wanted`` the last frame whose place, its second item, is not beyond it."""
        pending = deque(np.argsort(wanted, kind="stable").tolist())
        times, pixels = np.empty(len(wanted)), [np.empty(0, np.uint8)] * len(wanted)
        latest: tuple[Shown, Pixels] | None = None  # converted once, however often it is wanted

        def give(shown: Shown) -> None:
            nonlocal latest
            if latest is None or latest[0] is not shown:
                latest = shown, self._pixels(shown.frame)
            number = pending.popleft()
            times[number], pixels[number] = shown.time, latest[1]

        begun = self._source.damage
        earlier = begun.gaps
        before: Shown | None = None
        for shown, place in frames:
            while pending and before is not None and wanted[pending[0]] < place:
                give(before)
            while pending and wanted[pending[0]] <= place + 2 * TOLERANCE:  # no later frame can be nearer
                give(shown)
            if not pending:
                break
            before = shown
        damage = self._source.damage
        warning = str(damage) if damage.gaps > (earlier if damage is begun and not pending else 0) else ""
        if pending and before is not None:
            warning += "; the last frame stands for the rest" if warning else ""
            while pending:
                give(before)
        return Clip(np.stack(pixels), times, self._source.path, warning)


def on_screen(
    frames: Iterable[tuple[float, VideoFrame]],
    times: Iterable[float],
    convert: Callable[[VideoFrame], Pixels],
    end: Callable[[], float] | None = None,
) -> Iterator[tuple[float, Pixels]]:
    """What is on screen at each of ascending ``times``, of frames that come one after the other.

    Args:
        frames: times in seconds, ascending, and frames; before the first of them it is taken to be on screen too.
        times: seconds, ascending.
        convert: makes pixels of a frame; only frames that are wanted are converted.
        end: asked when ``frames`` have ended: when the last of them goes off screen; None for at once.

    Yields:
        When the frame came on screen, and its pixels.
    """
    coming = iter(frames)
    shown = next(coming, None)
    if shown is None:
        return
    upcoming, converted = next(coming, None), None
    for time in times:
        while upcoming is not None and upcoming[0] <= time + TOLERANCE:
            shown, upcoming, converted = upcoming, next(coming, None), None
        if upcoming is None and time >= (shown[0] if end is None else end()):
            return
        if converted is None:
            converted = convert(shown[1])
        yield shown[0], converted
