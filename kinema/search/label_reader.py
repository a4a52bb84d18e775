"""What labels there are: of a video, of a class, of windows, as intervals, as examples."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kinema.annotations.interval import Interval
from kinema.search import label_history, labelled_windows, values
from kinema.search.connection import snapshot, store_of
from kinema.search.label_acts import Label
from kinema.search.label_classes import Classes
from kinema.search.label_history import Version
from kinema.search.labelled_videos import IndexedVideos, VideoRow, video_of_window, videos_with
from kinema.search.labelled_windows import LabelledWindow
from kinema.search.store import Database

MOST = 1_000_000
"""Labels of an index."""
ALWAYS = 2.0**40
"""Seconds, later than any label ends."""

_SELECT = """SELECT labels.id, labels.state, content, start, "end", name, subject, confidence, "by", at
             FROM labels JOIN classes ON classes.id = labels.class AND classes.until IS NULL
             WHERE labels.until IS NULL"""
_SORTED = 'ORDER BY content, start, "end"'
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


@dataclass(frozen=True)
class State:
    """What there is at one moment, but for the labels themselves.

    Attributes:
        version: of the last change; grows with each.
        classes: in the order in which they came up.
        total: how many labels there are.
        undoable: the change that :meth:`Labels.undo` takes back next; None if there is none.
        redoable: the change that :meth:`Labels.redo` does again next; None if there is none.
    """

    version: int
    classes: tuple[LabelClass, ...]
    total: int
    undoable: int | None
    redoable: int | None


class LabelReader:
    """Reads the labels of an index; see :class:`~kinema.search.labels.Labels`, which also changes them."""

    def __init__(self, index: str | Path, keep: bool = True):
        store = store_of(index)
        self._index = store.path
        self._lock = threading.Lock()
        self._tables = store.labels(keep)
        self.path, self.kept = self._tables.path, self._tables.kept
        self._db: Database

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._tables.close()

    def version(self) -> int:
        """The version of the last change; 0 before the first."""
        with self._reading():
            return label_history.latest(self._db)

    def state(self) -> State:
        """The version, the classes with their numbers, and what can be undone and redone."""
        with self._reading():
            undoable, redoable = label_history.undoable(self._db), label_history.redoable(self._db)
            version, classes = label_history.latest(self._db), self._classes()
            return State(version, classes, sum(one.count for one in classes), undoable, redoable)

    def of_video(
        self, video: int, start: float = 0.0, end: float = ALWAYS, most: int = MOST
    ) -> tuple[int, list[Label]]:
        """How many labels of a video touch the seconds from ``start`` to ``end``, and the first ``most`` of them.

        Args:
            video: the number of any of its windows.
            start: seconds.
            end: seconds.
            most: labels that are given.

        Raises:
            DataError: there is no such window.
        """
        with snapshot(self._index) as db:
            content = video_of_window(db, video).content
        with self._reading():
            return self._count_touching(content, start, end), self._touching(content, start, end, most)

    def of_class(self, label: str, offset: int = 0, count: int = MOST) -> list[Label]:
        """A page of the labels of a class, newest first.

        Raises:
            DataError: there is no such class.
        """
        with self._reading():
            number = Classes(self._db, 0).named(label).id
            page = "AND class = ? ORDER BY labels.id DESC LIMIT ? OFFSET ?"
            return list(self._labels(page, (number, count, offset)))

    def with_ids(self, ids: Iterable[int]) -> list[Label]:
        """The labels with these numbers that there are, sorted by number."""
        with self._reading():
            return list(self._labels(f"AND labels.id {values.among(map(int, ids))} ORDER BY labels.id"))

    def of_windows(self, numbers: Sequence[int]) -> dict[int, LabelledWindow]:
        """What windows are labelled, by their numbers; where no label touches one, or there is none, it is left out."""
        found: dict[int, LabelledWindow] = {}
        with snapshot(self._index) as db:
            by_content = labelled_windows.by_content(db, numbers)
        with self._reading():
            for content, windows in by_content.items():
                first, last = min(window.start for window in windows), max(window.end for window in windows)
                labels = self._touching(content, first, last, MOST)
                if labels:
                    told = labelled_windows.labelled(windows, labels)
                    found |= {window.id: one for window, one in zip(windows, told, strict=True)}
        return found

    def intervals(self, videos: IndexedVideos | None = None) -> list[Interval]:
        """All labels of videos that the index holds, as every format of labels can be made from them.

        Args:
            videos: what is known of the videos, where it is known already; its notes say how many labels are left out.
        """
        videos = videos or IndexedVideos(self._index)
        found, names, missing = [], dict[str, str | None](), 0
        with self._reading():
            for one in self._labels(_SORTED):
                if one.content not in names:
                    names[one.content] = videos.name(one.content)
                name = names[one.content]
                if name is None:
                    missing += 1
                else:
                    found.append(Interval(name, one.start, one.end, one.label, one.subject, one.confidence))
        if missing:
            said = f"{missing} label{'s' * (missing > 1)} of videos that the index does not hold now"
            videos.notes.append(f"{said} {'are' if missing > 1 else 'is'} left out")
        return found

    def missing(self) -> int:
        """How many labels are of videos that the index does not hold now."""
        with self._reading(), snapshot(self._index) as db:
            contents = list(self._contents())
            there = videos_with(db, contents)
            gone = [content for content in contents if content not in there]
            return sum(self._count_touching(content, -ALWAYS, ALWAYS) for content in gone)

    def videos(self) -> list[VideoRow]:
        """The labelled videos that the index holds; of copies the first."""
        with self._reading(), snapshot(self._index) as db:
            return list(videos_with(db, self._contents()).values())

    def examples(self) -> dict[int, str]:
        """The windows that are of one class alone, by number, with that class; what a classifier learns from.

        A window is of the classes of the labels that begin and end with it, or, where there are none, of those whose
        labels cover more than half of it. Points in time cover nothing. Of copies of a video one counts.
        """
        spans: dict[str, list[tuple[float, float, str]]] = {}
        with self._reading():
            for one in self._labels(_SORTED):
                spans.setdefault(one.content, []).append((one.start, one.end, one.label))
        with snapshot(self._index) as db:
            return labelled_windows.examples(db, spans)

    def history(self, before: int | None = None, count: int = 100) -> list[Version]:
        """The last ``count`` changes before a version, or of all; newest first."""
        with self._reading():
            return label_history.history(self._db, before, count)

    @contextmanager
    def _reading(self) -> Iterator[None]:
        """One state of the labels, for as long as the block lasts."""
        with self._lock, self._tables.reading() as self._db:
            yield

    def _classes(self) -> tuple[LabelClass, ...]:
        counts = """SELECT class, count(*) AS number, sum("end" - start) AS seconds FROM labels
                    WHERE until IS NULL GROUP BY class"""
        query = f"""SELECT name, colour, coalesce(number, 0), coalesce(seconds, 0.0) FROM classes
                    LEFT JOIN ({counts}) AS counts ON counts.class = classes.id WHERE until IS NULL ORDER BY id"""
        rows = self._db.execute(query).fetchall()
        return tuple(LabelClass(values.text(name), values.text(colour), *rest) for name, colour, *rest in rows)

    def _total(self) -> int:
        return self._db.execute("SELECT count(*) FROM labels WHERE until IS NULL").fetchone()[0]

    def _contents(self) -> Iterator[str]:
        """The contents of labelled videos."""
        query = "SELECT min(content) FROM labels WHERE until IS NULL AND content > ?"
        content = ""
        while content is not None:  # a step in the index each, however many labels it has
            content = self._db.execute(query, (content,)).fetchone()[0]
            if content is not None:
                yield values.text(content)

    def _touching(self, content: str, start: float, end: float, most: int) -> list[Label]:
        """The first ``most`` labels of a video that touch the seconds from start to end, sorted by time."""
        rest = f'AND {_TOUCHING} ORDER BY start, "end", labels.id LIMIT ?'
        return list(self._labels(rest, (content, end, start, most)))

    def _count_touching(self, content: str, start: float, end: float) -> int:
        query = f"SELECT count(*) FROM labels WHERE until IS NULL AND {_TOUCHING}"
        return self._db.execute(query, (content, end, start)).fetchone()[0]

    def _labels(self, rest: str, bound: Sequence[Any] = ()) -> Iterator[Label]:
        for number, state, content, start, end, name, *about in self._db.execute(f"{_SELECT} {rest}", bound):
            values.interval(start, end)
            yield Label(number, state, values.text(content), start, end, values.text(name), *about)
