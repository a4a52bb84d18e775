"""A file of one's own to features, in one call."""

from __future__ import annotations

import warnings
from collections.abc import Generator
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import numpy as np

from kinema.config import ReadoutConfig
from kinema.config.windows import Windowing
from kinema.errors import ConfigError
from kinema.models.sources import OpenedEncoder, open_encoder
from kinema.search.embedder import Embedder
from kinema.search.windows import SeenWindow, WindowReader


class EmbeddedVideo(NamedTuple):
    """The windows of a video, in the order of time."""

    times: np.ndarray
    """(N, 2) float64: where each begins and ends, in seconds from the first frame."""
    vectors: np.ndarray
    """(N, D) float32 of length 1: what the encoder makes of each."""


def embed_video(
    path: str | Path,
    encoder: str | Path | OpenedEncoder = "motion",
    *,
    stride: float | None = None,
    readout: ReadoutConfig | None = None,
    device: str = "auto",
    batch_size: int = 32,
) -> EmbeddedVideo:
    """What an encoder makes of the windows of a video, each as long as one of its clips.

    Two windows move alike where the product of their vectors is near to 1::

        import kinema

        times, vectors = kinema.embed_video("walk.mp4")
        alike = vectors @ vectors.T

    Args:
        path: the file.
        encoder: what :func:`kinema.open_encoder` takes; or what it gave, to open it once for many files.
        stride: seconds from one window to the next; None for half a window.
        readout: what of the encoder's network is a feature; None for what its card says.
        device: "auto", "cpu", "cuda", ...
        batch_size: windows per forward pass.

    Raises:
        VideoError: the file cannot be read. Of one that is damaged later on, what can be read is embedded, and a
            warning says so.
        ConfigError: a setting is out of range, or frames are smaller than what the encoder sees.
        CheckpointError: there is no such encoder.
    """
    if isinstance(encoder, OpenedEncoder) and readout is not None:
        raise ConfigError("an encoder that is open has its readout: give it to kinema.open_encoder")
    opened = encoder if isinstance(encoder, OpenedEncoder) else open_encoder(encoder, readout=readout)
    embedder = Embedder(opened.module, opened.clip, opened.name, device)
    windows = _Told(WindowReader(opened.clip, Windowing(stride=stride)).read(path))
    embedded = []
    shown = iter(windows)
    while batch := list(islice(shown, max(1, batch_size))):
        embedded += embedder(batch)
    if windows.fault:
        warnings.warn(f"{path}: {windows.fault}", stacklevel=2)
    times = np.array([(window.start, window.end) for window in embedded], np.float64)
    return EmbeddedVideo(times.reshape(-1, 2), np.stack([window.motion for window in embedded]))


class _Told:
    """Windows, and what their reader says at the end of what is wrong with the file."""

    def __init__(self, windows: Generator[SeenWindow, None, str]):
        self._windows = windows
        self.fault = ""

    def __iter__(self) -> Generator[SeenWindow, None, None]:
        self.fault = yield from self._windows
