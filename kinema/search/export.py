"""A library's windows as one Parquet file, for other tools."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kinema.common.files import atomic_path
from kinema.search.store import Database
from kinema.search.values import as_matrix

if TYPE_CHECKING:
    import pyarrow as pa

ROWS = 8192
"""Rows of a row group."""


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
    while part := list(islice(rows, ROWS)):
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
