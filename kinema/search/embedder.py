"""An encoder for searching: windows in, vectors out; and a file of one's own to features, in one call."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import torch
from torch import nn

from kinema.boxes.box import MOTION, Place
from kinema.common.device import find_devices
from kinema.common.provenance import config_sha256
from kinema.common.vectors import unit
from kinema.common.whitening import Basis
from kinema.config import ClipConfig, ReadoutConfig
from kinema.config.windows import Windowing
from kinema.errors import ConfigError
from kinema.models.encoder import VideoEncoder
from kinema.models.passes import features_of, fold_batch_norms
from kinema.models.sources import OpenedEncoder, open_encoder, weights_sha256
from kinema.search.windows import SeenWindow, WindowReader

CELLS = 4
"""Rows and columns of the layout of what a window looks like."""
BINS = (4, 6, 6)
"""Of its histogram: lightness, green to red, blue to yellow."""


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
        motion = self.means(windows)
        motion = unit(motion if self.basis is None else _shortened(motion, self.basis))
        appearance = appearance_vectors(np.stack([window.middle for window in windows]))
        return [
            EmbeddedWindow(window.start, window.end, window.strength, one, other, window.thumbnail, window.place)
            for window, one, other in zip(windows, motion, appearance, strict=True)
        ]

    def means(self, windows: Sequence[SeenWindow]) -> np.ndarray:
        """(N, D) float32 of windows: the mean over the clips of each of what the encoder makes of them."""
        found = self.features(np.concatenate([window.clips for window in windows]))
        return found.reshape(len(windows), -1, found.shape[1]).mean(1)

    def features(self, clips: np.ndarray) -> np.ndarray:
        """(N, D) float32 of clips (N, T, H, W, 3) uint8."""
        parts = np.array_split(clips, min(len(self._replicas), len(clips)))
        outputs = [  # a GPU goes on by itself
            features_of(module, torch.from_numpy(part), on)
            for part, (module, on) in zip(parts, self._replicas, strict=False)
        ]
        return np.concatenate([output.cpu().numpy() for output in outputs])


def _shortened(features: np.ndarray, basis: Basis) -> np.ndarray:
    """As :meth:`Basis.transform`, by PyTorch: NumPy's threads would keep cores busy after each product."""
    return (torch.from_numpy(features) @ torch.from_numpy(basis.directions).T).numpy()


def appearance_vectors(frames: np.ndarray) -> np.ndarray:
    """What frames (N, H, W, 3) uint8 look like, whatever moves in them: (N, A) float32 of length 1.

    Half is the layout, the mean colour of each of 4 x 4 cells, the other half the colour histogram of the whole frame
    under a square root; both in CIELAB, each of equal length.

    The encoder on a clip whose frames are all that one frame does not do: MSCL's looks for differences, and finds the
    scene of a synthetic video in about a third of its neighbours, colours find it in all of them (docs/search.md).
    """
    return np.stack([_descriptor(cv2.cvtColor(frame, cv2.COLOR_RGB2LAB)) for frame in frames])


def _descriptor(lab: np.ndarray) -> np.ndarray:
    cells = cv2.resize(lab.astype(np.float32), (CELLS, CELLS), interpolation=cv2.INTER_AREA)
    layout = cells.ravel() / 255 - 0.5
    histogram = cv2.calcHist([lab], [0, 1, 2], None, list(BINS), [0, 256, 32, 224, 32, 224]).ravel()
    halves = (layout, np.sqrt(histogram))
    return np.concatenate([half / max(float(np.linalg.norm(half)), 1e-6) for half in halves]) / np.float32(2**0.5)


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
    embedded, fault = [], ""

    def read() -> Iterator[SeenWindow]:
        nonlocal fault
        fault = yield from WindowReader(opened.clip, Windowing(stride=stride)).read(path)

    windows = read()
    while batch := list(islice(windows, max(1, batch_size))):
        embedded += embedder(batch)
    if fault:
        warnings.warn(f"{path}: {fault}", stacklevel=2)
    times = np.array([(window.start, window.end) for window in embedded], np.float64)
    return EmbeddedVideo(times.reshape(-1, 2), np.stack([window.motion for window in embedded]))
