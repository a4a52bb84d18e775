"""Where in the picture the windows of an index lie: in tables that an index of whole frames has not got."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from math import isfinite
from typing import Any

from kinema.boxes import Box, Place
from kinema.errors import KinemaError
from kinema.search.values import of_kind, text

TABLES = """
CREATE TABLE boxes (
    id INTEGER PRIMARY KEY REFERENCES windows(id) ON DELETE CASCADE,
    "left" REAL NOT NULL, top REAL NOT NULL, "right" REAL NOT NULL, bottom REAL NOT NULL, subject TEXT NOT NULL,
    run INTEGER NOT NULL
);
CREATE TABLE staged_boxes (
    id INTEGER PRIMARY KEY, "left" REAL, top REAL, "right" REAL, bottom REAL, subject TEXT
)
"""
"""A run is the windows of one subject of a video: its number tells it from those of all videos."""


def has_boxes(db: sqlite3.Connection) -> bool:
    """Whether an index keeps where its windows lie."""
    return db.execute("SELECT count(*) FROM sqlite_master WHERE name = 'boxes'").fetchone()[0] > 0


def row_of(place: Place) -> tuple[float, float, float, float, str]:
    """A place as the tables have it."""
    box = place.box
    return box.left, box.top, box.right, box.bottom, place.subject


def places_of(db: sqlite3.Connection, ids: Iterable[int]) -> dict[int, Place]:
    """The places of windows by their numbers; of those that have any."""
    if not has_boxes(db):
        return {}
    chosen = ", ".join(str(int(number)) for number in ids)
    query = f'SELECT id, "left", top, "right", bottom, subject FROM boxes WHERE id IN ({chosen})'
    return {number: _place(row) for number, *row in db.execute(query)}


def _place(row: Sequence[Any]) -> Place:
    if not all(isfinite(of_kind(side, float)) for side in row[:4]):
        raise sqlite3.DatabaseError("it holds a number without end")
    try:
        return Place(Box(*row[:4]), text(row[4]))
    except KinemaError as error:
        raise sqlite3.DatabaseError(f"it holds what is no box: {error}") from error
