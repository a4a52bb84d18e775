"""The file of labels: its tables, opening it, carrying an old one over, and what can go wrong.

Rows of labels and classes are never changed but for the version up to which they held (``until``, NULL for those that
hold now), so the tables are the history. ``state`` is the version in which a row's content came up first: what an undo
brings back has that of before, which tells a label that somebody has changed from one that is as it was.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from kinema.errors import DataError, OutputError
from kinema.search import connection
from kinema.search.label_colours import next_colour
from kinema.streams import in_one_line

FILE = "labels.sqlite"
FORMAT = 2

_TABLES = """
CREATE TABLE changes (
    version INTEGER PRIMARY KEY AUTOINCREMENT, at REAL NOT NULL, "by" TEXT, kind TEXT NOT NULL, of INTEGER
);
CREATE INDEX changes_by_root ON changes(of, version);
CREATE TABLE classes (
    id INTEGER NOT NULL, since INTEGER NOT NULL, until INTEGER, state INTEGER NOT NULL, name TEXT NOT NULL,
    colour TEXT NOT NULL
);
CREATE UNIQUE INDEX classes_now ON classes(name) WHERE until IS NULL;
CREATE TABLE labels (
    row INTEGER PRIMARY KEY, id INTEGER NOT NULL, since INTEGER NOT NULL, until INTEGER, state INTEGER NOT NULL,
    content TEXT NOT NULL, start REAL NOT NULL, "end" REAL NOT NULL, class INTEGER NOT NULL, subject TEXT,
    confidence REAL, "by" TEXT, at REAL NOT NULL
);
CREATE UNIQUE INDEX labels_now ON labels(id) WHERE until IS NULL;
CREATE INDEX labels_by_place ON labels(content, start, "end") WHERE until IS NULL;
CREATE INDEX labels_by_class ON labels(class, start, "end") WHERE until IS NULL;
CREATE INDEX labels_since ON labels(since, id);
CREATE INDEX labels_until ON labels(until, id) WHERE until IS NOT NULL
"""


def open_tables(path: Path, kept: bool) -> sqlite3.Connection:
    """A connection to the file of labels, in memory with what is there where it is not ``kept``.

    Raises:
        sqlite3.Error: it is damaged, holds something else, or cannot be written; see :func:`explained`.
        DataError: a later version of kinema made it.
    """
    db = sqlite3.connect(path if kept else ":memory:", isolation_level=None, timeout=60, check_same_thread=False)
    try:
        if not kept and path.exists():
            with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro&immutable=1", uri=True)) as others:
                others.backup(db)
        db.execute("PRAGMA temp_store = MEMORY")
        if _format(db) != FORMAT:
            with writing(db):
                _bring_up_to_date(db, path)
        return db
    except BaseException:
        db.close()  # with its locks
        raise


def may_be_kept(index: Path) -> bool:
    """Whether this process may write the labels of an index."""
    path = index / FILE
    return connection.writable(index) and (os.access(path, os.W_OK) or not path.exists())


@contextmanager
def writing(db: sqlite3.Connection) -> Iterator[None]:
    """What is done in the block becomes visible together when it ends well, and is undone otherwise."""
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
        db.execute("COMMIT")
    except BaseException:
        connection.roll_back(db)
        raise


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Say what SQLite found wrong with the file of labels.

    Raises:
        OutputError: it cannot be written.
        DataError: it is damaged or holds something else.
    """
    try:
        yield
    except (sqlite3.DatabaseError, UnicodeDecodeError) as error:
        if isinstance(error, sqlite3.OperationalError) and not connection.damaged(error):
            said = f"cannot keep labels in {path}: {error}; give write permission and free space"
            raise OutputError(said) from error
        raise DataError(f"{path} is damaged or holds no labels ({in_one_line(error)}); move it away") from error


def _format(db: sqlite3.Connection) -> int:
    return db.execute("PRAGMA user_version").fetchone()[0]


def _bring_up_to_date(db: sqlite3.Connection, path: Path) -> None:
    """Make the tables, within a transaction; what the first format kept, one label for a window, comes along."""
    made = _format(db)
    if made == FORMAT:  # by another process, meanwhile
        return
    if made > FORMAT:
        raise DataError(f"a later version of kinema made {path}; update kinema")
    old = {name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type IN ('table', 'view')")}
    carried = {"changes", "steps", "labels"} <= old
    if carried:
        for name in ("changes", "labels"):
            db.execute(f"ALTER TABLE {name} RENAME TO old_{name}")
    for statement in _TABLES.split(";"):
        db.execute(statement)
    if carried:
        _carry_over(db)
        for name in ("old_changes", "old_labels", "steps", "names"):
            db.execute(f"DROP TABLE IF EXISTS {name}")
    db.execute(f"PRAGMA user_version = {FORMAT}")


def _carry_over(db: sqlite3.Connection) -> None:
    """Tell the old changes anew, each as the version that it was; classes that are no longer used end with them."""
    classes: dict[str, int] = {}
    numbers: dict[tuple[str, float, float], int] = {}
    last = 0
    for version, at, undoes in db.execute("SELECT version, at, undoes FROM old_changes ORDER BY version").fetchall():
        last, kind = version, "change" if undoes is None else "undo"
        db.execute("INSERT INTO changes VALUES (?, ?, NULL, ?, ?)", (version, at, kind, undoes))
        query = "SELECT content, start, end, before, after FROM steps WHERE version = ?"
        for content, start, end, before, after in db.execute(query, (version,)).fetchall():
            number = numbers.setdefault((content, start, end), len(numbers) + 1)
            if before is not None:
                db.execute("UPDATE labels SET until = ? WHERE id = ? AND until IS NULL", (version, number))
            if after is None:
                continue
            if after not in classes:
                classes[after] = len(classes) + 1
                colour = next_colour(row[0] for row in db.execute("SELECT colour FROM classes"))
                made = (classes[after], version, version, after, colour)
                db.execute("INSERT INTO classes VALUES (?, ?, NULL, ?, ?, ?)", made)
            query = "SELECT state FROM labels WHERE id = ? AND until = ?"
            earlier = None if undoes is None else db.execute(query, (number, undoes)).fetchone()
            state = version if earlier is None else earlier[0]
            row = (number, version, state, content, start, end, classes[after], at)
            db.execute("INSERT INTO labels VALUES (NULL, ?, ?, NULL, ?, ?, ?, ?, ?, NULL, NULL, NULL, ?)", row)
    db.execute("UPDATE classes SET until = ? WHERE id NOT IN (SELECT class FROM labels WHERE until IS NULL)", (last,))
