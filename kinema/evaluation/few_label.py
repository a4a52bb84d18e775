"""Few labels: how good is a linear probe that is trained on a handful of labelled videos?

Training a whole network on as few is ``kinema finetune --per-class N`` or ``--samples N``, which draws in the same way.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from torch import Tensor

from kinema.common.progress import track
from kinema.config.requests import Split
from kinema.data.labels import LabelledSet
from kinema.errors import DataError, refuse
from kinema.evaluation.figures import Figure, classification
from kinema.evaluation.folds import Folds
from kinema.evaluation.neighbours import checked_features
from kinema.evaluation.probe import LinearProbe, ProbeSpec, trainable_folds


@dataclass(frozen=True)
class FewLabelSpec:
    """What is measured, in full; written into every result. A change of meaning raises ``version``.

    Attributes:
        version: of this protocol.
        per_class: labelled videos of each class, at least 1; a class with fewer gives all it has. A number that no
            class has is left out of the result.
        samples: labelled videos in all, as even over the classes as they allow, at least 2; a number that is not there
            is left out.
        draws: which videos have labels is drawn so many times.
        seed: of the draws.
        probe: the classifier; its strength is chosen on parts of the labelled videos, where there are enough.
    """

    version: int = 1
    per_class: tuple[int, ...] = (1, 5, 10)
    samples: tuple[int, ...] = ()
    draws: int = 5
    seed: int = 0
    probe: ProbeSpec = field(default_factory=ProbeSpec)

    def __post_init__(self) -> None:
        fewest, least = min(self.per_class, default=1), min(self.samples, default=2)
        refuse(
            {
                f"per_class must be at least 1, not {fewest}": fewest >= 1,
                f"samples must be at least 2, not {least}": least >= 2,
                "few labels need per_class or samples": self.per_class or self.samples,
                f"draws must be at least 1, not {self.draws}": self.draws >= 1,
            }
        )


@dataclass(frozen=True)
class FewLabelFigures:
    """The figures with one number of labelled videos.

    Attributes:
        per_class: labelled videos of each class, if they were counted so.
        samples: labelled videos in all, if they were counted so.
        top1: mean over draws of the share of queries that are right.
        top1_spread: standard deviation over draws; None with a single one.
        mean_class: mean over draws of the mean over classes of the share that is right.
        by_draw: top-1 of each draw.
    """

    per_class: int | None
    samples: int | None
    top1: float
    top1_spread: float | None
    mean_class: float
    by_draw: list[float]

    @property
    def size(self) -> str:
        """How many labels, in words."""
        return f"{self.samples} in all" if self.per_class is None else f"{self.per_class} a class"


@dataclass(frozen=True)
class FewLabelResult:
    """What few labels gave.

    Attributes:
        spec: what was measured.
        scheme: which videos were held out.
        chance: expected top-1 of answering with the label of a training video drawn at random.
        queries: how many videos were asked.
        sizes: figures for each number of labels.
        not_converged: trainings of all draws that ran out of iterations.
    """

    spec: FewLabelSpec
    scheme: str
    chance: float
    queries: int
    sizes: list[FewLabelFigures]
    not_converged: int

    def to_dict(self) -> dict[str, Any]:
        """As plain values for JSON."""
        return asdict(self)

    def figures(self) -> Iterator[Figure]:
        """The main figures, one by one."""
        for found in self.sizes:
            yield Figure(f"top-1, {found.size}", found.top1, self.chance)
            if found.top1_spread is not None:
                yield Figure(f"spread of top-1, {found.size}", found.top1_spread)

    def summary(self) -> str:
        """The main figures in one line."""
        figures = ", ".join(
            f"{found.size} {found.top1:.3f}" + ("" if found.top1_spread is None else f" ± {found.top1_spread:.3f}")
            for found in self.sizes
        )
        return (
            f"top-1 with labels for {figures} ({self.spec.draws} draws; by chance {self.chance:.3f}; "
            f"{self.queries} queries, {self.scheme})"
        )


def evaluate_few_label(
    features: Tensor | np.ndarray,
    labelled: LabelledSet,
    split: Split = "auto",
    spec: FewLabelSpec | None = None,
) -> FewLabelResult:
    """Train a linear classifier on few videos of each round's gallery, several times, and score it on the queries.

    Args:
        features: (N, D), a row for each video of ``labelled``.
        labelled: the labels, and the splits or groups if there are any.
        split: how videos are held out.
        spec: what to measure.

    Raises:
        DataError: a feature is not finite, a round has fewer than two labels to train on, or there are fewer videos
            than the smallest number of labels.
        ConfigError: ``split`` asks for a column that the labels have not.
    """
    spec = spec or FewLabelSpec()
    values = checked_features(features, labelled)
    folds = trainable_folds(labelled, split, spec.probe.seed)
    most = max(int(np.bincount(labelled.labels[fold.gallery]).max()) for fold in folds)
    smallest = min(len(fold.gallery) for fold in folds)
    sizes: list[tuple[int | None, int | None]] = [(n, None) for n in spec.per_class if n <= most]
    sizes += [(None, n) for n in spec.samples if n <= smallest]
    if not sizes:
        raise DataError(
            f"there are too few videos to train on, {smallest} in all and {most} of a class at most; "
            "ask for fewer labels with --per-class or --samples"
        )
    probe = LinearProbe(spec.probe, len(labelled.classes))
    works = [(size, draw) for size in sizes for draw in range(spec.draws)]
    found = {
        work: _draw(values, labelled, folds, probe, spec, *work) for work in track(works, "Few labels", len(works))
    }
    return FewLabelResult(
        spec=spec,
        scheme=folds.scheme,
        chance=float(folds.chance(labelled.labels).mean()),
        queries=len(folds.queries),
        sizes=[_figures(*size, [found[size, draw] for draw in range(spec.draws)]) for size in sizes],
        not_converged=probe.not_converged,
    )


def check_few(per_class: int | None, samples: int | None) -> None:
    """Refuse numbers of labelled videos that cannot be drawn, see :func:`draw_few`.

    Raises:
        ConfigError: one of them is not positive, or both are given.
    """
    both = "per_class counts the videos of each class and samples those of all; set one of them"
    refuse(
        {
            f"per_class must be at least 1, not {per_class}": per_class is None or per_class >= 1,
            f"samples must be at least 1, not {samples}": samples is None or samples >= 1,
            both: per_class is None or samples is None,
        }
    )


def draw_few(
    gallery: np.ndarray, labels: np.ndarray, rng: np.random.Generator, per_class: int | None, samples: int | None
) -> np.ndarray:
    """Draw videos to train on.

    Args:
        gallery: (G,) indices of the videos to draw from.
        labels: (N,) of all videos.
        rng: decides which.
        per_class: videos of each class; a class with fewer gives all. None for any number.
        samples: videos in all, as even over the classes as they allow. None for any number.

    Returns:
        Indices, ascending.

    Raises:
        DataError: there are fewer videos than ``samples``.
    """
    if samples is not None and samples > len(gallery):
        raise DataError(f"there are {len(gallery)} videos to train on, fewer than the {samples} samples; ask for fewer")
    own = labels[gallery]
    shuffled = [rng.permutation(gallery[own == label])[:per_class] for label in np.unique(own)]
    if samples is None:
        return np.sort(np.concatenate(shuffled))
    # One of each class, then a second of each, and so on; which classes get the last ones is drawn too.
    turns = [
        (turn, rank, video)
        for rank, c in zip(rng.permutation(len(shuffled)), shuffled, strict=True)
        for turn, video in enumerate(c)
    ]
    return np.sort(np.array([video for _, _, video in sorted(turns)[:samples]], dtype=np.int64))


def _draw(
    values: np.ndarray,
    labelled: LabelledSet,
    folds: Folds,
    probe: LinearProbe,
    spec: FewLabelSpec,
    size: tuple[int | None, int | None],
    draw: int,
) -> tuple[float, float]:
    """Top-1 and mean over classes of one draw."""
    labels, scores = labelled.labels, []
    for number, fold in enumerate(folds):
        few = draw_few(fold.gallery, labels, np.random.default_rng([spec.seed, draw, number]), *size)
        scores.append(probe.answer(values, labelled, few, values[fold.queries])[0])
    found = classification(np.concatenate(scores), labels[folds.queries], labelled.classes)
    return found.top1, found.mean_class


def _figures(per_class: int | None, samples: int | None, draws: list[tuple[float, float]]) -> FewLabelFigures:
    top1, mean_class = np.array(draws).T
    spread = float(top1.std(ddof=1)) if len(top1) > 1 else None
    return FewLabelFigures(per_class, samples, float(top1.mean()), spread, float(mean_class.mean()), top1.tolist())
