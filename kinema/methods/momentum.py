"""Momentum encoders: slow copies of the query encoders that make the keys."""

from __future__ import annotations

import copy
import math

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn

from kinema.common.processes import gather, rank_and_count


def cosine_momentum(step: int, steps: int, start: float) -> float:
    """Momentum that rises from ``start`` at step 0 to 1 at the last step on a half cosine."""
    progress = min(1.0, step / max(1, steps))
    return 1.0 - (1.0 - start) * (math.cos(math.pi * progress) + 1.0) / 2.0


class MomentumEncoder(nn.Module):
    """An exponential moving average of another module's parameters, for keys.

    A key must not carry a trace of its batch in its batch statistics, by which its query could tell it from the others.
    MoCo shuffles the batch over devices before the keys are made (ShuffleBN); here it is shuffled over parts of the
    batch on each device, which serves on a single one too, or over devices where there are several. Moving averages of
    the statistics instead (EMAN) leave no trace at all, but lag behind so far that short trainings fail.

    Args:
        module: the query encoder; it is copied.
        parts: parts of a batch with statistics of their own.
        over_devices: shuffle over the processes that train together instead; a process alone has parts all the same.
    """

    def __init__(self, module: nn.Module, parts: int = 2, over_devices: bool = False):
        super().__init__()
        self.module = copy.deepcopy(module).requires_grad_(False)
        self.parts = parts
        self.over_devices = over_devices

    def update(self, module: nn.Module, momentum: float) -> None:
        """Move every parameter a share ``1 - momentum`` of the way to that of ``module``."""
        move = get_ema_multi_avg_fn(momentum)  # all at once, which a GPU is quicker at
        move(list(self.module.parameters()), list(module.parameters()), None)

    @torch.no_grad()
    def forward(self, clips: Tensor, order: Tensor, parts: int = 1) -> Tensor:
        """Keys (B, D) of clips (B, ...), without gradient.

        Args:
            clips: the batch; over devices as many on each.
            order: a permutation (B,) by which it is shuffled, over devices (B * processes,) and the same on all; the
                keys come back in the order of the clips.
            parts: how many parts there are at least, for what memory allows.
        """
        rank, processes = rank_and_count()
        if self.over_devices and processes > 1:
            own = torch.arange(rank * len(clips), (rank + 1) * len(clips), device=clips.device)
            mine = gather(clips)[order[own]]
            shuffled = gather(torch.cat([self.module(part) for part in mine.tensor_split(parts)]))
            return torch.empty_like(shuffled).index_copy_(0, order, shuffled)[own]
        parts = max(1, min(max(self.parts, parts), len(clips) // 2))  # statistics need two clips
        shuffled = torch.cat([self.module(part) for part in clips[order].tensor_split(parts)])
        keys = torch.empty_like(shuffled)
        keys[order] = shuffled
        return keys
