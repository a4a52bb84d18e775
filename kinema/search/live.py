"""Windows of a camera, a network stream or a file, as they come."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import av
from av.container import InputContainer
from av.video.stream import VideoStream

from kinema.data.clips import clip_view
from kinema.data.crops import cropping
from kinema.errors import VideoError, blaming
from kinema.search.asking import query_clip
from kinema.search.windows import SeenWindow, WindowReader
from kinema.video import Video
from kinema.video.clock import BROADCAST_PAUSE
from kinema.video.container import video_stream
from kinema.video.screen import on_screen
from kinema.video.view import Converter

PROTOCOLS = ("rtsp", "rtsps", "rtmp", "http", "https", "udp", "tcp", "srt")
PATIENCE = 10.0
"""Seconds without a frame after which a stream counts as broken."""


@dataclass(frozen=True)
class LiveWindow:
    """A window and when it was complete.

    Attributes:
        seen: the window.
        complete: when its last frame had been decoded, on the clock of :func:`time.perf_counter`.
    """

    seen: SeenWindow
    complete: float


def live_windows(source: str, reader: WindowReader) -> Iterator[LiveWindow]:
    """The windows of a source until it ends: a file as fast as it can be read, all else at its own pace.

    Args:
        source: a video file, a camera's device (``/dev/video0``, on Linux) or an address (``rtsp://...``).
        reader: cuts windows.

    Raises:
        VideoError: it cannot be opened, or breaks off.
    """
    if not is_live(source):
        with blaming(source), Video(source, view=clip_view(reader.clip)) as video:
            clip = query_clip(reader.clip, source)
            layout, crop = reader.layout(video.info.fps), cropping(clip, source, video.info)
            for seen in reader.cut((pixels for _, pixels in video.follow(layout.grid.on())), layout, crop=crop):
                yield LiveWindow(seen, time.perf_counter())
        return
    with _opened(source) as container:
        stream = video_stream(container, source)
        layout = reader.layout(float(stream.average_rate or 0))
        frames = _timed(_decoded(container, stream))
        first = next(frames, None)
        if first is None:
            raise VideoError(source, "it sends no picture")
        convert = Converter(clip_view(reader.clip), first[1])
        shown = on_screen(_with(first, frames), layout.grid.on(), convert)
        for seen in reader.cut((pixels for _, pixels in shown), layout, crop=cropping(reader.clip)):
            yield LiveWindow(seen, time.perf_counter())


def is_live(source: str) -> bool:
    """Whether a source is a camera or an address, and no file."""
    return source.startswith("/dev/video") or (source.partition("://")[0].lower() in PROTOCOLS and "://" in source)


@contextmanager
def _opened(source: str) -> Iterator[InputContainer]:
    camera = source.startswith("/dev/")
    shown = re.sub(r"//[^/@]*@", "//", source)  # a password has no place in a message
    options = {"rtsp_transport": "tcp"} if source.startswith("rtsp") else {}
    kind = "v4l2" if camera else None
    with blaming(shown):
        try:
            with av.open(source, format=kind, options=options, timeout=PATIENCE) as container:
                yield container
        except (av.FFmpegError, OSError) as error:
            reason = getattr(error, "strerror", None) or type(error).__name__
            raise VideoError(shown, f"{reason.lower()}; check that it sends, and its address") from error


def _decoded(container: InputContainer, stream: VideoStream) -> Iterator[av.VideoFrame]:
    """The frames of a stream; what comes damaged costs its own frames."""
    for packet in container.demux(stream):
        with suppress(av.InvalidDataError):
            yield from packet.decode()


def _timed(frames: Iterator[av.VideoFrame]) -> Iterator[tuple[float, av.VideoFrame]]:
    """Frames with their times in seconds from the first; a clock that jumps goes on where it had come to."""
    origin, last = None, -1e-3
    for frame in frames:
        at = float(frame.time) if frame.time is not None else last + 0.04
        if origin is None:
            origin = at
        if not last < at - origin <= last + BROADCAST_PAUSE:
            origin = at - last - 0.04
        last = at - origin
        yield last, frame


def _with(
    first: tuple[float, av.VideoFrame], frames: Iterator[tuple[float, av.VideoFrame]]
) -> Iterator[tuple[float, av.VideoFrame]]:
    yield first
    yield from frames
