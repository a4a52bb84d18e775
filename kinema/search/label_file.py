"""The file of labels beside an index in a folder: opening it, carrying an old one over, and what can go wrong."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path

from kinema.errors import DataError, OutputError
from kinema.search.embedded import SQLite, explained, opened
from kinema.search.label_classes import next_colour
from kinema.search.store import Database
from kinema.search.tables import LABEL_FORMAT, LABEL_TABLES, LABELS

FILE = "labels.sqlite"


class LabelFile:
    """The labels of an index in a file, or a copy in memory, as :class:`~kinema.search.store.LabelTables`; threads may
    share one.

    Args:
        path: as errors name it.
        kept: whether changes are written down.
        db: the connection.
    """

    def __init__(self, path: Path, kept: bool, db: SQLite):
        self.path, self.kept, self._db = path, kept, db

    @classmethod
    def of_folder(cls, index: Path, keep: bool) -> LabelFile:
        """Those of an index in a folder.

        Args:
            index: the folder.
            keep: whether changes are to be written down, where that can be.

        Raises:
            DataError: the file is damaged, holds something else, or a later version of kinema made it.
            OutputError: it cannot be made, as on a full disk.
        """
        path = index / FILE
        kept = keep and (not path.exists() or os.access(path, os.W_OK))  # in this order: others may make it now
        with _explained(path):
            return cls(path, kept, _open(path, kept))

    @classmethod
    def copy(cls, path: Path, others: Database) -> LabelFile:
        """Those of an index elsewhere, in memory."""
        db = opened(":memory:", threads=True)
        db.make(LABEL_TABLES)
        for table in LABELS:
            for row in others.stream(f"SELECT * FROM {table}"):
                db.execute(f"INSERT INTO {table} VALUES ({', '.join('?' * len(row))})", row)
        return cls(path, False, db)

    @contextmanager
    def reading(self) -> Iterator[Database]:
        """One state of the labels, for as long as the block lasts."""
        with _explained(self.path):
            self._db.execute("BEGIN")
            try:
                yield self._db
            finally:
                self._db.execute("ROLLBACK")

    @contextmanager
    def writing(self) -> Iterator[Database]:
        """What is done in the block becomes visible together when it ends well, and is undone otherwise."""
        with _explained(self.path), self._db.writing():
            yield self._db

    def close(self) -> None:
        """Close the file."""
        self._db.close()


def _explained(path: Path) -> AbstractContextManager[None]:
    return explained(
        lambda said: OutputError(f"cannot keep labels in {path}: {said}; give write permission and free space"),
        lambda said: DataError(f"{path} is damaged or holds no labels ({said}); move it away"),
    )


def _open(path: Path, kept: bool) -> SQLite:
    """A connection to the file of labels, in memory with what is there where it is not ``kept``."""
    db = opened(path if kept else ":memory:", threads=True)
    try:
        if not kept and path.exists():
            with closing(opened(f"{path.absolute().as_uri()}?mode=ro&immutable=1", uri=True)) as others:
                others.backup(db)
        db.execute("PRAGMA temp_store = MEMORY")
        if _format(db) != LABEL_FORMAT:
            with db.writing():
                _bring_up_to_date(db, path)
        return db
    except BaseException:
        db.close()  # with its locks
        raise


def _format(db: SQLite) -> int:
    return db.execute("PRAGMA user_version").fetchone()[0]


def _bring_up_to_date(db: SQLite, path: Path) -> None:
    """Make the tables, within a transaction; what the first format kept, one label for a window, comes along."""
    made = _format(db)
    if made == LABEL_FORMAT:  # by another process, meanwhile
        return
    if made > LABEL_FORMAT:
        raise DataError(f"a later version of kinema made {path}; update kinema")
    old = {name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type IN ('table', 'view')")}
    carried = {"changes", "steps", "labels"} <= old
    if carried:
        for name in ("changes", "labels"):
            db.execute(f"ALTER TABLE {name} RENAME TO old_{name}")
    db.make(LABEL_TABLES)
    if carried:
        _carry_over(db)
        for name in ("old_changes", "old_labels", "steps", "names"):
            db.execute(f"DROP TABLE IF EXISTS {name}")
    db.execute(f"PRAGMA user_version = {LABEL_FORMAT}")


def _carry_over(db: SQLite) -> None:
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
