"""Where MoCo's keys come from, momentum encoders, and where they are kept, a queue."""

from __future__ import annotations

import copy
import math
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F
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


class Negatives(NamedTuple):
    """What a query is told from."""

    keys: Tensor
    """(K, D) of unit length."""
    damping: Tensor
    """(K,) from 0 to 1: the factor on each key's logit."""


class KeyQueue(nn.Module):
    """The last keys of the momentum encoder, first in, first out.

    All of it is state: it is saved with a checkpoint. It starts with random directions, as in MoCo; they age like keys.

    Args:
        size: keys kept; 0 for none.
        dimensions: length of a key.
        age_decay: base of the damping by age.
    """

    keys: Tensor
    age: Tensor
    pointer: Tensor

    def __init__(self, size: int, dimensions: int, age_decay: float = 1.0):
        super().__init__()
        self.age_decay = age_decay
        self.register_buffer("keys", F.normalize(torch.randn(size, dimensions), dim=1))
        self.register_buffer("age", torch.zeros(size))
        self.register_buffer("pointer", torch.zeros((), dtype=torch.long))

    @property
    def damping(self) -> Tensor:
        """The factor (size,) on each key's logit: ``age_decay`` to the power of its age in steps (VideoMoCo)."""
        return self.age_decay**self.age

    @property
    def negatives(self) -> Negatives:
        """What it holds."""
        return Negatives(self.keys, self.damping)

    @torch.no_grad()
    def negatives_after(self, keys: Tensor) -> Negatives:
        """What it would hold after :meth:`enqueue` of ``keys`` (N, dimensions); it is left as it is."""
        held, age = self.keys.clone(), self.age.clone()
        self._replace(held, age, keys)
        return Negatives(held, self.age_decay**age)

    @torch.no_grad()
    def enqueue(self, keys: Tensor) -> None:
        """Replace the oldest keys by ``keys`` (N, dimensions), the same on every process; N may exceed the size."""
        taken = self._replace(self.keys, self.age, keys)
        if taken:
            self.pointer.copy_((self.pointer + taken) % len(self.keys))

    def _replace(self, held: Tensor, age: Tensor, keys: Tensor) -> int:
        """Put new keys in the place of the oldest, and say how many."""
        size = len(held)
        if size == 0:
            return 0
        keys = keys[-size:].float()
        places = (self.pointer + torch.arange(len(keys), device=keys.device)) % size
        age += 1
        held[places] = keys
        age[places] = 1.0
        return len(keys)
