"""Some of many, drawn evenly."""

from __future__ import annotations

import numpy as np


def evenly(count: int, most: int) -> np.ndarray:
    """Positions (N,) int64 among ``count``, sorted and at equal distances: at most ``most`` of them, or all."""
    drawn = min(count, most)
    return np.arange(drawn, dtype=np.int64) * count // max(1, drawn)
