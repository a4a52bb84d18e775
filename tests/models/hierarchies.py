"""Small networks with a motion hierarchy."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from kinema.config import HCMLConfig
from kinema.models import (
    VideoResNet,
    WithMotion,
)
from kinema.models.resnet3d import r3d_18

SMALL = HCMLConfig(radius=1)


class PerFrame(nn.Module):
    """A user's own network over single frames: its stages give (B * T, C, H, W), and it names none of them."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.ModuleDict(
            {
                "first": nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), nn.ReLU()),
                "second": nn.Conv2d(8, 12, 3, 2, 1),
            }
        )
        self.unused = nn.Conv2d(1, 1, 1)
        self.pooled = nn.AdaptiveAvgPool2d(1)

    def forward(self, clips: Tensor) -> Tensor:
        x = clips.transpose(1, 2).flatten(0, 1)
        x = self.body["second"](self.body["first"](x))
        return self.pooled(x).flatten(1).unflatten(0, (len(clips), -1)).mean(dim=1)


PER_FRAME = {"body.first": 8, "body.second": 12}


def clips(batch: int = 2, frames: int = 8, size: int = 32, seed: int = 0) -> Tensor:
    return torch.randn(batch, 3, frames, size, size, generator=torch.Generator().manual_seed(seed))


def network() -> VideoResNet:
    torch.manual_seed(0)
    return r3d_18(width=8)


def awake(motion: WithMotion) -> WithMotion:
    """With fusions that no longer are zero."""
    for fusion in motion.fusions.values():
        nn.init.normal_(fusion.weight)
    return motion
