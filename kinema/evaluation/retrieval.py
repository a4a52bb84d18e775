"""Nearest-neighbour retrieval: does a video's neighbour, in the encoder's space, show the same thing?

The protocol of CoCLR (Han et al., NeurIPS 2020) and MSCL (Li et al., ECCV 2022), both as the papers say (cosine) and as
their code does (each split centred first); the two are not comparable, so both are always given. Ours beside them are
features that were whitened without labels, and harder conditions: shifted crops, and clips of an unquiet hand.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
from torch import Tensor

from kinema.config.requests import Split
from kinema.data.labels import LabelledSet
from kinema.evaluation.figures import Figure
from kinema.evaluation.folds import Folds, make_folds
from kinema.evaluation.neighbours import checked_features
from kinema.evaluation.representation import (
    Found,
    Representation,
    RetrievalFigures,
    named,
    retrieval_figures,
    retrieve,
)


@dataclass(frozen=True)
class RetrievalSpec:
    """What is measured, in full; written into every result. A change of meaning raises ``version``.

    Attributes:
        version: of this protocol.
        recall_at: the k of R@k: the share of queries with their own label among the k nearest videos of the gallery.
            Where k is larger than the smallest gallery it is left out of the result.
        similarity: between two videos' features.
        centring: what the "centred" figures subtract before the cosine.
        whitening: what the "whitened" figures do before the cosine.
        ties: which of two equally similar videos comes first.
        neighbours: nearest videos kept for each query, for the report.
    """

    version: int = 2
    recall_at: tuple[int, ...] = (1, 5, 10, 20, 50)
    similarity: str = "cosine; a feature of zeros is equally far from everything"
    centring: str = (
        "one round: gallery and queries each lose their own mean; several rounds: both lose the mean of the round's "
        "gallery, since the mean of a few queries is mostly what they show"
    )
    whitening: str = (
        "features lose the mean over augmented copies of windows of the videos, and the scatter within the copies of "
        "a window is made even, shrunk towards its mean; fitted without labels, once for all rounds"
    )
    ties: str = "the earlier row of the table"
    neighbours: int = 10


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
        queries: indices of the queries, in the order of the figures' ``neighbours``.
        smallest_gallery: videos in the smallest gallery.
        chance: expected R@1 of a neighbour drawn at random.
        unanswerable: queries whose label is nowhere in their gallery; they count as wrong.
        readout: figures of the features that the encoder gives.
        pooled: figures of its pooled features; None if they were not given.
        whitening: how the whitening was fitted, or why there is none.
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
    readout: Found
    pooled: Found | None
    whitening: dict[str, Any] | None
    ignoring_groups: IgnoringGroups | None

    @property
    def plain(self) -> RetrievalFigures:
        """The readout's figures by cosine similarity."""
        return self.readout.still.plain

    @property
    def centred(self) -> RetrievalFigures:
        """The readout's figures by cosine similarity after centring."""
        return self.readout.still.centred

    def to_dict(self) -> dict[str, Any]:
        """As plain values for JSON: ``plain.r1`` is the readout's, ``pooled.plain.r1`` of pooled features."""
        values = asdict(self)
        del values["readout"]
        values["pooled"] = None if self.pooled is None else self.pooled.to_dict()
        if self.ignoring_groups is not None:
            values["ignoring_groups"] |= {"plain": named(self.ignoring_groups.plain)}
            values["ignoring_groups"] |= {"centred": named(self.ignoring_groups.centred)}
        return self.readout.to_dict() | values

    def figures(self) -> Iterator[Figure]:
        """The main figures, one by one."""
        for kind, found in self._kinds():
            for way, figures in found.still.items():
                for k, recall in figures.recall.items():
                    yield Figure(f"R@{k} {way}{kind}", recall, self.chance if k == 1 else None)
            if found.jittered is not None:
                for way, spread in found.jittered.items():
                    yield Figure(f"R@1 {way}{kind}, jittered", spread.r1, self.chance)
            if found.shaken is not None:
                for way, recall in found.shaken.items():
                    yield Figure(f"R@1 {way}{kind}, shaken", recall, self.chance)
        if self.ignoring_groups is not None:
            ways = {"plain": self.ignoring_groups.plain, "centred": self.ignoring_groups.centred}
            for way, recalls in ways.items():
                for k, recall in recalls.items():
                    yield Figure(f"R@{k} {way} within groups too", recall, self.chance if k == 1 else None)

    def summary(self) -> str:
        """The main figures in a few lines: one for each kind of feature."""
        ignoring = self.ignoring_groups
        within = (
            "" if ignoring is None else f"; {ignoring.plain[1]:.3f} and {ignoring.centred[1]:.3f} within groups too"
        )
        lines = [_line(found) for _, found in self._kinds()]
        lines[0] += f"{within} (R@1 by chance {self.chance:.3f}, {len(self.queries)} queries, {self.scheme})"
        return "\n  pooled features: ".join(lines)

    def _kinds(self) -> Iterator[tuple[str, Found]]:
        yield "", self.readout
        if self.pooled is not None:
            yield ", pooled features", self.pooled


def _line(found: Found) -> str:
    parts = [
        f"{way} {', '.join(f'R@{k} {recall:.3f}' for k, recall in figures.recall.items())}"
        for way, figures in found.still.items()
    ]
    if found.jittered is not None:
        told = (
            f"{way} {spread.r1:.3f}" + ("" if spread.deviation is None else f" ± {spread.deviation:.3f}")
            for way, spread in found.jittered.items()
        )
        parts.append(f"R@1 jittered {', '.join(told)}")
    if found.shaken is not None:
        parts.append(f"R@1 shaken {', '.join(f'{way} {recall:.3f}' for way, recall in found.shaken.items())}")
    return "; ".join(parts)


def evaluate_retrieval(
    features: Tensor | np.ndarray | Representation,
    labelled: LabelledSet,
    split: Split = "auto",
    spec: RetrievalSpec | None = None,
    *,
    pooled: Representation | None = None,
    whitening: dict[str, Any] | None = None,
) -> RetrievalResult:
    """Retrieve every query's nearest videos and score whether they share its label.

    Args:
        features: (N, D), a row for each video of ``labelled``; or these with what belongs to them.
        labelled: the labels, and the splits or groups if there are any.
        split: how videos are held out.
        spec: what to measure.
        pooled: the encoder's pooled features, to stand beside them.
        whitening: how it was fitted, for the result.

    Raises:
        DataError: a feature is not finite, or the split leaves one side empty.
        ConfigError: ``split`` asks for a column that the labels have not.
    """
    spec = spec or RetrievalSpec()
    seen = features if isinstance(features, Representation) else Representation(features)
    folds = make_folds(labelled, split, "retrieval")
    chance = folds.chance(labelled.labels)
    return RetrievalResult(
        spec=spec,
        scheme=folds.scheme,
        rounds=len(folds),
        queries=folds.queries.tolist(),
        smallest_gallery=folds.smallest_gallery,
        chance=float(chance.mean()),
        unanswerable=int((chance == 0).sum()),
        readout=retrieve(seen, labelled, folds, spec.recall_at, spec.neighbours),
        pooled=None if pooled is None else retrieve(pooled, labelled, folds, spec.recall_at, 0),
        whitening=whitening,
        ignoring_groups=_ignoring_groups(checked_features(seen.values, labelled), labelled, split, folds, spec),
    )


def _ignoring_groups(
    values: np.ndarray, labelled: LabelledSet, split: Split, folds: Folds, spec: RetrievalSpec
) -> IgnoringGroups | None:
    if labelled.groups is None or split == "video":
        return None
    together = make_folds(replace(labelled, groups=None), "video" if split == "group" else split, "retrieval")
    if together.same_rounds(folds):
        return None
    plain, centred = (
        retrieval_figures(values, labelled, together, spec.recall_at, 0, way).recall for way in (False, True)
    )
    return IgnoringGroups(together.scheme, plain, centred)
