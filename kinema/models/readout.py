"""Readouts: from the stages of a network to one feature a clip (ours).

Averaging the last stage over time and place, which most encoders are read out by, forgets when and where things moved.
A readout keeps the averages over the cells of a grid, of whichever stages know most.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar, get_args, get_type_hints

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from kinema.common.registry import Registry
from kinema.config import POOLED, ReadoutConfig
from kinema.errors import ConfigError, refuse
from kinema.models.backbone import average_to

Own = TypeVar("Own", bound="Readout")

SMALLEST = 1e-12
"""What is nearer to zero has no root to speak of; its gradient would have no bound."""

MOMENTS = 3
"""Mean, deviation and skewness."""


class Readout(nn.Module):
    """The averages of a stage over the cells of a grid, one after another in time; or, there, its moments over time.

    Of several stages each is read by itself, and all count alike. A readout of another package has a :meth:`length` and
    a :meth:`read` of its own.

    Args:
        config: which stages and grid, and what becomes of the averages; the stage is not ``pooled``.
        widths: channels of the network's stages by name.

    Attributes:
        features: length of a clip's feature.

    Raises:
        ConfigError: the network has no such stage, or a setting is out of range.
    """

    def __init__(self, config: ReadoutConfig, widths: Mapping[str, int]):
        super().__init__()
        check_readout(config, widths)
        self.config = config
        self.features = sum(self.length(widths[name]) for name in config.stages)

    def forward(self, stages: Mapping[str, Tensor]) -> Tensor:
        """Stages by name, each (B, C, T', H', W') -> features (B, ``features``) in single precision.

        Raises:
            ConfigError: the grid has more cells than a stage has places; or a readout of others gives other features
                than its :meth:`length` says.
        """
        parts = [self._read_checked(name, stages[name]) for name in self.config.stages]
        return parts[0] if len(parts) == 1 else torch.cat(parts, dim=1) / len(parts) ** 0.5

    def _read_checked(self, name: str, x: Tensor) -> Tensor:
        part, length = self.read(name, x), self.length(x.shape[1])
        if part.ndim != 2 or part.shape[1] != length:
            raise ConfigError(
                f"the readout {self.config.by} reads {name} as {tuple(part.shape)}, but of {x.shape[1]} channels it "
                f"promises {length} features a clip: mend its length or its read"
            )
        return part

    def length(self, channels: int) -> int:
        """How many features a stage of so many channels gives."""
        time, height, width = self.config.grid
        return channels * (MOMENTS if self.config.moments else time) * height * width

    def read(self, name: str, x: Tensor) -> Tensor:
        """A stage (B, C, T', H', W') and its name -> its part of the features (B, ``length(C)``)."""
        config = self.config
        time, height, width = config.grid
        if any(cells > side for cells, side in zip(config.grid, x.shape[2:], strict=True)):
            sides = "x".join(str(side) for side in x.shape[2:])
            raise ConfigError(
                f"readout.grid is {time}x{height}x{width} (time x height x width), but of these clips {name} "
                f"is a map of {sides}: choose a smaller grid, a lower stage, or longer or larger clips"
            )
        x = average_to(x, (x.shape[2] if config.moments else time, height, width)).float()
        if config.moments:
            x = temporal_moments(x)
        if config.root:
            x = x.sign() * x.abs().clamp(min=SMALLEST).sqrt()
        x = x.transpose(1, 2).flatten(2)
        if config.unit == "time":
            x = F.normalize(x, dim=2)
        x = x.flatten(1)
        return F.normalize(x, dim=1) if config.unit == "clip" else x

    def extra_repr(self) -> str:
        """The settings, by which encoders of the same weights are told apart."""
        return str(self.config)


READOUTS: Registry[type[Readout]] = Registry("readout", "kinema.readouts", {"cells": Readout}, Readout)


def register_readout(name: str) -> Callable[[type[Own]], type[Own]]:
    """A decorator: know a class derived from :class:`Readout` by a name from now on, in this process.

    A package offers one to all processes by an entry point of that name in the group ``kinema.readouts``.

    Raises:
        ConfigError: the name is another's, or none; or what is decorated is no readout.
    """
    return READOUTS.register(name)


def create_readout(config: ReadoutConfig, widths: Mapping[str, int]) -> Readout:
    """The readout that the settings ask for; arguments and errors as of :class:`Readout`."""
    return READOUTS.get(config.by)(config, widths)


def temporal_moments(x: Tensor) -> Tensor:
    """(B, C, T, H, W) -> (B, C, 3, H, W): mean, deviation and skewness over time, blind to its order.

    SemanticMoments (CVPR 2026 Findings) compares motion by them. What does not change has the skewness 0.
    """
    mean = x.mean(dim=2)
    apart = x - mean.unsqueeze(2)
    variance = apart.square().mean(dim=2)
    deviation = variance.clamp(min=SMALLEST).sqrt()
    skewness = apart.pow(3).mean(dim=2) / deviation.pow(3)
    return torch.stack((mean, deviation, skewness), dim=2)


def check_readout(config: ReadoutConfig, widths: Mapping[str, int]) -> None:
    """Refuse a readout that a network has not got.

    Args:
        config: the readout.
        widths: channels of the network's stages by name.

    Raises:
        ConfigError: says which setting, and what it may be.
    """
    known = [*widths, POOLED]
    ordered = [name for name in widths if name in config.stages]
    units = get_args(get_type_hints(ReadoutConfig)["unit"])
    checks = {
        f"readout.stage is {config.stage!r}, which the network has not got: choose one of {', '.join(known)}, or some "
        "from low to high, joined by +": config.stage == POOLED or list(config.stages) == ordered,
        f"readout.grid must be three numbers of cells (time, height, width), each at least 1, not {config.grid}": (
            len(config.grid) == 3 and min(config.grid) >= 1
        ),
        f"readout.unit is {config.unit!r}: choose one of {', '.join(units)}": config.unit in units,
        "readout.moments take the place of time: set the first number of readout.grid to 1": (
            not config.moments or config.grid[0] == 1
        ),
        "readout.frames must be at least 1": config.frames is None or config.frames >= 1,
        "readout.step must be positive": config.step is None or config.step > 0,
    }
    refuse(checks)
