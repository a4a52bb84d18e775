"""How far two hands, or a hand and a program, agree about the same videos.

By frame: every frame has the classes of the intervals over its middle. Cohen's kappa (1960) is of frames in which each
side has one class or none, "none" being a class of its own; F1 is of each class for itself. By bout: the segmental F1
of Lea et al. (Temporal Convolutional Networks for Action Segmentation and Detection, CVPR 2017): an interval of B is
right if it overlaps one of A of its class, that no earlier one has taken, in a share of their union (IoU) of at least a
threshold; what is not is a false one, and what of A is left was missed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from kinema.annotations.interval import Interval, by_file
from kinema.errors import ConfigError

STEP = 0.04
"""Seconds of a frame where nobody says."""
OVERLAP = 0.5
"""IoU from which on a bout is found."""
MOST_FRAMES = 50_000_000
"""Of all videos together, that are compared."""


@dataclass(frozen=True)
class Scores:
    """How one class agrees; None where there is nothing to measure by.

    Attributes:
        label: the class.
        seconds: (A, B) for how long it is on.
        bouts: (A, B) how many intervals of it there are.
        precision: share of B's frames of the class that are A's too.
        recall: share of A's frames of the class that are B's too.
        frame_f1: their harmonic mean.
        kappa: Cohen's, of frames with the class against those without.
        bout_f1: of intervals.
    """

    label: str
    seconds: tuple[float, float]
    bouts: tuple[int, int]
    precision: float | None
    recall: float | None
    frame_f1: float | None
    kappa: float | None
    bout_f1: float | None


@dataclass(frozen=True)
class Agreement:
    """How two sets of intervals agree.

    Attributes:
        kappa: Cohen's, of all classes and none; None if all frames are of one class on both sides.
        frame_accuracy: share of frames with the same class, or none, on both sides.
        frame_f1: mean over classes.
        bout_f1: of the intervals of all classes together.
        classes: each class, by name.
        videos: how many were compared.
        seconds: of all of them.
        left_out: share of frames that kappa and accuracy leave out, since a side has several classes there.
        step: seconds of a frame.
        overlap: IoU from which on a bout is found.
    """

    kappa: float | None
    frame_accuracy: float | None
    frame_f1: float | None
    bout_f1: float | None
    classes: tuple[Scores, ...]
    videos: int
    seconds: float
    left_out: float
    step: float
    overlap: float

    def to_dict(self) -> dict[str, Any]:
        """As plain values for JSON."""
        return asdict(self)


def compare(
    a: Iterable[Interval],
    b: Iterable[Interval],
    seconds: Mapping[str, float] | None = None,
    step: float = STEP,
    overlap: float = OVERLAP,
) -> Agreement:
    """How the intervals of B agree with those of A, which precision and recall take for the truth.

    Args:
        a: intervals of some videos; points in time have no frames, and count as bouts only beside one at the same time.
        b: others of the same videos, under the same names.
        seconds: how long videos last; of those that it does not name, and at least, until the last interval ends.
        step: seconds of a frame.
        overlap: IoU from which on a bout is found, above 0 and at most 1.

    Raises:
        ConfigError: ``step`` or ``overlap`` is out of range, or there are too many frames.
    """
    if not 1e-4 <= step < float("inf") or not 0 < overlap <= 1:
        raise ConfigError(
            f"frames of {step:g} s and an overlap of {overlap:g} will not do: use a step of 0.1 ms or more, and an "
            "overlap above 0 and at most 1"
        )
    ours, theirs, lasting = by_file(a), by_file(b), dict(seconds or {})
    files = sorted({*ours, *theirs, *lasting})
    labels = sorted({one.label for side in (ours, theirs) for found in side.values() for one in found})
    ends = [
        max([lasting.get(file, 0.0), *(one.end for side in (ours, theirs) for one in side.get(file, ()))])
        for file in files
    ]
    if sum(ends) / step > MOST_FRAMES:
        raise ConfigError(f"{sum(ends):g} s have too many frames of {step:g} s; give a larger --step")
    counts = np.zeros((len(labels), 2, 2), np.int64)  # of frames, by class: without and with it in A, and in B
    single = np.zeros((len(labels) + 1, len(labels) + 1), np.int64)  # of frames with one class or none on both sides
    bouts = np.zeros((len(labels), 3), np.int64)  # right, in A, in B
    frames = 0
    for file, end in zip(files, ends, strict=True):
        sides = [_frames(side.get(file, ()), labels, end, step) for side in (ours, theirs)]
        frames += sides[0].shape[1]
        for place, label in enumerate(labels):
            counts[place] += confusion(sides[0][place], sides[1][place], 2)
            one, other = (_spans(side.get(file, ()), label) for side in (ours, theirs))
            bouts[place] += found_bouts(one, other, overlap), len(one), len(other)
        clear = (sides[0].sum(0) <= 1) & (sides[1].sum(0) <= 1)
        if labels:
            left, right = (np.where(side.any(0), side.argmax(0), len(labels))[clear] for side in sides)
            single += confusion(left, right, len(labels) + 1)
    classes = tuple(_scores(label, count, bout, step) for label, count, bout in zip(labels, counts, bouts, strict=True))
    by_class = [one.frame_f1 for one in classes if one.frame_f1 is not None]
    hits, in_a, in_b = (int(number) for number in bouts.sum(0))
    return Agreement(
        kappa=cohens_kappa(single),
        frame_accuracy=float(np.trace(single) / single.sum()) if single.sum() else None,
        frame_f1=float(np.mean(by_class)) if by_class else None,
        bout_f1=_share(2 * hits, in_a + in_b),
        classes=classes,
        videos=len(files),
        seconds=float(sum(ends)),
        left_out=1 - float(single.sum()) / frames if frames and labels else 0.0,
        step=step,
        overlap=overlap,
    )


def confusion(a: np.ndarray, b: np.ndarray, classes: int) -> np.ndarray:
    """(classes, classes) int64: how often A has the class of the row where B has that of the column."""
    codes = np.asarray(a, np.int64) * classes + np.asarray(b, np.int64)
    return np.bincount(codes, minlength=classes * classes).reshape(classes, classes)


def cohens_kappa(table: np.ndarray) -> float | None:
    """Cohen's kappa of a :func:`confusion`: agreement beyond what chance gives to such shares of classes.

    None where chance alone agrees in everything: all is of one class on both sides, or there is nothing.
    """
    total = table.sum()
    if not total:
        return None
    observed = np.trace(table) / total
    by_chance = (table.sum(0) / total) @ (table.sum(1) / total)
    return float((observed - by_chance) / (1 - by_chance)) if by_chance < 1 - 1e-12 else None


def found_bouts(a: Sequence[tuple[float, float]], b: Sequence[tuple[float, float]], overlap: float = OVERLAP) -> int:
    """How many stretches (start, end) of B find one of A; both of one class and video, taken in the order of time.

    Each of B goes to that of A with which it has the largest IoU, and is wrong if that has been taken.
    """
    if not len(a) or not len(b):
        return 0
    truth = np.array(sorted(a), np.float64)
    taken, right = np.zeros(len(truth), bool), 0
    for start, end in sorted(b):
        common = (np.minimum(truth[:, 1], end) - np.maximum(truth[:, 0], start)).clip(min=0)
        union = (truth[:, 1] - truth[:, 0]) + (end - start) - common
        same = (truth[:, 0] == start) & (truth[:, 1] == end)  # of points, which have no length
        shares = np.where(same, 1.0, common / np.where(union > 0, union, 1))
        best = int(shares.argmax())
        if shares[best] >= overlap - 1e-9 and not taken[best]:
            taken[best] = True
            right += 1
    return right


def _spans(intervals: Iterable[Interval], label: str) -> list[tuple[float, float]]:
    return [(one.start, one.end) for one in intervals if one.label == label]


def _frames(intervals: Iterable[Interval], labels: Sequence[str], end: float, step: float) -> np.ndarray:
    """(classes, frames) bool: which classes are on at the middle of each frame."""
    shown = np.zeros((len(labels), int(np.ceil(end / step - 0.5 - 1e-9)) if end > 0 else 0), bool)
    places = {label: place for place, label in enumerate(labels)}
    for one in intervals:
        first, stop = (max(0, int(np.ceil(time / step - 0.5 - 1e-9))) for time in (one.start, one.end))
        shown[places[one.label], first:stop] = True
    return shown


def _scores(label: str, count: np.ndarray, bouts: np.ndarray, step: float) -> Scores:
    both, in_a, in_b = int(count[1, 1]), int(count[1].sum()), int(count[:, 1].sum())
    return Scores(
        label=label,
        seconds=(in_a * step, in_b * step),
        bouts=(int(bouts[1]), int(bouts[2])),
        precision=_share(both, in_b),
        recall=_share(both, in_a),
        frame_f1=_share(2 * both, in_a + in_b),
        kappa=cohens_kappa(count),
        bout_f1=_share(2 * int(bouts[0]), int(bouts[1] + bouts[2])),
    )


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None
