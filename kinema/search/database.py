"""The windows of a library in one SQLite file: what there is, from which video, with which vectors.

A video's windows appear at once and in full, and what they replace goes in the same moment.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kinema.search import placing, values
from kinema.search.about import set_about
from kinema.search.connection import DATABASE, snapshot
from kinema.search.results import By, Filters, IndexedVideo, Window
from kinema.search.sampling import evenly

if TYPE_CHECKING:
    from kinema.search.embedder import EmbeddedWindow

FORMAT = 2
"""Version of the tables; an index of another one has to be made anew."""
FORMAT_WITH_BOXES = 3
"""That of an index whose windows are cut around subjects, which earlier versions of kinema know nothing of."""
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


def has_tables(folder: Path) -> bool:
    """Whether there is an index, and not the beginning of one that was killed."""
    if not (folder / DATABASE).is_file():
        return False
    with snapshot(folder) as db:
        return db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0] > 0


def create_tables(db: sqlite3.Connection, about: dict[str, Any]) -> None:
    """Make the tables; ``about`` is what they say of themselves, as JSON."""
    boxes = placing.TABLES if about.get("format") == FORMAT_WITH_BOXES else ""
    for statement in (_TABLES + boxes).split(";"):
        db.execute(statement)
    for name, value in {"format": FORMAT, "state": 0, **about}.items():
        set_about(db, name, value)


# writing


def stage(db: sqlite3.Connection, video: int, windows: Sequence[EmbeddedWindow]) -> None:
    """Put windows of the unfinished video with this number aside, where no search sees them."""
    for window in windows:
        row = (video, window.start, window.end, window.strength, *_blobs(window))
        number = db.execute("INSERT INTO staged VALUES (?, ?, ?, ?, ?, ?, ?)", row).lastrowid
        if window.place is not None:
            db.execute("INSERT INTO staged_boxes VALUES (?, ?, ?, ?, ?, ?)", (number, *placing.row_of(window.place)))


def put_video(
    db: sqlite3.Connection, number: int, state: FileState, windows: Iterable[EmbeddedWindow], error: str
) -> None:
    """Put a finished video in the place of what was known of its path; its staged windows come first."""
    db.execute("DELETE FROM videos WHERE path = ?", (state.path,))
    row = (state.path, state.size, state.mtime, state.sha256, error)
    video = db.execute("INSERT INTO videos VALUES (NULL, ?, ?, ?, ?, ?)", row).lastrowid
    if placing.has_boxes(db):
        _put_placed(db, number, video, windows)
        return
    staged = db.execute(
        "SELECT start, end, strength, motion, appearance, thumbnail FROM staged WHERE video = ? ORDER BY start",
        (number,),
    )
    for start, end, strength, *blobs in chain(staged, ((w.start, w.end, w.strength, *_blobs(w)) for w in windows)):
        place = (video, start, end, strength)
        window = db.execute("INSERT INTO windows VALUES (NULL, ?, ?, ?, ?)", place).lastrowid
        db.execute("INSERT INTO vectors VALUES (?, ?, ?, ?)", (window, *blobs))
    drop_staged(db, number)


def _put_placed(db: sqlite3.Connection, number: int, video: int | None, windows: Iterable[EmbeddedWindow]) -> None:
    """As :func:`put_video`, with where windows lie; those of a subject follow one another, as searches need them."""
    stage(db, number, list(windows))
    staged = db.execute(
        """SELECT start, end, strength, "left", top, "right", bottom, subject, motion, appearance, thumbnail
           FROM staged JOIN staged_boxes ON staged.rowid = staged_boxes.id WHERE video = ? ORDER BY subject, start""",
        (number,),
    )
    run = db.execute("SELECT coalesce(max(run), 0) FROM boxes").fetchone()[0]
    before: str | None = None
    for start, end, strength, *place, motion, appearance, thumbnail in staged.fetchall():
        run += place[4] != before
        before = place[4]
        row = (video, start, end, strength)
        window = db.execute("INSERT INTO windows VALUES (NULL, ?, ?, ?, ?)", row).lastrowid
        db.execute("INSERT INTO vectors VALUES (?, ?, ?, ?)", (window, motion, appearance, thumbnail))
        db.execute("INSERT INTO boxes VALUES (?, ?, ?, ?, ?, ?, ?)", (window, *place, run))
    drop_staged(db, number)


def drop_staged(db: sqlite3.Connection, number: int | None = None) -> None:
    """Forget the windows that were put aside of one unfinished video, or of all."""
    where, bound = ("", ()) if number is None else (" WHERE video = ?", (number,))
    if placing.has_boxes(db):
        db.execute(f"DELETE FROM staged_boxes WHERE id IN (SELECT rowid FROM staged{where})", bound)
    db.execute(f"DELETE FROM staged{where}", bound)


def drop_videos(db: sqlite3.Connection, paths: Iterable[str]) -> None:
    """Forget videos and their windows."""
    db.executemany("DELETE FROM videos WHERE path = ?", ((path,) for path in paths))


def restate_video(db: sqlite3.Connection, path: str, state: FileState) -> None:
    """Note that the video of a path now lies elsewhere, or has another time, with the same content."""
    now = (state.path, state.size, state.mtime, path)
    db.execute("UPDATE videos SET path = ?, size = ?, mtime = ? WHERE path = ?", now)


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
    return [
        IndexedVideo(values.text(path), count, values.text(error), first)
        for path, count, error, first in db.execute(query)
    ]


def condition(
    filters: Filters, without: Sequence[str] = (), apart: tuple[str, float, float] | None = None
) -> tuple[str, list[Any]]:
    """The filters as SQL on ``windows`` and ``videos``, and its values.

    Args:
        filters: which windows may be found.
        without: contents to leave out.
        apart: a content of which what overlaps the seconds from start to end is left out.
    """
    parts, bound = [f"videos.sha256 NOT IN ({', '.join('?' * len(without))})"], list[Any](without)
    if apart is not None:
        parts.append("NOT (videos.sha256 = ? AND windows.end > ? AND windows.start < ?)")
        bound.extend(apart)
    for sql, value in (
        ("videos.path GLOB ?", filters.path),
        ("windows.start >= ?", filters.after),
        ("windows.end <= ?", filters.before),
        ("windows.strength >= ?", filters.min_strength),
        ("windows.strength <= ?", filters.max_strength),
    ):
        if value is not None:
            parts.append(sql)
            bound.append(value)
    return " AND ".join(parts), bound


def place_of(db: sqlite3.Connection, number: int) -> tuple[str, float, float] | None:
    """The content, start and end of a window, which stay when the index is made anew; None if there is no such one."""
    query = "SELECT sha256, start, end FROM windows JOIN videos ON windows.video = videos.id WHERE windows.id = ?"
    return db.execute(query, (number,)).fetchone()


def windows_where(db: sqlite3.Connection, where: str, bound: Sequence[Any]) -> Iterator[Window]:
    """The windows that meet a condition, sorted by path and time."""
    query = f"""SELECT windows.id, path, start, end, strength FROM windows JOIN videos ON windows.video = videos.id
                WHERE {where} ORDER BY path, start"""
    return map(values.window, db.execute(query, bound))


def ids_where(db: sqlite3.Connection, where: str, bound: Sequence[Any]) -> np.ndarray:
    """(N,) int64: the windows that meet a condition, sorted.

    Videos are looked at first, which are few, and of those that meet it the windows: an index lists them.
    """
    query = f"SELECT windows.id FROM videos CROSS JOIN windows ON windows.video = videos.id WHERE {where}"
    return np.sort(_numbers(db.execute(query, bound).fetchall()))


def all_ids(db: sqlite3.Connection) -> np.ndarray:
    """(N,) int64: all windows, sorted."""
    return _numbers(db.execute("SELECT id FROM windows ORDER BY id").fetchall())


def _numbers(rows: Sequence[tuple[int]]) -> np.ndarray:
    return np.fromiter((number for (number,) in rows), np.int64, len(rows))


def some_ids(db: sqlite3.Connection, most: int) -> np.ndarray:
    """(N,) int64: windows drawn evenly by their numbers, sorted; at most ``most``, or all. It is as quick of many."""
    first, last = db.execute("SELECT min(id), max(id) FROM windows").fetchone()
    if first is None or last - first < most:
        ids = all_ids(db)
        return ids[evenly(len(ids), most)]
    places = first + evenly(last - first + 1, most)
    query = "SELECT (SELECT min(id) FROM windows WHERE id >= value) FROM json_each(?)"
    return np.unique(_numbers(db.execute(query, (json.dumps(places.tolist()),)).fetchall()))


def vectors_after(db: sqlite3.Connection, by: By, last: int) -> Iterator[tuple[int, bytes]]:
    """The windows whose number is above ``last`` and their vectors, in the order of numbers."""
    return db.execute(f"SELECT id, {by} FROM vectors WHERE id > ? ORDER BY id", (last,))


def vectors_of(db: sqlite3.Connection, by: By, ids: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Those of ``ids`` that there are, (N,) int64 sorted, and their vectors (N, D) float32."""
    query = f"SELECT id, {by} FROM vectors WHERE id IN ({', '.join(map(str, ids.tolist()))}) ORDER BY id"
    return values.as_matrix(db.execute(query).fetchall())


def videos_of(db: sqlite3.Connection, ids: np.ndarray) -> np.ndarray:
    """(N,) int64: which of the windows ``ids`` (N,), which exist and are sorted, follow one another: the number of
    their video, or that of the run of their subject where an index has boxes."""
    if not len(ids):
        return ids
    if ids[-1] - ids[0] < 4 * len(ids):  # to read all between them is quicker
        among = f"BETWEEN {ids[0]} AND {ids[-1]}"
    else:
        among = f"IN ({', '.join(map(str, ids.tolist()))})"
    table, run = ("boxes", "run") if placing.has_boxes(db) else ("windows", "video")
    rows = db.execute(f"SELECT id, {run} FROM {table} WHERE id {among} ORDER BY id").fetchall()
    found = np.array(rows, np.int64)
    videos: np.ndarray = found[np.isin(found[:, 0], ids), 1]
    return videos


def thumbnail_of(db: sqlite3.Connection, number: int) -> bytes | None:
    """The picture of a window as JPEG; None if there is no such window."""
    row = db.execute("SELECT thumbnail FROM vectors WHERE id = ?", (number,)).fetchone()
    return None if row is None else values.blob(row[0])
