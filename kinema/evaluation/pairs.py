"""Fine-grained pairs: can two classes be told apart that differ in nothing but, say, the direction of a motion?"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from difflib import get_close_matches
from typing import Any

import numpy as np
from torch import Tensor

from kinema.config.requests import Split
from kinema.data.labels import LabelledSet
from kinema.errors import ConfigError, DataError
from kinema.evaluation.figures import Figure
from kinema.evaluation.neighbours import checked_features
from kinema.evaluation.probe import ProbeSpec, evaluate_probe

Pair = tuple[str, str]

OPPOSITES: tuple[Pair, ...] = (
    ("left", "right"),
    ("up", "down"),
    ("upwards", "downwards"),
    ("top", "bottom"),
    ("in", "out"),
    ("into", "out of"),
    ("forward", "backward"),
    ("forwards", "backwards"),
    ("cw", "ccw"),
    ("clockwise", "counterclockwise"),
    ("clockwise", "anticlockwise"),
    ("slow", "fast"),
    ("open", "close"),
    ("opening", "closing"),
    ("push", "pull"),
    ("pushing", "pulling"),
)
"""Words whose exchange turns the name of a class into that of its opposite."""


@dataclass(frozen=True)
class PairsSpec:
    """What is measured, in full; written into every result. A change of meaning raises ``version``.

    Attributes:
        version: of this protocol.
        task: what is asked of each pair.
        accuracy: how answers are counted.
        opposites: with no pairs given: two classes are a pair if exchanging the two words of one of these opposites,
            wherever they stand, turns the name of one into that of the other.
        probe: the classifier.
    """

    version: int = 1
    task: str = "a probe trained on the training videos of the two classes alone, tested on their test videos alone"
    accuracy: str = "mean over the two classes of the share of their videos that are right; 0.5 by chance"
    opposites: tuple[Pair, ...] = OPPOSITES
    probe: ProbeSpec = field(default_factory=ProbeSpec)


@dataclass(frozen=True)
class PairFigures:
    """The figures of one pair of classes: its names, its accuracy (0 to 1), and how many videos were asked."""

    first: str
    second: str
    accuracy: float
    queries: int


@dataclass(frozen=True)
class PairsResult:
    """How well the classes of each pair are told apart.

    Attributes:
        spec: what was measured.
        scheme: which videos were held out.
        derived: whether the pairs come from the names of the classes.
        accuracy: mean over pairs.
        chance: 0.5.
        pairs: figures of each.
        left_out: derived pairs that cannot be measured, and why.
    """

    spec: PairsSpec
    scheme: str
    derived: bool
    accuracy: float
    chance: float
    pairs: list[PairFigures]
    left_out: dict[str, str]

    def to_dict(self) -> dict[str, Any]:
        """As plain values for JSON."""
        return asdict(self)

    def figures(self) -> Iterator[Figure]:
        """The main figures, one by one."""
        yield Figure("mean over pairs", self.accuracy, self.chance)
        for pair in self.pairs:
            yield Figure(f"{pair.first} or {pair.second}", pair.accuracy, self.chance)

    def summary(self) -> str:
        """The main figures in one line."""
        figures = ", ".join(f"{pair.first} or {pair.second} {pair.accuracy:.3f}" for pair in self.pairs)
        return f"within pairs {self.accuracy:.3f} (by chance 0.500; {self.scheme}): {figures}"


def evaluate_pairs(
    features: Tensor | np.ndarray,
    labelled: LabelledSet,
    split: Split = "auto",
    spec: PairsSpec | None = None,
    pairs: Sequence[Pair] | None = None,
) -> PairsResult:
    """Tell the two classes of each pair apart.

    Args:
        features: (N, D), a row for each video of ``labelled``.
        labelled: the labels, and the splits or groups if there are any.
        split: how videos are held out.
        spec: what to measure.
        pairs: names of classes, two by two; None for those of opposite names.

    Raises:
        DataError: a feature is not finite; a pair that was given cannot be measured, or none of the derived ones can.
        ConfigError: ``pairs`` names a class that is not there, or ``split`` a column.
    """
    spec = spec or PairsSpec()
    values = checked_features(features, labelled)
    asked = opposite_classes(labelled.classes, spec.opposites) if pairs is None else checked_pairs(labelled, pairs)
    if not asked:
        raise DataError("no two classes have opposite names; give pairs of classes with --pairs '[[one, other]]'")
    found, left_out, scheme = [], {}, ""
    for pair in asked:
        try:
            figures, scheme = _measure(values, labelled, split, spec.probe, pair)
            found.append(figures)
        except DataError as error:
            left_out[" or ".join(pair)] = str(error)
            if pairs is not None or len(left_out) == len(asked):
                raise
    mean = float(np.mean([figures.accuracy for figures in found]))
    return PairsResult(spec, scheme, pairs is None, mean, 0.5, found, left_out)


def checked_pairs(labelled: LabelledSet, pairs: Sequence[Pair]) -> list[Pair]:
    """The pairs, if every one is of two classes of ``labelled``.

    Raises:
        ConfigError: one is not; a class with a similar name is named.
    """
    for pair in pairs:
        for name in pair:
            if name not in labelled.classes:
                near = get_close_matches(name, labelled.classes, 1) or labelled.classes[:1]
                raise ConfigError(
                    f"--pairs names the class {name!r}, which the labels do not have; there is {near[0]!r}"
                )
        if pair[0] == pair[1]:
            raise ConfigError(f"--pairs names {pair[0]!r} beside itself; a pair needs two classes")
    return [(first, second) for first, second in pairs]


def opposite_classes(classes: Sequence[str], opposites: Sequence[Pair] = OPPOSITES) -> list[Pair]:
    """The pairs of ``classes`` whose names differ by the exchange of two opposite words; each once, in their order.

    Words are told by case-insensitive letters; an underscore parts them as a space does.
    """
    by_name = {name.lower(): name for name in classes}
    pairs: list[Pair] = []
    for name in classes:
        for opposite in opposites:
            other = by_name.get(_swapped(name.lower(), opposite), name)
            if other != name and (other, name) not in pairs and (name, other) not in pairs:
                pairs.append((name, other))
    return pairs


def _swapped(name: str, opposite: Pair) -> str:
    one, other = opposite
    words = "|".join(sorted((re.escape(one), re.escape(other)), key=len, reverse=True))
    whole = rf"(?<![^\W_])({words})(?![^\W_])"
    return re.sub(whole, lambda found: other if found[0] == one else one, name)


def _measure(
    values: np.ndarray, labelled: LabelledSet, split: Split, probe: ProbeSpec, pair: Pair
) -> tuple[PairFigures, str]:
    own = np.array([labelled.classes.index(name) for name in pair])
    rows = np.flatnonzero(np.isin(labelled.labels, own))
    subset = replace(
        labelled,
        files=tuple(labelled.files[row] for row in rows),
        labels=(labelled.labels[rows] == own[1]).astype(np.int64),
        classes=pair,
        splits=None if labelled.splits is None else tuple(labelled.splits[row] for row in rows),
        groups=None if labelled.groups is None else tuple(labelled.groups[row] for row in rows),
    )
    result = evaluate_probe(values[rows], subset, split, probe)
    if len(result.per_class) < 2:
        raise DataError(f"of {pair[0]!r} and {pair[1]!r} only {next(iter(result.per_class))!r} has test videos")
    return PairFigures(*pair, result.mean_class, len(result.queries)), result.scheme
