"""Linear probe: how much of the labels can be read off the frozen features by a linear map?"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from torch import Tensor

from kinema.common.progress import track
from kinema.config.requests import Split
from kinema.data.labels import LabelledSet
from kinema.errors import DataError
from kinema.evaluation.figures import Figure, classification
from kinema.evaluation.folds import Folds, make_folds
from kinema.evaluation.neighbours import checked_features

if TYPE_CHECKING:
    from sklearn.linear_model import LogisticRegression
    from threadpoolctl import ThreadpoolController


@dataclass(frozen=True)
class ProbeSpec:
    """What is measured, in full; written into every result. A change of meaning raises ``version``.

    Attributes:
        version: of this protocol.
        classifier: what is trained.
        standardise: features lose the mean and are divided by the standard deviation of the videos trained on.
        strengths: values of C, the inverse of the regularisation; the one that does best on held-out parts of the
            training videos is taken, the smallest of equals, and trained again on all of them.
        parts: the training videos are cut into so many parts, stratified and, if there are groups, by group.
        held_out: parts are held out in turn until so many videos have been predicted for each strength, or all.
        max_iterations: of the optimiser; where it has not converged by then, that is counted in the result.
        seed: of the parts.
    """

    version: int = 1
    classifier: str = "multinomial logistic regression, L2, lbfgs"
    standardise: bool = True
    strengths: tuple[float, ...] = (1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0)
    parts: int = 5
    held_out: int = 200
    max_iterations: int = 2000
    seed: int = 0


@dataclass(frozen=True)
class ProbeResult:
    """What a linear probe found. Every query counts once, whichever round asked it.

    Attributes:
        spec: what was measured.
        scheme: which videos were held out.
        top1: share of queries whose label gets the highest score.
        top5: share of queries whose label is among the five highest; None with five classes or fewer.
        mean_class: mean over classes of the share of their queries that are right.
        chance: expected top-1 of answering with the label of a training video drawn at random.
        per_class: share of right answers by the query's label.
        per_round: top-1 of each round.
        strengths: the C chosen in each round.
        not_converged: trainings, of all rounds and strengths, that ran out of iterations.
        queries: indices of the queries, in the order of ``predicted``.
        predicted: index of the class with the highest score, for each query.
    """

    spec: ProbeSpec
    scheme: str
    top1: float
    top5: float | None
    mean_class: float
    chance: float
    per_class: dict[str, float]
    per_round: list[float]
    strengths: list[float]
    not_converged: int
    queries: list[int] = field(repr=False)
    predicted: list[int] = field(repr=False)

    def to_dict(self) -> dict[str, Any]:
        """As plain values for JSON."""
        return asdict(self)

    def figures(self) -> Iterator[Figure]:
        """The main figures, one by one."""
        yield Figure("top-1", self.top1, self.chance)
        if self.top5 is not None:
            yield Figure("top-5", self.top5)
        yield Figure("mean over classes", self.mean_class)

    def summary(self) -> str:
        """The main figures in one line."""
        top5 = "" if self.top5 is None else f", top-5 {self.top5:.3f}"
        return (
            f"top-1 {self.top1:.3f}{top5}, mean over classes {self.mean_class:.3f} "
            f"(top-1 by chance {self.chance:.3f}; {len(self.queries)} queries, {self.scheme})"
        )


def evaluate_probe(
    features: Tensor | np.ndarray,
    labelled: LabelledSet,
    split: Split = "auto",
    spec: ProbeSpec | None = None,
) -> ProbeResult:
    """Train a linear classifier on the features of each round's gallery and score it on the round's queries.

    Args:
        features: (N, D), a row for each video of ``labelled``.
        labelled: the labels, and the splits or groups if there are any.
        split: how videos are held out.
        spec: what to measure.

    Raises:
        DataError: a feature is not finite, or a round has fewer than two labels to train on.
        ConfigError: ``split`` asks for a column that the labels have not.
    """
    spec = spec or ProbeSpec()
    values = checked_features(features, labelled)
    folds = trainable_folds(labelled, split, spec.seed)
    probe = LinearProbe(spec, len(labelled.classes))
    rounds = track(folds, "Linear probe", total=len(folds))
    found = [probe.answer(values, labelled, fold.gallery, values[fold.queries]) for fold in rounds]
    queries = folds.queries
    figures = classification(
        np.concatenate([scores for scores, _ in found]), labelled.labels[queries], labelled.classes
    )
    return ProbeResult(
        spec=spec,
        scheme=folds.scheme,
        top1=figures.top1,
        top5=figures.top5,
        mean_class=figures.mean_class,
        chance=float(folds.chance(labelled.labels).mean()),
        per_class=figures.per_class,
        per_round=figures.per_round(folds),
        strengths=[strength for _, strength in found],
        not_converged=probe.not_converged,
        queries=queries.tolist(),
        predicted=figures.predicted.tolist(),
    )


def trainable_folds(labelled: LabelledSet, split: Split, seed: int) -> Folds:
    """Rounds in which every gallery holds something to tell apart.

    Raises:
        DataError: a round has fewer than two labels to train on, or as of :func:`~kinema.evaluation.folds.make_folds`.
        ConfigError: as there.
    """
    folds = make_folds(labelled, split, "probe", seed)
    if any(len(np.unique(labelled.labels[fold.gallery])) < 2 for fold in folds):
        raise DataError(f"{folds.scheme}: a round has a single label to train on; use other groups or another split")
    return folds


class LinearProbe:
    """The classifier of a probe; counts the trainings that did not converge.

    Args:
        spec: how it is trained.
        classes: how many there are.
    """

    def __init__(self, spec: ProbeSpec, classes: int):
        self.spec = spec
        self.classes = classes
        self.not_converged = 0

    @cached_property
    def _threads(self) -> ThreadpoolController:
        """Found once, when scikit-learn is there: looking for the libraries takes longer than many a training."""
        from threadpoolctl import ThreadpoolController

        return ThreadpoolController()

    def answer(
        self, values: np.ndarray, labelled: LabelledSet, train: np.ndarray, asked: np.ndarray
    ) -> tuple[np.ndarray, float]:
        """(queries, classes) scores of ``asked``, after training on the videos ``train``, and the strength chosen."""
        labels = labelled.labels[train]
        groups = None if labelled.groups is None else np.array(labelled.groups)[train]
        strength = self.choose(values[train], labels, groups)
        return self.scores(values[train], labels, asked, [strength])[0], strength

    def choose(self, values: np.ndarray, labels: np.ndarray, groups: np.ndarray | None) -> float:
        """The strength that predicts held-out parts best; the middle one if no part can be held out."""
        strengths = sorted(self.spec.strengths)
        right, seen = np.zeros(len(strengths)), 0
        for train, held_out in self._parts(labels, groups):
            scores = self.scores(values[train], labels[train], values[held_out], strengths)
            right += (scores.argmax(2) == labels[held_out]).sum(1)
            seen += len(held_out)
            if seen >= self.spec.held_out:
                break
        return strengths[int(right.argmax())] if seen else strengths[len(strengths) // 2]

    def scores(self, train: np.ndarray, labels: np.ndarray, asked: np.ndarray, strengths: list[float]) -> np.ndarray:
        """(strengths, queries, classes) scores of ``asked``; minus infinity for classes that ``labels`` has not.

        Strengths are to rise: each training starts from the one before.
        """
        from sklearn.linear_model import LogisticRegression
        from sklearn.preprocessing import StandardScaler

        scaler = StandardScaler().fit(train)
        train, asked = scaler.transform(train), scaler.transform(asked)
        model = LogisticRegression(max_iter=self.spec.max_iterations, warm_start=True)
        scores = np.full((len(strengths), len(asked), self.classes), -np.inf)
        for strength, row in zip(strengths, scores, strict=True):
            self._fit(model.set_params(C=strength), train, labels)
            decision = model.decision_function(asked)
            row[:, model.classes_] = decision if decision.ndim == 2 else np.stack([-decision, decision], 1)
        return scores

    def _fit(self, model: LogisticRegression, values: np.ndarray, labels: np.ndarray) -> None:
        from sklearn.exceptions import ConvergenceWarning

        # The products are so small that a second thread makes them several times slower.
        with self._threads.limit(limits=1), warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            model.fit(values, labels)
        self.not_converged += any(issubclass(warning.category, ConvergenceWarning) for warning in caught)

    def _parts(self, labels: np.ndarray, groups: np.ndarray | None) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield indices (train, held out), stratified and by group, where there are two labels to train on."""
        from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

        parts = min(self.spec.parts, np.bincount(labels).max(), len(labels if groups is None else np.unique(groups)))
        if parts < 2:
            return
        kind = StratifiedKFold if groups is None else StratifiedGroupKFold
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="The least populated class")  # it is then in fewer parts
            splits = list(kind(parts, shuffle=True, random_state=self.spec.seed).split(labels, labels, groups))
        yield from (split for split in splits if len(split[1]) and len(np.unique(labels[split[0]])) > 1)
