"""Labels that people give to intervals of videos, kept beside the index with their history.

A label belongs to a place: the content of a video, and seconds of it. So it outlives a video's move, and an index that
is made anew. Every change is one version, none is ever written over, and each can be undone and done again.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import EllipsisType

from kinema.annotations.interval import Interval
from kinema.errors import ConfigError, DataError
from kinema.search import label_history
from kinema.search.connection import snapshot
from kinema.search.label_acts import (
    Act,
    Add,
    Change,
    Clear,
    Delete,
    Done,
    Imported,
    LabelConflict,
    Recolour,
    Remove,
    Rename,
    checked,
)
from kinema.search.label_history import Kind
from kinema.search.label_reader import MOST, LabelReader
from kinema.search.label_writer import Writer
from kinema.search.labelled_videos import IndexedVideos, check_ends, place_of_window


class Labels(LabelReader):
    """The labels of an index. Threads may share one, and several processes may write.

    Args:
        index: its folder, or its address. Where it is read-only, what is there is read, and changes end with this
            object.
        keep: whether changes are to be written down where they can be.

    Attributes:
        path: the file of labels, or the address of the index.
        kept: whether changes are written down.

    Raises:
        DataError: the file of labels is damaged, or a later version of kinema made it.
        OutputError: it cannot be made, as on a full disk.
    """

    def __init__(self, index: str | Path, keep: bool = True):
        super().__init__(index, keep)
        self._lengths: dict[str, tuple[float, float]] = {}

    def do(self, acts: Sequence[Act], by: str | None = None) -> Done:
        """Do acts as one version: all of them, or none.

        Args:
            acts: in this order.
            by: who does it.

        Raises:
            ConfigError: a name or colour cannot be, or there are too many labels or classes.
            DataError: there is no such video or class, or an interval cannot be.
            LabelConflict: a label is no longer as it was seen.
        """
        moved = {act.id: act.end for act in acts if isinstance(act, Change) and act.end is not None}
        added = [(act.content, act.end, act.label) for act in acts if isinstance(act, Add)]
        check_ends(self._index, added, self._lengths)
        changed = [(one.content, moved[one.id], one.label) for one in self.with_ids(moved)]
        check_ends(self._index, changed, self._lengths, gone=True)
        with self._version("change", by) as writer:
            conflicts, ids = list[int](), list[int | None]()
            for act in acts:
                try:
                    ids.append(writer.write(act))
                except LabelConflict as conflict:
                    conflicts.extend(conflict.ids)
            if conflicts:
                raise LabelConflict(conflicts)
        return Done(writer.made, tuple(ids))

    def add(
        self,
        label: str,
        video: int | str,
        start: float | None = None,
        end: float | None = None,
        subject: str | None = None,
        by: str | None = None,
    ) -> int:
        """Label an interval; return the label's number.

        Args:
            label: its class, which is made if there is none.
            video: the number of any of its windows, or its path or name.
            start: seconds; None for that of the window.
            end: seconds; None for that of the window.
            subject: who does it.
            by: who labels it.

        Raises:
            ConfigError: the class cannot be.
            DataError: there is no such video or window, or the interval cannot be.
        """
        if isinstance(video, str):
            videos = IndexedVideos(self._index)
            name = videos.find(video)
            if name is None or start is None or end is None:
                raise DataError(f"{video} from {start} to {end} is no place in {videos.searched}; name one")
            content = videos.content(name)
        else:
            with snapshot(self._index) as db:
                content, first, last = place_of_window(db, video)
            start, end = first if start is None else start, last if end is None else end
        (number,) = self.do([Add(content, start, end, label, subject)], by).ids
        assert number is not None
        return number

    def change(
        self,
        number: int,
        start: float | None = None,
        end: float | None = None,
        label: str | None = None,
        subject: str | EllipsisType | None = ...,
        by: str | None = None,
    ) -> int | None:
        """Move a label, or give it another class or subject; return the version, or None where it is so already.

        Raises:
            ConfigError: the class cannot be.
            DataError: there is no such label, or the interval cannot be.
        """
        return self.do([Change(number, None, start, end, label, subject)], by).version

    def remove(self, number: int, by: str | None = None) -> int | None:
        """Take a label away; return the version.

        Raises:
            DataError: there is no such label.
        """
        return self.do([Remove(number)], by).version

    def rename(self, label: str, to: str, by: str | None = None) -> int | None:
        """Give a class another name, or make it one with the class that has that; return the version, or None where it
        has that name already.

        Raises:
            ConfigError: the new name is empty, too long or no text.
            DataError: there is no such class.
        """
        return self.do([Rename(label, to)], by).version

    def recolour(self, label: str, colour: str) -> int | None:
        """Give a class another colour, as ``#rrggbb``; return the version.

        Raises:
            ConfigError: it is no colour.
            DataError: there is no such class.
        """
        return self.do([Recolour(label, colour)]).version

    def delete(self, label: str) -> int | None:
        """Delete a class with its labels; return the version.

        Raises:
            DataError: there is no such class.
        """
        return self.do([Delete(label)]).version

    def clear(self) -> int | None:
        """Remove all labels, not their classes; return the version."""
        return self.do([Clear()]).version

    def add_intervals(
        self, intervals: Sequence[Interval], by: str | None = None, videos: IndexedVideos | None = None
    ) -> Imported:
        """Add labels, such as a file of another tool holds, as one version; those that are there already stay single.

        Args:
            intervals: their videos are found by the ends of their paths, as everywhere in :mod:`kinema.annotations`.
            by: who made them.
            videos: what is known of the index's videos, where it is known already.

        Raises:
            ConfigError: a class cannot be, or there would be too many.
            DataError: videos are not in the index, or a label goes beyond the end of its video.
        """
        videos = videos or IndexedVideos(self._index)
        placed = videos.placed(intervals)
        acts = [
            Add(videos.content(one.file), one.start, one.end, one.label, one.subject, one.confidence) for one in placed
        ]
        with self._version("change", by) as writer:
            before = self._total()
            writer.add(acts)
            added = self._total() - before
        return Imported(writer.made, added, len(acts) - added)

    def undo(self, change: int | None = None, by: str | None = None) -> int:
        """Undo a change where nothing has come over it since, as a version of its own; return that.

        Args:
            change: its version; None for the last one that can be undone.
            by: who undoes it.

        Raises:
            DataError: there is no such change, it has been undone, or later ones lie over all of it.
        """
        return self._revert("undo", change, by)

    def redo(self, change: int | None = None, by: str | None = None) -> int:
        """Do a change again that was undone, where nothing has come over it since; as of :meth:`undo`."""
        return self._revert("redo", change, by)

    def _revert(self, kind: Kind, change: int | None, by: str | None) -> int:
        with self._version(kind, by) as writer:
            last = label_history.undoable(self._db) if kind == "undo" else label_history.redoable(self._db)
            tried = last if change is None else change
            while tried is not None:
                if label_history.revert(self._db, label_history.effect(self._db, tried, kind), writer.version):
                    break
                if change is not None:
                    raise DataError(f"later changes lie over all that change {change} did; undo those first")
                tried = label_history.undoable(self._db, below=tried) if kind == "undo" else None
            if tried is None:
                raise DataError(f"there is no change to {kind}; the labels are as you see them now")
            self._db.execute("UPDATE changes SET of = ? WHERE version = ?", (tried, writer.version))
        return writer.version

    @contextmanager
    def _version(self, kind: Kind, by: str | None) -> Iterator[Writer]:
        """One version, as long as the block lasts; there is none where the block changes nothing, or fails."""
        by, at = None if by is None else checked(by), time.time()
        with self._lock, suppress(_Unchanged), self._tables.writing() as self._db:
            version = label_history.begin(self._db, at, by, kind)
            writer = Writer(self._db, version, by, at)
            yield writer
            if self._total() > MOST:
                raise ConfigError(f"an index keeps up to {MOST} labels; remove some, or make another index")
            if not label_history.touched(self._db, version):
                raise _Unchanged
            writer.made = version


class _Unchanged(Exception):
    """All was as wanted: no version comes of it."""
