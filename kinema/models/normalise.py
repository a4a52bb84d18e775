"""Means and deviations of colours, which networks were trained with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from kinema.errors import ConfigError


class Colours(NamedTuple):
    """Mean and standard deviation of red, green and blue, as shares from 0 to 1."""

    mean: tuple[float, float, float]
    std: tuple[float, float, float]


KINETICS = Colours((0.43216, 0.394666, 0.37645), (0.22803, 0.22145, 0.216989))
"""Of Kinetics-400's frames: kinema's own encoders and torchvision's video weights."""

IMAGENET = Colours((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))

HALF = Colours((0.45, 0.45, 0.45), (0.225, 0.225, 0.225))
"""What PySlowFast and PyTorchVideo take."""


def colours_of(data: str) -> Colours:
    """Those of a data set, by the name that settings have for it.

    Raises:
        ConfigError: the name is unknown.
    """
    known = {"kinetics": KINETICS, "imagenet": IMAGENET}
    if data not in known:
        raise ConfigError(f"model.colours is {data!r}: choose one of {', '.join(known)}")
    return known[data]


class Normalise(nn.Module):
    """Clips (B, 3, T, H, W) with values from 0 to 1 to clips of mean 0 and deviation 1, by colour."""

    mean: Tensor
    std: Tensor

    def __init__(self, mean: Sequence[float], std: Sequence[float]):
        super().__init__()
        self.register_buffer("mean", torch.tensor(mean).view(1, 3, 1, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(std).view(1, 3, 1, 1, 1), persistent=False)

    def forward(self, clips: Tensor) -> Tensor:
        """(B, 3, T, H, W) -> the same shape."""
        return (clips - self.mean) / self.std
