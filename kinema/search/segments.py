"""Which windows the approximate index covers, and by which files.

Its files are segments: each covers the windows between two numbers, and is never changed once it is there. What they
are belongs to the state of the database, so a search that has begun goes on with the segments that it began with.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, get_args

from kinema.search.about import get_list, get_record, recorded, set_about, set_map
from kinema.search.comparing import WHITENING, Comparison, comparison
from kinema.search.connection import store_of, transaction
from kinema.search.faiss_files import Seal, open_index
from kinema.search.results import By
from kinema.search.store import Database

if TYPE_CHECKING:
    import faiss

SEGMENTS, GROUPS, FITTED = "segments", "groups", "whitened"
"""What the index says under these names; the last is how many windows there were when the whitening was fitted."""
_SEAL_OF = "seal of "


@dataclass(frozen=True)
class Segment:
    """The windows from the segment before it on.

    Attributes:
        number: in its files' names; counts up, so that no name comes twice.
        last: the number of the last window that it covers.
        count: how many it was made of; some may be deleted by now.
    """

    number: int
    last: int
    count: int


@dataclass(frozen=True)
class Groups:
    """What all segments have in common.

    Attributes:
        number: the highest that a file's name has had.
        trained: how many windows there were when the groups were found.
    """

    number: int = 0
    trained: int = 0


@dataclass(frozen=True)
class Covered:
    """All segments, in the order of the windows' numbers, and their groups."""

    groups: Groups = Groups()
    segments: tuple[Segment, ...] = ()

    @property
    def last(self) -> int:
        """Windows up to this number are covered; 0 where there is no approximate index."""
        return self.segments[-1].last if self.segments else 0

    @property
    def count(self) -> int:
        """How many windows it was made of."""
        return sum(segment.count for segment in self.segments)


def covered(db: Database) -> Covered:
    """What belongs to the state of the database."""
    found = get_list(db, SEGMENTS, dict) or []
    segments = tuple(recorded(item, SEGMENTS, Segment) for item in found)
    return Covered(get_record(db, GROUPS, Groups) or Groups(), segments)


def settle(
    db: Database,
    index: Path,
    new: Covered,
    compared: Comparison,
    seals: Mapping[tuple[By, int], Seal] = MappingProxyType({}),
    fitted: int | None = None,
) -> None:
    """Let searches use what was made; nothing happens where it is what they use already.

    Args:
        db: the database.
        index: what is called so.
        new: the segments.
        compared: how vectors are compared from now on.
        seals: of the files of segments that are new.
        fitted: how many windows there were when the whitening was fitted; None where it stays.
    """
    used, centre = comparison(db), None if compared.centre is None else compared.centre.tolist()
    same = (covered(db), used.whitening, get_list(db, "centre", float)) == (new, compared.whitening, centre)
    if same and fitted is None:
        return
    store = store_of(index)
    with transaction(db):
        set_about(db, GROUPS, asdict(new.groups))
        set_about(db, SEGMENTS, [asdict(segment) for segment in new.segments])
        set_about(db, "centre", centre)
        for (by, number), seal in seals.items():
            set_about(db, _SEAL_OF + segment_name(by, number), asdict(seal))
        names = [segment_name(by, segment.number) for segment in new.segments for by in get_args(By)]
        kept = [_SEAL_OF + name for name in names]
        db.execute(
            f"DELETE FROM about WHERE name LIKE 'seal of %' AND name NOT IN ({', '.join(['?', *'?' * len(kept)])})",
            ("", *kept),
        )
        set_map(db, WHITENING, None if compared.whitening is None else compared.whitening.to_bytes())
        if fitted is not None:
            set_about(db, FITTED, fitted)
        store.keep_segments(db, {name: store.beside / f"{name}.faiss" for name in names})


def segment_name(by: By, number: int) -> str:
    """What a segment is called, and its file."""
    return f"{by}.{number}"


def segment_path(db: Database, index: Path, number: int, by: By) -> Path:
    """The file of a segment, on this machine.

    Raises:
        FileNotFoundError: it is gone, as it is where others have taken its place.
    """
    return store_of(index).segment(db, segment_name(by, number), seal_of(db, number, by))


def new_path(index: Path, number: int, by: By) -> Path:
    """Where the file of a segment is written that is not there yet."""
    return store_of(index).beside / f"{segment_name(by, number)}.faiss"


def seal_of(db: Database, number: int, by: By) -> Seal | None:
    """What the database knows of it."""
    return get_record(db, _SEAL_OF + segment_name(by, number), Seal)


def open_segment(db: Database, index: Path, number: int, by: By) -> faiss.IndexIVF:
    """A segment of the database's state.

    Raises:
        FileNotFoundError: its file is gone, as it is where others have taken its place.
        DamagedFile: it cannot be used.
    """
    return open_index(segment_path(db, index, number, by), seal_of(db, number, by))
