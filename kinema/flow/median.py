"""The median filter that TV-L1 cleans its flow with, made of element-wise minima and maxima.

Sorting networks work on whole fields at once, on any device, and the sorted columns serve every window they lie in: on
a CPU that is many times as quick as taking the median of each window (``torch.median`` of an unfolded tensor).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache

import torch
import torch.nn.functional as F
from torch import Tensor

STRIP_PIXELS = 1 << 14
"""Pixels that are filtered at once on a CPU, so that the values in between stay in its cache."""


def median_filter(fields: Tensor, size: int) -> Tensor:
    """The median of the ``size`` x ``size`` window around each pixel; the edge is repeated outwards.

    Args:
        fields: floating point ``(..., H, W)`` with at least three dimensions, finite.
        size: odd; 1 returns ``fields`` themselves.

    Returns:
        The same shape, contiguous; new memory unless ``size`` is 1.
    """
    if size == 1:
        return fields
    margin = size // 2
    padded = F.pad(fields.flatten(0, -3)[:, None], [margin] * 4, mode="replicate")[:, 0]
    height, width = fields.shape[-2:]
    strip = max(1, STRIP_PIXELS // (len(padded) * width)) if fields.device.type == "cpu" else height
    filtered = torch.empty_like(fields, memory_format=torch.contiguous_format)
    for top in range(0, height, strip):
        rows = padded[:, top : top + strip + 2 * margin]
        filtered[..., top : top + strip, :] = _medians(rows, size).view(*fields.shape[:-2], -1, width)
    return filtered


def _medians(padded: Tensor, size: int) -> Tensor:
    """The medians of all windows that lie within ``padded (N, H, W)``."""
    height, width = padded.shape[1] - size + 1, padded.shape[2] - size + 1
    ranks = _select([padded[:, i : i + height] for i in range(size)], size, tuple(range(size)))
    kept, below = _candidates(size)
    values = [
        value
        for row, wanted in zip(ranks, kept, strict=True)
        for value in _select([row[..., j : j + width] for j in range(size)], size, wanted)
    ]
    return _select(values, len(values), (size * size // 2 - below,))[0]


@cache
def _candidates(size: int) -> tuple[tuple[tuple[int, ...], ...], int]:
    """Where the median can be once columns, then rows are sorted, row by row; and how many of the rest lie below it.

    The value in row i, column j then has (i + 1)(j + 1) values no larger than it, itself included, and likewise above:
    more than half of all on one side, and it cannot be in the middle.
    """
    half = size * size // 2 + 1
    low = {(i, j) for i in range(size) for j in range(size) if (size - i) * (size - j) > half}
    high = {(size - 1 - i, size - 1 - j) for i, j in low}
    return tuple(tuple(j for j in range(size) if (i, j) not in low | high) for i in range(size)), len(low)


def _select(values: Sequence[Tensor], count: int, ranks: tuple[int, ...]) -> list[Tensor]:
    """Those of the element-wise sorted ``values`` that stand at ``ranks``."""
    lanes = list(values)
    for low, high, want_low, want_high in _network(count, ranks):
        smaller = torch.minimum(lanes[low], lanes[high]) if want_low else lanes[low]
        if want_high:
            lanes[high] = torch.maximum(lanes[low], lanes[high])
        lanes[low] = smaller
    return [lanes[rank] for rank in ranks]


@cache
def _network(count: int, ranks: tuple[int, ...]) -> tuple[tuple[int, int, bool, bool], ...]:
    """Exchanges (low, high, is the minimum needed, is the maximum needed) that sort ``count`` lanes as far as asked."""
    needed = set(ranks)
    steps = []
    for low, high in reversed(list(_merge_exchange(count))):
        if low in needed or high in needed:
            steps.append((low, high, low in needed, high in needed))
            needed |= {low, high}
    return tuple(reversed(steps))


def _merge_exchange(count: int) -> Iterable[tuple[int, int]]:
    """Batcher's sorting network (Knuth, The Art of Computer Programming, volume 3, 5.2.2, algorithm M)."""
    top = 1 << max(0, (count - 1).bit_length() - 1)
    p = top
    while p > 0:
        q, r, d = top, 0, p
        while True:
            yield from ((i, i + d) for i in range(count - d) if i & p == r)
            if q == p:
                break
            d, q, r = q - p, q // 2, p
        p //= 2
