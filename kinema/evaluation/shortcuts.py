"""What a diagnosis asks beside retrieval: of frames in other orders, videos played backwards, the same actor again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import torch
from torch import Tensor, nn

from kinema.common.vectors import unit
from kinema.data.labels import LabelledSet
from kinema.evaluation.folds import Folds, leave_one_video_out
from kinema.evaluation.neighbours import find_neighbours


@dataclass(frozen=True)
class Backwards:
    """What becomes of the videos when they are played backwards.

    Attributes:
        itself: share of queries to which the query itself played backwards is nearer than every video of the gallery:
            1 for an encoder that is blind to direction.
        r1: R@1 by motion of queries that are played backwards, in the gallery of videos as they are.
        chance: expected ``r1`` of a neighbour drawn at random.
    """

    itself: float
    r1: float
    chance: float


@dataclass(frozen=True)
class Leak:
    """How often identity is taken for motion: leave one video out, whatever the split.

    Attributes:
        share: of videos whose nearest one moves otherwise but has the same identity.
        chance: what is expected of a neighbour drawn at random.
    """

    share: float
    chance: float


def backwards(normal: np.ndarray, turned: np.ndarray, motion: LabelledSet, folds: Folds) -> Backwards:
    """Ask with videos played backwards.

    Args:
        normal: (N, D) features of the videos.
        turned: (N, D) features of the videos played backwards.
        motion: the videos labelled by motion.
        folds: the rounds.
    """
    queries = folds.queries
    own = (unit(normal[queries]) * unit(turned[queries])).sum(1)
    _, nearest = find_neighbours(normal, folds, 1, centred=False)
    found, _ = find_neighbours(normal, folds, 1, centred=False, asked=turned)
    right = motion.labels[found[:, 0]] == motion.labels[queries]
    return Backwards(
        itself=float((own > nearest[:, 0]).mean()),
        r1=float(right.mean()),
        chance=float(folds.chance(motion.labels).mean()),
    )


def leak(values: np.ndarray, motion: LabelledSet, identities: np.ndarray) -> Leak | None:
    """How often the nearest video moves otherwise but is of the same identity; None if no two videos are.

    Args:
        values: (N, D) features of the videos.
        motion: the videos labelled by motion.
        identities: (N,) who or what each video shows.
    """
    kinds = np.unique(identities, return_inverse=True)[1]
    same, both = (_others_alike(kind) for kind in (kinds, kinds * len(motion.classes) + motion.labels))
    expected = (same - both) / (len(motion) - 1)
    if not expected.any():
        return None
    nearest = find_neighbours(values, leave_one_video_out(motion), 1, centred=False)[0][:, 0]
    leaking = (kinds[nearest] == kinds) & (motion.labels[nearest] != motion.labels)
    return Leak(float(leaking.mean()), float(expected.mean()))


def _others_alike(kinds: np.ndarray) -> np.ndarray:
    """(N,) how many others are of the same kind."""
    return np.bincount(kinds)[kinds] - 1


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
