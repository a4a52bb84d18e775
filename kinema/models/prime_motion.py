"""Prime motion: the lowest level of HCML, found by comparing the features of neighbouring frames.

The cost volume says how like each place is to the places around it one step later; with the features themselves and
their difference it becomes a map of motion features z0. In training alone a head reads a displacement off z0, by which
one frame must be found again in the next (``kinema/methods/photometric.py``).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from kinema.flow import resize_flow
from kinema.models.cost_volume import local_cost_volume


class PrimeMotion(nn.Module):
    """Features of a stage to prime motion features.

    Args:
        channels: of the stage.
        reduction: the features are reduced by this factor before they are compared; z0 has as many channels.
        radius: of the cost volume, in places of the grid on which features are compared.
        dilation: of the cost volume.
        pool: places of the stage that are averaged along either axis to one of that grid.
    """

    def __init__(self, channels: int, reduction: int = 4, radius: int = 3, dilation: int = 1, pool: int = 1):
        super().__init__()
        self.radius, self.dilation, self.pool = radius, dilation, pool
        self.width = width = max(1, channels // reduction)
        self.reduce = nn.Sequential(nn.Conv3d(channels, width, 1, bias=False), nn.BatchNorm3d(width))
        compared = (2 * radius + 1) ** 2 + 2 * width
        self.encode = nn.Sequential(_layer(compared, width, 7), _layer(width, width, 3), _layer(width, width, 3))

    def forward(self, x: Tensor) -> Tensor:
        """Features (B, C, T, H, W), T at least 2 -> prime motion z0 (B, width, T, H / pool, W / pool), none negative.

        Step t compares the frames t and t + 1; the last step repeats the one before.

        Raises:
            ConfigError: the cost volume's radius is larger than the grid.
        """
        if self.pool > 1:
            x = F.avg_pool3d(x, (1, self.pool, self.pool))
        x = self.reduce(x).contiguous(memory_format=torch.channels_last_3d)  # as the cost volume: twice as quick
        now, after = x[:, :, :-1], x[:, :, 1:]
        compared = torch.cat((local_cost_volume(now, after, self.radius, self.dilation), now, after - now), dim=1)
        encoded = self.encode(compared.transpose(1, 2).flatten(0, 1))  # frames as a batch of pictures
        steps = encoded.unflatten(0, (x.shape[0], -1)).transpose(1, 2)  # len() would be a constant to exporters
        return torch.cat((steps, steps[:, :, -1:]), dim=2)


class DisplacementHead(nn.Module):
    """Reads a displacement off prime motion features; it starts without motion.

    Args:
        width: channels of the features.
    """

    def __init__(self, width: int):
        super().__init__()
        self.convolution = nn.Conv2d(width, 2, 3, padding=1)
        for parameter in self.convolution.parameters():
            nn.init.zeros_(parameter)

    def forward(self, motion: Tensor, size: tuple[int, int]) -> Tensor:
        """Prime motion z0 (B, width, T, h, w) -> the displacement (B, 2, T - 1, *size) from each step to the next.

        Args:
            motion: what :class:`PrimeMotion` gave.
            size: height and width of the frames, whose pixels are its unit.
        """
        steps = motion[:, :, :-1].transpose(1, 2)
        places = self.convolution(steps.flatten(0, 1)).float().unflatten(0, steps.shape[:2]).transpose(1, 2)
        return resize_flow(places, size)


def _layer(inputs: int, outputs: int, kernel: int) -> nn.Sequential:
    convolution = nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(outputs), nn.ReLU(inplace=True))
