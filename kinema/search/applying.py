"""A classifier on all windows of an index, in one pass over its vectors."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice, pairwise
from typing import Any

import numpy as np

from kinema.search import values
from kinema.search.classifier import Classifier
from kinema.search.store import Damage, Database

AT_A_TIME = 10_000
"""Windows that are read and labelled together."""
DISORDER = "it holds windows of a video that are not in the order of time"


@dataclass(frozen=True)
class LabelledWindows:
    """Windows of a video that follow one another in time, and what a classifier says of them.

    Attributes:
        path: of the video.
        starts: (N,) seconds.
        ends: (N,) seconds.
        shares: (N, classes) float32 probabilities.
        last: whether these are its last ones; long videos come in several parts.
    """

    path: str
    starts: np.ndarray
    ends: np.ndarray
    shares: np.ndarray
    last: bool


def label_windows(db: Database, classifier: Classifier) -> Iterator[LabelledWindows]:
    """What a classifier says of all windows, video by video; memory is bounded, however many there are.

    A video is written in one transaction, so that its windows' numbers follow one another, in the order of time.

    Raises:
        Damage: the index holds what cannot be.
    """
    paths = dict(db.execute("SELECT id, path FROM videos"))
    query = """SELECT vectors.id, motion, video, start, "end" FROM windows CROSS JOIN vectors USING (id)
               ORDER BY windows.id"""
    found = db.stream(query)
    held: LabelledWindows | None = None
    while rows := list(islice(found, AT_A_TIME)):
        vectors = values.as_matrix([row[:2] for row in rows])[1]
        values.check_length(db, "motion", len(classifier.compared.map), "the classifier")
        shares = classifier.predict(vectors)
        if not np.isfinite(shares).all():
            raise Damage("a vector holds what is no number")
        videos = np.array([values.of_kind(row[2], int) for row in rows], np.int64)
        times = _times(rows)
        edges = np.flatnonzero(np.diff(videos, prepend=-1, append=-1)).tolist()
        if ((np.diff(times[:, 0]) < 0) & (np.diff(videos) == 0)).any():
            raise Damage(DISORDER)
        for first, stop in pairwise(edges):
            path, part = values.text(paths.get(int(videos[first]))), slice(first, stop)
            if held is not None and held.path == path and times[first, 0] < held.starts[-1]:
                raise Damage(DISORDER)
            if held is not None:
                yield LabelledWindows(held.path, held.starts, held.ends, held.shares, held.path != path)
            held = LabelledWindows(path, times[part, 0], times[part, 1], shares[part], True)
    if held is not None:
        yield held


def _times(rows: Sequence[Sequence[Any]]) -> np.ndarray:
    """(N, 2) float64: start and end of windows."""
    try:
        times = np.array([(row[3], row[4]) for row in rows], np.float64)
    except (TypeError, ValueError) as error:
        raise Damage("it holds a window without a time") from error
    if not (np.abs(times) < values.LATEST).all() or (times[:, 1] < times[:, 0]).any():  # nor are these no numbers
        raise Damage("it holds a window that ends before it begins, or never")
    return times
