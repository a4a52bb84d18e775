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

    Shuffling is a function of the seed, of the clip's number within its video and of the number of frames, so that it
    does not depend on how videos are put into batches.

    Args:
        encoder: maps (B, 3, T, H, W) to (B, D).
        order: which.
        clips: clips of a video, which follow one another in a batch.
        seed: of the shuffling.
    """

    def __init__(self, encoder: nn.Module, order: Order, clips: int, seed: int = 0):
        super().__init__()
        self.encoder = encoder
        self.order = order
        self.clips = clips
        self.seed = seed
        self.card = getattr(encoder, "card", {})

    def extra_repr(self) -> str:
        """What tells two of them apart, beside the encoder."""
        return f"order={self.order}, clips={self.clips}, seed={self.seed}"

    def forward(self, clips: Tensor) -> Tensor:
        """(B, 3, T, H, W) -> (B, D)."""
        orders = [frame_order(self.order, clips.shape[2], clip, self.seed) for clip in range(self.clips)]
        each = torch.from_numpy(np.stack(orders)).to(clips.device).repeat(-(-len(clips) // self.clips), 1)[: len(clips)]
        rows = torch.arange(len(clips), device=clips.device)[:, None]
        return self.encoder(clips[rows, :, each].transpose(1, 2))


def frame_order(order: Order, frames: int, clip: int = 0, seed: int = 0) -> np.ndarray:
    """(frames,) int64: which frame of a clip comes at each place.

    Args:
        order: which.
        frames: of the clip.
        clip: its number within its video; shuffling is another for each.
        seed: of the shuffling.
    """
    own = np.arange(frames)
    if order == "reversed":
        return own[::-1].copy()
    if order == "frozen":
        return np.full(frames, frames // 2)
    rng = np.random.default_rng([seed, clip, frames])
    shuffled = rng.permutation(frames)
    while frames > 1 and (shuffled == own).all():
        shuffled = rng.permutation(frames)
    return shuffled
