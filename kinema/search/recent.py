"""The windows that no segment of the approximate index covers yet, in memory as they are compared."""

from __future__ import annotations

import numpy as np

from kinema.search.comparing import Comparison
from kinema.search.database import vectors_after, videos_of
from kinema.search.results import By
from kinema.search.store import Database
from kinema.search.values import as_matrix

Windows = tuple[np.ndarray, np.ndarray, np.ndarray]
"""Numbers (N,), sorted, vectors (N, D) as they are compared, and the videos (N,) they are of."""
NONE: Windows = np.zeros(0, np.int64), np.zeros((0, 0), np.float32), np.zeros(0, np.int64)


class Recent:
    """Follows a library that grows: only what was added since the last question is read. Numbers never come twice, so
    what has been deleted since is left in, and found by nobody.

    Args:
        by: what is compared.
    """

    def __init__(self, by: By):
        self._by = by
        self._compared: Comparison | None = None
        self._begin(0)

    def _begin(self, after: int) -> None:
        self._room, self._count, self._after, self._read = NONE, 0, after, after

    def windows(self, db: Database, compared: Comparison, after: int) -> Windows:
        """The windows above the number ``after``; what is given out stays as it is."""
        if self._compared is None or not compared.same_as(self._compared) or not self._after <= after <= self._read:
            self._begin(after)
            self._compared = compared
        elif after > self._after:
            self._forget(after)
        ids, vectors = as_matrix(list(vectors_after(db, self._by, self._read)))
        if len(ids):
            self._append((ids, compared(self._by, vectors), videos_of(db, ids)))
        return _part(self._room, 0, self._count)

    def _append(self, added: Windows) -> None:
        count = self._count + len(added[0])
        if count > len(self._room[0]):
            room = tuple(np.empty((2 * count, *part.shape[1:]), part.dtype) for part in added)
            if self._count:
                _put(room, 0, _part(self._room, 0, self._count))  # type: ignore[arg-type]
            self._room = room  # type: ignore[assignment]
        _put(self._room, self._count, added)
        self._count, self._read = count, int(added[0][-1])

    def _forget(self, after: int) -> None:
        """What a segment has come to cover."""
        first, read = int(np.searchsorted(self._room[0][: self._count], after, "right")), self._read
        kept = _part(self._room, first, self._count)
        self._begin(after)
        if len(kept[0]):
            self._append(kept)
        self._read = read


def _part(windows: Windows, first: int, last: int) -> Windows:
    ids, vectors, videos = windows
    return ids[first:last], vectors[first:last], videos[first:last]


def _put(room: Windows, first: int, added: Windows) -> None:
    for place, part in zip(room, added, strict=True):
        place[first : first + len(part)] = part
