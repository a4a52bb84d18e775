"""The local cost volume: how like each place of one frame is to the places around it in another.

The (2 radius + 1)^2 shifted copies of the features, which pad-and-stack or ``unfold`` would make, never exist. All
places lie in one row, with gaps of zeros between the lines and frames of a picture, so that a displacement is a shift
along the row, the same for every place. The products of a block of neighbours with a window that is a little longer
then hold the similarities with all horizontal displacements on their diagonals: small matrix products, which a
processor is so quick at that it may throw half of them away. ``benchmarks/cost_volume.py`` compares.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from kinema.errors import ConfigError

BLOCK = 16
"""Places that one matrix product is about."""
CHUNK = {"cpu": 1 << 13}
"""Places that are worked on at once, so that they stay in the cache; where nothing is said, all frames of a clip."""
SHORTEST = 1e-6
"""The least length that features are divided by."""


def local_cost_volume(first: Tensor, second: Tensor, radius: int, dilation: int = 1) -> Tensor:
    """Cosine similarity of every place of ``first`` with the places around it in ``second``.

    Args:
        first: features (B, C, T, H, W).
        second: features of the same shape; its frame t is what frame t of ``first`` is compared with.
        radius: the largest displacement along either axis, in units of ``dilation``.
        dilation: places between two displacements.

    Returns:
        (B, (2 radius + 1)^2, T, H, W) from -1 to 1, of the type of ``first`` but computed in single precision at least,
        channels last in memory. Channel ``(v + radius) * (2 radius + 1) + u + radius`` compares with the place
        ``u * dilation`` to the right and ``v * dilation`` down; it is zero where that lies outside.

    Raises:
        ConfigError: a displacement is no smaller than the feature map.
    """
    height, width = first.shape[-2:]
    if radius < 1 or dilation < 1 or radius * dilation >= min(height, width):
        raise ConfigError(
            f"radius {radius} with dilation {dilation} does not fit feature maps of {height} x {width}: their product "
            "must be at least 1 and smaller than either side, so choose a smaller radius or larger frames"
        )
    if torch.compiler.is_compiling():
        return _shifted_products(first, second, radius, dilation)
    with torch.autocast(first.device.type, enabled=False):
        return _CostVolume.apply(first, second, radius, dilation)


def _shifted_products(first: Tensor, second: Tensor, radius: int, dilation: int) -> Tensor:
    """The same by shifted copies, in operations that other runtimes have."""
    a, b = (x / torch.linalg.vector_norm(x, dim=1, keepdim=True).clamp(min=SHORTEST) for x in (first, second))
    reach, (height, width) = radius * dilation, first.shape[-2:]
    b = F.pad(b, (reach, reach, reach, reach))
    shifts = range(0, 2 * reach + 1, dilation)
    return torch.stack([(a * b[..., v : v + height, u : u + width]).sum(dim=1) for v in shifts for u in shifts], dim=1)


class _CostVolume(torch.autograd.Function):
    """Forward and backward, frame by frame; nothing is saved but the features themselves."""

    @staticmethod
    def forward(ctx: Any, first: Tensor, second: Tensor, radius: int, dilation: int) -> Tensor:
        ctx.save_for_backward(first, second)
        ctx.row = row = _Row(first.shape[3], first.shape[4], radius, dilation)
        volume = row.empty(first, row.side**2)
        for clip, frames in row.chunks(first):
            a, b = (row.lay_out(_unit(row.taken(x, clip, frames))[0]) for x in (first, second))
            blocks, products = row.blocks(a), row.products(a)
            similarity = a.new_empty(*blocks.shape[:2], row.side, row.side)
            for v in row.shifts:
                torch.bmm(blocks, row.windows(b, v).mT, out=products)
                similarity[:, :, v + radius] = row.diagonals(products)
            row.take_up(similarity.flatten(0, 1).flatten(1), volume[clip, frames])
        return row.cropped(volume)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, None, None]:
        first, second = ctx.saved_tensors
        row: _Row = ctx.row
        slopes = row.empty(first, first.shape[1]), row.empty(second, second.shape[1])
        for clip, frames in row.chunks(first):
            units, lengths = zip(*(_unit(row.taken(x, clip, frames)) for x in (first, second)), strict=True)
            a, b = (row.lay_out(unit) for unit in units)
            gradient = row.lay_out(row.taken(gradients[0], clip, frames))
            sums = [torch.zeros_like(row.blocks(x)) for x in (a, b)]
            products = row.products(a).zero_()
            diagonals = row.diagonals(products)  # beside them it stays zero
            for v in row.shifts:
                diagonals.copy_(row.blocks(gradient).unflatten(2, (row.side, row.side))[:, :, v + row.radius])
                sums[0].baddbmm_(products, row.windows(b, v))
                diagonals.copy_(row.turned_round(gradient, v))
                sums[1].baddbmm_(products, row.windows(a, v))
            for total, unit, length, slope in zip(sums, units, lengths, slopes, strict=True):
                direct = row.take_up(total.flatten(0, 1), torch.empty_like(unit))
                along = (unit * direct).sum(dim=-1, keepdim=True)
                slope[clip, frames] = direct.sub_(unit.mul_(along)).div_(length)
        return row.cropped(slopes[0]), row.cropped(slopes[1]), None, None


def _unit(x: Tensor) -> tuple[Tensor, Tensor]:
    """Features (..., C) -> the same of unit length, and their lengths (..., 1)."""
    length = torch.linalg.vector_norm(x, dim=-1, keepdim=True).clamp_(min=SHORTEST)
    return x / length, length


class _Row:
    """How the places of some frames lie in one row (places, C).

    With a dilation d every d-th line and column is a picture of its own, in which displacements are single steps. After
    each line of a picture come ``radius`` zeros, and after each picture as many empty lines; either gap serves both of
    its neighbours.
    """

    def __init__(self, height: int, width: int, radius: int, dilation: int):
        self.height, self.width, self.radius, self.dilation = height, width, radius, dilation
        self.side = 2 * radius + 1
        self.shifts = range(-radius, radius + 1)
        self.lines, self.columns = -(-height // dilation), -(-width // dilation)
        self.pitch = self.columns + radius
        self.frame = dilation**2 * (self.lines + radius) * self.pitch
        self.margin = radius * self.pitch + radius

    def chunks(self, x: Tensor) -> Iterator[tuple[int, slice]]:
        """Clips of (B, C, T, H, W) and some of their frames."""
        count = max(1, CHUNK.get(x.device.type, x.numel()) // self.frame)
        for clip in range(len(x)):
            for start in range(0, x.shape[2], count):
                yield clip, slice(start, start + count)

    def taken(self, x: Tensor, clip: int, frames: slice) -> Tensor:
        """Frames of one clip of (B, C, T, H, W): (M, h, w, C), in single precision at least, channels last in memory.

        Their sides h and w are rounded up to multiples of the dilation; what is added is zero.
        """
        wanted = x[clip, :, frames].permute(1, 2, 3, 0)
        wanted = wanted.to(torch.promote_types(x.dtype, torch.float32)).contiguous()
        missing = self.columns * self.dilation - self.width, self.lines * self.dilation - self.height
        return F.pad(wanted, (0, 0, 0, missing[0], 0, missing[1])) if any(missing) else wanted

    def empty(self, x: Tensor, channels: int) -> Tensor:
        """Room (B, T, h, w, channels) for a result about (B, C, T, H, W)."""
        sides = self.lines * self.dilation, self.columns * self.dilation
        return x.new_empty(len(x), x.shape[2], *sides, channels)

    def cropped(self, result: Tensor) -> Tensor:
        """What :meth:`empty` gave, filled -> (B, channels, T, H, W)."""
        return result[:, :, : self.height, : self.width].permute(0, 4, 1, 2, 3)

    def lay_out(self, frames: Tensor) -> Tensor:
        """(M, h, w, C) -> the row, as a whole number of blocks between two margins."""
        blocks = -(-len(frames) * self.frame // BLOCK)
        row = frames.new_zeros(blocks * BLOCK + 2 * self.margin, frames.shape[3])
        self._places(row[self.margin :], len(frames)).copy_(self._pictures(frames))
        return row

    def take_up(self, row: Tensor, frames: Tensor) -> Tensor:
        """Copy the row, here without margins, to ``frames`` (M, h, w, C), and return them."""
        self._pictures(frames).copy_(self._places(row, len(frames)))
        return frames

    def _pictures(self, frames: Tensor) -> Tensor:
        pictures = frames.unflatten(2, (self.columns, self.dilation)).unflatten(1, (self.lines, self.dilation))
        return pictures.permute(0, 2, 4, 1, 3, 5)  # (M, d, d, lines, columns, C)

    def _places(self, row: Tensor, count: int) -> Tensor:
        pictures = row[: count * self.frame].view(
            count, self.dilation, self.dilation, self.lines + self.radius, self.pitch, row.shape[1]
        )
        return pictures[:, :, :, : self.lines, : self.columns]

    def blocks(self, row: Tensor) -> Tensor:
        """The row without its margins -> (N, BLOCK, C)."""
        return row[self.margin : len(row) - self.margin].view(-1, BLOCK, row.shape[1])

    def windows(self, row: Tensor, v: int) -> Tensor:
        """What the places of each block meet ``v`` lines further down: (N, BLOCK + 2 radius, C), overlapping."""
        channels = row.shape[1]
        start = self.margin + v * self.pitch - self.radius
        shape = len(self.blocks(row)), BLOCK + 2 * self.radius, channels
        return row.as_strided(shape, (BLOCK * channels, channels, 1), start * channels)

    def products(self, row: Tensor) -> Tensor:
        """Room for the products of blocks and windows: (N, BLOCK, BLOCK + 2 radius)."""
        return row.new_empty(len(self.blocks(row)), BLOCK, BLOCK + 2 * self.radius)

    def diagonals(self, products: Tensor) -> Tensor:
        """What belongs to the horizontal displacements of each place: (N, BLOCK, side), a view."""
        length = products.shape[2]
        return products.as_strided((len(products), BLOCK, self.side), (BLOCK * length, length + 1, 1))

    def turned_round(self, gradient: Tensor, v: int) -> Tensor:
        """(N, BLOCK, side): the gradients of the places that meet each place from ``v`` lines further down.

        Of the place ``u`` to the right that is the channel of the displacement (-u, -v).
        """
        channels = self.side**2
        start = self.margin + v * self.pitch - self.radius
        channel = (self.radius - v) * self.side + 2 * self.radius
        shape = len(self.blocks(gradient)), BLOCK, self.side
        return gradient.as_strided(shape, (BLOCK * channels, channels, channels - 1), start * channels + channel)
