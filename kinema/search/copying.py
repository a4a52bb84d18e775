"""Copying an index to where there is none: from a folder to a server, or back."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import get_args

from kinema.common.addresses import shown
from kinema.errors import OutputError
from kinema.search.about import has_boxes
from kinema.search.connection import store_of
from kinema.search.library import Library
from kinema.search.results import By
from kinema.search.segments import covered, segment_name, segment_path
from kinema.search.store import Database
from kinema.search.tables import LABELS

ROWS = 1000
"""Rows that are written together."""
OWN = ("format", "identity")
"""What an index says of itself only when it is complete, or for good."""


def copy_index(source: str | Path, target: str | Path) -> int:
    """Copy an index with its labels and their history; vectors and numbers stay as they are, and nothing is embedded.

    Where this is stopped, what is there of the target says that it is none.

    Args:
        source: a folder or an address; one state of it is copied.
        target: a folder or an address, where no index is yet.

    Returns:
        How many windows it has.

    Raises:
        DataError: there is no index to copy, or one of another version of kinema.
        OutputError: there is an index already, or it cannot be written.
    """
    origin, goal = store_of(source), store_of(target)
    Library(source)  # which knows whether it can be read
    if goal.exists():
        raise OutputError(f"there is an index at {shown(goal.path)} already; name another place")
    with origin.snapshot() as db, goal.adding() as new:
        boxes = has_boxes(db)
        with new.writing():
            new.make_index(boxes)
            _copy(db, new, "about", f"WHERE name NOT IN {OWN}")
            for table in ("maps", "videos", "windows", "vectors", *(("boxes",) if boxes else ())):
                _copy(db, new, table)
            new.renumber()
            segments = [(segment.number, by) for segment in covered(db).segments for by in get_args(By)]
            files = {segment_name(by, number): segment_path(db, origin.path, number, by) for number, by in segments}
            goal.keep_segments(new, files)
        theirs = origin.labels(keep=False)
        with theirs.reading() as labels, goal.labels(keep=True).writing() as ours:
            for table in LABELS:
                _copy(labels, ours, table)
        theirs.close()
        with new.writing():
            _copy(db, new, "about", "WHERE name = 'format'")
        return db.execute("SELECT count(*) FROM windows").fetchone()[0]


def _copy(db: Database, new: Database, table: str, where: str = "") -> None:
    rows: Iterator[tuple[object, ...]] = iter(db.stream(f"SELECT * FROM {table} {where}"))
    while part := list(islice(rows, ROWS)):
        new.executemany(f"INSERT INTO {table} VALUES ({', '.join('?' * len(part[0]))})", part)
