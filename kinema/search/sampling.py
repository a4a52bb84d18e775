"""Some of many: drawn evenly, the first of a ranking without those that show much the same, or the most doubtful.

Where one more label would teach a classifier most are the windows that it is least sure of (sampling by margin).
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from kinema.search.results import Window

MOMENT = 1e-6
"""Seconds that a label without length counts for."""

Part = tuple[float, float]


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
    order = {place: rank for rank, place in enumerate(ranked)}
    return sorted(shown, key=order.__getitem__)


def margins(shares: np.ndarray) -> np.ndarray:
    """(N,) how much likelier the best class is than the second, of probabilities (N, classes), at least two classes."""
    best = np.partition(shares, -2, axis=1)
    return best[:, -1] - best[:, -2]


def most_doubtful(
    windows: Sequence[Window], shares: np.ndarray, labelled: Mapping[str, Iterable[Part]], count: int
) -> list[int]:
    """The places among ``windows`` of those with the smallest margin between their two best classes.

    They are spread over videos (:func:`spread_out`), and sorted by the margin.

    Args:
        windows: of the library, in any order.
        shares: (N, classes) the probabilities that the classifier gives them.
        labelled: onset and offset in seconds of what is labelled already, by the video's path; windows that overlap it
            are passed over.
        count: how many, at most.
    """
    taken = {path: _joined(parts) for path, parts in labelled.items()}
    ranked = [
        place
        for place in np.argsort(margins(shares), kind="stable").tolist()
        if not _overlaps(windows[place], taken.get(windows[place].path, ()))
    ]
    return spread_out(ranked, windows, count)


def _joined(parts: Iterable[Part]) -> list[Part]:
    """The same seconds as parts that are apart, in the order of time."""
    joined: list[Part] = []
    for start, end in sorted((start, max(end, start + MOMENT)) for start, end in parts):
        if joined and start <= joined[-1][1]:
            joined[-1] = joined[-1][0], max(end, joined[-1][1])
        else:
            joined.append((start, end))
    return joined


def _overlaps(window: Window, parts: Sequence[Part]) -> bool:
    after = bisect_right(parts, window.start, key=lambda part: part[1])  # the first that ends later
    return after < len(parts) and parts[after][0] < window.end
