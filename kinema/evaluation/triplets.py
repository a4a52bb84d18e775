"""Triplets: is a clip of the same motion nearer than one that looks the same but moves otherwise?

In the layout of SemanticMoments' triplets (CVPR 2026 Findings): ``CATEGORY/example_N`` holds ``ref.mp4``,
``positive.mp4``, which moves like it, and ``negative.mp4``, which does not.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from kinema.common.vectors import unit
from kinema.errors import DataError
from kinema.evaluation.figures import Figure
from kinema.evaluation.representation import Representation, Ways

PARTS = ("ref", "positive", "negative")


@dataclass(frozen=True)
class Triplet:
    """An example: the category and the number by which its folders are named, and the folder."""

    category: str
    name: str
    folder: Path

    @property
    def paths(self) -> list[Path]:
        """The reference, the positive and the negative."""
        return [self.folder / f"{part}.mp4" for part in PARTS]


@dataclass(frozen=True)
class TripletsSpec:
    """What is measured, in full; written into every result. A change of meaning raises ``version``.

    Attributes:
        version: of this protocol.
        r1: the first figure.
        own: the second.
        similarity: between two videos' features.
        centring: what the "centred" figures subtract before the cosine.
        whitening: what the "whitened" figures do before the cosine.
    """

    version: int = 1
    r1: str = "share of references to which their own positive is nearer than all other positives and all negatives"
    own: str = "share of references to which their own positive is nearer than their own negative"
    similarity: str = "cosine; of equally near videos the positive is not the nearer"
    centring: str = "references lose their own mean, positives and negatives that of both together"
    whitening: str = "fitted without labels on augmented copies of windows of all videos"


@dataclass(frozen=True)
class TripletFigures:
    """Figures of some triplets.

    Attributes:
        r1: share of references whose nearest is their own positive, among all positives and negatives.
        own: share of references to which their own positive is nearer than their own negative.
        triplets: how many.
    """

    r1: float
    own: float
    triplets: int


@dataclass(frozen=True)
class TripletsFound:
    """Figures of one way to compare: of all triplets, and by category."""

    overall: TripletFigures
    categories: dict[str, TripletFigures]

    def to_dict(self) -> dict[str, Any]:
        """As plain values for JSON."""
        return asdict(self.overall) | {"categories": {name: asdict(found) for name, found in self.categories.items()}}


@dataclass(frozen=True)
class TripletsResult:
    """What the triplets tell.

    Attributes:
        spec: what was measured.
        triplets: how many there are.
        chance_r1: ``r1`` by guessing.
        chance_own: ``own`` by guessing.
        readout: figures of the features that the encoder gives.
        pooled: figures of its pooled features.
        whitening: how the whitening was fitted, or why there is none.
    """

    spec: TripletsSpec
    triplets: int
    chance_r1: float
    chance_own: float
    readout: Ways[TripletsFound] = field(repr=False)
    pooled: Ways[TripletsFound] = field(repr=False)
    whitening: dict[str, Any] | None

    def to_dict(self) -> dict[str, Any]:
        """As plain values for JSON: ``plain.r1`` is the readout's, ``pooled.plain.r1`` of pooled features."""
        values = asdict(self)
        values["pooled"] = self.pooled.map(TripletsFound.to_dict).to_dict()
        del values["readout"]
        return self.readout.map(TripletsFound.to_dict).to_dict() | values

    def figures(self) -> Iterator[Figure]:
        """The main figures, one by one."""
        for kind, ways in (("", self.readout), (", pooled features", self.pooled)):
            for way, found in ways.items():
                yield Figure(f"R@1 {way}{kind}", found.overall.r1, self.chance_r1)
                yield Figure(f"own pair {way}{kind}", found.overall.own, self.chance_own)

    def summary(self) -> str:
        """The figures in a few lines: overall, and the best known way by category."""
        lines = []
        for kind, ways in (("", self.readout), ("  pooled features: ", self.pooled)):
            told = (f"{way} R@1 {one.overall.r1:.3f}, own pair {one.overall.own:.3f}" for way, one in ways.items())
            lines.append(f"{kind}{'; '.join(told)}")
        lines[0] += f" ({self.triplets} triplets; by chance {self.chance_r1:.3f} and {self.chance_own:.1f})"
        way, found = list(self.readout.items())[-1]
        lines += [
            f"  {name} ({one.triplets}), {way}: R@1 {one.r1:.3f}, own pair {one.own:.3f}"
            for name, one in found.categories.items()
        ]
        return "\n".join(lines)


def find_triplets(folder: str | Path) -> list[Triplet]:
    """The triplets of a folder, by category and number.

    Raises:
        DataError: there is no such folder, no triplet, or one that lacks a part.
    """
    root = Path(folder)
    if not root.is_dir():
        raise DataError(f"{root} is not a folder; triplets are in CATEGORY/example_N/{{ref,positive,negative}}.mp4")
    found = [
        Triplet(place.parent.name, place.name, place)
        for place in sorted(root.glob("*/example_*"), key=lambda place: (place.parent.name, _number(place)))
        if place.is_dir()
    ]
    if not found:
        raise DataError(f"{root} holds no triplets; it needs CATEGORY/example_N/{{ref,positive,negative}}.mp4")
    for triplet in found:
        for path in triplet.paths:
            if not path.is_file():
                raise DataError(f"the triplet {triplet.folder} has no {path.name}; add it, or take the triplet away")
    return found


def _number(place: Path) -> tuple[int, str]:
    digits = place.name.removeprefix("example_")
    return int(digits) if digits.isdecimal() else 0, place.name


def evaluate_triplets(
    triplets: Sequence[Triplet],
    readout: Representation,
    pooled: Representation,
    whitening: dict[str, Any] | None = None,
    spec: TripletsSpec | None = None,
) -> TripletsResult:
    """Compare every reference with all positives and negatives.

    Args:
        triplets: N of them.
        readout: features of their 3 N videos: reference, positive and negative of one triplet after another.
        pooled: the encoder's pooled features of the same.
        whitening: how it was fitted, for the result.
        spec: what to measure.
    """
    found = partial(_found, [triplet.category for triplet in triplets])
    return TripletsResult(
        spec=spec or TripletsSpec(),
        triplets=len(triplets),
        chance_r1=1 / (2 * len(triplets)),
        chance_own=0.5,
        readout=Ways.of(np.asarray(readout.values, np.float64), readout.whitening, found),
        pooled=Ways.of(np.asarray(pooled.values, np.float64), pooled.whitening, found),
        whitening=whitening,
    )


def _found(categories: Sequence[str], values: np.ndarray, centred: bool) -> TripletsFound:
    asked, others = values[0::3], np.concatenate((values[1::3], values[2::3]))
    if centred:
        asked, others = asked - asked.mean(0), others - others.mean(0)
    similar = unit(asked) @ unit(others).T
    count = len(asked)
    rows = np.arange(count)
    positive, negative = similar[rows, rows], similar[rows, rows + count]
    similar[rows, rows] = -np.inf
    first, own = positive > similar.max(1), positive > negative

    def figures(chosen: np.ndarray) -> TripletFigures:
        return TripletFigures(float(first[chosen].mean()), float(own[chosen].mean()), len(chosen))

    named = np.array(categories)
    return TripletsFound(figures(rows), {name: figures(np.flatnonzero(named == name)) for name in sorted(set(named))})
