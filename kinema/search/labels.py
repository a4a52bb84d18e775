"""Labels that people give to windows, kept beside the index with their history.

A label belongs to a place: the content of a video and the seconds of a window. So it outlives a video's move, and an
index that is made anew. Every change is one version, none is ever written over, and each can be undone.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import time
import unicodedata
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from kinema.errors import ConfigError, DataError, OutputError
from kinema.search import connection, database
from kinema.search.connection import snapshot
from kinema.search.results import Window

FILE = "labels.sqlite"
LONGEST = 60
"""Letters of a label."""
MOST = 20_000
"""Labels of an index."""

_TABLES = """
BEGIN IMMEDIATE;
CREATE TABLE IF NOT EXISTS changes (version INTEGER PRIMARY KEY AUTOINCREMENT, at REAL NOT NULL, undoes INTEGER);
CREATE TABLE IF NOT EXISTS steps (
    version INTEGER NOT NULL, content TEXT NOT NULL, start REAL NOT NULL, "end" REAL NOT NULL, before TEXT, after TEXT
);
CREATE INDEX IF NOT EXISTS steps_by_version ON steps(version);
CREATE TABLE IF NOT EXISTS labels (
    content TEXT NOT NULL, start REAL NOT NULL, "end" REAL NOT NULL, label TEXT NOT NULL,
    PRIMARY KEY (content, start, "end")
);
CREATE TABLE IF NOT EXISTS names (label TEXT PRIMARY KEY, place INTEGER NOT NULL);
COMMIT;
"""

Place = tuple[str, float, float]


@dataclass(frozen=True)
class Label:
    """A label and where it is.

    Attributes:
        label: its name.
        windows: those it is on: several where a video has copies, none where the library no longer has it.
    """

    label: str
    windows: tuple[Window, ...]


@dataclass(frozen=True)
class State:
    """All labels at one moment.

    Attributes:
        version: of the last change; grows with each.
        names: those in use, in the order in which they came up.
        labels: in the order in which they were given.
        undoable: the version that :meth:`Labels.undo` takes next; None if there is none.
    """

    version: int
    names: tuple[str, ...]
    labels: tuple[Label, ...]
    undoable: int | None


class Labels:
    """The labels of an index. Threads may share one, and several processes may write.

    Args:
        index: its folder. Where that is read-only, what is there is read, and changes end with this object.
        keep: whether changes are to be written down where they can be.

    Attributes:
        kept: whether changes are written down.

    Raises:
        DataError: the file of labels is damaged.
        OutputError: it cannot be made, as on a full disk.
    """

    def __init__(self, index: str | Path, keep: bool = True):
        self._index = Path(index)
        self._lock = threading.Lock()
        path = self._index / FILE
        self.kept = keep and connection.writable(self._index) and (os.access(path, os.W_OK) or not path.exists())
        with self._explained():
            place = path if self.kept else ":memory:"
            self._db = sqlite3.connect(place, isolation_level=None, timeout=60, check_same_thread=False)
            if not self.kept and path.exists():
                with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro&immutable=1", uri=True)) as others:
                    others.backup(self._db)
            try:
                self._db.executescript(_TABLES)
            except BaseException:
                self._db.close()  # with its locks
                raise

    def version(self) -> int:
        """The version of the last change; 0 before the first."""
        with self._lock, self._explained():
            return self._version()

    def state(self) -> State:
        """All labels as they are now."""
        with self._lock, self._explained():
            version, undoable = self._version(), self._undoable()
            rows = self._db.execute("SELECT content, start, end, label FROM labels ORDER BY rowid").fetchall()
            names = self._db.execute("SELECT label FROM names ORDER BY place, rowid").fetchall()
        with snapshot(self._index) as db:
            found = database.windows_at(db, (row[:3] for row in rows))
        labels = tuple(Label(row[3], windows) for row, windows in zip(rows, found, strict=True))
        used = {label.label for label in labels}
        return State(version, tuple(name for (name,) in names if name in used), labels, undoable)

    def examples(self) -> dict[int, str]:
        """Labels by the number of a window, one for each place that the library has; what a classifier learns from."""
        return {one.windows[0].id: one.label for one in self.state().labels if one.windows}

    def set(self, window: int, label: str | None) -> int:
        """Give a window a label in place of the one it has, or take that off; return the version.

        Raises:
            ConfigError: the label is empty, too long or no text, or there are too many.
            DataError: there is no such window.
        """
        with snapshot(self._index) as db:
            place = database.place_of(db, window)
        if place is None:
            raise DataError(f"the library has no window {window}, or no longer; search again")
        given = None if label is None else checked(label)
        with self._writing():
            return self._write({place: given})

    def rename(self, label: str, to: str) -> int:
        """Give all that have a label another one, which may be in use; return the version.

        Raises:
            ConfigError: the new name is empty, too long or no text.
            DataError: nothing has that label.
        """
        label, to = checked(label), checked(to)
        with self._writing():
            places = self._db.execute("SELECT content, start, end FROM labels WHERE label = ?", (label,)).fetchall()
            if not places:
                raise DataError(f"nothing is labelled {label!r} any longer; the labels are as you see them now")
            self._db.execute("INSERT OR IGNORE INTO names SELECT ?, place FROM names WHERE label = ?", (to, label))
            return self._write(dict.fromkeys(places, to))

    def clear(self) -> int:
        """Take all labels off; return the version."""
        with self._writing():
            places = self._db.execute("SELECT content, start, end FROM labels").fetchall()
            return self._write(dict.fromkeys(places))

    def undo(self, version: int) -> int:
        """Undo one change where nothing has come over it since, as a change of its own; return its version.

        Raises:
            DataError: there is no such change, or it has been undone.
        """
        with self._writing():
            steps = self._db.execute(
                "SELECT content, start, end, before, after FROM steps WHERE version = ?", (version,)
            ).fetchall()
            undone = self._db.execute("SELECT count(*) FROM changes WHERE undoes = ?", (version,)).fetchone()[0]
            if not steps or undone:
                raise DataError("this change has been undone already; the labels are as you see them now")
            back = {row[:3]: row[3] for row in steps if self._label(row[:3]) == row[4]}
            return self._write(back, undoes=version)

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._db.close()

    def _write(self, labels: Mapping[Place, str | None], undoes: int | None = None) -> int:
        """Write a change down, within a transaction; nothing where all is as wanted."""
        steps = [(place, self._label(place), after) for place, after in labels.items()]
        steps = [step for step in steps if step[1] != step[2]]
        if not steps and undoes is None:
            return self._version()
        cursor = self._db.execute("INSERT INTO changes VALUES (NULL, ?, ?)", (time.time(), undoes))
        version = cursor.lastrowid
        assert version is not None
        for place, before, after in steps:
            self._db.execute("INSERT INTO steps VALUES (?, ?, ?, ?, ?, ?)", (version, *place, before, after))
            self._db.execute("DELETE FROM labels WHERE content = ? AND start = ? AND end = ?", place)
            if after is not None:
                self._db.execute("INSERT INTO labels VALUES (?, ?, ?, ?)", (*place, after))
                self._db.execute(
                    "INSERT OR IGNORE INTO names SELECT ?, coalesce(max(place), 0) + 1 FROM names", (after,)
                )
        if self._db.execute("SELECT count(*) FROM labels").fetchone()[0] > MOST:
            raise ConfigError(f"an index keeps up to {MOST} labels; train with more in Python (docs/search.md)")
        return version

    def _label(self, place: Place) -> str | None:
        query = "SELECT label FROM labels WHERE content = ? AND start = ? AND end = ?"
        row = self._db.execute(query, place).fetchone()
        return row[0] if row else None

    def _version(self) -> int:
        return self._db.execute("SELECT coalesce(max(version), 0) FROM changes").fetchone()[0]

    def _undoable(self) -> int | None:
        query = """SELECT max(version) FROM changes
                   WHERE undoes IS NULL AND version NOT IN (SELECT undoes FROM changes WHERE undoes IS NOT NULL)"""
        return self._db.execute(query).fetchone()[0]

    @contextmanager
    def _writing(self) -> Iterator[None]:
        with self._lock, self._explained():
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._db.execute("COMMIT")
            except BaseException:
                connection.roll_back(self._db)
                raise

    @contextmanager
    def _explained(self) -> Iterator[None]:
        path = self._index / FILE
        try:
            yield
        except (sqlite3.DatabaseError, UnicodeDecodeError) as error:
            if isinstance(error, sqlite3.OperationalError) and not connection.damaged(error):
                said = f"cannot keep labels in {path}: {error}; give write permission and free space"
                raise OutputError(said) from error
            raise DataError(f"{path} is damaged or holds no labels ({error}); move it away") from error


def checked(label: object) -> str:
    """A label's name without blanks around it.

    Raises:
        ConfigError: it is empty, too long, or no text that can be written down.
    """
    name = label.strip() if isinstance(label, str) else ""
    if not 0 < len(name) <= LONGEST:
        raise ConfigError(f"a label has 1 to {LONGEST} letters; choose another")
    if any(unicodedata.category(letter) in ("Cc", "Cs") for letter in name):  # control signs, halves of surrogates
        raise ConfigError("a label holds letters, signs and blanks only; choose another")
    return name
