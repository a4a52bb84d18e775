"""Some of many: drawn evenly, or the first of a ranking without those that show much the same."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from kinema.search.results import Window


def evenly(count: int, most: int) -> np.ndarray:
    """Positions (N,) int64 among ``count``, sorted and at equal distances: at most ``most`` of them, or all."""
    drawn = min(count, most)
    return np.arange(drawn, dtype=np.int64) * count // max(1, drawn)


def spread_out(ranked: Sequence[int], windows: Sequence[Window], count: int) -> list[int]:
    """Up to ``count`` of the ranked windows, as they come: one of each video first, since its others look much the
    same, then places of the same videos that do not overlap, so that a long video is shown in full.
    """
    firsts: dict[str, int] = {}
    for place in ranked:
        firsts.setdefault(windows[place].path, place)
    shown = list(firsts.values())[:count]
    taken: dict[str, list[Window]] = {}
    for place in shown:
        taken.setdefault(windows[place].path, []).append(windows[place])
    for place in ranked:
        if len(shown) == count:
            break
        window = windows[place]
        same = taken.setdefault(window.path, [])
        if all(window.end <= other.start or window.start >= other.end for other in same):
            shown.append(place)
            same.append(window)
    chosen = set(shown)
    return [place for place in ranked if place in chosen]
