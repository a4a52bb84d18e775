"""Nearest-neighbour retrieval: does a video's neighbour, in the encoder's space, show the same thing?

The protocol of CoCLR (Han et al., NeurIPS 2020) and MSCL (Li et al., ECCV 2022), both as the papers say (cosine) and as
their code does (each split centred first); the two are not comparable, so both are always given.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
from torch import Tensor

from kinema.data.labels import LabelledSet
from kinema.evaluation.checks import checked_features
from kinema.evaluation.figures import Figure
from kinema.evaluation.folds import Folds, Split, make_folds
from kinema.evaluation.neighbours import find_neighbours


@dataclass(frozen=True)
class RetrievalSpec:
    """What is measured, in full; written into every result. A change of meaning raises ``version``.

    Attributes:
        version: of this protocol.
        recall_at: the k of R@k: the share of queries with their own label among the k nearest videos of the gallery.
            Where k is larger than the smallest gallery it is left out of the result.
        similarity: between two videos' features.
        centring: what the "centred" figures subtract before the cosine.
        ties: which of two equally similar videos comes first.
        neighbours: nearest videos kept for each query, for the report.
    """

    version: int = 1
    recall_at: tuple[int, ...] = (1, 5, 10, 20, 50)
    similarity: str = "cosine; a feature of zeros is equally far from everything"
    centring: str = (
        "one round: gallery and queries each lose their own mean; several rounds: both lose the mean of the round's "
        "gallery, since the mean of a few queries is mostly what they show"
    )
    ties: str = "the earlier row of the table"
    neighbours: int = 10


@dataclass(frozen=True)
class RetrievalFigures:
    """The figures of one way to compare, over all queries of all rounds.

    Attributes:
        recall: R@k by k, 0 to 1.
        per_class: R@1 by the query's label.
        neighbours: for each query the nearest videos of its gallery (indices into the files), nearest first.
    """

    recall: dict[int, float]
    per_class: dict[str, float]
    neighbours: list[list[int]] = field(repr=False)


@dataclass(frozen=True)
class IgnoringGroups:
    """What the figures would be if a query might find the videos of its own group.

    Attributes:
        scheme: which videos were compared with which.
        plain: R@k by cosine similarity.
        centred: R@k by cosine similarity after centring.
    """

    scheme: str
    plain: dict[int, float]
    centred: dict[int, float]


@dataclass(frozen=True)
class RetrievalResult:
    """What a retrieval found.

    Attributes:
        spec: what was measured.
        scheme: which videos were compared with which.
        rounds: the number of folds.
        queries: indices of the queries, in the order of ``neighbours``.
        smallest_gallery: videos in the smallest gallery.
        chance: expected R@1 of a neighbour drawn at random.
        unanswerable: queries whose label is nowhere in their gallery; they count as wrong.
        plain: figures by cosine similarity.
        centred: figures by cosine similarity after centring.
        ignoring_groups: with groups, all figures above are of comparisons across groups; these are of comparisons
            within groups too. None where that makes no difference: no groups, or none on both sides of the split.
    """

    spec: RetrievalSpec
    scheme: str
    rounds: int
    queries: list[int] = field(repr=False)
    smallest_gallery: int
    chance: float
    unanswerable: int
    plain: RetrievalFigures
    centred: RetrievalFigures
    ignoring_groups: IgnoringGroups | None

    def to_dict(self) -> dict[str, Any]:
        """As plain values for JSON; ``recall`` becomes ``r1``, ``r5``, ..."""
        values = asdict(self)
        for way in ("plain", "centred"):
            recall = values[way].pop("recall")
            values[way] = _named(recall) | values[way]
        if self.ignoring_groups is not None:
            values["ignoring_groups"] |= {"plain": _named(self.ignoring_groups.plain)}
            values["ignoring_groups"] |= {"centred": _named(self.ignoring_groups.centred)}
        return values

    def figures(self) -> Iterator[Figure]:
        """The main figures, one by one."""
        ways = {"plain": self.plain.recall, "centred": self.centred.recall}
        if self.ignoring_groups is not None:
            ways |= {"plain within groups too": self.ignoring_groups.plain}
            ways |= {"centred within groups too": self.ignoring_groups.centred}
        for way, recalls in ways.items():
            for k, recall in recalls.items():
                yield Figure(f"R@{k} {way}", recall, self.chance if k == 1 else None)

    def summary(self) -> str:
        """The main figures in one line."""
        ways = {"plain": self.plain.recall, "centred": self.centred.recall}
        figures = "; ".join(
            f"{way} {', '.join(f'R@{k} {recall:.3f}' for k, recall in recalls.items())}"
            for way, recalls in ways.items()
        )
        ignoring = self.ignoring_groups
        within = (
            "" if ignoring is None else f"; {ignoring.plain[1]:.3f} and {ignoring.centred[1]:.3f} within groups too"
        )
        return f"{figures}{within} (R@1 by chance {self.chance:.3f}, {len(self.queries)} queries, {self.scheme})"


def evaluate_retrieval(
    features: Tensor | np.ndarray,
    labelled: LabelledSet,
    split: Split = "auto",
    spec: RetrievalSpec | None = None,
) -> RetrievalResult:
    """Retrieve every query's nearest videos and score whether they share its label.

    Args:
        features: (N, D), a row for each video of ``labelled``.
        labelled: the labels, and the splits or groups if there are any.
        split: how videos are held out.
        spec: what to measure.

    Raises:
        DataError: a feature is not finite, or the split leaves one side empty.
        ConfigError: ``split`` asks for a column that the labels have not.
    """
    spec = spec or RetrievalSpec()
    values = checked_features(features, labelled)
    folds = make_folds(labelled, split, "retrieval")
    plain, centred = _both(values, labelled, folds, spec)
    chance = folds.chance(labelled.labels)
    return RetrievalResult(
        spec=spec,
        scheme=folds.scheme,
        rounds=len(folds),
        queries=folds.queries.tolist(),
        smallest_gallery=folds.smallest_gallery,
        chance=float(chance.mean()),
        unanswerable=int((chance == 0).sum()),
        plain=plain,
        centred=centred,
        ignoring_groups=_ignoring_groups(values, labelled, split, folds, spec),
    )


def _both(
    values: np.ndarray, labelled: LabelledSet, folds: Folds, spec: RetrievalSpec
) -> tuple[RetrievalFigures, RetrievalFigures]:
    """Plain and centred figures."""
    return _figures(values, labelled, folds, spec, centred=False), _figures(values, labelled, folds, spec, centred=True)


def _ignoring_groups(
    values: np.ndarray, labelled: LabelledSet, split: Split, folds: Folds, spec: RetrievalSpec
) -> IgnoringGroups | None:
    if labelled.groups is None or split == "video":
        return None
    together = make_folds(replace(labelled, groups=None), "video" if split == "group" else split, "retrieval")
    if together.same_rounds(folds):
        return None
    plain, centred = _both(values, labelled, together, spec)
    return IgnoringGroups(together.scheme, plain.recall, centred.recall)


def _named(recall: dict[int, float]) -> dict[str, float]:
    return {f"r{k}": share for k, share in recall.items()}


def _figures(
    values: np.ndarray, labelled: LabelledSet, folds: Folds, spec: RetrievalSpec, centred: bool
) -> RetrievalFigures:
    smallest = folds.smallest_gallery
    ks = [k for k in spec.recall_at if k <= smallest]
    depth = min(smallest, max([*ks, spec.neighbours]))
    labels = labelled.labels
    queries = folds.queries
    neighbours, _ = find_neighbours(values, folds, depth, centred)
    hits = labels[neighbours] == labels[queries][:, None]
    return RetrievalFigures(
        recall={k: float(hits[:, :k].any(1).mean()) for k in ks},
        per_class={
            name: float(hits[labels[queries] == index, 0].mean())
            for index, name in enumerate(labelled.classes)
            if (labels[queries] == index).any()
        },
        neighbours=neighbours[:, : spec.neighbours].tolist(),
    )
