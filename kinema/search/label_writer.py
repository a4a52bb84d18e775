"""How a version writes the acts that it holds."""

from __future__ import annotations

from collections.abc import Sequence
from types import EllipsisType
from typing import Any

from kinema.search.label_acts import (
    Act,
    Add,
    Change,
    Clear,
    Delete,
    LabelConflict,
    MakeClass,
    Recolour,
    Remove,
    Rename,
    checked,
    checked_interval,
)
from kinema.search.label_classes import Classes
from kinema.search.store import Database

COLUMNS = ("content", "start", "end", "class", "subject", "confidence", "by", "at")
_NAMES = ", ".join(f'"{name}"' for name in COLUMNS)
NEW_ROW = "(SELECT max(row) FROM labels) + row_number() OVER (ORDER BY row)"
"""Of rows that are made of others."""
_INSERT = f"INSERT INTO labels (row, id, since, state, {_NAMES}) VALUES ({', '.join('?' * (4 + len(COLUMNS)))})"


class Writer:
    """Writes the acts of one version, within a transaction.

    Args:
        db: the tables.
        version: of the change.
        by: who makes it.
        at: when, in seconds since 1970.

    Attributes:
        version: as given.
        made: the version, once it has changed something for good; None before.
    """

    def __init__(self, db: Database, version: int, by: str | None, at: float):
        self.version = version
        self.made: int | None = None
        self._db, self._by, self._at = db, by, at
        self._classes = Classes(db, version)
        self._row = self._last_row()

    def write(self, act: Act) -> int | None:
        """Do one act; return the number of the label that it is about, if it is about one.

        Raises:
            ConfigError: a name or colour cannot be.
            DataError: there is no such class, or the interval cannot be.
            LabelConflict: the label is no longer as it was seen.
        """
        match act:
            case Add():
                return self.add([act])[0]
            case Change():
                return self._change(act)
            case Remove():
                self._present(act.id, act.seen)
                self._end("id = ?", act.id)
                return act.id
            case MakeClass():
                self._classes.make(act.label, act.colour)
            case Rename():
                joined = self._classes.rename(act.label, act.to)
                if joined is not None:
                    self._move(*joined)
                    self._classes.end(joined[0])
            case Recolour():
                self._classes.recolour(act.label, act.colour)
            case Delete():
                number = self._classes.named(act.label).id
                self._end("class = ?", number)
                self._classes.end(number)
            case Clear():
                self._end("1 = 1")
        return None

    def add(self, acts: Sequence[Add]) -> list[int]:
        """Add labels; return the number of each, which is that of an identical one where there is one already."""
        numbers, rows = [], []
        known: dict[str, dict[tuple[Any, ...], int]] = {}
        classes: dict[str, int] = {}
        for act in acts:
            label = checked(act.label)
            if label not in classes:
                classes[label] = self._classes.number(label)
            checked_interval(act.start, act.end, label, act.subject, act.confidence)
            if act.content not in known:
                known[act.content] = self._near(act.content, act.start if len(acts) == 1 else None)
            place = (float(act.start), float(act.end), classes[label], act.subject)
            number = known[act.content].get(_key(*place))
            if number is None:
                self._row += 1
                number = known[act.content][_key(*place)] = self._row
                row = (act.content, *place, act.confidence, self._by, self._at)
                rows.append((number, number, self.version, self.version, *row))
            numbers.append(number)
        self._db.executemany(_INSERT, rows)
        return numbers

    def _near(self, content: str, start: float | None) -> dict[tuple[Any, ...], int]:
        """The labels of a video that begin about a second, or all."""
        query = 'SELECT id, start, "end", class, subject FROM labels WHERE content = ? AND until IS NULL'
        bound: tuple[Any, ...] = (content,)
        if start is not None:
            query, bound = f"{query} AND start BETWEEN ? AND ?", (content, start - 0.001, start + 0.001)
        return {_key(*row): number for number, *row in self._db.execute(query, bound)}

    def _present(self, number: int, seen: int | None) -> list[Any]:
        """Since when a label has been as it is, and its :data:`COLUMNS`."""
        query = f"SELECT state, since, {_NAMES} FROM labels WHERE id = ? AND until IS NULL"
        found = self._db.execute(query, (number,)).fetchone()
        if found is None or (seen not in (None, found[0]) and found[1] != self.version):
            raise LabelConflict([number])
        return list(found[1:])

    def _change(self, act: Change) -> int:
        since, *row = self._present(act.id, act.seen)
        after = list(row)
        for place, value in ((1, act.start), (2, act.end)):
            if value is not None:
                after[place] = float(value)
        if act.label is not None:
            after[3] = self._classes.number(act.label)
        if not isinstance(act.subject, EllipsisType):
            after[4] = act.subject
        checked_interval(after[1], after[2], "it" if act.label is None else checked(act.label), after[4])
        if after == row:
            return act.id
        if since == self.version:
            sets = ", ".join(f'"{name}" = ?' for name in COLUMNS)
            self._db.execute(f"UPDATE labels SET {sets} WHERE id = ? AND until IS NULL", (*after, act.id))
        else:
            self._db.execute("UPDATE labels SET until = ? WHERE id = ? AND until IS NULL", (self.version, act.id))
            self._row += 1
            self._db.execute(_INSERT, (self._row, act.id, self.version, self.version, *after))
        return act.id

    def _end(self, where: str, *bound: object) -> None:
        """End the labels that meet a condition; those of this very version have never been."""
        self._db.execute(f"DELETE FROM labels WHERE until IS NULL AND since = ? AND {where}", (self.version, *bound))
        self._db.execute(f"UPDATE labels SET until = ? WHERE until IS NULL AND {where}", (self.version, *bound))

    def _move(self, number: int, other: int) -> None:
        """Give all labels of a class another one."""
        mine = "class = ? AND until IS NULL AND since"
        self._db.execute(f"UPDATE labels SET class = ? WHERE {mine} = ?", (other, number, self.version))
        self._db.make("CREATE TEMP TABLE moved (row INTEGER NOT NULL)")
        self._db.execute(f"INSERT INTO moved SELECT row FROM labels WHERE {mine} < ?", (number, self.version))
        self._db.execute("UPDATE labels SET until = ? WHERE row IN (SELECT row FROM moved)", (self.version,))
        names = _NAMES.replace('"class"', "?")
        self._db.execute(
            f"INSERT INTO labels (row, id, since, state, {_NAMES}) SELECT {NEW_ROW}, id, ?, ?, {names} FROM labels "
            "WHERE row IN (SELECT row FROM moved)",
            (self.version, self.version, other),
        )
        self._db.execute("DROP TABLE moved")
        self._row = self._last_row()

    def _last_row(self) -> int:
        return self._db.execute("SELECT coalesce(max(row), 0) FROM labels").fetchone()[0]


def _key(start: float, end: float, label: int, subject: str | None) -> tuple[Any, ...]:
    """What identical labels of a video have in common: times to the millisecond, class, subject."""
    return round(start, 3), round(end, 3), label, subject
