"""From a few labelled intervals to labels of everything: train a classifier on an index, and find its bouts there."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from kinema.annotations.bouts import BACKGROUND, BoutFinder
from kinema.annotations.budgets import Budget, budgets
from kinema.annotations.files import read_intervals
from kinema.annotations.interval import Interval
from kinema.common.addresses import shown
from kinema.common.processes import one_product_thread
from kinema.common.progress import make_bar
from kinema.config import BoutConfig
from kinema.errors import DataError
from kinema.search import Classifier, Labels, Library
from kinema.search.classifier import AT_A_TIME, label_windows
from kinema.search.comparing import comparison
from kinema.search.connection import snapshot
from kinema.search.cross_validation import HeldOut, doubts, hold_out
from kinema.search.examples import LabelledVideo, examples, labelled_videos
from kinema.search.labelled_videos import IndexedVideos, naming_roots, short_name


@dataclass(frozen=True)
class Taught:
    """A classifier of a few labels.

    Attributes:
        classifier: of all of them.
        examples: how many windows it learned from, by class.
        held_out: figures of labelled videos that others like it have not seen; None where none can be held out.
        notes: sentences on what speaks against trusting it.
    """

    classifier: Classifier
    examples: Mapping[str, int]
    held_out: HeldOut | None
    notes: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """All but the classifier, as plain values for JSON."""
        figures = None if self.held_out is None else self.held_out.to_dict()
        return {"examples": dict(self.examples), "held_out": figures, "doubts": list(self.notes)}


@dataclass(frozen=True)
class Found:
    """What was found in the videos of an index, or in others.

    Attributes:
        intervals: bouts, or each video as a whole, by video and time, with confidence.
        budgets: how much time goes into each class.
        videos: how many there are, as far as they can be read.
        seconds: how long they are together, as far as their windows go.
        notes: sentences on what was left out, or could not be read to its end.
    """

    intervals: tuple[Interval, ...]
    budgets: tuple[Budget, ...]
    videos: int
    seconds: float
    notes: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """All but the bouts, as plain values for JSON."""
        table = [asdict(one) for one in self.budgets]
        return {"videos": self.videos, "seconds": self.seconds, "budgets": table, "notes": list(self.notes)}


def teach(
    library: Library,
    intervals: Iterable[Interval],
    *,
    background: bool = True,
    config: BoutConfig | None = None,
) -> Taught:
    """Train a classifier of an index's windows on labelled intervals, and judge it by holding labelled videos out.

    Args:
        library: the index.
        intervals: labels of some of its videos, whose paths, or their ends, they name. Those of the class
            :data:`~kinema.annotations.bouts.BACKGROUND` are of what is none of the classes.
        background: whether they label whole videos, so that what has no label there is none of the classes.
        config: how bouts are made, for figures by frame and by bout; these need whole videos' labels.

    Raises:
        DataError: labels are of videos that are not in the index, or there are not two classes to tell apart.
    """
    videos = labelled_videos(library.path, list(intervals), background)
    with snapshot(library.path) as db:
        compared = comparison(db)
    labels = examples(videos)
    _check(library, videos, labels, background)
    numbers = [window.id for video in videos for window in video.windows]
    parts = [numbers[at : at + AT_A_TIME] for at in range(0, len(numbers), AT_A_TIME)]
    vectors = dict(zip(numbers, (one for part in parts for one in library.vectors(part)), strict=True))
    length = len(next(iter(vectors.values())))
    figures = hold_out(
        videos, labels, vectors, compared.linear(length), (config or BoutConfig()) if background else None
    )
    names = sorted(set(labels.values()))
    counts = {name: sum(label == name for label in labels.values()) for name in names}
    classifier = library.train_classifier(labels)
    notes = doubts(videos, labels, figures)
    if library.mirror and figures is not None and figures.balanced <= figures.needed:
        notes.append(
            "mirror images count as alike in this index: if left and right tell the classes apart, make one with "
            "`kinema index --mirror false`"
        )
    return Taught(classifier, counts, figures, tuple(notes))


def label_library(library: Library, classifier: Classifier, config: BoutConfig | None = None) -> Found:
    """The bouts of all videos of an index, in one pass over its vectors.

    Args:
        library: the index.
        classifier: of its encoder.
        config: how bouts are made.

    Raises:
        DataError: the classifier is of another encoder, or the index is damaged.
    """
    library.check_classifier(classifier)
    roots = naming_roots(library.roots, [video.path for video in library.videos()])
    found: list[Interval] = []
    notes: list[str] = []
    seconds, videos, finder, ends = 0.0, 0, None, 0.0
    with one_product_thread(), make_bar() as progress, snapshot(library.path) as db:
        total = db.execute("SELECT count(*) FROM windows").fetchone()[0]
        task = progress.add_task("Labelling windows", total=total)
        for part in label_windows(db, classifier):
            finder = finder or BoutFinder(short_name(part.path, roots), classifier.classes, config)
            ends = max(ends, float(part.ends.max()))
            try:
                found += finder.add(part.starts, part.ends, part.shares)
                found += finder.finish() if part.last else []
            except DataError as error:
                notes.append(f"left out: {error}")
            if part.last:
                seconds, videos, finder, ends = seconds + ends, videos + 1, None, 0.0
            progress.advance(task, len(part.starts))
    names = [name for name in classifier.classes if name != BACKGROUND]
    return Found(tuple(found), tuple(budgets(found, seconds, names)), videos, seconds, tuple(notes))


def known_labels(
    library: Library, file: str | Path | None, format: str | None = None, fps: float | None = None
) -> list[Interval]:
    """The labels of a file, or those that were given on the page of an index.

    Raises:
        DataError: there are none, or the file cannot be read.
    """
    videos = IndexedVideos(library.path, fps)
    if file is not None:
        return read_intervals(file, format, videos)[1]
    labels = Labels(library.path, keep=False)
    try:
        found = labels.intervals(videos)
    finally:
        labels.close()
    if not found:
        there = "; ".join(videos.notes)
        raise DataError(
            f"{shown(library.path)} has no labels{f' of its videos ({there})' if there else ''}: give some on its page "
            "(`kinema serve`), bring some in (`kinema labels import`), or name a file of them (--labels)"
        )
    return found


def _check(library: Library, videos: Sequence[LabelledVideo], labels: Mapping[int, str], background: bool) -> None:
    names = sorted(set(labels.values()) | {one.label for video in videos for one in video.intervals})
    bare = [name for name in names if name not in labels.values()]
    if bare:
        raise DataError(
            f"no window of {shown(library.path)} lies by more than half in {', '.join(map(repr, bare))} alone: label "
            "longer stretches, or index the videos with a shorter --length"
        )
    if len(names) < 2:
        way = "" if background else ", or let what has no label be none of it (--background true)"
        raise DataError(
            f"all labels are of one class, {', '.join(map(repr, names))}, and nothing is left to tell it from: label "
            f"another class, or the stretches that are none of it as {BACKGROUND!r}{way}"
        )
