"""What videos are compared by: a readout's features, and the ways and conditions in which they are compared."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Generic, Protocol, TypeVar

import numpy as np
from torch import Tensor

from kinema.data.labels import LabelledSet
from kinema.evaluation.figures import by_class
from kinema.evaluation.folds import Folds
from kinema.evaluation.neighbours import checked_features, find_neighbours

T = TypeVar("T")
Other = TypeVar("Other")


class Transform(Protocol):
    """What a :class:`~kinema.common.whitening.Whitening` does to features."""

    def transform(self, features: np.ndarray, /) -> np.ndarray:
        """(N, D) -> (N, E)."""


@dataclass(frozen=True, eq=False)
class Representation:
    """The features of videos by one readout.

    Attributes:
        values: (N, D), as they are.
        whitening: fitted on features of the readout; None for none.
        jittered: (N, R, D) of R shifted crops; None if they were not asked for.
        shaken: (N, D) of shaken clips; None if they were not asked for.
    """

    values: Tensor | np.ndarray
    whitening: Transform | None = None
    jittered: Tensor | np.ndarray | None = None
    shaken: Tensor | np.ndarray | None = None


@dataclass(frozen=True)
class Ways(Generic[T]):
    """Something of each way to compare videos.

    Attributes:
        plain: by cosine similarity.
        centred: by cosine similarity after centring.
        whitened: by cosine similarity after whitening; None where there is none.
    """

    plain: T
    centred: T
    whitened: T | None

    @classmethod
    def of(cls, values: np.ndarray, whitening: Transform | None, measure: Callable[[np.ndarray, bool], T]) -> Ways[T]:
        """What ``measure`` makes of features (N, D) in each way; it is told whether to centre them."""
        white = None if whitening is None else measure(whitening.transform(values), False)
        return cls(measure(values, False), measure(values, True), white)

    def items(self) -> Iterator[tuple[str, T]]:
        """Each way there is, by name."""
        yield from ((way.name, found) for way in fields(self) if (found := getattr(self, way.name)) is not None)

    def map(self, change: Callable[[T], Other]) -> Ways[Other]:
        """The same of what ``change`` makes of each."""
        return Ways(change(self.plain), change(self.centred), None if self.whitened is None else change(self.whitened))

    def to_dict(self) -> dict[str, T | None]:
        """Each way by name, None for what there is not."""
        return {way.name: getattr(self, way.name) for way in fields(self)}


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

    def to_dict(self) -> dict[str, Any]:
        """As plain values for JSON; ``recall`` becomes ``r1``, ``r5``, ..."""
        values = asdict(self)
        return named(values.pop("recall")) | values


@dataclass(frozen=True)
class Spread:
    """R@1 over rounds of shifted crops.

    Attributes:
        r1: the mean.
        deviation: the standard deviation; None with a single round.
        by_round: R@1 of each.
    """

    r1: float
    deviation: float | None
    by_round: list[float]

    @classmethod
    def of(cls, rounds: list[float]) -> Spread:
        """The spread of the R@1 of ``rounds``."""
        return cls(float(np.mean(rounds)), float(np.std(rounds, ddof=1)) if len(rounds) > 1 else None, rounds)


@dataclass(frozen=True)
class Found:
    """What was found by one readout.

    Attributes:
        still: figures of the clips as they are.
        jittered: R@1 over shifted crops; None if they were not asked for.
        shaken: R@1 of shaken clips; None if they were not asked for.
    """

    still: Ways[RetrievalFigures]
    jittered: Ways[Spread] | None
    shaken: Ways[float] | None

    def to_dict(self) -> dict[str, Any]:
        """As plain values for JSON."""
        values: dict[str, Any] = dict(self.still.map(RetrievalFigures.to_dict).to_dict())
        values["jittered"] = None if self.jittered is None else asdict(self.jittered)
        values["shaken"] = None if self.shaken is None else asdict(self.shaken.map(lambda r1: named({1: r1})))
        return values


def named(recall: dict[int, float]) -> dict[str, float]:
    """R@k by ``r1``, ``r5``, ..."""
    return {f"r{k}": share for k, share in recall.items()}


def retrieve(
    seen: Representation, labelled: LabelledSet, folds: Folds, recall_at: tuple[int, ...], neighbours: int
) -> Found:
    """Retrieve every query's nearest videos in all ways and conditions.

    Args:
        seen: the features.
        labelled: the labels.
        folds: the rounds.
        recall_at: the k of R@k; those larger than the smallest gallery are left out.
        neighbours: nearest videos that are kept for each query.

    Raises:
        DataError: a feature is not finite.
    """

    def figures(values: np.ndarray, centred: bool) -> RetrievalFigures:
        return retrieval_figures(values, labelled, folds, recall_at, neighbours, centred)

    def first(values: np.ndarray, centred: bool) -> float:
        return retrieval_figures(values, labelled, folds, (1,), 0, centred).recall[1]

    def ways(features: Any, measure: Callable[[np.ndarray, bool], T]) -> Ways[T]:
        return Ways.of(checked_features(features, labelled), seen.whitening, measure)

    jittered = None
    if seen.jittered is not None:
        rounds = [ways(seen.jittered[:, turn], first) for turn in range(seen.jittered.shape[1])]
        plain, centred = ([getattr(turn, way) for turn in rounds] for way in ("plain", "centred"))
        white = [turn.whitened for turn in rounds if turn.whitened is not None]
        jittered = Ways(Spread.of(plain), Spread.of(centred), Spread.of(white) if white else None)
    shaken = None if seen.shaken is None else ways(seen.shaken, first)
    return Found(ways(seen.values, figures), jittered, shaken)


def retrieval_figures(
    values: np.ndarray,
    labelled: LabelledSet,
    folds: Folds,
    recall_at: tuple[int, ...],
    neighbours: int,
    centred: bool,
) -> RetrievalFigures:
    """The figures of one way to compare features (N, D); other arguments as of :func:`retrieve`."""
    smallest = folds.smallest_gallery
    ks = [k for k in recall_at if k <= smallest]
    labels, queries = labelled.labels, folds.queries
    nearest, _ = find_neighbours(values, folds, min(smallest, max([*ks, neighbours])), centred)
    hits = labels[nearest] == labels[queries][:, None]
    return RetrievalFigures(
        recall={k: float(hits[:, :k].any(1).mean()) for k in ks},
        per_class=by_class(hits[:, 0], labels[queries], labelled.classes),
        neighbours=nearest[:, :neighbours].tolist(),
    )
