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
    """An exponential moving average of another module's parameters, for keys.

    A key must not carry a trace of its batch in its batch statistics, by which its query could tell it from the others.
    MoCo shuffles the batch over devices before the keys are made (ShuffleBN); here it is shuffled over parts of the
    batch on each device, which serves on a single one too. Moving averages of the statistics instead (EMAN) leave no
    trace at all, but lag behind so far that short trainings fail.

    Args:
        module: the query encoder; it is copied.
        parts: parts of a batch with statistics of their own.
    """

    def __init__(self, module: nn.Module, parts: int = 2):
        super().__init__()
        self.module = copy.deepcopy(module).requires_grad_(False)
        self.parts = parts

    @torch.no_grad()
    def update(self, module: nn.Module, momentum: float) -> None:
        """Move every parameter a share ``1 - momentum`` of the way to that of ``module``."""
        for own, new in zip(self.module.parameters(), module.parameters(), strict=True):
            own.lerp_(new, 1.0 - momentum)

    @torch.no_grad()
    def forward(self, clips: Tensor, order: Tensor) -> Tensor:
        """Keys (B, D) of clips (B, ...), without gradient.

        Args:
            clips: the batch.
            order: a permutation (B,) by which it is shuffled; the keys come back in the order of the clips.
        """
        parts = max(1, min(self.parts, len(clips) // 2))  # statistics need two clips
        shuffled = torch.cat([self.module(part) for part in clips[order].tensor_split(parts)])
        keys = torch.empty_like(shuffled)
        keys[order] = shuffled
        return keys
