"""What an index says of itself, in its database: values under names, as JSON, and maps of vectors."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from kinema.search import values
from kinema.search.store import Database
from kinema.search.tables import FORMAT_WITH_BOXES
from kinema.search.values import Record, Value


def get_about(db: Database, name: str, kind: type[Value]) -> Value | None:
    """What the index says of itself under a name; None if it says nothing."""
    said = _said(db, name)
    return None if said is None else values.of_kind(said, kind)


def get_list(db: Database, name: str, kind: type[Value]) -> list[Value] | None:
    """What the index says of itself under a name, as a list of values of a kind; None if it says nothing."""
    said = _said(db, name)
    return None if said is None else values.listed(said, name, kind)


def get_record(db: Database, name: str, kind: type[Record]) -> Record | None:
    """What the index says of itself under a name, as a dataclass of its fields; None if it says nothing."""
    said = _said(db, name)
    return None if said is None else values.recorded(said, name, kind)


def _said(db: Database, name: str) -> Any:
    row = db.execute("SELECT value FROM about WHERE name = ?", (name,)).fetchone()
    return None if row is None else values.parsed(row[0], name)


def has_boxes(db: Database) -> bool:
    """Whether an index keeps where in the picture its windows lie, in tables that one of whole frames has not got."""
    return get_about(db, "format", int) == FORMAT_WITH_BOXES


def set_about(db: Database, name: str, value: Any) -> None:
    """Let the index say something of itself."""
    put = "INSERT INTO about VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value"
    db.execute(put, (name, json.dumps(value)))


def get_map(db: Database, name: str) -> bytes | None:
    """A map of vectors that the index keeps under a name; None if there is none.

    It is large, and asked for by every search; where it comes from afar, what was read once is known by its digest.
    """

    def read() -> bytes | None:
        row = db.execute("SELECT content FROM maps WHERE name = ?", (name,)).fetchone()
        return None if row is None else values.blob(row[0])

    return db.recalled(get_about(db, _mark(name), str), read)


def set_map(db: Database, name: str, content: bytes | None) -> None:
    """Keep a map of vectors under a name, in the place of an earlier one; None for none."""
    db.execute("DELETE FROM maps WHERE name = ?", (name,))
    set_about(db, _mark(name), None if content is None else hashlib.sha256(content).hexdigest())
    if content is not None:
        db.execute("INSERT INTO maps VALUES (?, ?)", (name, content))


def _mark(name: str) -> str:
    """Under which name the digest of a map is."""
    return f"digest of {name}"
