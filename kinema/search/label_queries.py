"""Reading labels from their tables: of a video, of a class, of windows; and counting them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from kinema.search import values
from kinema.search.label_acts import Label
from kinema.search.labelled_videos import AT_A_TIME
from kinema.search.store import Database

_SELECT = """SELECT labels.id, labels.state, content, start, "end", name, subject, confidence, "by", at
             FROM labels JOIN classes ON classes.id = labels.class AND classes.until IS NULL
             WHERE labels.until IS NULL"""

_TOUCHING = 'content = ? AND start <= ? AND "end" >= ?'


@dataclass(frozen=True)
class LabelClass:
    """A class of labels.

    Attributes:
        name: of 1 to 120 letters.
        colour: as ``#rrggbb``.
        count: labels that it has.
        seconds: how long they are together; where they overlap, more than once.
    """

    name: str
    colour: str
    count: int
    seconds: float


def classes(db: Database) -> tuple[LabelClass, ...]:
    """All classes, in the order in which they came up."""
    counts = """SELECT class, count(*) AS number, sum("end" - start) AS seconds FROM labels
                WHERE until IS NULL GROUP BY class"""
    query = f"""SELECT name, colour, coalesce(number, 0), coalesce(seconds, 0.0) FROM classes
                LEFT JOIN ({counts}) AS counts ON counts.class = classes.id WHERE until IS NULL ORDER BY id"""
    rows = db.execute(query).fetchall()
    return tuple(LabelClass(values.text(name), values.text(colour), *rest) for name, colour, *rest in rows)


def total(db: Database) -> int:
    """How many labels there are."""
    return db.execute("SELECT count(*) FROM labels WHERE until IS NULL").fetchone()[0]


def contents(db: Database) -> Iterator[str]:
    """The contents of labelled videos."""
    query = "SELECT min(content) FROM labels WHERE until IS NULL AND content > ?"
    content = ""
    while content is not None:  # a step in the index each, however many labels it has
        content = db.execute(query, (content,)).fetchone()[0]
        if content is not None:
            yield values.text(content)


def all_labels(db: Database) -> Iterator[Label]:
    """All labels, sorted by content and time."""
    return _labels(db, 'ORDER BY content, start, "end"')


def of_video(db: Database, content: str, start: float, end: float, most: int) -> list[Label]:
    """The labels of a video that touch the seconds from start to end, or the first ``most`` of them, sorted by time."""
    rest = f'AND {_TOUCHING} ORDER BY start, "end", labels.id LIMIT ?'
    return list(_labels(db, rest, (content, end, start, most)))


def count_of_video(db: Database, content: str, start: float, end: float) -> int:
    """How many labels of a video touch the seconds from start to end."""
    query = f"SELECT count(*) FROM labels WHERE until IS NULL AND {_TOUCHING}"
    return db.execute(query, (content, end, start)).fetchone()[0]


def of_class(db: Database, number: int, offset: int, count: int) -> list[Label]:
    """A page of the labels of a class, by its number, newest first."""
    return list(_labels(db, "AND class = ? ORDER BY labels.id DESC LIMIT ? OFFSET ?", (number, count, offset)))


def with_ids(db: Database, ids: Iterable[int]) -> list[Label]:
    """The labels with these numbers that there are, sorted by number."""
    wanted, found = sorted(set(ids)), list[Label]()
    for at in range(0, len(wanted), AT_A_TIME):
        part = wanted[at : at + AT_A_TIME]
        found += _labels(db, f"AND labels.id IN ({', '.join('?' * len(part))}) ORDER BY labels.id", part)
    return found


def _labels(db: Database, rest: str, bound: Sequence[Any] = ()) -> Iterator[Label]:
    for row in db.execute(f"{_SELECT} {rest}", bound):
        number, state, content, start, end, name, *about = row
        values.interval(start, end)
        yield Label(number, state, values.text(content), start, end, values.text(name), *about)
