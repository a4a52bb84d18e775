"""Reading clips from a video file by time or by frame number."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain, count, takewhile
from math import inf
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from kinema.common.addresses import shown as as_written
from kinema.errors import KinemaError, VideoError, blaming
from kinema.video.clip import Clip, VideoInfo
from kinema.video.decoder import Decoder, LeftToPyAV, Shown
from kinema.video.decoders import open_decoder
from kinema.video.fragment import fragment_of
from kinema.video.screen import TOLERANCE, on_screen
from kinema.video.view import Pixels, View

ROUNDED = 1e-3  # seconds by which containers round: what comes on screen so shortly before a part's end is behind it
Read = TypeVar("Read")


class Video:
    """An open video file that gives clips; a context manager.

    Time 0 is the first displayed frame, wherever the file's own clock begins. Several clips may be asked for; asking
    in the order of time is quickest. Not to be shared between threads.

    Of a part of a video (``clip.mp4#t=1.5,3.25``) time 0 is where it begins, and it ends before the frame that comes on
    screen at its end.

    Args:
        path: the file, or its address in a storage; or a part (:mod:`kinema.video.fragment`).
        view: how frames are cut and scaled.
        decoder: by what: ``pyav``, ``torchcodec`` or another name of :mod:`kinema.video.decoders`; None for what
            KINEMA_DECODER in the environment says.

    Raises:
        ConfigError: there is no such decoder, or it does not load here.
        VideoError: the file cannot be opened, no frame of it can be decoded, its frames cannot be scaled so, or a part
            begins behind its end.

    Example:
        >>> with Video("jump.mp4", View(short_side=64)) as video:
        ...     clip = video.at_times([0.5, 0.625, 0.75])
    """

    def __init__(self, path: str | Path, view: View | None = None, decoder: str | None = None):
        part = fragment_of(path)
        self._path, self._begin, self._until = as_written(path), 0.0, inf
        self._decoder: Decoder = open_decoder(path if part is None else part.path, decoder)
        try:
            if part is not None:
                self._begin, self._until = part.start, part.end
                promised = self._decoder.duration()
                if promised and self._begin >= promised and self.steady:
                    raise self._beyond(promised)
            with blaming(path):
                self._convert = self._decoder.converter(view or View())
        except KinemaError as error:
            self.close()
            raise error if isinstance(error, VideoError) else VideoError(path, str(error)) from error

    def __enter__(self) -> Video:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Free the decoder and the file."""
        self._decoder.close()

    @property
    def info(self) -> VideoInfo:
        """What the header says."""
        header, length = self._decoder.header, self._length()
        if not self._whole:
            header = header._replace(frames=round(length * header.fps))
        return VideoInfo(self._path, length, *header, start=self._decoder.origin + self._begin)

    def at_times(self, seconds: Sequence[float]) -> Clip:
        """Return the frame on screen at each time: the last that comes on screen at or before it.

        Times before the first frame give the first, times after the last give the last that decodes. Decoding begins
        at the key frame before the earliest time and ends with the latest; only frames that are wanted are converted.

        Args:
            seconds: one or more finite times in seconds, in any order.

        Raises:
            ValueError: no times, or one that is not finite.
            VideoError: the file changed or vanished while it was open, or ends before a part begins, whatever its
                header says; so do the other ways to read.
        """
        times = np.asarray(seconds, np.float64)
        if times.ndim != 1 or not times.size or not np.isfinite(times).all():
            raise ValueError(f"expected one or more finite times, got {seconds}")
        wanted = times + TOLERANCE
        if not self._whole:
            wanted = np.clip(times, 0, self._until - self._begin - ROUNDED) + self._begin + TOLERANCE
        begin = float(wanted.min())
        return self._asked(lambda: self._pick(wanted, ((s, s.time) for s in self._decoder.frames(begin))))

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
        if not self._whole:
            return self._asked(lambda: self._pick(numbers, zip(self._of_part(counted=True), count(), strict=False)))
        begin = int(numbers.min())
        return self._asked(lambda: self._pick(numbers, ((s, s.number or 0) for s in self._decoder.frames_from(begin))))

    def read(self) -> Clip:
        """Return all frames that decode, held in memory at once; ``warning`` says what is missing or was mended.

        Raises:
            VideoError: the file changed or vanished while it was open, or its frames need too much memory.
        """
        times, frames = self._asked(self._everything)
        with blaming(self._decoder.path):
            return Clip(np.stack(frames), self._times(times), self._path, self.shortfall)

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
        if not self._whole:
            waiting = (self._begin + time for time in takewhile(lambda t: t < self._until - self._begin, waiting))
        first = next(waiting, None)
        if first is None:
            return
        asked, nothing = [first], True

        def noted() -> Iterator[float]:
            for asked[0] in waiting:
                yield asked[0]

        while True:
            frames = ((shown.time, shown.frame) for shown in self._decoder.frames(asked[0]))
            times = chain((asked[0],), noted())
            try:
                for time, pixels in on_screen(frames, times, self._pixels, self._decoder.end):
                    nothing = False
                    yield max(0.0, time - self._begin), pixels
                break
            except LeftToPyAV:  # which goes on at the time asked for last
                continue
        if nothing:
            self._refuse_ended()

    @property
    def damage(self) -> str:
        """What was wrong with the part decoded latest, in a sentence: what is missing, what was mended; or nothing."""
        return str(self._decoder.damage)

    @property
    def shortfall(self) -> str:
        """As :attr:`damage`, and by how much the file ends before its header says: of one read from start to end."""
        return self._decoder.shortfall() if self._whole else self.damage

    @property
    def decoded_by(self) -> str:
        """What decodes the file: a decoder's name; where that is not the one asked for, with the reason."""
        return self._decoder.decoded_by

    @property
    def steady(self) -> bool:
        """Whether the file's own clock never jumps; where it does, the header's duration says nothing."""
        return self._decoder.steady

    @property
    def _whole(self) -> bool:
        return self._until == inf

    def _length(self) -> float:
        """Seconds that the header promises, 0 where it promises none; of a part, what its name says."""
        promised = self._decoder.duration()
        if self._whole:
            return promised
        return (min(self._until, promised) if promised and self.steady else self._until) - self._begin

    def _refuse_ended(self) -> None:
        """Once all is decoded: headers may promise nothing, or what is not there."""
        if not self._whole and self._begin >= (end := self._decoder.end()) + ROUNDED:
            raise self._beyond(end)

    def _beyond(self, end: float) -> VideoError:
        return VideoError(self._path, f"the part begins at {self._begin:g} s, after the video's end at {end:g} s")

    def _of_part(self, counted: bool = False) -> Iterator[Shown]:
        """The frames of a part, from the one on screen where it begins."""
        before: Shown | None = None
        for shown in self._decoder.frames(self._begin, counted):
            if shown.time <= self._begin + TOLERANCE:
                before = shown
                continue
            if before is not None:
                yield before
            before = None
            if shown.time >= self._until - ROUNDED:
                return
            yield shown
        if before is not None:  # the video's last
            self._refuse_ended()
            yield before

    def _times(self, times: Sequence[float] | np.ndarray) -> np.ndarray:
        """Seconds of the file -> seconds from the beginning of a part."""
        return np.maximum(0, np.asarray(times, np.float64) - self._begin)

    def _everything(self) -> tuple[tuple[float, ...], tuple[Pixels, ...]]:
        shown = self._decoder.frames(0.0) if self._whole else self._of_part()
        times, frames = zip(*((s.time, self._pixels(s.frame)) for s in shown), strict=True)
        return times, frames

    def _asked(self, read: Callable[[], Read]) -> Read:
        """What is read, by PyAV where the decoder leaves the file to it."""
        try:
            return read()
        except LeftToPyAV:
            return read()

    def _pixels(self, frame: Any) -> Pixels:
        with blaming(self._decoder.path):
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

        begun = self._decoder.damage
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
        if pending:
            self._refuse_ended()
        damage = self._decoder.damage
        warning = str(damage) if damage.gaps > (earlier if damage is begun and not pending else 0) else ""
        if pending and before is not None:
            warning += "; the last frame stands for the rest" if warning else ""
            while pending:
                give(before)
        return Clip(np.stack(pixels), self._times(times), self._path, warning)
