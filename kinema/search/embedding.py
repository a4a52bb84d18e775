"""From windows to vectors: threads decode while the encoder computes, and a batch holds windows of several videos."""

from __future__ import annotations

import math
import queue
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from os.path import commonpath
from pathlib import Path
from typing import Any, TypeVar

import cv2
import numpy as np
import torch
from torch import nn

from kinema.boxes import MOTION, Place
from kinema.cluster import spread
from kinema.config import ClipConfig
from kinema.device import find_devices
from kinema.errors import CheckpointError, ConfigError, KinemaError, VideoError
from kinema.models.encoder import VideoEncoder
from kinema.models.folding import fold_batch_norms
from kinema.models.sources import open_encoder, weights_sha256
from kinema.precision import autocast_for
from kinema.processes import available_cores
from kinema.provenance import config_sha256
from kinema.search.appearance import appearance_vectors
from kinema.search.windowing import Windowing
from kinema.search.windows import SeenWindow, WindowReader
from kinema.vectors import unit
from kinema.whitening import Basis

Made = TypeVar("Made")
"""What is made of a window."""

PIXELS_AT_ONCE = 600_000
"""Of all frames of a pass on a CPU: the memory of larger ones comes from the system anew each time, which takes as long
as the pass; small ones have as much to do around the arithmetic as in it."""


@dataclass(frozen=True)
class EmbeddedWindow:
    """A window and its vectors.

    Attributes:
        start: seconds.
        end: seconds.
        strength: widths per second.
        motion: (D,) float32 of length 1, or zeros.
        appearance: (A,) float32 of length 1, or zeros.
        thumbnail: JPEG.
        place: what was cut of the frames; None where they are whole.
    """

    start: float
    end: float
    strength: float
    motion: np.ndarray
    appearance: np.ndarray
    thumbnail: bytes
    place: Place | None = None


@dataclass(frozen=True)
class Finished:
    """The end of a video: what is wrong with it, or nothing."""

    error: str


class Embedder:
    """An encoder that gives windows their vectors; on several devices, each has a part of every batch.

    Attributes:
        clip: the geometry of the clips that it is given.
        source: what it was opened from.
        fingerprint: of its weights, its clip and its readout; equal for encoders that give equal features.
        basis: of the index that the vectors are for; None to keep features as they are.

    Raises:
        ConfigError: there is no such ``device`` here.
    """

    def __init__(self, module: nn.Module, clip: ClipConfig, source: str, device: str = "auto"):
        self.clip, self.source = clip, source
        devices = find_devices(device)
        about = {"clip": _compared(clip), "weights": weights_sha256(module)}
        if isinstance(module, VideoEncoder):
            about["readout"] = asdict(module.readout)
        self.fingerprint = config_sha256(about)
        self.basis: Basis | None = None
        self._replicas = [(fold_batch_norms(module).to(on), on) for on in devices]

    def __call__(self, windows: Sequence[SeenWindow]) -> list[EmbeddedWindow]:
        """The windows with their vectors, in their order."""
        if not windows:
            return []
        motion = self.features(np.concatenate([window.clips for window in windows]))
        motion = motion.reshape(len(windows), -1, motion.shape[1]).mean(1)
        motion = unit(motion if self.basis is None else _shortened(motion, self.basis))
        appearance = appearance_vectors(np.stack([window.middle for window in windows]))
        return [
            EmbeddedWindow(window.start, window.end, window.strength, one, other, window.thumbnail, window.place)
            for window, one, other in zip(windows, motion, appearance, strict=True)
        ]

    def features(self, clips: np.ndarray) -> np.ndarray:
        """(N, D) float32 of clips (N, T, H, W, 3) uint8."""
        parts = np.array_split(clips, min(len(self._replicas), len(clips)))
        outputs = []
        few = max(1, PIXELS_AT_ONCE // math.prod(clips.shape[1:4]))
        with torch.inference_mode():
            for part, (module, on) in zip(parts, self._replicas, strict=False):  # a GPU goes on by itself
                for seen in torch.from_numpy(part).split(few if on.type == "cpu" else len(part)):
                    with autocast_for(on):
                        outputs.append(module(seen.to(on).permute(0, 4, 1, 2, 3).float().div_(255)))
        return np.concatenate([output.float().cpu().numpy() for output in outputs])


def _shortened(features: np.ndarray, basis: Basis) -> np.ndarray:
    """As :meth:`Basis.transform`, by PyTorch: NumPy's threads would keep cores busy after each product."""
    return (torch.from_numpy(features) @ torch.from_numpy(basis.directions).T).numpy()


def _compared(clip: ClipConfig) -> dict[str, Any]:
    """What of a clip's geometry decides which features can be compared: of files of boxes, that there are some."""
    said = asdict(clip)
    if clip.crop is None:  # as it was before there were crops
        del said["crop"]
    elif clip.crop != MOTION:
        said["crop"] = "boxes"
    return said


def open_embedder(source: str | Path, device: str = "auto", crop: str | None = None) -> Embedder:
    """An encoder for searching, by whatever :func:`kinema.models.open_encoder` takes.

    Args:
        source: the encoder.
        device: where it computes.
        crop: what its clips are cut around, as of :class:`~kinema.config.ClipConfig`; None for what its card says.

    Raises:
        CheckpointError: there is no encoder, or it cannot be used.
        ConfigError: there is no such ``device`` here.
    """
    opened = open_encoder(source)
    place = str(Path(source).resolve() if Path(source).exists() else source)
    clip = opened.clip if crop is None else replace(opened.clip, crop=crop)
    return Embedder(opened.module, clip, place, device)


@dataclass
class Waiting:
    """Seconds spent waiting for frames so far."""

    seconds: float = 0.0


class Embedding:
    """What a worker of a cluster does: a video's windows with their vectors, and how it ended.

    Args:
        source: of the encoder.
        device: where it computes.
        fingerprint: what the encoder has to be.
        basis: of the index.
        windowing: how videos are cut.
        batch_size: windows per forward pass.
        crop: what clips are cut around.

    Raises:
        CheckpointError: the encoder cannot be loaded there, or is another.
    """

    def __init__(
        self,
        source: str,
        device: str,
        fingerprint: str,
        basis: Basis | None,
        windowing: Windowing,
        batch_size: int,
        crop: str | None = None,
    ):
        self._embedder, self._size = open_embedder(source, device, crop), batch_size
        if self._embedder.fingerprint != fingerprint:
            raise CheckpointError(
                f"{source} is another encoder on a machine of the cluster; put the same one everywhere"
            )
        self._embedder.basis = basis
        self._reader = WindowReader(self._embedder.clip, windowing)

    def __call__(self, item: tuple[int, str]) -> tuple[list[EmbeddedWindow], Finished]:
        """The windows of a file, which comes with a number."""
        windows: list[EmbeddedWindow] = []
        seen: list[SeenWindow] = []
        reading = self._reader.read(item[1])
        try:
            while True:
                seen.append(next(reading))
                if len(seen) == self._size:
                    windows += self._embedder(seen)
                    seen = []
        except StopIteration as end:
            finished = Finished(end.value)
        except VideoError as error:
            finished = Finished(error.reason)
        return windows + self._embedder(seen), finished


def embed_on_cluster(
    cluster: str, paths: Sequence[str], embedder: Embedder, device: str, windowing: Windowing, batch_size: int
) -> Iterator[tuple[int, EmbeddedWindow | Finished]]:
    """As :func:`embed_videos`, on the machines of a cluster; the windows of a video come together.

    Raises:
        ConfigError: there is no such cluster, or a machine of it does not see the videos or the encoder.
    """
    arguments = (
        embedder.source,
        device,
        embedder.fingerprint,
        embedder.basis,
        windowing,
        batch_size,
        embedder.clip.crop,
    )
    folders = [Path(commonpath([str(Path(path).parent) for path in paths]))] if paths else []
    for (number, _), found in spread(cluster, enumerate(paths), Embedding, arguments, shared=folders, gpus=True):
        if isinstance(found, KinemaError):
            yield number, Finished(str(found))
            continue
        windows, finished = found
        for window in windows:
            yield number, window
        yield number, finished


def usual_workers() -> int:
    """How many threads decode where nobody says: as many as there are cores, at most 16."""
    return min(available_cores(), 16)


def embed_videos(
    paths: Sequence[str | Path],
    reader: WindowReader,
    embedder: Callable[[Sequence[SeenWindow]], Sequence[Made]],
    *,
    batch_size: int = 64,
    workers: int | None = None,
    waiting: Waiting | None = None,
) -> Iterator[tuple[int, Made | Finished]]:
    """Embed the windows of videos; memory is bounded by the batch, however long a video is.

    Args:
        paths: the files.
        reader: cuts them into windows.
        embedder: gives windows their vectors, or what else is wanted of them, in their order.
        batch_size: windows per forward pass.
        workers: threads that decode, each a video of its own; None for :func:`usual_workers`.
        waiting: told how long the encoder waited for frames.

    Yields:
        The number of a video in ``paths`` with a window of it, in the order of time, and after its last window how it
        ended. Videos alternate. A video that cannot be read ends with its error.
    """
    if batch_size < 1 or (workers is not None and workers < 1):
        raise ConfigError("embedding needs at least one window a batch and one worker; use positive numbers")
    count = usual_workers() if workers is None else workers
    waiting = waiting or Waiting()
    before = cv2.getNumThreads(), torch.get_num_threads()
    cv2.setNumThreads(1)  # the readers are parallel already
    team = _Readers(paths, reader, min(count, len(paths)), 2 * batch_size)
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

    def __init__(self, paths: Sequence[str | Path], reader: WindowReader, count: int, room: int):
        self._reader = reader
        self._todo = iter(enumerate(paths))
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
                self._put((number, self._read(number, path)))
        except BaseException as error:  # a fault of ours: the main thread shall fail with it
            self._put(error)
        self._put(None)

    def _read(self, number: int, path: str | Path) -> Finished:
        try:
            windows = self._reader.read(path)
            while self._put((number, next(windows))):
                pass
        except StopIteration as end:
            return Finished(end.value)
        except VideoError as error:
            return Finished(error.reason)
        except KinemaError as error:
            return Finished(str(error))
        return Finished("reading was stopped")

    def _put(self, item: tuple[int, SeenWindow | Finished] | BaseException | None) -> bool:
        while not self._stopped.is_set():
            try:
                self._queue.put(item, timeout=0.1)
                return True
            except queue.Full:
                continue
        return False
