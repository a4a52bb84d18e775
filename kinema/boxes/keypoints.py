"""Keypoints of a pose as a box."""

from __future__ import annotations

import numpy as np

LEAST = 2
"""Keypoints that a pose must have to say where its subject is."""


def boxes_of(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The boxes around keypoints.

    Args:
        points: (N, K, 2) x and y in pixels; NaN where one was not found.

    Returns:
        (M,) which of N have enough of them, and (M, 4) left, top, right and bottom, a pixel wide and high at least.
    """
    seen = np.isfinite(points).all(2)
    kept = np.flatnonzero(seen.sum(1) >= LEAST)
    found = points[kept]
    low = np.where(seen[kept][..., None], found, np.inf).min(1) if len(kept) else np.zeros((0, 2))
    high = np.where(seen[kept][..., None], found, -np.inf).max(1) if len(kept) else np.zeros((0, 2))
    return kept, np.concatenate([low, np.maximum(high, low + 1)], 1)
