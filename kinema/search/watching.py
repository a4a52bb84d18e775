"""Labelling windows as they come."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

from kinema.errors import DataError
from kinema.search.classifier import Classifier
from kinema.search.embedding import Embedder
from kinema.search.live import LiveWindow, is_live, live_windows
from kinema.search.windows import Windowing, WindowReader


@dataclass(frozen=True)
class Labelled:
    """A window and what was seen in it.

    Attributes:
        start: seconds from the first frame.
        end: seconds.
        label: the likeliest class.
        probability: of it, 0 to 1.
        strength: widths per second.
        latency: seconds from the window's last frame being decoded to the label.
        dropped: live windows that were passed over since the one before, because the encoder was not done.
    """

    start: float
    end: float
    label: str
    probability: float
    strength: float
    latency: float
    dropped: int


def watch(source: str, embedder: Embedder, windowing: Windowing, classifier: Classifier) -> Iterator[Labelled]:
    """Label the windows of a source one by one until it ends.

    Of a live source the latest window is labelled, and those that the encoder has no time for are passed over; of a
    file none is.

    Args:
        source: see :func:`~kinema.search.live.live_windows`.
        embedder: the encoder that the classifier was trained with.
        windowing: length and stride of windows.
        classifier: gives the labels.

    Raises:
        DataError: the classifier was trained with another encoder.
        VideoError: the source cannot be opened, or breaks off.
    """
    if classifier.fingerprint != embedder.fingerprint:
        raise DataError(
            f"the classifier was trained with another encoder than {embedder.source}; train it on this index"
        )
    live = is_live(source)
    windows: queue.Queue[LiveWindow | BaseException | None] = queue.Queue(1 if live else 8)
    stopped, dropped = threading.Event(), 0

    def put(item: LiveWindow | BaseException | None) -> None:
        nonlocal dropped
        if live and isinstance(item, LiveWindow) and windows.full():
            with suppress(queue.Empty):
                windows.get_nowait()
                dropped += 1
        while not stopped.is_set():
            with suppress(queue.Full):
                return windows.put(item, timeout=0.1)

    def read() -> None:
        try:
            for window in live_windows(source, WindowReader(embedder.clip, windowing)):
                if stopped.is_set():
                    return
                put(window)
            put(None)
        except BaseException as error:
            put(error)

    thread = threading.Thread(target=read, daemon=True)
    thread.start()
    told = 0
    try:
        while (item := windows.get()) is not None:
            if isinstance(item, BaseException):
                raise item
            (embedded,) = embedder([item.seen])
            shares = classifier.predict(embedded.motion[None])[0]
            best = int(shares.argmax())
            passed, told = dropped - told, dropped
            latency = time.perf_counter() - item.complete
            yield Labelled(
                embedded.start,
                embedded.end,
                classifier.classes[best],
                float(shares[best]),
                embedded.strength,
                latency,
                passed,
            )
    finally:
        stopped.set()
