"""An index in a folder of this machine: SQLite says what there is, files beside it name candidates.

Everything is written in transactions. Who reads sees one state from beginning to end (SQLite's write-ahead log), and a
process that is killed leaves the last complete state.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager, nullcontext
from pathlib import Path

from kinema.common.files import atomic_path, make_folder, on_disk
from kinema.common.streams import in_one_line
from kinema.errors import DataError, OutputError
from kinema.search.faiss_files import Seal, is_whole
from kinema.search.machines import alone, refuse_elsewhere
from kinema.search.store import Bound, Claims, Damage, Database, LabelTables
from kinema.search.tables import BOXES, STAGED, STAGED_BOXES, TABLES

DATABASE = "windows.sqlite"


class SQLite(sqlite3.Connection):
    """A connection to a file, as a :class:`~kinema.search.store.Database`."""

    def make(self, table: str, /) -> None:
        """Make a table, or several with semicolons between them."""
        for statement in table.split(";"):
            self.execute(statement)

    def make_index(self, boxes: bool) -> None:
        """Make the tables of an index; labels have a file of their own."""
        for tables in (TABLES, STAGED, *((BOXES, STAGED_BOXES) if boxes else ())):
            self.make(tables)

    def renumber(self) -> None:
        """SQLite sees to it."""

    def stream(self, sql: str, bound: Bound = ()) -> sqlite3.Cursor:
        """The rows of a query, as they are asked for."""
        return self.execute(sql, bound)

    def recalled(self, mark: str | None, read: Callable[[], bytes | None]) -> bytes | None:
        """What is read: it lies here, and may have been damaged since."""
        return read()

    @contextmanager
    def writing(self) -> Iterator[None]:
        """What is done in the block becomes visible together when it ends well, and is undone otherwise."""
        self.execute("BEGIN IMMEDIATE")
        try:
            yield
            self.execute("COMMIT")
        except BaseException:
            if self.in_transaction:  # SQLite has undone it itself, where the disk is full
                self.execute("ROLLBACK")
            raise

    def alone(self, wait: bool) -> AbstractContextManager[bool]:
        """Who adds is alone already."""
        return nullcontext(True)


def opened(path: str | Path, uri: bool = False, threads: bool = False) -> SQLite:
    """A connection to a file, without transactions of Python's own."""
    return sqlite3.connect(
        path, isolation_level=None, timeout=60, uri=uri, check_same_thread=not threads, factory=SQLite
    )


class Unshared:
    """Claims where nobody else adds."""

    def take(self, path: str, size: int, mtime: int) -> bool:
        """Any video."""
        return True

    def release(self, path: str) -> None:
        """Nothing was taken."""

    def wait(self, path: str) -> None:
        """Nobody has it."""


class FolderStore:
    """An index in a folder, as a :class:`~kinema.search.store.Store`.

    Args:
        folder: of this machine.

    Raises:
        OutputError: it is an address.
    """

    shared = False

    def __init__(self, folder: str | Path):
        self.path = self.beside = on_disk(folder)
        self.name = self.path.resolve().name
        self._database = self.path / DATABASE

    def exists(self) -> bool:
        """Whether there is an index, and not the beginning of one that was killed."""
        if not self._database.is_file():
            return False
        with self.snapshot() as db:
            return db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0] > 0

    def missing(self) -> DataError:
        """What is to be said where an index was expected."""
        from kinema.models.weights import ENCODER_FILE

        if any((self.path / name).is_file() for name in (ENCODER_FILE, "results.json")):
            return DataError(
                f"{self.path} is the folder of a training and no index; make one with `kinema index VIDEOS --encoder "
                f"{self.path} --index INDEX`"
            )
        return DataError(f"there is no index at {self.path}; make one with `kinema index`")

    def writable(self) -> bool:
        """Whether this process may write the index."""
        return all(os.access(path, os.W_OK) for path in (self.path, self._database))

    @contextmanager
    def snapshot(self) -> Iterator[Database]:
        """A connection that sees one state until the block ends; see :class:`~kinema.search.store.Store`."""
        if not self._database.is_file():
            raise self.missing()
        refuse_elsewhere(self.path)
        with ExitStack() as stack:
            try:
                db = stack.enter_context((self.connected if self.writable() else self._reading)())
            except OutputError:  # a full disk has no room for the log that writers and readers share
                db = stack.enter_context(self._reading())
            db.execute("BEGIN")
            yield db

    @contextmanager
    def connected(self) -> Iterator[Database]:
        """A connection to write by; an empty file is made where there is none."""
        with self._explained(), closing(opened(self._database)) as db:
            db.execute("PRAGMA foreign_keys = ON")
            db.execute("PRAGMA journal_mode = WAL")
            db.execute("PRAGMA synchronous = NORMAL")
            yield db

    @contextmanager
    def adding(self) -> Iterator[Database]:
        """:meth:`connected`, for one process at a time."""
        with alone(make_folder(self.path)), self.connected() as db:
            yield db

    def claims(self) -> AbstractContextManager[Claims]:
        """Nobody else adds."""
        return nullcontext(Unshared())

    def labels(self, keep: bool) -> LabelTables:
        """The file of labels, or what is in it."""
        from kinema.search.label_file import LabelFile

        return LabelFile.of_folder(self.path, keep and self.writable())

    def segment(self, db: Database, name: str, seal: Seal | None) -> Path:
        """Where the file of a segment lies."""
        return self.path / f"{name}.faiss"

    def is_whole(self, db: Database, name: str, seal: Seal | None) -> bool:
        """Whether it is what was written, to its last byte."""
        return is_whole(self.segment(db, name, seal), seal)

    def keep_segments(self, db: Database, files: Mapping[str, Path]) -> None:
        """Files that lie elsewhere are copied."""
        for name, file in files.items():
            own = self.path / f"{name}.faiss"
            if file != own:
                with atomic_path(own) as temporary:
                    shutil.copyfile(file, temporary)

    @contextmanager
    def _reading(self) -> Iterator[Database]:
        """A connection to an index that this process does not write."""
        log = self._database.with_name(f"{DATABASE}-wal")
        # Without a log nobody writes, and SQLite need not look for one, which it could not make here.
        how = "mode=ro" if log.exists() and log.stat().st_size else "mode=ro&immutable=1"
        address = f"{self._database.absolute().as_uri()}?{how}"
        with self._explained(), closing(opened(address, uri=True)) as db:
            yield db

    def _explained(self) -> AbstractContextManager[None]:
        path = self._database
        return explained(
            lambda said: OutputError(
                f"cannot use the index {path}: {said}; give write permission and free space, on a disk of this machine"
            ),
            lambda said: DataError(f"{path} is damaged or no index ({said}); delete it and run `kinema index` again"),
        )


@contextmanager
def explained(unusable: Callable[[object], Exception], damaged: Callable[[str], Exception]) -> Iterator[None]:
    """Make a sentence of what SQLite says of a file: that it cannot be used, or that it is damaged."""
    try:
        yield
    except (sqlite3.DatabaseError, Damage, UnicodeDecodeError) as error:
        if isinstance(error, sqlite3.OperationalError) and not _damaged(error):
            raise unusable(error) from error
        raise damaged(in_one_line(error)) from error


def _damaged(error: sqlite3.OperationalError) -> bool:
    """Whether a database's content is at fault, where SQLite has no class of errors of its own for it."""
    return any(words in str(error) for words in ("Could not decode", "no such table", "no such column", "malformed"))
