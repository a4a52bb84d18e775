"""Opening a file, or a folder of numbered pictures, and choosing the stream that is meant."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import av
from av.container import InputContainer
from av.stream import Discard, Disposition
from av.video.stream import VideoStream

from kinema.common.object_cache import fetch
from kinema.errors import VideoError, blaming
from kinema.video.identity import in_words, size_and_time
from kinema.video.pictures import open_pictures

DEFAULT = 5_000_000  # pixels that being the default is worth; the choice is ffmpeg's
OPTIONS = {"max_pixels": "40000000"}
"""Of decoders: frames may be of 8K with something to spare, since damaged headers ask for thousands of millions."""


def open_stream(path: str, opened: ExitStack) -> tuple[InputContainer, VideoStream]:
    """Open a file or a folder of pictures, and its video stream for decoding by one thread.

    Args:
        path: of either.
        opened: closes what is opened here.

    Raises:
        VideoError: it is no video, or something that could be waited for without end, such as a named pipe.
    """
    size_and_time(path)
    with blaming(path), ExitStack() as unwanted:
        try:
            local, held = fetch(path)
        except OSError as error:
            raise VideoError(path, in_words(error)) from error
        unwanted.push(held)
        container = open_pictures(local, Path(path)) if local.is_dir() else _open_file(local, path)
        unwanted.callback(container.close)
        stream = video_stream(container, path)
        opened.push(unwanted.pop_all())
    return container, stream


def _open_file(local: Path, path: str) -> InputContainer:
    try:
        # The prefix keeps libav from taking a name for an address, and the white list from following one in the file.
        return av.open(
            f"file:{local}",
            mode="r",
            metadata_errors="replace",
            container_options={"protocol_whitelist": "file"},
            options=OPTIONS,
        )
    except (av.FFmpegError, OSError) as error:
        raise VideoError(path, _why_not(local)) from error


def video_stream(container: InputContainer, path: str) -> VideoStream:
    """The video stream of an open container for decoding by one thread; the others are no longer read.

    Of several it is the one that ffmpeg takes: the default, then the largest; never a cover picture.

    Raises:
        VideoError: there is none that can be decoded.
    """
    streams = [s for s in container.streams.video if not s.disposition & Disposition.attached_pic]
    if not streams:
        raise VideoError(path, "it holds no video stream")
    known = [s for s in streams if s.codec_context is not None]
    if not known:
        raise VideoError(path, "its codec is unknown to this build of libav; convert it, for example to H.264")
    chosen = max(known, key=lambda s: s.width * s.height + DEFAULT * bool(s.disposition & Disposition.default))
    for stream in container.streams:
        if stream is not chosen:
            stream.discard = Discard.all
    chosen.codec_context.thread_type = "NONE"
    chosen.codec_context.thread_count = 1
    chosen.codec_context.options = OPTIONS
    return chosen


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
            if start + size > end:
                break
            stream.seek(start + size)
    return kinds
