"""Labelling windows as they come."""

from __future__ import annotations

import queue
import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np

from kinema.annotations.bouts import BoutFinder
from kinema.annotations.interval import Interval, posix
from kinema.boxes.box import MOTION
from kinema.common.processes import one_product_thread
from kinema.config import BoutConfig
from kinema.config.windows import Windowing
from kinema.methods.recognition import CLASSIFIER_FILE, load_classifier
from kinema.models.sources import clip_of
from kinema.models.weights import ENCODER_FILE
from kinema.search.embedder import Embedder
from kinema.search.live import is_live, live_windows
from kinema.search.windows import SeenWindow, WindowReader

TOGETHER = 8
"""Windows of a file that are labelled together: single ones take an encoder far longer."""
Seen = tuple[SeenWindow, float]
"""A window, and when its last frame had been decoded, on the clock of :func:`time.perf_counter`."""


@dataclass(frozen=True)
class Labelled:
    """A window and what was seen in it.

    Attributes:
        start: seconds from the first frame.
        end: seconds.
        label: the likeliest class.
        probability: of it, 0 to 1.
        shares: the probability of each class.
        strength: widths per second.
        latency: seconds from the window's last frame being decoded to the label.
        dropped: live windows that were passed over since the one before, because the encoder was not done.
    """

    start: float
    end: float
    label: str
    probability: float
    shares: Mapping[str, float]
    strength: float
    latency: float
    dropped: int


def watch(
    source: str, reader: WindowReader, classes: Sequence[str], label: Callable[[Sequence[SeenWindow]], np.ndarray]
) -> Iterator[Labelled]:
    """Label the windows of a source one by one until it ends.

    Of a live source the latest window is labelled, and those that there is no time for are passed over; of a file none
    is, and several are labelled together.

    Args:
        source: see :func:`~kinema.search.live.live_windows`.
        reader: cuts it into windows.
        classes: what is told apart.
        label: gives N windows the probability of each of them, (N, classes).

    Raises:
        VideoError: the source cannot be opened, or breaks off.
    """
    live = is_live(source)
    windows: queue.Queue[Seen | BaseException | None] = queue.Queue(1 if live else TOGETHER)
    stopped, dropped = threading.Event(), 0

    def put(item: Seen | BaseException | None) -> None:
        nonlocal dropped
        if live and isinstance(item, tuple) and windows.full():
            with suppress(queue.Empty):
                windows.get_nowait()
                dropped += 1
        while not stopped.is_set():
            with suppress(queue.Full):
                return windows.put(item, timeout=0.1)

    def read() -> None:
        try:
            for window in live_windows(source, reader):
                if stopped.is_set():
                    return
                put((window, time.perf_counter()))
            put(None)
        except BaseException as error:
            put(error)

    thread = threading.Thread(target=read, daemon=True)
    thread.start()
    told, threads = 0, cv2.getNumThreads()
    cv2.setNumThreads(1)  # frames are so small that a second thread costs more than it saves
    limit = one_product_thread()
    try:
        while True:
            items = [windows.get()]
            while not live and isinstance(items[-1], tuple) and len(items) < TOGETHER:
                items.append(windows.get())
            come = [item for item in items if isinstance(item, tuple)]
            for (seen, complete), shares in zip(come, label([one for one, _ in come]) if come else (), strict=True):
                best = int(shares.argmax())
                passed, told = dropped - told, dropped
                latency = time.perf_counter() - complete
                all_shares = dict(zip(classes, shares.tolist(), strict=True))
                likeliest = classes[best], float(shares[best])
                yield Labelled(seen.start, seen.end, *likeliest, all_shares, seen.strength, latency, passed)
            if isinstance(items[-1], BaseException):
                raise items[-1]
            if items[-1] is None:
                return
    finally:
        stopped.set()
        cv2.setNumThreads(threads)
        limit.restore_original_limits()


class LiveBouts:
    """The bouts of a source while its windows are labelled: those that all its windows would have at once.

    Args:
        source: as of :func:`watch`; a password in an address is left out of its name.
        config: how bouts are made.
    """

    def __init__(self, source: str, config: BoutConfig | None = None):
        self._name = re.sub(r"//[^/@]*@", "//", source)
        self._config = config
        self._finder: BoutFinder | None = None

    def add(self, seen: Labelled) -> list[Interval]:
        """Take the next window; return the bouts that nothing later can change."""
        if self._finder is None:
            self._finder = BoutFinder(posix(self._name), tuple(seen.shares), self._config)
        shares = np.fromiter(seen.shares.values(), np.float32)
        return self._finder.add(np.array([seen.start]), np.array([seen.end]), shares[None])

    def finish(self) -> list[Interval]:
        """The bouts that are left when the source has ended."""
        return [] if self._finder is None else self._finder.finish()


def watch_with_network(source: str, run: str | Path, device: str = "auto") -> Iterator[Labelled]:
    """Label the windows of a source, as of :func:`watch`, by a network that `kinema finetune` trained.

    One that was trained on clips that are cut around boxes is shown windows that are cut around what moves.

    Args:
        source: a video file, a camera or an address.
        run: the training's folder.
        device: "auto", "cpu", "cuda:1", ...

    Raises:
        CheckpointError: there is no such network.
        VideoError: the source cannot be opened, or breaks off.
    """
    network, classes = load_classifier(run)
    clip = clip_of(network.encoder)
    if clip.crop is not None:  # boxes that it was trained with are of other videos
        clip = replace(clip, crop=MOTION)
    embedder = Embedder(network, clip, str(run), device)
    return watch(source, WindowReader(embedder.clip, Windowing()), classes, embedder.means)


def network_of(path: str | Path) -> Path | None:
    """The folder that a path names, or that of the classifier of `kinema finetune` it names; None if it is none.

    Of a folder, whoever opens it says what it lacks.
    """
    if Path(path).is_dir():
        return Path(path)
    folder = Path(path).parent
    named = Path(path).name == CLASSIFIER_FILE
    return folder if named and all((folder / name).is_file() for name in (CLASSIFIER_FILE, ENCODER_FILE)) else None
