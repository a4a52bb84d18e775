"""How the motion of windows is compared: in a basis that an index keeps for good, whitened as well as its videos allow.

An encoder's feature may have thousands of values. An index keeps coordinates in a basis that is fitted to some of its
first windows and never changed, so that vectors of all times can be compared. When they are compared they are whitened
by what copies of the library's own windows have shown not to count (:mod:`kinema.common.whitening`): that is fitted
without labels on the videos that are searched (:mod:`.fitting`), so it is transductive. It is fitted again when the
library has doubled, and belongs to the state of the database like all else that a search sees.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from kinema.common.vectors import unit
from kinema.common.whitening import Basis, Whitening
from kinema.search.about import get_list, get_map, read_as
from kinema.search.results import By
from kinema.search.store import Database
from kinema.search.values import check_length

BASIS, WHITENING = "basis", "whitening"
"""Names of the maps in the database."""
MIRROR = "mirror"
"""What the index says under this name: whether mirror images count as alike."""


class Compared(NamedTuple):
    """A linear map of vectors (D,) to those that are compared: ``vector @ map - offset``, brought to length 1."""

    map: np.ndarray
    """(D, V) float32."""
    offset: np.ndarray
    """(V,) float32."""

    def __call__(self, vectors: np.ndarray) -> np.ndarray:
        """(N, D) float32 -> (N, V) float32 of length 1."""
        return unit(vectors @ self.map - self.offset)

    def products(self, vectors: np.ndarray, others: np.ndarray) -> np.ndarray:
        """(N, M) float32: the products of compared vectors (N, D) with ``others`` (M, V), in fewer steps."""
        mapped = vectors @ self.map
        mapped -= self.offset
        lengths = np.sqrt(np.einsum("nv,nv->n", mapped, mapped))
        with np.errstate(invalid="ignore", over="ignore"):  # of a damaged index, whose products are no numbers
            return (mapped @ others.T) / np.where(lengths > 0, lengths, 1)[:, None]

    @classmethod
    def plain(cls, length: int) -> Compared:
        """Vectors as they are."""
        return cls(np.eye(length, dtype=np.float32), np.zeros(length, np.float32))


@dataclass(frozen=True, eq=False)
class Comparison:
    """What is done to vectors before their cosines are taken.

    Attributes:
        whitening: of motion; None where the library is too small.
        centre: (D,) the mean of motion over the library, which is subtracted where there is no whitening.
    """

    whitening: Whitening | None
    centre: np.ndarray | None

    def __call__(self, by: By, vectors: np.ndarray) -> np.ndarray:
        """Vectors (..., D) of length 1 as they are compared, of length 1 again."""
        if by != "motion" or not len(vectors):
            return vectors
        if self.whitening is not None:
            return unit(self.whitening.transform(vectors))
        return vectors if self.centre is None else unit(vectors - self.centre)

    def linear(self, length: int) -> Compared:
        """What is done to motion of ``length`` values, as one matrix, which is quicker for many vectors."""
        if self.whitening is None:
            plain = Compared.plain(length)
            return plain if self.centre is None else Compared(plain.map, self.centre)
        kept = self.whitening
        gains = (kept.gains - kept.rest)[:, None]
        map = (kept.rest * np.eye(length) + kept.directions.T.astype(np.float64) @ (gains * kept.directions)).astype(
            np.float32
        )
        return Compared(map, kept.mean @ map)

    def same_as(self, other: Comparison) -> bool:
        """Whether vectors come out alike."""
        return self.whitening == other.whitening and (
            self.whitening is not None or np.array_equal(self.centre, other.centre)  # type: ignore[arg-type]
        )


_whitening = lru_cache(maxsize=4)(Whitening.from_bytes)


def comparison(db: Database) -> Comparison:
    """That of the state of the database."""
    centre = get_list(db, "centre", float)
    if centre is not None:
        check_length(db, "motion", len(centre), "the centre")
    kept = get_map(db, WHITENING)
    whitening = None if kept is None else read_as(_whitening, kept, WHITENING)
    if whitening is not None:
        check_length(db, "motion", len(whitening.mean), "the whitening")
    return Comparison(whitening, None if centre is None else np.array(centre, np.float32))


def kept_basis(db: Database) -> Basis | None:
    """The basis of an index; None if it has none."""
    kept = get_map(db, BASIS)
    if kept is None:
        return None
    basis = read_as(Basis.from_bytes, kept, BASIS)
    check_length(db, "motion", len(basis.directions), "the basis")
    return basis
