"""The queue of keys that MoCo takes its negatives from."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


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

    @torch.no_grad()
    def enqueue(self, keys: Tensor) -> None:
        """Replace the oldest keys by ``keys`` (N, dimensions), the same on every process; N may exceed the size."""
        size = len(self.keys)
        if size == 0:
            return
        keys = keys[-size:].float()
        places = (self.pointer + torch.arange(len(keys), device=keys.device)) % size
        self.age += 1
        self.keys[places] = keys
        self.age[places] = 1.0
        self.pointer.copy_((self.pointer + len(keys)) % size)
