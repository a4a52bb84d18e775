"""The windows of a library in one SQLite file: what there is, from which video, with which vectors.

Everything is written in transactions: a video's windows appear at once and in full, and what they replace goes
in the same moment. Who reads sees one state from beginning to end, whatever is written meanwhile (SQLite's write-ahead
log), and a process that is killed leaves the last complete state.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from kinema.errors import DataError, OutputError
from kinema.models.weights import ENCODER_FILE
from kinema.search.embedding import EmbeddedWindow
from kinema.search.results import By, Filters, IndexedVideo, Window

DATABASE = "windows.sqlite"
FORMAT = 2
"""Version of the tables; an index of another one has to be made anew."""
Record = TypeVar("Record")
Value = TypeVar("Value")
STAGE = 512
"""Windows of an unfinished video that are held in memory; more of them wait in the database, unseen by searches."""

_TABLES = """
CREATE TABLE about (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE maps (name TEXT PRIMARY KEY, content BLOB NOT NULL);
CREATE TABLE videos (
    id INTEGER PRIMARY KEY AUTOINCREMENT, path TEXT NOT NULL UNIQUE, size INTEGER NOT NULL, mtime INTEGER NOT NULL,
    sha256 TEXT NOT NULL, error TEXT NOT NULL
);
CREATE INDEX videos_by_content ON videos(sha256);
CREATE TABLE windows (
    id INTEGER PRIMARY KEY AUTOINCREMENT, video INTEGER NOT NULL REFERENCES videos(id) ON DELETE CASCADE,
    start REAL NOT NULL, "end" REAL NOT NULL, strength REAL NOT NULL
);
CREATE INDEX windows_by_video ON windows(video, start);
CREATE TABLE vectors (
    id INTEGER PRIMARY KEY REFERENCES windows(id) ON DELETE CASCADE,
    motion BLOB NOT NULL, appearance BLOB NOT NULL, thumbnail BLOB NOT NULL
);
CREATE TABLE staged (
    video INTEGER NOT NULL, start REAL, "end" REAL, strength REAL, motion BLOB, appearance BLOB, thumbnail BLOB
);
CREATE INDEX staged_by_video ON staged(video);
"""


@dataclass(frozen=True)
class FileState:
    """A video file as it was when it was indexed.

    Attributes:
        path: absolute.
        size: bytes.
        mtime: nanoseconds.
        sha256: of its content.
    """

    path: str
    size: int
    mtime: int
    sha256: str


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
    """A connection to an index that this process may not write."""
    path = folder / DATABASE
    # Without a log nobody writes, and SQLite need not look for one, which it could not make here.
    how = "mode=ro" if path.with_name(f"{DATABASE}-wal").exists() else "mode=ro&immutable=1"
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
        raise DataError(f"{path} is damaged or no index ({error}); delete it and run `kinema index` again") from error


def damaged(error: sqlite3.OperationalError) -> bool:
    """Whether a database's content is at fault, where SQLite has no class of errors of its own for it."""
    return any(words in str(error) for words in ("Could not decode", "no such table", "no such column", "malformed"))


def no_index(folder: Path) -> DataError:
    """What is to be said where an index was expected."""
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
    with (connected if writable(folder) else _reading)(folder) as db:
        db.execute("BEGIN")
        yield db


@contextmanager
def transaction(db: sqlite3.Connection) -> Iterator[None]:
    """What is done in the block becomes visible together when it ends well, and is undone otherwise."""
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
        db.execute("UPDATE about SET value = value + 1 WHERE name = 'state'")
    except BaseException:
        db.execute("ROLLBACK")
        raise
    db.execute("COMMIT")


def has_tables(folder: Path) -> bool:
    """Whether there is an index, and not the beginning of one that was killed."""
    if not (folder / DATABASE).is_file():
        return False
    with snapshot(folder) as db:
        return db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0] > 0


def create_tables(db: sqlite3.Connection, about: dict[str, Any]) -> None:
    """Make the tables; ``about`` is what they say of themselves, as JSON."""
    for statement in _TABLES.split(";"):
        db.execute(statement)
    for name, value in {"format": FORMAT, "state": 0, **about}.items():
        set_about(db, name, value)


def get_about(db: sqlite3.Connection, name: str) -> Any:
    """What the index says of itself under a name; None if it says nothing."""
    row = db.execute("SELECT value FROM about WHERE name = ?", (name,)).fetchone()
    try:
        return None if row is None else json.loads(row[0])
    except (TypeError, ValueError) as error:
        raise sqlite3.DatabaseError(f"what it says of {name} cannot be read") from error


def get_record(db: sqlite3.Connection, name: str, kind: type[Record]) -> Record | None:
    """What the index says of itself under a name, as a dataclass of its fields; None if it says nothing."""
    said = get_about(db, name)
    try:
        return None if said is None else kind(**said)
    except TypeError as error:
        raise sqlite3.DatabaseError(f"what it says of {name} cannot be read") from error


def set_about(db: sqlite3.Connection, name: str, value: Any) -> None:
    """Let the index say something of itself."""
    db.execute("INSERT OR REPLACE INTO about VALUES (?, ?)", (name, json.dumps(value)))


def get_map(db: sqlite3.Connection, name: str) -> bytes | None:
    """A map of vectors that the index keeps under a name; None if there is none."""
    row = db.execute("SELECT content FROM maps WHERE name = ?", (name,)).fetchone()
    return None if row is None else _blob(row[0])


def set_map(db: sqlite3.Connection, name: str, content: bytes | None) -> None:
    """Keep a map of vectors under a name, in the place of an earlier one; None for none."""
    db.execute("DELETE FROM maps WHERE name = ?", (name,))
    if content is not None:
        db.execute("INSERT INTO maps VALUES (?, ?)", (name, content))


# writing


def stage(db: sqlite3.Connection, video: int, windows: Sequence[EmbeddedWindow]) -> None:
    """Put windows of the unfinished video with this number aside, where no search sees them."""
    rows = ((video, w.start, w.end, w.strength, *_blobs(w)) for w in windows)
    db.executemany("INSERT INTO staged VALUES (?, ?, ?, ?, ?, ?, ?)", rows)


def put_video(
    db: sqlite3.Connection, number: int, state: FileState, windows: Iterable[EmbeddedWindow], error: str
) -> None:
    """Put a finished video in the place of what was known of its path; its staged windows come first."""
    db.execute("DELETE FROM videos WHERE path = ?", (state.path,))
    values = (state.path, state.size, state.mtime, state.sha256, error)
    video = db.execute("INSERT INTO videos VALUES (NULL, ?, ?, ?, ?, ?)", values).lastrowid
    staged = db.execute(
        "SELECT start, end, strength, motion, appearance, thumbnail FROM staged WHERE video = ? ORDER BY start",
        (number,),
    )
    for row in chain(staged, ((w.start, w.end, w.strength, *_blobs(w)) for w in windows)):
        window = db.execute("INSERT INTO windows VALUES (NULL, ?, ?, ?, ?)", (video, *row[:3])).lastrowid
        db.execute("INSERT INTO vectors VALUES (?, ?, ?, ?)", (window, *row[3:]))
    db.execute("DELETE FROM staged WHERE video = ?", (number,))


def drop_videos(db: sqlite3.Connection, paths: Iterable[str]) -> None:
    """Forget videos and their windows."""
    db.executemany("DELETE FROM videos WHERE path = ?", ((path,) for path in paths))


def restate_video(db: sqlite3.Connection, path: str, state: FileState) -> None:
    """Note that the video of a path now lies elsewhere, or has another time, with the same content."""
    values = (state.path, state.size, state.mtime, path)
    db.execute("UPDATE videos SET path = ?, size = ?, mtime = ? WHERE path = ?", values)


def _blobs(window: EmbeddedWindow) -> tuple[bytes, bytes, bytes]:
    return window.motion.tobytes(), window.appearance.tobytes(), window.thumbnail


# reading


def file_states(db: sqlite3.Connection) -> dict[str, FileState]:
    """What was known of each indexed file, by path."""
    return {row[0]: FileState(*row) for row in db.execute("SELECT path, size, mtime, sha256 FROM videos")}


def indexed_videos(db: sqlite3.Connection) -> list[IndexedVideo]:
    """All videos, sorted by path."""
    query = """SELECT path, count(windows.id), error, min(windows.id)
               FROM videos LEFT JOIN windows ON windows.video = videos.id
               GROUP BY videos.id ORDER BY path"""
    return [IndexedVideo(_text(path), count, _text(error), first) for path, count, error, first in db.execute(query)]


def condition(
    filters: Filters, without: Sequence[str] = (), apart: tuple[str, float, float] | None = None
) -> tuple[str, list[Any]]:
    """The filters as SQL on ``windows`` and ``videos``, and its values.

    Args:
        filters: which windows may be found.
        without: contents to leave out.
        apart: a content of which what overlaps the seconds from start to end is left out.
    """
    parts, values = [f"videos.sha256 NOT IN ({', '.join('?' * len(without))})"], list[Any](without)
    if apart is not None:
        parts.append("NOT (videos.sha256 = ? AND windows.end > ? AND windows.start < ?)")
        values.extend(apart)
    for sql, value in (
        ("videos.path GLOB ?", filters.path),
        ("windows.start >= ?", filters.after),
        ("windows.end <= ?", filters.before),
        ("windows.strength >= ?", filters.min_strength),
        ("windows.strength <= ?", filters.max_strength),
    ):
        if value is not None:
            parts.append(sql)
            values.append(value)
    return " AND ".join(parts), values


def windows_at(db: sqlite3.Connection, places: Iterable[tuple[str, float, float]]) -> list[tuple[Window, ...]]:
    """The windows at each of ``places`` (content, start and end in seconds): several where a video has copies."""
    query = """SELECT windows.id, path, start, end, strength FROM windows JOIN videos ON windows.video = videos.id
               WHERE sha256 = ? AND abs(start - ?) < 1e-6 AND abs(end - ?) < 1e-6 ORDER BY windows.id"""
    return [tuple(map(_window, db.execute(query, place))) for place in places]


def place_of(db: sqlite3.Connection, number: int) -> tuple[str, float, float] | None:
    """The content, start and end of a window, which stay when the index is made anew; None if there is no such one."""
    query = "SELECT sha256, start, end FROM windows JOIN videos ON windows.video = videos.id WHERE windows.id = ?"
    return db.execute(query, (number,)).fetchone()


def windows_where(db: sqlite3.Connection, where: str, values: Sequence[Any]) -> Iterator[Window]:
    """The windows that meet a condition, sorted by path and time."""
    query = f"""SELECT windows.id, path, start, end, strength FROM windows JOIN videos ON windows.video = videos.id
                WHERE {where} ORDER BY path, start"""
    return map(_window, db.execute(query, values))


def ids_where(db: sqlite3.Connection, where: str, values: Sequence[Any]) -> np.ndarray:
    """(N,) int64: the windows that meet a condition, sorted."""
    query = f"SELECT windows.id FROM windows JOIN videos ON windows.video = videos.id WHERE {where}"
    rows = db.execute(query, values).fetchall()
    return np.sort(np.array(rows, np.int64).reshape(-1))


def vectors_after(db: sqlite3.Connection, by: By, last: int) -> Iterator[tuple[int, bytes]]:
    """The windows whose number is above ``last`` and their vectors, in the order of numbers."""
    return db.execute(f"SELECT id, {by} FROM vectors WHERE id > ? ORDER BY id", (last,))


def vectors_of(db: sqlite3.Connection, by: By, ids: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Those of ``ids`` that there are, (N,) int64 sorted, and their vectors (N, D) float32."""
    query = f"SELECT id, {by} FROM vectors WHERE id IN ({', '.join(map(str, ids.tolist()))}) ORDER BY id"
    return as_matrix(db.execute(query).fetchall())


def videos_of(db: sqlite3.Connection, ids: np.ndarray) -> np.ndarray:
    """(N,) int64: the numbers of the videos that the windows ``ids`` (N,), which exist and are sorted, belong to."""
    if not len(ids):
        return ids
    query = "SELECT id, video FROM windows WHERE id BETWEEN ? AND ? ORDER BY id"
    rows = np.array(db.execute(query, (int(ids[0]), int(ids[-1]))).fetchall(), np.int64)
    videos: np.ndarray = rows[np.isin(rows[:, 0], ids), 1]
    return videos


def as_matrix(rows: Sequence[tuple[int, bytes]]) -> tuple[np.ndarray, np.ndarray]:
    """Numbers (N,) int64 and vectors (N, D) float32 of rows; (0,) and (0, 0) of none."""
    numbers = np.array([row[0] for row in rows], np.int64)
    if len({len(_blob(row[1])) for row in rows}) > 1 or (rows and len(rows[0][1]) % 4):
        raise sqlite3.DatabaseError("a vector has another length than the others")
    joined = np.frombuffer(b"".join(row[1] for row in rows), np.float32)
    return numbers, joined.reshape(len(rows), -1) if rows else joined.reshape(0, 0)


def thumbnail_of(db: sqlite3.Connection, number: int) -> bytes | None:
    """The picture of a window as JPEG; None if there is no such window."""
    row = db.execute("SELECT thumbnail FROM vectors WHERE id = ?", (number,)).fetchone()
    return None if row is None else _blob(row[0])


# SQLite reads values of any kind from a damaged file, whatever the table's columns say


def _blob(value: Any) -> bytes:
    return _checked(value, bytes)


def _text(value: Any) -> str:
    return _checked(value, str)


def _window(row: tuple[Any, ...]) -> Window:
    number, path, *seconds = row
    return Window(number, _text(path), *(_checked(value, float) for value in seconds))


def _checked(value: Any, kind: type[Value]) -> Value:
    if not isinstance(value, kind):
        raise sqlite3.DatabaseError(f"it holds {type(value).__name__} where {kind.__name__} belongs")
    return value
