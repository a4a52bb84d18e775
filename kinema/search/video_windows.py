"""The windows of a video as columns, and as searches compare them: what draws a timeline of hours, and an ethogram."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby

import numpy as np

from kinema.common.processes import one_product_thread
from kinema.search import values
from kinema.search.comparing import Comparison, comparison
from kinema.search.database import vectors_of, videos_of
from kinema.search.store import Database
from kinema.search.stretches import along, direction

AT_A_TIME = 1000
"""Windows whose vectors are read and compared together: few enough to stay in a processor's cache."""


@dataclass(frozen=True, eq=False)
class VideoWindows:
    """The windows of a video, sorted by time.

    Attributes:
        ids: (N,) int64, their numbers.
        starts: (N,) float64 seconds.
        ends: (N,) float64 seconds.
        strengths: (N,) how much moves, in widths of the frame per second.
    """

    ids: np.ndarray
    starts: np.ndarray
    ends: np.ndarray
    strengths: np.ndarray

    def __len__(self) -> int:
        return len(self.ids)


@dataclass(frozen=True, eq=False)
class ComparedVideo:
    """The windows of a video with their motion as searches compare it, all of one state of the index.

    Attributes:
        windows: N of them.
        vectors: (N, D) float32 of length 1.
        runs: (N,) int64: which follow one another, as of :func:`~kinema.search.database.videos_of`.
        comparison: what was done to the vectors.
    """

    windows: VideoWindows
    vectors: np.ndarray
    runs: np.ndarray
    comparison: Comparison

    def scores(self, vectors: np.ndarray) -> np.ndarray:
        """(N,) float32: how like each place is to a query's windows (Q, D), as they are stored, over Q windows each."""
        cosines = self.vectors @ direction(self.comparison("motion", vectors))
        order = np.argsort(self.windows.ids)
        found = np.empty_like(cosines)
        found[order] = along(cosines[order], self.runs[order], len(vectors))
        return found


def video_windows(db: Database, path: str) -> VideoWindows:
    """The windows of a video by its path; none where there is no such video."""
    query = """SELECT windows.id, start, "end", strength FROM windows
               WHERE video = (SELECT id FROM videos WHERE path = ?) ORDER BY start"""
    ids, starts, ends, strengths = values.columns(db.execute(query, (path,)).fetchall())
    return VideoWindows(ids, starts, ends, strengths.astype(np.float32))


def by_video(db: Database) -> Iterator[tuple[str, VideoWindows]]:
    """The path and the windows of each video that has some.

    Raises:
        Damage: the index holds what cannot be.
    """
    paths = dict(db.execute("SELECT id, path FROM videos"))
    rows = db.stream('SELECT video, id, start, "end", strength FROM windows ORDER BY video, start')
    for video, part in groupby(rows, lambda row: row[0]):
        yield values.text(paths.get(video)), VideoWindows(*values.columns([row[1:] for row in part]))


def compared_video(db: Database, path: str) -> ComparedVideo:
    """The windows of a video, which there are, as they are compared; read in parts, so that they are there but once."""
    windows, compared = video_windows(db, path), comparison(db)
    order = np.argsort(windows.ids)
    ids, vectors = windows.ids[order], np.zeros((0, 0), np.float32)
    with one_product_thread():
        for at in range(0, len(ids), AT_A_TIME):
            part = compared("motion", vectors_of(db, "motion", ids[at : at + AT_A_TIME])[1])
            if not at:
                vectors = np.empty((len(ids), part.shape[1]), np.float32)
            vectors[order[at : at + AT_A_TIME]] = part
    runs = np.empty_like(ids)
    runs[order] = videos_of(db, ids)
    return ComparedVideo(windows, vectors, runs, compared)
