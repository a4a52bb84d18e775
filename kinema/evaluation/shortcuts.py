"""Shortcuts that look like seeing motion: finding a video played backwards, or the same actor doing something else."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

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
