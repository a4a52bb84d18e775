"""Frames that tell their number, and frames that take space."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

LEVEL = 7  # brightness step from frame to frame of flat_frames


def flat_frames(count: int, height: int = 48, width: int = 64) -> NDArray[np.uint8]:
    levels = 10 + LEVEL * (np.arange(count) % 32)
    return np.broadcast_to(levels[:, None, None, None], (count, height, width, 3)).astype(np.uint8)


def textured_frames(count: int, height: int = 48, width: int = 64) -> NDArray[np.uint8]:
    """Noise that glides by: a few hundred bytes a frame, so that a cut or damage hits frames and not headers."""
    noise = np.random.default_rng(0).integers(0, 256, (height, width + 2 * count, 3), dtype=np.uint8)
    return np.stack([noise[:, 2 * i : 2 * i + width] for i in range(count)])


def brightness(frames: NDArray[np.uint8]) -> list[int]:
    """Recover frame numbers (modulo 32) from decoded frames."""
    return [round((float(frame.mean()) - 10) / LEVEL) for frame in frames]
