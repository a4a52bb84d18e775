"""Clips whose frames come in another order: what an encoder makes of the same pictures without their motion."""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np
import torch
from torch import Tensor, nn

Order = Literal["shuffled", "reversed", "frozen"]
"""``shuffled``: at random, never as they are; ``reversed``: backwards; ``frozen``: the middle frame alone, held."""

NORMAL = "normal"
"""What the order of the frames is called as they are."""

ORDERS: tuple[Order, ...] = get_args(Order)


class Reordered(nn.Module):
    """An encoder that sees the frames of every clip in another order.

    Args:
        encoder: maps (B, 3, T, H, W) to (B, D).
        order: which.
        seed: of the shuffling.
    """

    def __init__(self, encoder: nn.Module, order: Order, seed: int = 0):
        super().__init__()
        self.encoder = encoder
        self.order = order
        self.seed = seed
        self.card = getattr(encoder, "card", {})

    def extra_repr(self) -> str:
        """What tells two of them apart, beside the encoder."""
        return f"order={self.order}, seed={self.seed}"

    def forward(self, clips: Tensor) -> Tensor:
        """(B, 3, T, H, W) -> (B, D)."""
        order = torch.from_numpy(frame_order(self.order, clips.shape[2], self.seed))
        return self.encoder(clips[:, :, order.to(clips.device)])


def frame_order(order: Order, frames: int, seed: int = 0) -> np.ndarray:
    """(frames,) int64: which frame of a clip comes at each place.

    Args:
        order: which.
        frames: of the clip.
        seed: of the shuffling, which is the same for all clips of so many frames.
    """
    own = np.arange(frames)
    if order == "reversed":
        return own[::-1].copy()
    if order == "frozen":
        return np.full(frames, frames // 2)
    rng = np.random.default_rng([seed, frames])
    shuffled = rng.permutation(frames)
    while frames > 1 and (shuffled == own).all():
        shuffled = rng.permutation(frames)
    return shuffled
