"""Local histograms of motion: how much moves in which direction, and how that changes from place to place.

Histograms of oriented flow (Chaudhry et al., CVPR 2009) and motion boundary histograms (Dalal et al., ECCV 2006), over
cells of space and time. They say what moves, and keep nothing of how it looks.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

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
        grid: cells in time, height and width, of about the same size; where there are more of them than moments or
            pixels, several have the same histogram.
        threshold: shorter vectors count as still, and by no direction.

    Returns:
        (B, DIRECTIONS + 1, *grid), of which the last channel is the share of what is still, from 0 to 1.
    """
    u, v = vectors.unbind(dim=1)
    length = torch.hypot(u, v)
    turn = torch.atan2(v, u) * (DIRECTIONS / (2 * math.pi))
    before = turn.floor()
    share = (turn - before) * length  # of the second direction
    first = before.long() & (DIRECTIONS - 1)  # a remainder, which is several times slower
    second = (first + 1) & (DIRECTIONS - 1)
    still = length < threshold
    cells = [min(count, side) for count, side in zip(grid, u.shape[1:], strict=True)]
    # Added up in cells at once: pictures of all directions would take several times as long.
    cell = _cells(u.shape, cells, u.device) * (DIRECTIONS + 1)
    sums = vectors.new_zeros(len(vectors) * math.prod(cells) * (DIRECTIONS + 1))
    sums.index_add_(
        0, (cell + first.masked_fill(still, DIRECTIONS)).flatten(), (length - share).masked_fill(still, 1).flatten()
    )
    sums.index_add_(0, (cell + second).flatten(), share.masked_fill(still, 0).flatten())
    sums = sums.view(len(vectors), *cells, DIRECTIONS + 1)
    counts = torch.bincount(_cells((1, *u.shape[1:]), cells, u.device).flatten()).view(*cells, 1)
    return F.interpolate((sums / counts).movedim(4, 1), grid, mode="nearest")


def _cells(shape: Sequence[int], cells: Sequence[int], device: torch.device) -> Tensor:
    """The cell of every vector of fields (B, S, H, W), counted through all clips."""
    number = torch.arange(shape[0], device=device)[:, None, None, None]
    for axis, (side, count) in enumerate(zip(shape[1:], cells, strict=True)):
        places = torch.arange(side, device=device) * count // side
        number = number * count + places.view(-1, *[1] * (2 - axis))
    return number


def flow_gradients(flow: Tensor) -> Tensor:
    """How smoothed flow changes from place to place, whatever all of it does together: what motion boundaries are.

    Args:
        flow: (B, 2, S, H, W).

    Returns:
        (B, 2, 2, S, H, W): the gradient of u, rightwards and downwards, and that of v; in pixels a pixel.
    """
    (rows, row_slopes), (columns, column_slopes) = (_smoothing(flow, side) for side in flow.shape[3:])
    return torch.stack((rows @ flow @ column_slopes.T, row_slopes @ flow @ columns.T), dim=2)


def _smoothing(flow: Tensor, side: int) -> tuple[Tensor, Tensor]:
    """Matrices (side, side) that smooth a line of values, and that take the slope of the smoothed line.

    As products they are several times quicker than convolutions of a single channel.
    """

    def matrix(*kernel: float) -> Tensor:
        reach = len(kernel) // 2
        units = F.pad(torch.eye(side, device=flow.device)[:, None], (reach, reach), mode="replicate")
        return F.conv1d(units, torch.tensor(kernel, device=flow.device).view(1, 1, -1))[:, 0].T.to(flow.dtype)

    smooth = matrix(1 / 16, 4 / 16, 6 / 16, 4 / 16, 1 / 16)
    return matrix(1 / 4, 2 / 4, 1 / 4) @ smooth, matrix(-1 / 2, 0, 1 / 2) @ smooth
