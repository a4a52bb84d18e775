"""How much moves when in the videos of an index."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby

import numpy as np

from kinema.search import values
from kinema.search.store import Damage, Database


@dataclass(frozen=True)
class Strengths:
    """The motion strength of a video's windows.

    Attributes:
        path: of the video.
        starts: (N,) float64 seconds, in order.
        ends: (N,) float64 seconds.
        strengths: (N,) float64, widths of the frame per second.
    """

    path: str
    starts: np.ndarray
    ends: np.ndarray
    strengths: np.ndarray


def strengths(db: Database) -> Iterator[Strengths]:
    """The windows of each video that has some, video by video.

    Raises:
        Damage: the index holds what cannot be.
    """
    paths = dict(db.execute("SELECT id, path FROM videos"))
    rows = db.stream('SELECT video, start, "end", strength FROM windows ORDER BY video, start')
    for video, part in groupby(rows, lambda row: row[0]):
        try:
            found = np.array([row[1:] for row in part], np.float64)
        except (TypeError, ValueError) as error:
            raise Damage("it holds a window without a time or a strength") from error
        if not (np.abs(found) < values.LATEST).all() or (found[:, 1] < found[:, 0]).any():
            raise Damage("it holds a window that cannot be")
        yield Strengths(values.text(paths.get(video)), *found.T)
