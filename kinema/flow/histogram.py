"""Local histograms of motion: how much moves in which direction, and how that changes from place to place.

Histograms of oriented flow (Chaudhry et al., CVPR 2009) and motion boundary histograms (Dalal et al., ECCV 2006), over
cells of space and time. They say what moves, and keep nothing of how it looks.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

DIRECTIONS = 8
"""Directions of a histogram; the first points rightwards, the third downwards."""


def stabilise(flow: Tensor) -> Tensor:
    """Take its median vector from each field (B, 2, S, H, W): a camera that pans leaves what stands still at rest."""
    return flow - flow.flatten(3).median(dim=3).values[..., None, None]


def direction_histogram(vectors: Tensor, grid: tuple[int, int, int], threshold: float) -> Tensor:
    """Mean length of the vectors by direction, and the share of those that are shorter than a threshold.

    A vector's length is shared by the two directions that it lies between, the more to the nearer one.

    Args:
        vectors: (B, 2, S, H, W).
        grid: cells in time, height and width, of about the same size; at least one each.
        threshold: shorter vectors count as still, and by no direction.

    Returns:
        (B, DIRECTIONS + 1, *grid), of which the last channel is the share of what is still, from 0 to 1.
    """
    u, v = vectors.unbind(dim=1)
    length = torch.hypot(u, v)
    turn = torch.atan2(v, u) * (DIRECTIONS / (2 * math.pi))
    before = turn.floor()
    rest = turn - before
    moving = length >= threshold
    length = length * moving
    histogram = vectors.new_zeros((len(vectors), DIRECTIONS + 1, *u.shape[1:]))
    first = before.long().remainder(DIRECTIONS)[:, None]
    histogram.scatter_(1, first, ((1 - rest) * length)[:, None])
    histogram.scatter_(1, (first + 1).remainder(DIRECTIONS), (rest * length)[:, None])
    histogram[:, DIRECTIONS] = ~moving
    return F.adaptive_avg_pool3d(histogram, grid)


def boundary_histogram(flow: Tensor, grid: tuple[int, int, int], threshold: float) -> Tensor:
    """Histograms of the spatial gradients of u and of v: where motion changes, whatever all of it does together.

    Args:
        flow: (B, 2, S, H, W).
        grid: as for :func:`direction_histogram`.
        threshold: of the length of a gradient, in pixels of flow a pixel of the frame.

    Returns:
        (B, 2 * (DIRECTIONS + 1), *grid): the histogram for u, then that for v.
    """
    fields = flow.transpose(1, 2).flatten(0, 2)[:, None]  # (B * S * 2, 1, H, W)
    smooth = flow.new_tensor([1, 4, 6, 4, 1]) / 16
    slope, across = flow.new_tensor([-1, 0, 1]) / 2, flow.new_tensor([1, 2, 1]) / 4
    fields = F.conv2d(F.pad(fields, (2, 2, 2, 2), mode="replicate"), smooth.view(1, 1, 1, 5))
    fields = F.conv2d(fields, smooth.view(1, 1, 5, 1))
    kernels = torch.stack((across[:, None] * slope, slope[:, None] * across))[:, None]
    gradients = F.conv2d(F.pad(fields, (1, 1, 1, 1), mode="replicate"), kernels)
    gradients = gradients.unflatten(0, (len(flow), -1, 2)).permute(2, 0, 3, 1, 4, 5)  # (2, B, 2, S, H, W)
    return torch.cat([direction_histogram(part, grid, threshold) for part in gradients], dim=1)
