"""Which videos a report shows: drawn by a rule that knows nothing of what was found."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

DRAWN_WITH = 0
"""Seed of the draw."""
NEIGHBOURS = 4
"""Of a video that is shown, how many are shown beside it."""


def draw_one_each(labels: Sequence[str], count: int | None = None) -> list[int]:
    """A video of each label, drawn at random, in the order of the labels.

    Args:
        labels: of the videos.
        count: labels that are drawn at random first; all by default.

    Returns:
        Positions of the videos.
    """
    rng = np.random.default_rng(DRAWN_WITH)
    names = np.array(labels)
    chosen = sorted(rng.permutation(np.unique(names))[:count].tolist())
    return [int(rng.choice(np.flatnonzero(names == name))) for name in chosen]
