"""How well few labels teach: every labelled video is held out in turn, and labelled by a classifier of the others."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from kinema.annotations.agreement import Agreement, compare, confusion
from kinema.annotations.bouts import BACKGROUND, find_bouts
from kinema.annotations.interval import Interval
from kinema.config import BoutConfig
from kinema.search.classifier import fit_classifier
from kinema.search.comparing import Compared
from kinema.search.examples import LabelledVideo

PARTS = 5
"""The videos are cut into so many parts, of which one is held out at a time."""
MARGIN = 2.0
"""Standard errors by which accuracy has to lie above chance."""
FEW_WINDOWS, FEW_VIDEOS = 5, 2
"""Examples of a class, and videos that they come from, below which there are too few to learn from or to judge by."""


@dataclass(frozen=True)
class ClassFigures:
    """How well one class is recognised in held-out videos.

    Attributes:
        label: its name.
        windows: examples of it.
        videos: how many videos these come from.
        precision: share of the windows that are taken for it that are of it; None if none is.
        recall: share of its windows that are taken for it.
    """

    label: str
    windows: int
    videos: int
    precision: float | None
    recall: float | None


@dataclass(frozen=True)
class HeldOut:
    """Figures of videos that a classifier has not seen.

    Attributes:
        videos: how many have labels.
        parts: how many of them were held out in turn.
        top1: share of windows whose likeliest class is theirs.
        balanced: mean of recall over classes.
        chance: of that, by guessing.
        needed: what ``balanced`` has to exceed to be no chance: chance and :data:`MARGIN` standard errors, as if each
            video said but once of a class whether it is recognised.
        classes: each class, by name.
        agreement: of bouts with the labels, frame by frame and bout by bout; None where not whole videos are labelled.
    """

    videos: int
    parts: int
    top1: float
    balanced: float
    chance: float
    needed: float
    classes: tuple[ClassFigures, ...]
    agreement: Agreement | None

    def to_dict(self) -> dict[str, Any]:
        """As plain values for JSON."""
        return asdict(self)

    def summary(self) -> str:
        """The main figures in one line."""
        whole = ""
        if self.agreement is not None:
            frame, bout = (_said(value) for value in (self.agreement.frame_f1, self.agreement.bout_f1))
            whole = f", by frame F1 {frame}, by bout F1 {bout}"
        return (
            f"held out by video: top-1 {self.top1:.3f}, balanced accuracy {self.balanced:.3f} "
            f"(chance {self.chance:.3f}){whole} ({self.videos} videos in {self.parts} parts)"
        )


def hold_out(
    videos: Sequence[LabelledVideo],
    labels: dict[int, str],
    vectors: dict[int, np.ndarray],
    compared: Compared,
    config: BoutConfig | None,
) -> HeldOut | None:
    """Train on all parts of the videos but one, and label that one; None of a single video, or where no part can be.

    Args:
        videos: with labels.
        labels: the classes of the windows that are examples, by number.
        vectors: (D,) of each window of the videos, by number.
        compared: what is done to vectors.
        config: how bouts are made, of all windows of held-out videos; None for no bouts.
    """
    names = sorted(set(labels.values()))
    table = np.zeros((len(names), len(names)), np.int64)
    truth: list[Interval] = []
    found: list[Interval] = []
    seconds: dict[str, float] = {}
    parts = 0
    for train, held in _parts(videos, labels):
        known = [window.id for number in train for window in videos[number].windows if window.id in labels]
        if len({labels[number] for number in known}) < 2:
            continue
        parts += 1
        classifier = fit_classifier(np.stack([vectors[n] for n in known]), [labels[n] for n in known], "", compared)
        for number in held:
            video = videos[number]
            shares = classifier.predict(np.stack([vectors[window.id] for window in video.windows]))
            asked = [place for place, window in enumerate(video.windows) if window.id in labels]
            own = [names.index(labels[video.windows[place].id]) for place in asked]
            taken = [names.index(classifier.classes[best]) for best in shares[asked].argmax(1)]
            table += confusion(np.array(own, np.int64), np.array(taken, np.int64), len(names))
            if config is not None:
                starts, ends = (np.array([getattr(w, name) for w in video.windows]) for name in ("start", "end"))
                found += find_bouts(video.path, starts, ends, shares, classifier.classes, config)
                truth += [Interval(video.path, one.start, one.end, one.label) for one in video.intervals]
                seconds[video.path] = video.seconds
    if not table.sum():
        return None
    counted = [_count(name, videos, labels) for name in names]
    rows, columns = table.sum(1), table.sum(0)
    classes = tuple(
        ClassFigures(
            name,
            windows,
            spread,
            float(table[place, place] / columns[place]) if columns[place] else None,
            float(table[place, place] / rows[place]) if rows[place] else None,
        )
        for place, (name, (windows, spread)) in enumerate(zip(names, counted, strict=True))
    )
    recalls = [one.recall for one in classes if one.recall is not None]
    chance = 1 / len(names)
    error = np.sqrt(sum(chance * (1 - chance) / spread for _, spread in counted)) / len(names)
    truth = [one for one in truth if one.label != BACKGROUND]
    return HeldOut(
        videos=len(videos),
        parts=parts,
        top1=float(np.trace(table) / table.sum()),
        balanced=float(np.mean(recalls)),
        chance=chance,
        needed=float(chance + MARGIN * error),
        classes=classes,
        agreement=None if config is None else compare(truth, found, seconds),
    )


def doubts(videos: Sequence[LabelledVideo], labels: dict[int, str], figures: HeldOut | None) -> list[str]:
    """Sentences on what speaks against trusting a classifier of such labels; none if nothing does."""
    said = []
    counted = {name: _count(name, videos, labels) for name in sorted(set(labels.values()))}
    few = [f"{name!r} ({windows})" for name, (windows, _) in counted.items() if windows < FEW_WINDOWS]
    if few:
        said.append(f"there are fewer than {FEW_WINDOWS} windows of {', '.join(few)}: label more of it")
    if len(videos) < FEW_VIDEOS:
        said.append("all labels are of one video, so that nothing says how others will fare: label a second one")
        return said
    narrow = [repr(name) for name, (_, spread) in counted.items() if spread < FEW_VIDEOS]
    if narrow:
        said.append(
            f"{', '.join(narrow)} {'are' if narrow[1:] else 'is'} labelled in one video only, and cannot be judged in "
            "another: label more videos"
        )
    if figures is None:
        said.append("no video can be held out and leave two classes to learn: label more videos")
    elif figures.balanced <= figures.needed:
        said.append(
            f"the classes cannot be told apart in videos held out: balanced accuracy is {figures.balanced:.2f}, and of "
            f"so few videos chance gives up to {figures.needed:.2f}; label more, or classes that move differently"
        )
    return said


def _parts(videos: Sequence[LabelledVideo], labels: dict[int, str]) -> Iterator[tuple[list[int], list[int]]]:
    """Numbers of videos to train on and to hold out, each once; each class as even over the parts as videos allow."""
    from sklearn.model_selection import StratifiedGroupKFold

    of_video = [(labels[w.id], number) for number, video in enumerate(videos) for w in video.windows if w.id in labels]
    names, groups = (np.array(column) for column in zip(*of_video, strict=True))
    parts = min(PARTS, len(np.unique(groups)), int(np.unique(names, return_counts=True)[1].max()))
    if parts < 2:
        return
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The least populated class")  # it is then in fewer parts
        for _, held in StratifiedGroupKFold(parts).split(names, names, groups):
            out = set(groups[held].tolist())
            yield [number for number in range(len(videos)) if number not in out], sorted(out)


def _count(name: str, videos: Sequence[LabelledVideo], labels: dict[int, str]) -> tuple[int, int]:
    """How many examples a class has, and in how many videos."""
    numbers = [sum(labels.get(window.id) == name for window in video.windows) for video in videos]
    return sum(numbers), sum(number > 0 for number in numbers)


def _said(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
