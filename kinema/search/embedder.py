"""An encoder for searching: windows in, vectors out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from kinema.boxes.box import MOTION, Place
from kinema.common.device import find_devices
from kinema.common.provenance import config_sha256
from kinema.common.vectors import unit
from kinema.common.whitening import Basis
from kinema.config import ClipConfig
from kinema.models.encoder import VideoEncoder
from kinema.models.passes import features_of, fold_batch_norms
from kinema.models.sources import open_encoder, weights_sha256
from kinema.search.appearance import appearance_vectors
from kinema.search.windows import SeenWindow


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
        outputs = [  # a GPU goes on by itself
            features_of(module, torch.from_numpy(part), on)
            for part, (module, on) in zip(parts, self._replicas, strict=False)
        ]
        return np.concatenate([output.cpu().numpy() for output in outputs])


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
