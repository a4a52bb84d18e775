"""The queue of keys that MoCo takes its negatives from."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F


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
