"""The temporal feature pyramid that gives MSCL its local RGB features (MSCL, section 3.2).

Coarse stages know what happens, fine stages know when; the pyramid joins them so that each time step can be compared
with the optical flow of that very moment.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch.nn.functional as F
from torch import Tensor, nn


def _resize(x: Tensor, like: Tensor) -> Tensor:
    return F.interpolate(x, size=like.shape[2:], mode="nearest")


class PyramidConvolution(nn.Module):
    """Each level becomes the sum of itself, its finer neighbour strided, and its coarser neighbour up-sampled.

    Args:
        channels: channels of every level.
        finest_only: give the finest level alone, which has no finer neighbour.
    """

    def __init__(self, channels: int, finest_only: bool = False):
        super().__init__()

        def convolution(stride: int) -> nn.Conv3d:
            return nn.Conv3d(channels, channels, 3, stride, padding=1)

        self.same, self.up = convolution(1), convolution(1)
        self.down = None if finest_only else convolution(2)
        self.relu = nn.ReLU()

    def forward(self, levels: Sequence[Tensor]) -> list[Tensor]:
        """Levels from fine to coarse, each (B, channels, T, H, W) -> the same shapes, or the first of them."""
        outputs = []
        for index, level in enumerate(levels[:1] if self.down is None else levels):
            total = self.same(level)
            if self.down is not None and index > 0:
                total = total + _resize(self.down(levels[index - 1]), level)
            if index + 1 < len(levels):
                total = total + _resize(self.up(levels[index + 1]), level)
            outputs.append(self.relu(total))
        return outputs


LEVELS = 3


class TemporalPyramid(nn.Module):
    """A top-down pyramid over the last three stages of a backbone, read out at its finest level.

    Args:
        stage_widths: channels of the backbone's stages by name, from fine to coarse.
        channels: channels of the pyramid.
    """

    def __init__(self, stage_widths: Mapping[str, int], channels: int = 128):
        super().__init__()
        self.channels = channels
        later = dict(list(stage_widths.items())[-LEVELS:])
        self.stages = tuple(later)
        self.lateral = nn.ModuleList(nn.Conv3d(width, channels, 1) for width in later.values())
        self.smooth = nn.ModuleList(nn.Conv3d(channels, channels, (1, 3, 3), padding=(0, 1, 1)) for _ in self.stages)
        self.mixing = nn.Sequential(PyramidConvolution(channels), PyramidConvolution(channels, finest_only=True))

    def forward(self, stages: Mapping[str, Tensor]) -> Tensor:
        """Stage outputs by name, each (B, C, T', H', W') -> local features (B, T'', channels) of the finest stage."""
        return self.map(stages).mean(dim=(3, 4)).transpose(1, 2)

    def map(self, stages: Mapping[str, Tensor]) -> Tensor:
        """Stage outputs by name -> features (B, channels, T'', H'', W''), kept in space, of the finest stage."""
        levels = [lateral(stages[name]) for name, lateral in zip(self.stages, self.lateral, strict=True)]
        for index in reversed(range(len(levels) - 1)):
            levels[index] = levels[index] + _resize(levels[index + 1], levels[index])
        levels = [smooth(level) for smooth, level in zip(self.smooth, levels, strict=True)]
        finest: Tensor = self.mixing(levels)[0]
        return finest
