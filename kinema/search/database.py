"""The windows of a library in its database: what there is, from which video, with which vectors.

A video's windows appear at once and in full, and what they replace goes in the same moment.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from typing import TYPE_CHECKING, Any

import numpy as np

from kinema.search import values
from kinema.search.about import has_boxes, set_about
from kinema.search.results import By, Filters, IndexedVideo, Window
from kinema.search.sampling import evenly
from kinema.search.store import Database
from kinema.search.tables import FORMAT, FORMAT_WITH_BOXES

if TYPE_CHECKING:
    from kinema.search.embedder import EmbeddedWindow

STAGE = 512
"""Windows of an unfinished video that are held in memory; more of them wait in the database, unseen by searches."""
AT_A_TIME = 20_000
"""Vectors that are read at a time."""

Allowed = tuple[str, tuple[Any, ...]]
"""Which windows may be found: SQL on ``windows`` and ``videos``, and its values."""

_WINDOW, _BLOBS = 'start, "end", strength', "motion, appearance, thumbnail"


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


def create_tables(db: Database, about: dict[str, Any]) -> None:
    """Make the tables of an index; ``about`` is what they say of themselves, as JSON."""
    db.make_index(boxes=about.get("format") == FORMAT_WITH_BOXES)
    for name, value in {"format": FORMAT, "state": 0, **about}.items():
        set_about(db, name, value)


# writing


def stage(db: Database, video: int, windows: Sequence[EmbeddedWindow]) -> None:
    """Put windows of the unfinished video with this number aside, where no search sees them."""
    insert = f"INSERT INTO staged (video, {_WINDOW}, {_BLOBS}) VALUES (?, ?, ?, ?, ?, ?, ?)"
    rows = [(video, window.start, window.end, window.strength, *_blobs(window)) for window in windows]
    if any(window.place is None for window in windows):
        db.executemany(insert, rows)
        return
    for window, row in zip(windows, rows, strict=True):
        assert window.place is not None
        box, subject = window.place.box, window.place.subject
        number = db.execute(f"{insert} RETURNING rowid", row).fetchone()[0]
        placed = (number, box.left, box.top, box.right, box.bottom, subject)
        db.execute("INSERT INTO staged_boxes VALUES (?, ?, ?, ?, ?, ?)", placed)


def put_video(db: Database, number: int, state: FileState, windows: Iterable[EmbeddedWindow], error: str) -> None:
    """Put a finished video in the place of what was known of its path; its staged windows come first."""
    db.execute("DELETE FROM videos WHERE path = ?", (state.path,))
    row = (state.path, state.size, state.mtime, state.sha256, error)
    insert = "INSERT INTO videos (path, size, mtime, sha256, error) VALUES (?, ?, ?, ?, ?) RETURNING id"
    video = db.execute(insert, row).fetchone()[0]
    if has_boxes(db):
        _put_placed(db, number, video, windows)
    else:
        query = f"SELECT {_WINDOW}, {_BLOBS} FROM staged WHERE video = ? ORDER BY start"
        staged = db.stream(query, (number,))
        _put_windows(db, video, chain(staged, ((w.start, w.end, w.strength, *_blobs(w)) for w in windows)))
    drop_staged(db, number)


def _put_placed(db: Database, number: int, video: int, windows: Iterable[EmbeddedWindow]) -> None:
    """As :func:`put_video`, with where windows lie; those of a subject follow one another, as searches need them."""
    stage(db, number, list(windows))
    box = '"left", top, "right", bottom, subject'
    staged = db.execute(
        f"""SELECT {_WINDOW}, {_BLOBS}, {box} FROM staged JOIN staged_boxes ON staged.rowid = staged_boxes.id
            WHERE video = ? ORDER BY subject, start""",
        (number,),
    ).fetchall()
    ids = _put_windows(db, video, (row[:6] for row in staged))
    run = db.execute("SELECT coalesce(max(run), 0) FROM boxes").fetchone()[0]
    places, before = [], None
    for window, row in zip(ids, staged, strict=True):
        run += row[-1] != before
        before = row[-1]
        places.append((window, *row[6:], run))
    db.executemany("INSERT INTO boxes VALUES (?, ?, ?, ?, ?, ?, ?)", places)


def _put_windows(db: Database, video: int, rows: Iterable[Sequence[Any]]) -> list[int]:
    """Give a video windows, a few at a time, in this order; return their numbers, which grow."""
    insert, found = f"INSERT INTO windows (video, {_WINDOW}) VALUES (?, ?, ?, ?)", list[int]()
    last = db.execute("SELECT coalesce(max(id), 0) FROM windows").fetchone()[0]
    rows = iter(rows)
    while part := list(islice(rows, STAGE)):
        db.executemany(insert, [(video, *row[:3]) for row in part])
        query = "SELECT id FROM windows WHERE id > ? ORDER BY id"  # all of them ours: nobody else writes meanwhile
        ids = [number for (number,) in db.execute(query, (last,)).fetchall()]
        blobs = [(number, *row[3:]) for number, row in zip(ids, part, strict=True)]
        db.executemany("INSERT INTO vectors VALUES (?, ?, ?, ?)", blobs)
        last = ids[-1]
        found += ids
    return found


def drop_staged(db: Database, number: int | None = None) -> None:
    """Forget the windows that were put aside of one unfinished video, or of all."""
    where, bound = ("", ()) if number is None else (" WHERE video = ?", (number,))
    if has_boxes(db):
        db.execute(f"DELETE FROM staged_boxes WHERE id IN (SELECT rowid FROM staged{where})", bound)
    db.execute(f"DELETE FROM staged{where}", bound)


def drop_videos(db: Database, paths: Iterable[str]) -> None:
    """Forget videos and their windows."""
    db.executemany("DELETE FROM videos WHERE path = ?", ((path,) for path in paths))


def restate_video(db: Database, path: str, state: FileState) -> None:
    """Note that the video of a path now lies elsewhere, or has another time, with the same content."""
    if path != state.path and db.execute("SELECT 1 FROM videos WHERE path = ?", (state.path,)).fetchone():
        return  # another process has put it in; the old path is gone the next time
    now = (state.path, state.size, state.mtime, path)
    db.execute("UPDATE videos SET path = ?, size = ?, mtime = ? WHERE path = ?", now)


def _blobs(window: EmbeddedWindow) -> tuple[bytes, bytes, bytes]:
    return window.motion.tobytes(), window.appearance.tobytes(), window.thumbnail


# reading


def file_states(db: Database) -> dict[str, FileState]:
    """What was known of each indexed file, by path."""
    return {row[0]: FileState(*row) for row in db.execute("SELECT path, size, mtime, sha256 FROM videos")}


def indexed_videos(db: Database) -> list[IndexedVideo]:
    """All videos, sorted by path."""
    query = """SELECT path, count(windows.id), error, min(windows.id)
               FROM videos LEFT JOIN windows ON windows.video = videos.id
               GROUP BY videos.id ORDER BY path"""
    return [
        IndexedVideo(values.text(path), count, values.text(error), first)
        for path, count, error, first in db.execute(query)
    ]


def condition(filters: Filters, without: Sequence[str] = (), apart: tuple[str, float, float] | None = None) -> Allowed:
    """The filters as SQL on ``windows`` and ``videos``, and its values.

    Args:
        filters: which windows may be found.
        without: contents to leave out.
        apart: a content of which what overlaps the seconds from start to end is left out.
    """
    parts, bound = ["videos.sha256 <> ?" for _ in without], list[Any](without)
    if apart is not None:
        parts.append('NOT (videos.sha256 = ? AND windows."end" > ? AND windows.start < ?)')
        bound.extend(apart)
    for sql, value in (
        ("glob(?, videos.path)", filters.path),
        ("windows.start >= ?", filters.after),
        ('windows."end" <= ?', filters.before),
        ("windows.strength >= ?", filters.min_strength),
        ("windows.strength <= ?", filters.max_strength),
    ):
        if value is not None:
            parts.append(sql)
            bound.append(value)
    return " AND ".join(parts) or "1 = 1", tuple(bound)


def windows_where(db: Database, where: str, bound: Sequence[Any]) -> Iterator[Window]:
    """The windows that meet a condition, sorted by path and time."""
    query = f"""SELECT windows.id, path, start, "end", strength FROM windows JOIN videos ON windows.video = videos.id
                WHERE {where} ORDER BY path, start"""
    return map(values.window, db.execute(query, bound))


def ids_where(db: Database, where: str, bound: Sequence[Any]) -> np.ndarray:
    """(N,) int64: the windows that meet a condition, sorted.

    Videos are looked at first, which are few, and of those that meet it the windows: an index lists them.
    """
    query = f"SELECT windows.id FROM videos CROSS JOIN windows WHERE windows.video = videos.id AND ({where})"
    return np.sort(_numbers(db.execute(query, bound).fetchall()))


def all_ids(db: Database) -> np.ndarray:
    """(N,) int64: all windows, sorted."""
    return _numbers(db.execute("SELECT id FROM windows ORDER BY id").fetchall())


def _numbers(rows: Sequence[tuple[int]]) -> np.ndarray:
    return np.fromiter((number for (number,) in rows), np.int64, len(rows))


def some_ids(db: Database, most: int) -> np.ndarray:
    """(N,) int64: windows drawn evenly by their numbers, sorted; at most ``most``, or all. It is as quick of many."""
    first, last = db.execute("SELECT min(id), max(id) FROM windows").fetchone()
    if first is None or last - first < most:
        ids = all_ids(db)
        return ids[evenly(len(ids), most)]
    places = first + evenly(last - first + 1, most)
    asked = ", ".join(f"({place})" for place in places.tolist())
    query = f"SELECT (SELECT min(id) FROM windows WHERE id >= column1) FROM (VALUES {asked}) AS places"
    return np.unique(_numbers(db.execute(query).fetchall()))


def vectors_after(db: Database, by: By, after: int, last: int | None = None) -> Iterator[tuple[int, bytes]]:
    """The windows whose number is above ``after``, up to ``last``, and their vectors, in the order of numbers."""
    up_to = "" if last is None else f" AND id <= {last}"
    query = f"SELECT id, {by} FROM vectors WHERE id > ?{up_to} ORDER BY id LIMIT {AT_A_TIME}"
    while rows := db.execute(query, (after,)).fetchall():
        yield from rows
        after = rows[-1][0]


def vectors_of(db: Database, by: By, ids: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Those of ``ids`` that there are, (N,) int64 sorted, and their vectors (N, D) float32."""
    query = f"SELECT id, {by} FROM vectors WHERE id {values.among(ids.tolist())} ORDER BY id"
    return values.as_matrix(db.execute(query).fetchall())


def videos_of(db: Database, ids: np.ndarray) -> np.ndarray:
    """(N,) int64: which of the windows ``ids`` (N,), which exist and are sorted, follow one another: the number of
    their video, or that of the run of their subject where an index has boxes."""
    if not len(ids):
        return ids
    if ids[-1] - ids[0] < 4 * len(ids):  # to read all between them is quicker
        among = f"BETWEEN {ids[0]} AND {ids[-1]}"
    else:
        among = values.among(ids.tolist())
    table, run = ("boxes", "run") if has_boxes(db) else ("windows", "video")
    rows = db.execute(f"SELECT id, {run} FROM {table} WHERE id {among} ORDER BY id").fetchall()
    found = np.array(rows, np.int64)
    videos: np.ndarray = found[np.isin(found[:, 0], ids), 1]
    return videos


def thumbnail_of(db: Database, number: int) -> bytes | None:
    """The picture of a window as JPEG; None if there is no such window."""
    row = db.execute("SELECT thumbnail FROM vectors WHERE id = ?", (number,)).fetchone()
    return None if row is None else values.blob(row[0])
