"""A classifier on all windows of an index, in one pass over its vectors."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice, pairwise

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
    query = """SELECT vectors.id, motion, video, start, "end", strength FROM windows CROSS JOIN vectors USING (id)
               ORDER BY windows.id"""
    found = db.stream(query)
    held: LabelledWindows | None = None
    while rows := list(islice(found, AT_A_TIME)):
        vectors = values.as_matrix([row[:2] for row in rows])[1]
        values.check_length(db, "motion", len(classifier.compared.map), "the classifier")
        shares = classifier.predict(vectors)
        if not np.isfinite(shares).all():
            raise Damage("a vector holds what is no number")
        videos, starts, ends, _ = values.columns([row[2:] for row in rows])
        edges = np.flatnonzero(np.diff(videos, prepend=-1, append=-1)).tolist()
        if ((np.diff(starts) < 0) & (np.diff(videos) == 0)).any():
            raise Damage(DISORDER)
        for first, stop in pairwise(edges):
            path, part = values.text(paths.get(int(videos[first]))), slice(first, stop)
            if held is not None and held.path == path and starts[first] < held.starts[-1]:
                raise Damage(DISORDER)
            if held is not None:
                yield LabelledWindows(held.path, held.starts, held.ends, held.shares, held.path != path)
            held = LabelledWindows(path, starts[part], ends[part], shares[part], True)
    if held is not None:
        yield held
