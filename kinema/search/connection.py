"""Opening the database of an index: to write, or to read one state of it whatever others write, and what can go wrong.

Everything is written in transactions. Who reads sees one state from beginning to end (SQLite's write-ahead log), and a
process that is killed leaves the last complete state.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

from kinema.errors import DataError, OutputError
from kinema.streams import in_one_line

DATABASE = "windows.sqlite"


def writable(folder: Path) -> bool:
    """Whether this process may write an index."""
    return all(os.access(path, os.W_OK) for path in (folder, folder / DATABASE))


@contextmanager
def connected(folder: Path) -> Iterator[sqlite3.Connection]:
    """A connection to the database of an index; an empty file is made where there is none.

    Raises:
        OutputError: it cannot be written.
        DataError: it is damaged or no database.
    """
    path = folder / DATABASE
    with _explained(path), closing(sqlite3.connect(path, isolation_level=None, timeout=60)) as db:
        db.execute("PRAGMA foreign_keys = ON")
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = NORMAL")
        yield db


@contextmanager
def _reading(folder: Path) -> Iterator[sqlite3.Connection]:
    """A connection to an index that this process does not write."""
    path = folder / DATABASE
    log = path.with_name(f"{DATABASE}-wal")
    # Without a log nobody writes, and SQLite need not look for one, which it could not make here.
    how = "mode=ro" if log.exists() and log.stat().st_size else "mode=ro&immutable=1"
    address = f"{path.absolute().as_uri()}?{how}"
    with _explained(path), closing(sqlite3.connect(address, uri=True, isolation_level=None, timeout=60)) as db:
        yield db


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    try:
        yield
    except (sqlite3.DatabaseError, UnicodeDecodeError) as error:
        if isinstance(error, sqlite3.OperationalError) and not damaged(error):
            raise OutputError(f"cannot use the index {path}: {error}; give write permission and free space") from error
        said = f"{path} is damaged or no index ({in_one_line(error)}); delete it and run `kinema index` again"
        raise DataError(said) from error


def damaged(error: sqlite3.OperationalError) -> bool:
    """Whether a database's content is at fault, where SQLite has no class of errors of its own for it."""
    return any(words in str(error) for words in ("Could not decode", "no such table", "no such column", "malformed"))


def no_index(folder: Path) -> DataError:
    """What is to be said where an index was expected."""
    from kinema.models.weights import ENCODER_FILE

    if any((folder / name).is_file() for name in (ENCODER_FILE, "results.json")):
        return DataError(
            f"{folder} is the folder of a training and no index; make one with `kinema index VIDEOS --encoder {folder} "
            "--index INDEX`"
        )
    return DataError(f"there is no index at {folder}; make one with `kinema index`")


@contextmanager
def snapshot(folder: Path) -> Iterator[sqlite3.Connection]:
    """A connection that sees one state until the block ends, whatever others write.

    Raises:
        DataError: there is no index.
    """
    if not (folder / DATABASE).is_file():
        raise no_index(folder)
    with ExitStack() as opened:
        try:
            db = opened.enter_context((connected if writable(folder) else _reading)(folder))
        except OutputError:  # a full disk has no room for the log that writers and readers share
            db = opened.enter_context(_reading(folder))
        db.execute("BEGIN")
        yield db


@contextmanager
def transaction(db: sqlite3.Connection) -> Iterator[None]:
    """What is done in the block becomes visible together when it ends well, and is undone otherwise."""
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
        db.execute("UPDATE about SET value = value + 1 WHERE name = 'state'")
        db.execute("COMMIT")
    except BaseException:
        roll_back(db)
        raise


def roll_back(db: sqlite3.Connection) -> None:
    """Undo what the transaction has done, where SQLite has not done so itself, as it does when the disk is full."""
    if db.in_transaction:
        db.execute("ROLLBACK")
