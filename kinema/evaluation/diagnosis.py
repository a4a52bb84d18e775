"""Motion or appearance: by what does an encoder go?

Questions to any encoder, of videos whose motion and appearance are independent: does it find the same motion or the
same appearance; how much worse is it when the frames of a clip are shuffled, reversed or frozen; which videos are
closer to it, those that move alike or those that look alike; does it take a video played backwards, or the same actor
doing something else, for the same?
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from torch import Tensor

from kinema.common.vectors import unit
from kinema.config.requests import Split
from kinema.data.labels import LabelledSet
from kinema.evaluation.figures import Figure
from kinema.evaluation.folds import Folds, make_folds
from kinema.evaluation.neighbours import checked_features
from kinema.evaluation.probe import LinearProbe, ProbeSpec, trainable_folds
from kinema.evaluation.retrieval import RetrievalSpec, evaluate_retrieval
from kinema.evaluation.shortcuts import NORMAL, ORDERS, Backwards, Leak, backwards, leak


@dataclass(frozen=True)
class DiagnosisSpec:
    """What is measured, in full; written into every result. A change of meaning raises ``version``.

    Attributes:
        version: of this protocol.
        share: the one number.
        orders: what is done to the frames of a clip.
        probe: the classifier, trained on clips as they are and tested on altered ones.
        pair_videos: similarities are of all pairs of so many queries at most, drawn by ``seed``; never of two videos
            of one group.
        similarity: between two videos' features.
        backwards: how videos played backwards are compared.
        leak: how often identity is taken for motion.
        seed: of the draw.
    """

    version: int = 2
    share: str = (
        "lift of motion / (lift of motion + lift of appearance), where a lift is the plain R@1 less that of chance, "
        "and 0 if it is less than chance; nothing if both are 0"
    )
    orders: tuple[str, ...] = (NORMAL, *ORDERS)
    probe: ProbeSpec = field(default_factory=ProbeSpec)
    pair_videos: int = 2000
    similarity: str = "cosine, after the mean over all queries is subtracted"
    backwards: str = "plain cosine: each query against its gallery and itself with frames reversed"
    leak: str = "plain cosine, leave one video out: the nearest moves otherwise but has the same group or appearance"
    seed: int = 0


@dataclass(frozen=True)
class Sight:
    """How well an encoder sees one aspect.

    Attributes:
        r1: plain R@1 of retrieval by its classes.
        chance: expected R@1 of a neighbour drawn at random.
        lift: ``r1`` less ``chance``.
        probe: top-1 of a linear probe of its classes, by the order of the frames that are tested on.
        drop: by the order of the frames, how much of the top-1 of clips as they are is lost.
    """

    r1: float
    chance: float
    lift: float
    probe: dict[str, float]
    drop: dict[str, float]


@dataclass(frozen=True)
class PairSimilarity:
    """Which videos an encoder takes to be alike.

    Attributes:
        same_motion: mean similarity of two videos of the same motion and other appearance.
        same_appearance: mean similarity of two videos of the same appearance and other motion.
        neither: mean similarity of two videos that have neither in common.
        motion_first: probability that a pair of the first kind is more similar than one of the second; 0.5 for an
            encoder to which both are the same.
    """

    same_motion: float
    same_appearance: float
    neither: float
    motion_first: float


@dataclass(frozen=True)
class DiagnosisResult:
    """What an encoder goes by. What needs labels of appearance is None where there are none.

    Attributes:
        spec: what was measured.
        scheme: which videos were compared with which.
        queries: how many videos were asked.
        motion: how well it sees motion.
        appearance: how well it sees appearance.
        motion_share: from 0 (appearance alone) to 1 (motion alone); None too if it sees neither better than chance.
        similarity: of pairs; None too if there are no pairs of one of the kinds.
        backwards: what becomes of videos that are played backwards.
        leaks: how often identity is taken for motion, by ``group`` and by ``appearance``, as far as they are known and
            several videos have them in common.
    """

    spec: DiagnosisSpec
    scheme: str
    queries: int
    motion: Sight
    appearance: Sight | None
    motion_share: float | None
    similarity: PairSimilarity | None
    backwards: Backwards
    leaks: dict[str, Leak]

    def to_dict(self) -> dict[str, Any]:
        """As plain values for JSON."""
        return asdict(self)

    def figures(self) -> Iterator[Figure]:
        """The main figures, one by one."""
        if self.appearance is not None:
            yield Figure("motion share", self.motion_share)
        for aspect, sight in (("motion", self.motion), ("appearance", self.appearance)):
            if sight is not None:
                yield Figure(f"R@1 by {aspect}", sight.r1, sight.chance)
                for order, top1 in sight.probe.items():
                    yield Figure(f"probe of {aspect}, frames {order}", top1)
        if self.similarity is not None:
            yield Figure("same motion before same appearance", self.similarity.motion_first, 0.5)
        yield Figure("nearest is itself backwards", self.backwards.itself)
        yield Figure("R@1 by motion, played backwards", self.backwards.r1, self.backwards.chance)
        for identity, found in self.leaks.items():
            yield Figure(f"nearest is another motion of the same {identity}", found.share, found.chance)

    def summary(self) -> str:
        """The main figures in one line."""
        drops = ", ".join(f"{order} {drop:.3f}" for order, drop in self.motion.drop.items())
        parts = [f"motion R@1 {self.motion.r1:.3f} (by chance {self.motion.chance:.3f})"]
        if self.appearance is not None:
            share = "undefined" if self.motion_share is None else f"{self.motion_share:.3f}"
            parts += [f"appearance R@1 {self.appearance.r1:.3f} (by chance {self.appearance.chance:.3f})"]
            parts += [f"motion share {share}"]
        parts += [f"the probe is right in {self.motion.probe[NORMAL]:.3f} and loses with frames {drops}"]
        if self.similarity is not None:
            parts += [f"same motion is nearer than same appearance in {self.similarity.motion_first:.3f} of cases"]
        parts += [f"nearest to itself played backwards {self.backwards.itself:.3f}"]
        parts += [
            f"another motion of the same {identity} nearest {found.share:.3f} (by chance {found.chance:.3f})"
            for identity, found in self.leaks.items()
        ]
        return f"{'; '.join(parts)} ({self.queries} queries, {self.scheme})"


def evaluate_diagnosis(
    features: Mapping[str, Tensor | np.ndarray],
    motion: LabelledSet,
    appearance: LabelledSet | None = None,
    split: Split = "auto",
    spec: DiagnosisSpec | None = None,
) -> DiagnosisResult:
    """Diagnose an encoder.

    Args:
        features: (N, D) by the order of frames, with the keys of ``spec.orders``; a row for each video.
        motion: the videos labelled by motion, and splits or groups if there are any.
        appearance: the same videos labelled by appearance; None if that is unknown.
        split: how videos are held out.
        spec: what to measure.

    Raises:
        DataError: a feature is not finite, the split leaves one side empty, or a round has a single label.
        ConfigError: ``split`` asks for a column that the labels have not.
    """
    spec = spec or DiagnosisSpec()
    if appearance is not None and appearance.files != motion.files:
        raise ValueError("motion and appearance must label the same videos in the same order")
    values = {order: checked_features(features[order], motion) for order in spec.orders}
    seen = _sight(values, motion, split, spec)
    scenery = None if appearance is None else _sight(values, appearance, split, spec)
    folds = make_folds(motion, split, "retrieval")
    identities = {
        "group": None if motion.groups is None else np.array(motion.groups),
        "appearance": None if appearance is None else appearance.labels,
    }
    leaks = {name: leak(values[NORMAL], motion, kinds) for name, kinds in identities.items() if kinds is not None}
    return DiagnosisResult(
        spec=spec,
        scheme=folds.scheme,
        queries=len(folds.queries),
        motion=seen,
        appearance=scenery,
        motion_share=None if scenery is None else motion_share(seen.lift, scenery.lift),
        similarity=None if appearance is None else _similarity(values[NORMAL], motion, appearance, folds, spec),
        backwards=backwards(values[NORMAL], values["reversed"], motion, folds),
        leaks={name: found for name, found in leaks.items() if found is not None},
    )


def motion_share(motion: float, appearance: float) -> float | None:
    """The share of motion in two lifts over chance; a negative lift counts as none, and None is of two such."""
    motion, appearance = max(motion, 0.0), max(appearance, 0.0)
    return motion / (motion + appearance) if motion + appearance > 0 else None


def _sight(values: Mapping[str, np.ndarray], labelled: LabelledSet, split: Split, spec: DiagnosisSpec) -> Sight:
    found = evaluate_retrieval(values[NORMAL], labelled, split, RetrievalSpec(recall_at=(1,), neighbours=1))
    r1, top1 = found.plain.recall[1], _probe(values, labelled, split, spec)
    drop = {order: top1[NORMAL] - share for order, share in top1.items() if order != NORMAL}
    return Sight(r1, found.chance, r1 - found.chance, top1, drop)


def _probe(
    values: Mapping[str, np.ndarray], labelled: LabelledSet, split: Split, spec: DiagnosisSpec
) -> dict[str, float]:
    """Top-1 by the order of frames, of a probe that was trained on clips as they are."""
    probe = LinearProbe(spec.probe, len(labelled.classes))
    right = dict.fromkeys(values, 0)
    folds = trainable_folds(labelled, split, spec.probe.seed)
    for fold in folds:
        asked = np.concatenate([table[fold.queries] for table in values.values()])
        scores, _ = probe.answer(values[NORMAL], labelled, fold.gallery, asked)
        for order, part in zip(values, np.split(scores, len(values)), strict=True):
            right[order] += int((part.argmax(1) == labelled.labels[fold.queries]).sum())
    return {order: count / len(folds.queries) for order, count in right.items()}


def _similarity(
    values: np.ndarray, motion: LabelledSet, appearance: LabelledSet, folds: Folds, spec: DiagnosisSpec
) -> PairSimilarity | None:
    chosen = np.sort(np.random.default_rng(spec.seed).permutation(folds.queries)[: spec.pair_videos])
    vectors = unit(values[chosen] - values[folds.queries].mean(0))
    first, second = np.triu_indices(len(chosen), 1)
    if motion.groups is not None:
        groups = np.array(motion.groups)[chosen]
        apart = groups[first] != groups[second]
        first, second = first[apart], second[apart]
    similar = (vectors @ vectors.T)[first, second]
    moves, looks = (table.labels[chosen][first] == table.labels[chosen][second] for table in (motion, appearance))
    kinds = [similar[moves & ~looks], similar[looks & ~moves], similar[~moves & ~looks]]
    if not all(len(kind) for kind in kinds):
        return None
    same_motion, same_appearance, neither = (float(kind.mean()) for kind in kinds)
    return PairSimilarity(same_motion, same_appearance, neither, _exceeds(kinds[0], kinds[1]))


def _exceeds(ones: np.ndarray, others: np.ndarray) -> float:
    """The probability that one of ``ones`` is larger than one of ``others``; equal ones count half."""
    others = np.sort(others)
    below, upto = (np.searchsorted(others, ones, side) for side in ("left", "right"))
    return float((below + upto).mean() / (2 * len(others)))
