"""Nearest-neighbour retrieval: does a video's neighbour, in the encoder's space, show the same thing?

The protocol of CoCLR (Han et al., NeurIPS 2020) and MSCL (Li et al., ECCV 2022), both as the papers say (cosine) and as
their code does (each split centred first); the two are not comparable, so both are always given.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from torch import Tensor

from kinema.data.labels import LabelledSet
from kinema.evaluation.checks import checked_features
from kinema.evaluation.folds import Fold, Folds, Split, make_folds

CHUNK = 1024
"""Queries whose similarities are held in memory at once."""


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

    def to_dict(self) -> dict[str, Any]:
        """As plain values for JSON; ``recall`` becomes ``r1``, ``r5``, ..."""
        values = asdict(self)
        for way in ("plain", "centred"):
            recall = values[way].pop("recall")
            values[way] = {f"r{k}": share for k, share in recall.items()} | values[way]
        return values

    def summary(self) -> str:
        """The main figures in one line."""
        ways = {"plain": self.plain.recall, "centred": self.centred.recall}
        figures = "; ".join(
            f"{way} {', '.join(f'R@{k} {recall:.3f}' for k, recall in recalls.items())}"
            for way, recalls in ways.items()
        )
        return f"{figures} (R@1 by chance {self.chance:.3f}, {len(self.queries)} queries, {self.scheme})"


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
    chance = np.concatenate([fold.chance(labelled.labels) for fold in folds])
    smallest = int(min(fold.gallery_sizes.min() for fold in folds))
    return RetrievalResult(
        spec=spec,
        scheme=folds.scheme,
        rounds=len(folds),
        queries=np.concatenate([fold.queries for fold in folds]).tolist(),
        smallest_gallery=smallest,
        chance=float(chance.mean()),
        unanswerable=int((chance == 0).sum()),
        plain=_figures(values, labelled, folds, smallest, spec, centred=False),
        centred=_figures(values, labelled, folds, smallest, spec, centred=True),
    )


def nearest(similarity: np.ndarray, k: int) -> np.ndarray:
    """(Q, k) columns of the k largest entries in each row of (Q, G), largest first; equal ones in column order."""
    least = -np.partition(-similarity, k - 1, axis=1)[:, k - 1]
    result = np.empty((len(similarity), k), dtype=np.int64)
    for position, (row, threshold) in enumerate(zip(similarity, least, strict=True)):
        candidates = np.flatnonzero(row >= threshold)
        result[position] = candidates[np.argsort(-row[candidates], kind="stable")[:k]]
    return result


def _figures(
    values: np.ndarray, labelled: LabelledSet, folds: Folds, smallest: int, spec: RetrievalSpec, centred: bool
) -> RetrievalFigures:
    ks = [k for k in spec.recall_at if k <= smallest]
    depth = min(smallest, max([*ks, spec.neighbours]))
    labels = labelled.labels
    queries = np.concatenate([fold.queries for fold in folds])
    neighbours = np.concatenate([_neighbours(values, fold, depth, centred, len(folds) == 1) for fold in folds])
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


def _neighbours(values: np.ndarray, fold: Fold, depth: int, centred: bool, own_mean: bool) -> np.ndarray:
    """(Q, depth) indices of the fold's nearest videos, never the query itself."""
    gallery, queries = values[fold.gallery], values[fold.queries]
    if centred:
        mean = gallery.mean(0)
        gallery, queries = gallery - mean, queries - (queries.mean(0) if own_mean else mean)
    gallery, queries = _unit(gallery), _unit(queries)
    found = []
    for start in range(0, len(queries), CHUNK):
        similarity = queries[start : start + CHUNK] @ gallery.T
        similarity[fold.queries[start : start + CHUNK, None] == fold.gallery] = -np.inf
        found.append(fold.gallery[nearest(similarity, depth)])
    return np.concatenate(found)


def _unit(vectors: np.ndarray) -> np.ndarray:
    norm = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.divide(vectors, norm, out=np.zeros_like(vectors), where=norm > 0)
