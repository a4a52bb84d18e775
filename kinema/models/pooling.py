"""Averages over the cells of a grid, in operations that every runtime has."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F


def average_to(x: Tensor, size: Sequence[int]) -> Tensor:
    """``x`` (B, C, T, H, W) averaged to the cells of a grid of ``size``, or repeated where that is finer.

    Cells overlap where a side is no multiple of theirs.
    """
    if tuple(x.shape[2:]) == tuple(size):
        return x
    if not torch.compiler.is_exporting():
        time, height, width = size
        return F.adaptive_avg_pool3d(x, (time, height, width))
    for axis, cells in enumerate(size, start=2):  # the same axis by axis: ONNX has no such pooling
        x = (x.movedim(axis, -1) @ _averages(x.shape[axis], cells)).movedim(-1, axis)
    return x


def _averages(inputs: int, outputs: int) -> Tensor:
    """The matrix (inputs, outputs) by which a line of so many values is averaged to so many."""
    ends = [(place * inputs // outputs, -(-(place + 1) * inputs // outputs)) for place in range(outputs)]
    columns = [[(begin <= place < end) / (end - begin) for begin, end in ends] for place in range(inputs)]
    return torch.tensor(columns)
