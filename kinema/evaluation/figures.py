"""Figures: of a classification, the same for every protocol that classifies; and one by one, for tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from kinema.evaluation.folds import Folds


class Figure(NamedTuple):
    """One number of a result, for a table."""

    name: str
    value: float | None
    """From 0 to 1; None if it is undefined."""
    chance: float | None = None
    """What guessing reaches, if that means something."""


@dataclass(frozen=True)
class Classification:
    """How well scores tell classes apart.

    Attributes:
        top1: share of videos whose class gets the highest score.
        top5: share of videos whose class is among the five highest; None with five classes or fewer.
        mean_class: mean over classes of the share of their videos that are right.
        per_class: share of right answers by the video's class.
        predicted: (N,) the class with the highest score.
        right: (N,) whether that is the video's own.
    """

    top1: float
    top5: float | None
    mean_class: float
    per_class: dict[str, float]
    predicted: np.ndarray = field(repr=False)
    right: np.ndarray = field(repr=False)

    def per_round(self, folds: Folds) -> list[float]:
        """Top-1 of each round, whose queries follow one another."""
        ends = np.cumsum([len(fold.queries) for fold in folds])[:-1]
        return [float(part.mean()) for part in np.split(self.right, ends)]


def classification(scores: np.ndarray, labels: np.ndarray, classes: Sequence[str]) -> Classification:
    """Score a classification; of equal scores the first class counts.

    Args:
        scores: (N, C), the higher the likelier.
        labels: (N,) the true classes.
        classes: their names; those without a video do not count.
    """
    ranks = np.argsort(-scores, axis=1, kind="stable")
    right = ranks == labels[:, None]
    per_class = by_class(right[:, 0], labels, classes)
    return Classification(
        top1=float(right[:, 0].mean()),
        top5=float(right[:, :5].any(1).mean()) if len(classes) > 5 else None,
        mean_class=float(np.mean(list(per_class.values()))),
        per_class=per_class,
        predicted=ranks[:, 0],
        right=right[:, 0],
    )


def by_class(right: np.ndarray, labels: np.ndarray, classes: Sequence[str]) -> dict[str, float]:
    """The share (N,) of videos that are right by the name of their class; those without a video do not count."""
    there = [(name, labels == index) for index, name in enumerate(classes)]
    return {name: float(right[own].mean()) for name, own in there if own.any()}
