"""From windows to vectors: threads decode while the encoder computes, and a batch holds windows of several videos."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import cv2
import torch

from kinema.common.processes import available_cores
from kinema.errors import ConfigError, KinemaError, VideoError
from kinema.search.windows import SeenWindow, WindowReader

Made = TypeVar("Made")
"""What is made of a window."""


@dataclass(frozen=True)
class Finished:
    """The end of a video.

    Attributes:
        error: what is wrong with it, or nothing.
        sha256: of its content, where whoever read it knows; empty otherwise.
    """

    error: str
    sha256: str = ""


@dataclass
class Waiting:
    """Seconds spent waiting for frames so far."""

    seconds: float = 0.0


def usual_workers() -> int:
    """How many threads decode where nobody says: as many as there are cores, at most 16."""
    return min(available_cores(), 16)


def embed_videos(
    paths: Sequence[str | Path],
    reader: WindowReader,
    embedder: Callable[[Sequence[SeenWindow]], Sequence[Made]],
    *,
    batch_size: int,
    workers: int | None,
    waiting: Waiting | None = None,
    wanted: Callable[[int], bool] = lambda number: True,
    sha256_of: Callable[[int], str] = lambda number: "",
) -> Iterator[tuple[int, Made | Finished]]:
    """Embed the windows of videos; memory is bounded by the batch, however long a video is.

    Args:
        paths: the files.
        reader: cuts them into windows.
        embedder: gives windows their vectors, or what else is wanted of them, in their order.
        batch_size: windows per forward pass.
        workers: threads that decode, each a video of its own; None for :func:`usual_workers`.
        waiting: told how long the encoder waited for frames.
        wanted: asked by any thread with a video's number, just before it is read; False to pass it over.
        sha256_of: asked by any thread with a video's number, once it is read, for the SHA-256 of its content.

    Yields:
        The number of a video in ``paths`` with a window of it, in the order of time, and after its last window how it
        ended. Videos alternate. A video that cannot be read ends with its error.
    """
    if batch_size < 1 or (workers is not None and workers < 1):
        raise ConfigError("embedding needs at least one window a batch and one worker; use positive numbers")

    def read(number: int, path: str | Path) -> Iterator[SeenWindow | Finished]:
        if not wanted(number):
            return
        try:
            error = yield from reader.read(path)
        except VideoError as failure:
            error = failure.reason
        except KinemaError as failure:
            error = str(failure)
        yield Finished(error, sha256_of(number))

    count = usual_workers() if workers is None else workers
    waiting = waiting or Waiting()
    before = cv2.getNumThreads(), torch.get_num_threads()
    cv2.setNumThreads(1)  # the readers are parallel already
    team = _Readers(paths, read, min(count, len(paths)), 2 * batch_size)
    try:
        held: list[tuple[int, SeenWindow | Finished]] = []
        windows = 0
        while True:
            began = time.perf_counter()
            item = team.next()
            waiting.seconds += time.perf_counter() - began
            if item is not None:
                held.append(item)
                windows += isinstance(item[1], SeenWindow)
            if item is None or windows == batch_size:
                seen = [content for _, content in held if isinstance(content, SeenWindow)]
                # cores go to whichever is behind: the encoder's share grows with what waits for it
                torch.set_num_threads(max(1, round(before[1] * min(1.0, team.ahead() / batch_size))))
                embedded = iter(embedder(seen))
                for number, content in held:
                    yield number, next(embedded) if isinstance(content, SeenWindow) else content
                held, windows = [], 0
            if item is None:
                return
    finally:
        team.stop()
        cv2.setNumThreads(before[0])
        torch.set_num_threads(before[1])


class _Readers:
    """Threads that read videos into one queue; libav, OpenCV and PyTorch work without Python's lock."""

    def __init__(
        self,
        paths: Sequence[str | Path],
        read: Callable[[int, str | Path], Iterator[SeenWindow | Finished]],
        count: int,
        room: int,
    ):
        self._read, self._todo = read, iter(enumerate(paths))
        self._lock = threading.Lock()
        self._queue: queue.Queue[tuple[int, SeenWindow | Finished] | BaseException | None] = queue.Queue(room)
        self._stopped = threading.Event()
        self._running = count
        self._threads = [threading.Thread(target=self._work, daemon=True) for _ in range(count)]
        for thread in self._threads:
            thread.start()

    def next(self) -> tuple[int, SeenWindow | Finished] | None:
        """The next window or end of a video; None when all have ended."""
        while self._running:
            item = self._queue.get()
            if isinstance(item, BaseException):
                raise item
            if item is not None:
                return item
            self._running -= 1
        return None

    def ahead(self) -> float:
        """How many windows are waiting; infinitely many once all videos have been read."""
        return self._queue.qsize() if self._running else float("inf")

    def stop(self) -> None:
        """End the threads."""
        self._stopped.set()
        for thread in self._threads:
            thread.join()

    def _work(self) -> None:
        try:
            while not self._stopped.is_set():
                with self._lock:
                    number, path = next(self._todo, (None, None))
                if number is None or path is None:
                    break
                for item in self._read(number, path):
                    if not self._put((number, item)):
                        break
        except BaseException as error:  # a fault of ours: the main thread shall fail with it
            self._put(error)
        self._put(None)

    def _put(self, item: tuple[int, SeenWindow | Finished] | BaseException | None) -> bool:
        while not self._stopped.is_set():
            try:
                self._queue.put(item, timeout=0.1)
                return True
            except queue.Full:
                continue
        return False
