"""Momentum encoders: slow copies of the query encoders that make the keys."""

from __future__ import annotations

import copy
import math

import torch
from torch import Tensor, nn


def cosine_momentum(step: int, steps: int, start: float) -> float:
    """Momentum that rises from ``start`` at step 0 to 1 at the last step on a half cosine."""
    progress = min(1.0, step / max(1, steps))
    return 1.0 - (1.0 - start) * (math.cos(math.pi * progress) + 1.0) / 2.0


class MomentumEncoder(nn.Module):
    """An exponential moving average of another module, for keys.

    Its batch normalisation uses the moving average of the query encoder's *running* statistics instead of those of the
    batch (Cai et al., *Exponential Moving Average Normalization*, CVPR 2021). A key therefore carries no trace of the
    other clips in its batch, by which a query could tell its own key; MoCo shuffles batches over devices for that,
    which does nothing on one device.

    Args:
        module: the query encoder; it is copied.
    """

    def __init__(self, module: nn.Module):
        super().__init__()
        self.module = copy.deepcopy(module).requires_grad_(False).eval()

    def train(self, mode: bool = True) -> MomentumEncoder:
        """Stay in evaluation mode whatever ``mode``: the batch statistics must not be used."""
        return super().train(False)

    @torch.no_grad()
    def update(self, module: nn.Module, momentum: float) -> None:
        """Move every parameter and buffer a share ``1 - momentum`` of the way to that of ``module``."""
        for own, new in zip(self.module.state_dict().values(), module.state_dict().values(), strict=True):
            if own.is_floating_point():
                own.lerp_(new, 1.0 - momentum)
            else:
                own.copy_(new)

    @torch.no_grad()
    def forward(self, *inputs: Tensor) -> Tensor:
        """The module's output, without gradient."""
        return self.module(*inputs)
