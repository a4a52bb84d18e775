"""What an index says of itself, in its database: values under names, as JSON, and maps of vectors."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from typing import Any, TypeVar, get_args, get_type_hints

from kinema.errors import KinemaError
from kinema.search import values
from kinema.search.store import Damage, Database
from kinema.search.tables import FORMAT_WITH_BOXES
from kinema.search.values import Value

Record = TypeVar("Record")


def get_about(db: Database, name: str, kind: type[Value]) -> Value | None:
    """What the index says of itself under a name; None if it says nothing."""
    said = _said(db, name)
    return None if said is None else values.of_kind(said, kind)


def get_list(db: Database, name: str, kind: type[Value]) -> list[Value] | None:
    """What the index says of itself under a name, as a list of values of a kind; None if it says nothing."""
    said = _said(db, name)
    if said is not None and not (isinstance(said, list) and all(isinstance(item, kind) for item in said)):
        raise _unreadable(name)
    return said


def get_record(db: Database, name: str, kind: type[Record]) -> Record | None:
    """What the index says of itself under a name, as a dataclass of its fields; None if it says nothing."""
    said = _said(db, name)
    return None if said is None else recorded(said, name, kind)


def _said(db: Database, name: str) -> Any:
    row = db.execute("SELECT value FROM about WHERE name = ?", (name,)).fetchone()
    try:
        return None if row is None else json.loads(row[0])
    except (TypeError, ValueError, RecursionError) as error:
        raise _unreadable(name) from error


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


def recorded(value: Any, name: str, kind: type[Record]) -> Record:
    """A dataclass of its fields, which sees to their ranges itself; of numbers, whole ones are fractions too."""
    try:
        made, hints = kind(**value), get_type_hints(kind)
    except (TypeError, KinemaError) as error:
        raise _unreadable(name) from error
    for field, hint in hints.items():
        parts = get_args(hint) or (hint,)
        fraction = any(isinstance(part, type) and issubclass(part, float) for part in parts)
        allowed = hint | float | int if fraction else hint
        if not isinstance(getattr(made, field), allowed):
            raise _unreadable(name)
    return made


def read_as(read: Callable[[bytes], Value], content: bytes, name: str) -> Value:
    """What a function reads from bytes that are kept under a name."""
    try:
        return read(content)
    except KinemaError as error:
        raise _unreadable(name) from error


def _unreadable(name: str) -> Damage:
    return Damage(f"what it says of {name} cannot be read")
