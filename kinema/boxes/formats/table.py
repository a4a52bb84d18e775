"""Boxes in a table: ``file, frame or time, x0, y0, x1, y1`` and perhaps ``subject``."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import numpy as np

from kinema.boxes.tracks import Found
from kinema.common.tables import read_table
from kinema.errors import DataError

SIDES = ("x0", "y0", "x1", "y1")
NEEDS = "the columns file, frame or time, x0, y0, x1 and y1, and may have subject"


def read(path: Path) -> list[Found]:
    """The boxes of a table.

    Columns: ``file``, the video's name or the end of its path; ``frame``, counted from 0, or ``time`` in seconds; the
    box's left, top, right and bottom in pixels, ``x0``, ``y0``, ``x1``, ``y1``; ``subject``, a name. Other columns are
    not looked at.

    Raises:
        DataError: a column is missing, or a value is no number or no box.
    """
    columns, rows = read_table(path, NEEDS, "name a file of boxes")
    moment = next((name for name in ("frame", "time") if name in columns), None)
    missing = [name for name in ("file", *SIDES) if name not in columns]
    if moment is None or missing:
        raise DataError(
            f"it has no column {missing[0] if missing else 'frame or time'}; a table of boxes needs {NEEDS}"
        )
    by_video: dict[str, list[tuple[float, list[float], str]]] = defaultdict(list)
    for number, row in enumerate(rows, 2):
        try:
            at, sides = float(row[moment]), [float(row[name]) for name in SIDES]
        except ValueError as error:
            raise DataError(f"row {number} has something else than a number in it ({error})") from error
        if not np.isfinite([at, *sides]).all() or at < 0 or sides[0] >= sides[2] or sides[1] >= sides[3]:
            raise DataError(f"row {number} is no box: x0 must be below x1, y0 below y1, and {moment} 0 or more")
        by_video[row["file"].strip()].append((at, sides, row.get("subject", "").strip()))
    return [Found.of(name, found, moment == "time") for name, found in by_video.items()]
