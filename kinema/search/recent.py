"""The windows that no segment of the approximate index covers yet, in memory as they are compared."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice

import numpy as np

from kinema.common.vectors import products
from kinema.search.comparing import Comparison
from kinema.search.database import vectors_after, videos_of
from kinema.search.results import By
from kinema.search.store import Database
from kinema.search.values import as_matrix

Windows = tuple[np.ndarray, np.ndarray, np.ndarray]
"""Numbers (N,), sorted, vectors (N, D) as they are compared, and the videos (N,) they are of."""
BLOCK = 4096
"""Windows that are kept together: nothing is copied when more come, or when a segment has come to cover the first."""


class Recent:
    """Follows a library that grows: only what was added since the last question is read. Numbers never come twice, so
    what has been deleted since is left in, and found by nobody.

    Args:
        by: what is compared.

    Attributes:
        read: the number up to which windows have been read.
    """

    def __init__(self, by: By):
        self._by = by
        self._compared: Comparison | None = None
        self._begin(0)

    def _begin(self, after: int) -> None:
        self._blocks: list[Windows] = []
        self._filled = BLOCK  # of the last block
        self._after, self.read = after, after

    def windows(self, db: Database, compared: Comparison, after: int, most: int | None = None) -> Sequence[Windows]:
        """The windows above the number ``after``, in their order; what is given out stays as it is.

        Args:
            db: the database.
            compared: how vectors are compared.
            after: the last number that segments cover.
            most: read no more than so many that were not known; None to read all.
        """
        if self._compared is None or not compared.same_as(self._compared) or not self._after <= after <= self.read:
            self._begin(after)
            self._compared = compared
        rows = vectors_after(db, self._by, self.read)
        while part := list(islice(rows, BLOCK if most is None else min(BLOCK, most))):
            ids, vectors = as_matrix(part)
            self._append((ids, compared(self._by, vectors), videos_of(db, ids)))
            if most is not None and (most := most - len(part)) <= 0:
                break
        while len(self._blocks) > 1 and self._blocks[0][0][-1] <= after:
            del self._blocks[0]
        self._after = after
        found = []
        for number, (ids, vectors, videos) in enumerate(self._blocks, 1):
            stop = self._filled if number == len(self._blocks) else BLOCK
            first = int(np.searchsorted(ids[:stop], after, "right"))
            if first < stop:
                found.append((ids[first:stop], vectors[first:stop], videos[first:stop]))
        return found

    def _append(self, added: Windows) -> None:
        """Put windows into the last block and as many new ones as they need."""
        put = 0
        while put < len(added[0]):
            if self._filled == BLOCK:
                room = [np.empty((BLOCK, *part.shape[1:]), part.dtype) for part in added]
                self._blocks.append((room[0], room[1], room[2]))
                self._filled = 0
            count = min(BLOCK - self._filled, len(added[0]) - put)
            for place, part in zip(self._blocks[-1], added, strict=True):
                place[self._filled : self._filled + count] = part[put : put + count]
            put, self._filled = put + count, self._filled + count
        self.read = int(added[0][-1])


def recent_scores(blocks: Sequence[Windows], asked: np.ndarray) -> Windows:
    """Numbers, cosines with ``asked`` (D,), and videos, all (N,), of the windows in blocks."""
    return (
        np.concatenate([np.zeros(0, np.int64), *(block[0] for block in blocks)]),
        np.concatenate([np.zeros(0, np.float32), *(products(block[1], asked) for block in blocks)]),
        np.concatenate([np.zeros(0, np.int64), *(block[2] for block in blocks)]),
    )
