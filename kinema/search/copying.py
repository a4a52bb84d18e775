"""An index taken elsewhere: from a folder to a server, or back, or its windows to a Parquet file, for other tools."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from kinema.common.addresses import shown
from kinema.common.files import atomic_path
from kinema.errors import OutputError
from kinema.search.about import has_boxes
from kinema.search.connection import store_of
from kinema.search.library import Library
from kinema.search.results import By
from kinema.search.segments import covered, segment_name, segment_path
from kinema.search.store import Database
from kinema.search.tables import LABELS
from kinema.search.values import as_matrix

if TYPE_CHECKING:
    import pyarrow as pa

ROWS = 1000
"""Rows that are written together."""
ROW_GROUP = 8192
"""Those of a row group of a Parquet file."""
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


def write_parquet(db: Database, path: str | Path, about: Mapping[str, Any], thumbnails: bool) -> int:
    """Write the windows, sorted by path and time, a group of rows at a time; return how many there are.

    The columns are ``path``, ``start`` and ``end`` in seconds, ``strength`` in widths per second, ``vector`` and
    ``appearance`` as lists of fixed length of float32, and ``thumbnail`` (JPEG) where wanted.

    Args:
        db: the state to write.
        path: the file.
        about: kept in the file's metadata under ``kinema``, as JSON.
        thumbnails: whether there is a column of them.

    Raises:
        OutputError: the file cannot be written.
    """
    import pyarrow as pa  # here, so that who only searches does without
    import pyarrow.parquet as pq

    count = 0
    with atomic_path(path) as temporary:
        writer: pq.ParquetWriter | None = None
        try:
            for table in _tables(db, thumbnails):
                if writer is None:
                    schema = table.schema.with_metadata({"kinema": json.dumps(dict(about))})
                    writer = pq.ParquetWriter(temporary, schema)
                writer.write_table(table)
                count += len(table)
            if writer is None:
                pq.write_table(
                    pa.table({name: [] for name in ("path", "start", "end", "strength", "vector")}), temporary
                )
        finally:
            if writer is not None:
                writer.close()
    return count


def _tables(db: Database, thumbnails: bool) -> Iterator[pa.Table]:
    import pyarrow as pa

    rows = db.stream(
        """SELECT path, start, "end", strength, motion, appearance, thumbnail FROM windows
           JOIN videos ON windows.video = videos.id JOIN vectors ON vectors.id = windows.id ORDER BY path, start"""
    )
    while part := list(islice(rows, ROW_GROUP)):
        path, start, end, strength, motion, appearance, pictures = zip(*part, strict=True)
        columns = {
            "path": pa.array(path, pa.string()),
            "start": pa.array(start, pa.float64()),
            "end": pa.array(end, pa.float64()),
            "strength": pa.array(strength, pa.float32()),
            "vector": _fixed(motion),
            "appearance": _fixed(appearance),
        }
        if thumbnails:
            columns["thumbnail"] = pa.array(pictures, pa.binary())
        yield pa.table(columns)


def _fixed(blobs: tuple[bytes, ...]) -> pa.FixedSizeListArray:
    import pyarrow as pa

    vectors = as_matrix([(0, blob) for blob in blobs])[1]
    return pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), vectors.shape[1])
