"""What a window looks like, whatever moves in it: colours and where they lie, of its middle frame.

The encoder on a clip whose frames are all that one frame does not do: MSCL's looks for differences, and finds the scene
of a synthetic video in about a third of its neighbours, where colours find it in all of them (docs/search.md).
"""

from __future__ import annotations

import cv2
import numpy as np

CELLS = 4
"""Rows and columns of the layout."""
BINS = (4, 6, 6)
"""Of the histogram: lightness, green to red, blue to yellow."""


def appearance_vectors(frames: np.ndarray) -> np.ndarray:
    """Descriptors (N, A) float32 of length 1 of frames (N, H, W, 3) uint8.

    Half is the layout, the mean colour of each of 4 x 4 cells, the other half the colour histogram of the whole frame
    under a square root; both in CIELAB, each of equal length.
    """
    return np.stack([_descriptor(cv2.cvtColor(frame, cv2.COLOR_RGB2LAB)) for frame in frames])


def _descriptor(lab: np.ndarray) -> np.ndarray:
    cells = cv2.resize(lab.astype(np.float32), (CELLS, CELLS), interpolation=cv2.INTER_AREA)
    layout = cells.ravel() / 255 - 0.5
    histogram = cv2.calcHist([lab], [0, 1, 2], None, list(BINS), [0, 256, 32, 224, 32, 224]).ravel()
    halves = (layout, np.sqrt(histogram))
    return np.concatenate([half / max(float(np.linalg.norm(half)), 1e-6) for half in halves]) / np.float32(2**0.5)
