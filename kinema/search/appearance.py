"""What a window looks like, whatever moves in it: a descriptor of its middle frame."""

from __future__ import annotations

import cv2
import numpy as np

CELLS = 4


def appearance_vectors(frames: np.ndarray) -> np.ndarray:
    """Descriptors (N, A) float32 of length 1 of frames (N, H, W, 3) uint8."""
    return np.stack([_layout(frame) for frame in frames])


def _layout(frame: np.ndarray) -> np.ndarray:
    lab = cv2.cvtColor(frame, cv2.COLOR_RGB2LAB).astype(np.float32)
    values = cv2.resize(lab, (CELLS, CELLS), interpolation=cv2.INTER_AREA).ravel() / 255 - 0.5
    return values / max(float(np.linalg.norm(values)), 1e-9)
