"""Values as an index's database gives them, checked.

SQLite reads values of any kind from a damaged file, whatever its tables say of their columns. What cannot be is raised
as :class:`~kinema.search.store.Damage`, and told like the damage that SQLite itself finds.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import isfinite
from typing import Any, TypeVar

import numpy as np

from kinema.boxes.box import Box, Place
from kinema.errors import KinemaError
from kinema.search.results import By, Window
from kinema.search.store import Damage, Database

Value = TypeVar("Value")

LATEST = 2.0**40
"""Seconds; no window lies later."""


def blob(value: Any) -> bytes:
    """Bytes."""
    return of_kind(value, bytes)


def text(value: Any) -> str:
    """A text."""
    return of_kind(value, str)


def of_kind(value: Any, kind: type[Value]) -> Value:
    """A value of a kind."""
    if not isinstance(value, kind):
        raise Damage(f"it holds {type(value).__name__} where {kind.__name__} belongs")
    return value


def window(row: Sequence[Any]) -> Window:
    """A window of a row: number, path, start, end, strength."""
    number, path, start, end, strength = row
    interval(start, end)
    if not isfinite(of_kind(strength, float)):
        raise Damage("it holds a number without end")
    return Window(number, text(path), start, end, strength)


def place(row: Sequence[Any]) -> Place:
    """Where in the picture a window lies, of a row: left, top, right and bottom, and subject."""
    *sides, subject = row
    if not all(isfinite(of_kind(side, float)) for side in sides):
        raise Damage("it holds a number without end")
    try:
        return Place(Box(*sides), text(subject))
    except KinemaError as error:
        raise Damage(f"it holds what is no box: {error}") from error


def columns(rows: Sequence[Sequence[Any]]) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Numbers int64, and starts, ends and strengths float64, (N,) each, of windows' rows, checked together."""
    try:
        table = np.array(rows, np.float64).reshape(-1, 4)
    except (TypeError, ValueError) as error:
        raise Damage("it holds something else where a number belongs") from error
    number, start, end, strength = table.T
    if not (np.isfinite(table).all() and ((start > -LATEST) & (start <= end) & (end < LATEST)).all()):
        raise Damage("it holds a window that cannot be")
    return number.astype(np.int64), start, end, strength


def interval(start: Any, end: Any) -> None:
    """Make sure that an interval can be."""
    for value in (start, end):
        if not isfinite(of_kind(value, float)):
            raise Damage("it holds a number without end")
    if not -LATEST < start <= end < LATEST:
        raise Damage(f"it holds an interval from {start:g} to {end:g} s")


def among(numbers: Iterable[int]) -> str:
    """SQL that says that a number is one of some, of which there may be none."""
    return f"IN ({', '.join(map(str, numbers)) or 'NULL'})"


def as_matrix(rows: Sequence[tuple[int, bytes]]) -> tuple[np.ndarray, np.ndarray]:
    """Numbers (N,) int64 and vectors (N, D) float32 of rows; (0,) and (0, 0) of none."""
    numbers = np.array([row[0] for row in rows], np.int64)
    if len({len(blob(row[1])) for row in rows}) > 1 or (rows and len(rows[0][1]) % 4):
        raise Damage("a vector has another length than the others")
    joined = np.frombuffer(b"".join(row[1] for row in rows), np.float32)
    return numbers, joined.reshape(len(rows), -1) if rows else joined.reshape(0, 0)


def stored_length(db: Database, by: By) -> int | None:
    """How many values a stored vector has; None where there is none."""
    row = db.execute(f"SELECT {by} FROM vectors LIMIT 1").fetchone()
    return None if row is None else len(blob(row[0])) // 4


def check_length(db: Database, by: By, length: int, what: str) -> None:
    """Make sure that ``what``, which is for vectors of a length, is for those that are stored."""
    stored = stored_length(db, by)
    if stored not in (None, length):
        raise Damage(f"vectors have {stored} values, and {what} has {length}")
