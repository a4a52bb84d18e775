"""What an index is kept in, as the rest of this room sees it: a database that speaks SQL, and places for files.

There are two kinds, and which one is meant is told by the address alone (:func:`kinema.search.connection.store_of`): a
folder of this machine (:mod:`.embedded`) and a server that several machines write and many search (:mod:`.server`).
Everything else is written once, in the SQL that both understand: ``?`` for values, ``"end"`` in quotes, ``RETURNING``
for numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from kinema.errors import DataError

if TYPE_CHECKING:
    from kinema.search.faiss_files import Seal

Bound = Sequence[Any] | Mapping[str, Any]
"""The values of a statement: in the order of its ``?``, or by the names of its ``:name``."""


class Damage(Exception):
    """What a database holds cannot be; said as a :class:`~kinema.errors.DataError` that names the index."""


class Rows(Protocol):
    """The rows that a statement gave."""

    def fetchone(self) -> Any:
        """The next one; None if there is none."""

    def fetchall(self) -> list[Any]:
        """All that are left."""

    def __iter__(self) -> Iterator[Any]: ...


class Database(Protocol):
    """A connection to an index, for one thread at a time."""

    def execute(self, sql: str, bound: Bound = (), /) -> Rows:
        """Do a statement."""

    def executemany(self, sql: str, rows: Iterable[Sequence[Any]], /) -> object:
        """Do a statement with many values."""

    def make(self, table: str, /) -> None:
        """Make a table."""

    def make_index(self, boxes: bool) -> None:
        """Make the tables of an index, those of where windows lie among them where it has ``boxes``."""

    def renumber(self) -> None:
        """Let videos and windows to come have numbers above those that there are."""

    def stream(self, sql: str, bound: Bound = ()) -> Iterator[Any]:
        """The rows of a query of which there may be many more than memory has room for; within a snapshot, or what
        :meth:`writing` does. Other statements may come in between."""

    def recalled(self, mark: str | None, read: Callable[[], bytes | None]) -> bytes | None:
        """What is read, or was read before where that means to fetch it; its SHA-256 is ``mark``, if one is known."""

    def writing(self) -> AbstractContextManager[None]:
        """What is done in the block becomes visible together when it ends well, and is undone otherwise.

        One such block at a time goes on in an index, whoever writes: numbers grow in the order in which they become
        visible.
        """

    def alone(self, wait: bool) -> AbstractContextManager[bool]:
        """Whether, while the block lasts, nobody else is in such a block: who rearranges what others add to.

        Args:
            wait: until nobody is.
        """


class Claims(Protocol):
    """Which videos this process embeds, of those that others may be about to embed as well."""

    def take(self, path: str, size: int, mtime: int) -> bool:
        """Claim a video; False where another process has it in hand, or has put it into the index as it is now."""

    def release(self, path: str) -> None:
        """It is done with."""

    def wait(self, path: str) -> None:
        """Until nobody has it in hand."""


class LabelTables(Protocol):
    """The tables of an index's labels."""

    @property
    def path(self) -> Path:
        """As errors name it."""

    @property
    def kept(self) -> bool:
        """Whether changes are written down."""

    def reading(self) -> AbstractContextManager[Database]:
        """One state of the labels, for as long as the block lasts; what is wrong with them becomes a sentence."""

    def writing(self) -> AbstractContextManager[Database]:
        """What is done in the block becomes visible together, or is undone; errors as of :meth:`reading`."""

    def close(self) -> None:
        """Let go of them."""


class Store(Protocol):
    """Where an index is kept, or is to be."""

    @property
    def path(self) -> Path:
        """What it is called by; an address has no password."""

    @property
    def name(self) -> str:
        """The last part of that."""

    @property
    def beside(self) -> Path:
        """Folder of this machine for what can be made anew: segments of the approximate index, pictures."""

    @property
    def shared(self) -> bool:
        """Whether other machines may write it, too."""

    def exists(self) -> bool:
        """Whether there is an index, and not the beginning of one that was killed."""

    def missing(self) -> DataError:
        """What is to be said where an index was expected."""

    def snapshot(self) -> AbstractContextManager[Database]:
        """A connection that sees one state until the block ends, whatever others write.

        Raises:
            DataError: there is no index, or it is damaged.
            OutputError: it cannot be reached.
        """

    def connected(self) -> AbstractContextManager[Database]:
        """A connection to write by; where there is no index, the place for one is made.

        Raises:
            DataError: it is damaged or none.
            OutputError: it cannot be written.
        """

    def adding(self) -> AbstractContextManager[Database]:
        """:meth:`connected`, for one who adds videos.

        Raises:
            OutputError: another process is adding, where that keeps others out.
        """

    def claims(self) -> AbstractContextManager[Claims]:
        """Who adds asks these before each video."""

    def labels(self, keep: bool) -> LabelTables:
        """The tables of labels; in memory, with what is there, where changes are not to be kept or cannot be."""

    def segment(self, db: Database, name: str, seal: Seal | None) -> Path:
        """Where the file of a segment lies on this machine, whose name and seal these are.

        Raises:
            FileNotFoundError: it is gone, as it is where others have taken its place.
        """

    def is_whole(self, db: Database, name: str, seal: Seal | None) -> bool:
        """Whether it is what was written."""

    def keep_segments(self, db: Database, files: Mapping[str, Path]) -> None:
        """Within a transaction: let these be the segments, by their names; the files of new ones lie there."""
