"""The history of labels: what was changed when, and taking a change back or doing it again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from kinema.errors import DataError
from kinema.search import values
from kinema.search.label_writer import COLUMNS, NEW_ROW
from kinema.search.store import Database

Kind = Literal["change", "undo", "redo"]

_NAMES = ", ".join(f'"{name}"' for name in ("state", *COLUMNS))
_LAST = (
    "coalesce((SELECT kind FROM changes AS later WHERE later.of = changes.version ORDER BY version DESC LIMIT 1), '')"
)


@dataclass(frozen=True)
class ClassChange:
    """What a version did to a class.

    Attributes:
        name: what it was called before, or None where it came up.
        colour: that it had then, as ``#rrggbb``, or None.
        new_name: what it was called afterwards, or None where it went.
        new_colour: that it had then, or None.
    """

    name: str | None
    colour: str | None
    new_name: str | None
    new_colour: str | None

    def __str__(self) -> str:
        if self.name is None or self.new_name is None:
            return f"class {self.name or self.new_name!r} {'added' if self.name is None else 'removed'}"
        renamed = f" renamed {self.new_name!r}" if self.name != self.new_name else ""
        recoloured = f" recoloured from {self.colour} to {self.new_colour}" if self.colour != self.new_colour else ""
        return f"class {self.name!r}{' and'.join(filter(None, (renamed, recoloured)))}"


@dataclass(frozen=True)
class Version:
    """One change.

    Attributes:
        version: its number.
        at: when, in seconds since 1970.
        by: who made it, or None.
        kind: whether it is a change of its own, or undoes or does again another one.
        of: that one, or itself.
        done: of a change, whether it holds, not having been undone.
        added: labels that it made or brought back.
        changed: labels that it changed.
        removed: labels that it took away.
        classes: what it did to classes, in the order in which they came up.
    """

    version: int
    at: float
    by: str | None
    kind: Kind
    of: int
    done: bool
    added: int
    changed: int
    removed: int
    classes: tuple[ClassChange, ...]


def latest(db: Database) -> int:
    """The last version; 0 before the first."""
    return db.execute("SELECT coalesce(max(version), 0) FROM changes").fetchone()[0]


def begin(db: Database, at: float, by: str | None, kind: Kind, of: int | None = None) -> int:
    """Write down that there is a version; return its number."""
    version = latest(db) + 1
    db.execute("INSERT INTO changes VALUES (?, ?, ?, ?, ?)", (version, at, by, kind, of))
    return version


def touched(db: Database, version: int) -> bool:
    """Whether a version has changed anything."""
    tables = [
        f"SELECT 1 FROM {table} WHERE {edge} = :version"
        for table in ("labels", "classes")
        for edge in ("since", "until")
    ]
    return db.execute(f"SELECT EXISTS ({' UNION ALL '.join(tables)})", {"version": version}).fetchone()[0] == 1


def undoable(db: Database, below: int | None = None) -> int | None:
    """The last change that has not been undone, of those before a version; None if there is none."""
    before = "" if below is None else f" AND version < {below}"
    query = f"SELECT version FROM changes WHERE kind = 'change'{before} AND {_LAST} <> 'undo'"
    row = db.execute(f"{query} ORDER BY version DESC LIMIT 1").fetchone()
    return None if row is None else row[0]


def redoable(db: Database) -> int | None:
    """The change that was undone last, where no other has come since; None if there is none."""
    query = """SELECT of FROM changes AS undone
               WHERE kind = 'undo' AND version > (SELECT coalesce(max(version), 0) FROM changes WHERE kind = 'change')
               AND version = (SELECT max(version) FROM changes WHERE of = undone.of) ORDER BY version DESC LIMIT 1"""
    row = db.execute(query).fetchone()
    return None if row is None else row[0]


def history(db: Database, before: int | None, count: int) -> list[Version]:
    """The last ``count`` changes before a version, or of all; newest first."""
    query = f"""SELECT version, at, "by", kind, coalesce(of, version), {_LAST} <> 'undo',
                (SELECT count(*) FROM labels WHERE since = version),
                (SELECT count(*) FROM labels WHERE until = version),
                (SELECT count(*) FROM labels AS new WHERE since = version
                 AND EXISTS (SELECT 1 FROM labels AS old WHERE old.until = version AND old.id = new.id))
                FROM changes WHERE version < ? ORDER BY version DESC LIMIT ?"""
    rows = db.execute(query, (2**62 if before is None else before, min(count, 2**62))).fetchall()
    classes = _class_changes(db, rows[-1][0], rows[0][0]) if rows else {}
    return [
        Version(version, at, by, kind, of, bool(done), new - both, both, old - both, tuple(classes.get(version, ())))
        for version, at, by, kind, of, done, new, old, both in rows
    ]


def _class_changes(db: Database, first: int, last: int) -> dict[int, list[ClassChange]]:
    """What versions did to classes, by version."""
    states: dict[tuple[int, int], list[tuple[Any, ...]]] = {}
    for place, edge in enumerate(("until", "since")):
        query = f"SELECT {edge}, id, name, colour FROM classes WHERE {edge} BETWEEN ? AND ?"
        for version, number, *state in db.execute(query, (first, last)):
            states.setdefault((version, number), [(None, None)] * 2)[place] = tuple(map(values.text, state))
    found: dict[int, list[ClassChange]] = {}
    for (version, _), (before, after) in sorted(states.items(), key=lambda item: item[0]):
        if before != after:
            found.setdefault(version, []).append(ClassChange(*before, *after))
    return found


def effect(db: Database, change: int, kind: Kind) -> int:
    """The version that is taken back when a change is undone, or done again: itself, or what undid or redid it last.

    Raises:
        DataError: there is no such change, or it has been undone or redone already.
    """
    query = "SELECT kind FROM changes WHERE version = ?"
    row = db.execute(query, (change,)).fetchone() if change < 2**62 else None  # which SQLite can hold
    if row is None or row[0] != "change":
        raise DataError(f"there is no change {change} of labels; see the history for those that there are")
    query = "SELECT version, kind FROM changes WHERE of = ? ORDER BY version DESC LIMIT 1"
    version, last = db.execute(query, (change,)).fetchone() or (change, "redo")
    if kind == last:
        said = "has been undone" if kind == "undo" else "holds"
        raise DataError(f"this change {said} already; the labels are as you see them now")
    return version


def revert(db: Database, reverted: int, version: int) -> bool:
    """Take back what a version did, as another version, wherever nothing has come over it; return whether it was.

    A class that labels come back to, and which is no more, comes back with them.

    Raises:
        DataError: labels would be left without a class, since others have taken its name.
    """
    mine = "SELECT id FROM labels WHERE since = ? UNION SELECT id FROM labels WHERE until = ?"
    db.make("CREATE TEMP TABLE reverted (id INTEGER PRIMARY KEY)")
    try:
        db.execute(
            f"""INSERT INTO reverted SELECT id FROM ({mine}) AS touched
                WHERE coalesce((SELECT state FROM labels WHERE id = touched.id AND until IS NULL), 0)
                = coalesce((SELECT state FROM labels WHERE id = touched.id AND since = ?), 0)""",
            (reverted, reverted, reverted),
        )
        _revert_classes(db, reverted, version)
        _bring_classes_back(db, reverted, version)
        db.execute("UPDATE labels SET until = ? WHERE until IS NULL AND id IN (SELECT id FROM reverted)", (version,))
        db.execute(
            f"INSERT INTO labels (row, id, since, {_NAMES}) SELECT {NEW_ROW}, id, ?, {_NAMES} FROM labels "
            "WHERE until = ? AND id IN (SELECT id FROM reverted)",
            (version, reverted),
        )
    finally:
        db.execute("DROP TABLE reverted")
    lost = "class NOT IN (SELECT id FROM classes WHERE until IS NULL)"
    if db.execute(f"SELECT 1 FROM labels WHERE until IS NULL AND {lost} LIMIT 1").fetchone():
        raise DataError("a class that this change is about has given its name to another; rename that first")
    return touched(db, version)


def _revert_classes(db: Database, reverted: int, version: int) -> None:
    """Take back what a version did to classes: those that it made go unless they are in use, the others come back."""
    before, after = _states(db, "until = ?", reverted), _states(db, "since = ?", reverted)
    now = _states(db, "until IS NULL")
    mine = {number for number in before | after if now.get(number, (None,))[0] == after.get(number, (None,))[0]}
    used = "SELECT 1 FROM labels WHERE class = ? AND until IS NULL AND id NOT IN (SELECT id FROM reverted) LIMIT 1"
    for number in mine & now.keys():
        if number in before or not db.execute(used, (number,)).fetchone():
            db.execute("UPDATE classes SET until = ? WHERE id = ? AND until IS NULL", (version, number))
    for number in sorted(mine & before.keys()):
        if not _open(db, number, version, *before[number]) and number in now:  # another has its name: it stays as it is
            db.execute("UPDATE classes SET until = NULL WHERE id = ? AND until = ?", (number, version))


def _bring_classes_back(db: Database, reverted: int, version: int) -> None:
    """Open the classes of labels that come back; where another has the name now, those labels stay as they are."""
    lacking = db.execute(
        "SELECT DISTINCT class FROM labels WHERE until = ? AND id IN (SELECT id FROM reverted) "
        "AND class NOT IN (SELECT id FROM classes WHERE until IS NULL)",
        (reverted,),
    ).fetchall()
    for (number,) in lacking:
        query = "SELECT state, name, colour FROM classes WHERE id = ? ORDER BY until DESC LIMIT 1"
        if not _open(db, number, version, *db.execute(query, (number,)).fetchone()):
            query = "DELETE FROM reverted WHERE id IN (SELECT id FROM labels WHERE until = ? AND class = ?)"
            db.execute(query, (reverted, number))


def _open(db: Database, number: int, version: int, state: int, name: str, colour: str) -> bool:
    """Bring a class back, unless another has its name; return whether it is."""
    if db.execute("SELECT 1 FROM classes WHERE name = ? AND until IS NULL", (name,)).fetchone():
        return False
    db.execute("INSERT INTO classes VALUES (?, ?, NULL, ?, ?, ?)", (number, version, state, name, colour))
    return True


def _states(db: Database, where: str, version: int | None = None) -> dict[int, tuple[Any, ...]]:
    """State, name and colour of classes, by number."""
    query = f"SELECT id, state, name, colour FROM classes WHERE {where}"
    return {row[0]: row[1:] for row in db.execute(query, () if version is None else (version,))}
