"""A process of its own that decodes what strangers' files hold, and embeds queries.

A file that makes a decoder crash, hang or ask for too much memory ends this process, not the page: the next question
starts another one. The encoder lives here too, so that the page answers while a clip is embedded.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import signal
import threading
import time
import traceback
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import av

from kinema.errors import DataError, KinemaError, VideoError
from kinema.search import Library
from kinema.serve import media

START = 300.0
"""Seconds that a process may take to start and load its encoder."""
MAX_PIXELS = 3840 * 2160
"""Pixels that a frame of an upload may have."""
MAX_SECONDS = 600.0
"""Length that an upload may have."""
HEADROOM = 3 << 30
"""Bytes that opening a file may take beside what the process holds already."""
GRACE = 3.0
"""Seconds that a task has to end when it is no longer wanted, before its process is ended."""
CANCEL = "cancel"
FORMATS = (
    "mov,mp4,m4a,3gp,3g2,mj2", "matroska,webm", "avi", "asf", "flv", "live_flv", "ogg", "mpegts", "mpeg", "mpegvideo",
    "m4v", "h261", "h263", "h264", "hevc", "vvc", "av1", "obu", "ivf", "dv", "mxf", "gxf", "nut", "rm", "wtv", "nsv",
    "swf", "dirac", "vc1", "cavsvideo", "avs2", "avs3", "yuv4mpegpipe", "mjpeg", "mpjpeg", "gif", "apng",
)  # fmt: skip
"""Formats that uploads may have, by libav's names: those that open no other file, as play lists and scripts do."""


class Cancelled(KinemaError):
    """A task is no longer wanted."""


@dataclass(frozen=True)
class Worker:
    """Where :class:`Guarded` work is done, seen from inside the process: its library, and what is asked of it."""

    library: Library

    def ready(self, progress: Callable[[float], None]) -> None:
        """Be there."""

    def warm(self, progress: Callable[[float], None]) -> None:
        """Load the encoder."""
        _ = self.library.embedder

    def probe(self, progress: Callable[[float], None], path: str) -> media.Footage:
        """What a stranger's file holds."""
        with _bounded_memory():
            check_format(path)
            footage = media.footage(path)
        if footage.width * footage.height > MAX_PIXELS:
            raise VideoError(path, f"frames of {footage.width}x{footage.height} are too large; scale it to 4K or less")
        if footage.duration > MAX_SECONDS:
            raise VideoError(path, f"it is longer than {MAX_SECONDS / 60:g} minutes; cut the part you want out of it")
        return footage

    def strip(self, progress: Callable[[float], None], path: str, start: float, end: float) -> bytes:
        """See :func:`kinema.serve.media.strip`."""
        return media.strip(path, start, end)

    def moving(self, progress: Callable[[float], None], path: str, start: float, end: float, kind: media.Kind) -> bytes:
        """See :func:`kinema.serve.media.moving`."""
        return media.moving(path, start, end, kind)

    def embed(self, progress: Callable[[float], None], path: str, start: float, end: float | None) -> Any:
        """See :meth:`kinema.search.Library.embed`."""
        _ = self.library.embedder  # a sign of life after it has been loaded
        progress(start)
        return self.library.embed(path, start, end, progress)


class Guarded:
    """Asks a :class:`Worker` in another process; threads wait for one another.

    Args:
        index: the library.
        encoder: what it was made with; None for what the index says.
        device: of the encoder.
    """

    def __init__(self, index: str | Path, encoder: str | None = None, device: str = "auto"):
        self._arguments = (str(index), encoder, device)
        self._patience = 60.0  # seconds without a sign of life after which the process is ended
        self._lock = threading.Lock()
        self._closed = False
        self._process: multiprocessing.process.BaseProcess | None = None
        self._pipe: Connection | None = None

    def ask(self, task: str, *arguments: Any) -> Any:
        """Do a task of :class:`Worker` and return what it gives.

        Raises:
            VideoError: the first argument, a file, made the process crash or hang.
            KinemaError: what the task raises.
        """
        steps = self.follow(task, *arguments)
        while True:
            try:
                next(steps)
            except StopIteration as stop:
                return stop.value

    def follow(self, task: str, *arguments: Any) -> Generator[float, None, Any]:
        """As :meth:`ask`, yielding the task's progress. To stop following ends the task."""
        with self._lock:
            finished = False
            try:
                pipe = self._running()
                pipe.send((task, arguments))
                while True:
                    patience = START if task == "warm" else self._patience
                    if not pipe.poll(patience):
                        raise VideoError(arguments[0] if arguments else "", f"nothing came of it in {patience:g} s")
                    kind, value = pipe.recv()
                    if kind == "progress":
                        yield value
                        continue
                    finished = True
                    if kind == "failed":
                        raise value
                    return value
            except GeneratorExit:
                finished = self._cancelled()
                raise
            except (EOFError, ConnectionError) as error:
                raise VideoError(arguments[0] if arguments else "", "the decoder broke down over it") from error
            finally:
                if not finished:
                    self._end()

    def close(self) -> None:
        """End the process, whatever it is doing, for good."""
        self._closed = True
        with contextlib.suppress(AttributeError):  # it has not started yet
            if self._process is not None:
                self._process.kill()  # who waits for it gives the lock back then
        with self._lock:
            self._end()

    def _cancelled(self) -> bool:
        """Ask the task to end, and say whether it has."""
        assert self._pipe is not None
        latest = time.monotonic() + GRACE
        with contextlib.suppress(EOFError, ConnectionError):
            self._pipe.send(CANCEL)
            while self._pipe.poll(max(0.0, latest - time.monotonic())):
                if self._pipe.recv()[0] != "progress":
                    return True
        return False

    def _running(self) -> Connection:
        if self._pipe is None or self._process is None or not self._process.is_alive():
            self._end()
            if self._closed:  # a process that starts while this one ends would find nobody to tell it what to do
                raise EOFError
            context = multiprocessing.get_context("spawn")  # a fork of threads is none
            self._pipe, theirs = context.Pipe()
            process = context.Process(target=_serve, args=(theirs, *self._arguments), daemon=True)
            try:
                process.start()
            except OSError as error:
                reason = (error.strerror or str(error)).lower()
                raise DataError(f"no process can be started that reads clips: {reason}; end other programs") from error
            finally:
                theirs.close()
            self._process = process
            if self._closed:
                raise EOFError
            if not self._pipe.poll(START):
                raise DataError(f"the process that reads clips has not started within {START:g} s; try again")
            kind, value = self._pipe.recv()
            if kind == "failed":
                raise value
        return self._pipe

    def _end(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.join()
        if self._pipe is not None:
            self._pipe.close()
        self._process = self._pipe = None


def _serve(pipe: Connection, index: str, encoder: str | None, device: str) -> None:
    """Answer until the other end is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the page's own process decides when to end
    with contextlib.suppress(EOFError, ConnectionError):
        try:
            worker = Worker(Library(index, encoder, device=device))
        except KinemaError as error:
            pipe.send(("failed", error))
            return

        def progress(seconds: float) -> None:
            pipe.send(("progress", seconds))
            if pipe.poll() and pipe.recv() == CANCEL:
                raise Cancelled

        pipe.send(("ready", None))
        while True:
            asked = pipe.recv()
            if asked == CANCEL:  # it came when its task had just ended
                continue
            task, arguments = asked
            try:
                answer = "done", getattr(worker, task)(progress, *arguments)
            except KinemaError as error:
                answer = "failed", error
            except MemoryError:
                answer = "failed", VideoError(arguments[0], "it needs too much memory")
            except Exception:  # a fault of ours, for the terminal
                traceback.print_exc()
                answer = "failed", DataError("something went wrong over this clip; the terminal says what")
            pipe.send(answer)


def check_format(path: str) -> None:
    """Make sure that a file is of one of :data:`FORMATS`, before anything in it is followed.

    Raises:
        VideoError: it is not.
    """
    allowed = {"format_whitelist": ",".join(FORMATS), "protocol_whitelist": "file"}
    try:
        av.open(f"file:{path}", metadata_errors="replace", container_options=allowed).close()
    except av.ArgumentError as error:  # how libav says that a format is not on the list
        said = "it is a play list, a picture or of a format that is not taken; send it as MP4, MOV, MKV, WebM or AVI"
        raise VideoError(path, said) from error
    except (av.FFmpegError, OSError):
        return  # opening it says better why it cannot be read


@contextlib.contextmanager
def _bounded_memory() -> Iterator[None]:
    """Let the process take no more address space than :data:`HEADROOM` beside what it holds, where Linux says that."""
    pages = Path("/proc/self/statm")
    if not pages.exists():
        yield
        return
    import resource

    before = resource.getrlimit(resource.RLIMIT_AS)
    held = int(pages.read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (held + HEADROOM, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)
