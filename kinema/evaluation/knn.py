"""k-NN classification: the nearest training videos vote, weighted by their similarity.

The protocol of instance discrimination (Wu et al., CVPR 2018, section 3.4), with the temperature it uses.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from torch import Tensor

from kinema.config.requests import Split
from kinema.data.labels import LabelledSet
from kinema.errors import DataError
from kinema.evaluation.figures import Figure, classification
from kinema.evaluation.folds import make_folds
from kinema.evaluation.neighbours import checked_features, find_neighbours


@dataclass(frozen=True)
class KNNSpec:
    """What is measured, in full; written into every result. A change of meaning raises ``version``.

    Attributes:
        version: of this protocol.
        k: how many neighbours vote. Where k is larger than the smallest gallery it is left out of the result.
        temperature: a neighbour votes for its label with exp(similarity / temperature).
        similarity: between two videos' features.
        ties: which of two equally similar videos comes first, and which of two labels with as many votes.
    """

    version: int = 1
    k: tuple[int, ...] = (1, 5, 20, 200)
    temperature: float = 0.07
    similarity: str = "cosine; a feature of zeros is equally far from everything"
    ties: str = "the earlier row of the table; the label that comes first in the alphabet"


@dataclass(frozen=True)
class KNNFigures:
    """The figures of one k.

    Attributes:
        top1: share of queries whose label gets the most votes.
        top5: share of queries whose label is among the five with the most votes; None with five classes or fewer.
        mean_class: mean over classes of the share of their queries that are right.
        predicted: index of the class with the most votes, for each query.
    """

    top1: float
    top5: float | None
    mean_class: float
    predicted: list[int] = field(repr=False)


@dataclass(frozen=True)
class KNNResult:
    """What k-NN classification found.

    Attributes:
        spec: what was measured.
        scheme: which videos were compared with which.
        chance: expected top-1 of answering with the label of a training video drawn at random.
        queries: indices of the queries, in the order of ``predicted``.
        by_k: figures by k.
    """

    spec: KNNSpec
    scheme: str
    chance: float
    queries: list[int] = field(repr=False)
    by_k: dict[int, KNNFigures]

    def to_dict(self) -> dict[str, Any]:
        """As plain values for JSON; ``by_k`` becomes ``k1``, ``k5``, ..."""
        values = asdict(self)
        return values | {f"k{k}": figures for k, figures in values.pop("by_k").items()}

    def figures(self) -> Iterator[Figure]:
        """The main figures, one by one."""
        for k, found in self.by_k.items():
            yield Figure(f"top-1, k {k}", found.top1, self.chance)

    def summary(self) -> str:
        """The main figures in one line."""
        figures = ", ".join(f"k {k} {found.top1:.3f}" for k, found in self.by_k.items())
        return f"top-1 {figures} (by chance {self.chance:.3f}; {len(self.queries)} queries, {self.scheme})"


def evaluate_knn(
    features: Tensor | np.ndarray,
    labelled: LabelledSet,
    split: Split = "auto",
    spec: KNNSpec | None = None,
) -> KNNResult:
    """Let the nearest videos of each query's gallery vote for its label.

    Args:
        features: (N, D), a row for each video of ``labelled``.
        labelled: the labels, and the splits or groups if there are any.
        split: how videos are held out.
        spec: what to measure.

    Raises:
        DataError: a feature is not finite, the split leaves one side empty, or no gallery is as large as the least k.
        ConfigError: ``split`` asks for a column that the labels have not.
    """
    spec = spec or KNNSpec()
    values, labels = checked_features(features, labelled), labelled.labels
    folds = make_folds(labelled, split, "retrieval")
    ks = [k for k in spec.k if k <= folds.smallest_gallery]
    if not ks:
        raise DataError(f"k-NN with k {min(spec.k)} needs more videos to compare with than {folds.smallest_gallery}")
    neighbours, similarity = find_neighbours(values, folds, max(ks), centred=False)
    votes = np.exp((similarity - 1) / spec.temperature)  # a common factor, so that no vote is too large a number
    queries = folds.queries
    by_k = {}
    for k in ks:
        scores = np.zeros((len(queries), len(labelled.classes)))
        rows = np.arange(len(queries))[:, None]
        np.add.at(scores, (rows, labels[neighbours[:, :k]]), votes[:, :k])
        found = classification(scores, labels[queries], labelled.classes)
        by_k[k] = KNNFigures(found.top1, found.top5, found.mean_class, found.predicted.tolist())
    return KNNResult(spec, folds.scheme, float(folds.chance(labels).mean()), queries.tolist(), by_k)
