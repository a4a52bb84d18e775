"""What an index says of itself, in its database: values under names, as JSON, and maps of vectors."""

from __future__ import annotations

import json
import sqlite3
from typing import Any

from kinema.search import values
from kinema.search.values import Record, Value


def get_about(db: sqlite3.Connection, name: str, kind: type[Value]) -> Value | None:
    """What the index says of itself under a name; None if it says nothing."""
    said = _said(db, name)
    return None if said is None else values.of_kind(said, kind)


def get_list(db: sqlite3.Connection, name: str, kind: type[Value]) -> list[Value] | None:
    """What the index says of itself under a name, as a list of values of a kind; None if it says nothing."""
    said = _said(db, name)
    return None if said is None else values.listed(said, name, kind)


def get_record(db: sqlite3.Connection, name: str, kind: type[Record]) -> Record | None:
    """What the index says of itself under a name, as a dataclass of its fields; None if it says nothing."""
    said = _said(db, name)
    return None if said is None else values.recorded(said, name, kind)


def _said(db: sqlite3.Connection, name: str) -> Any:
    row = db.execute("SELECT value FROM about WHERE name = ?", (name,)).fetchone()
    return None if row is None else values.parsed(row[0], name)


def set_about(db: sqlite3.Connection, name: str, value: Any) -> None:
    """Let the index say something of itself."""
    db.execute("INSERT OR REPLACE INTO about VALUES (?, ?)", (name, json.dumps(value)))


def get_map(db: sqlite3.Connection, name: str) -> bytes | None:
    """A map of vectors that the index keeps under a name; None if there is none."""
    row = db.execute("SELECT content FROM maps WHERE name = ?", (name,)).fetchone()
    return None if row is None else values.blob(row[0])


def set_map(db: sqlite3.Connection, name: str, content: bytes | None) -> None:
    """Keep a map of vectors under a name, in the place of an earlier one; None for none."""
    db.execute("DELETE FROM maps WHERE name = ?", (name,))
    if content is not None:
        db.execute("INSERT INTO maps VALUES (?, ?)", (name, content))
