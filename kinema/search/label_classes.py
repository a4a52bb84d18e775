"""The classes of labels, as one version changes them, and their colours."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

from kinema.errors import ConfigError, DataError
from kinema.search.label_acts import checked
from kinema.search.store import Database

MOST_CLASSES = 1000
"""Classes of an index."""
PALETTE = (
    "#0078b4",
    "#e07700",
    "#00a569",
    "#a54b78",
    "#a578ff",
    "#78692d",
    "#ff4b5a",
    "#b42da5",
    "#789687",
)
"""Chosen one after another, each as far from those before it as can be, also for eyes that lack the cones for red or
green. Their luminances stand out of a white page and of a black one: a contrast of at least 3."""


class ClassRow(NamedTuple):
    """A class as the tables have it."""

    id: int
    name: str
    colour: str


class Classes:
    """The classes within the transaction of a version.

    Args:
        db: the tables.
        version: of the change.
    """

    def __init__(self, db: Database, version: int):
        self._db, self._version = db, version

    def there(self) -> list[ClassRow]:
        """The present ones, in the order in which they came up."""
        query = "SELECT id, name, colour FROM classes WHERE until IS NULL ORDER BY id"
        return [ClassRow(*row) for row in self._db.execute(query)]

    def named(self, label: str) -> ClassRow:
        """The class of a name.

        Raises:
            DataError: there is none.
        """
        name = checked(label)
        found = next((one for one in self.there() if one.name == name), None)
        if found is None:
            raise DataError(f"there is no class {name!r}, or no longer; the classes are as you see them now")
        return found

    def number(self, label: str, colour: str | None = None) -> int:
        """The number of the class of a name, which is made if there is none, of a colour or the palette's next.

        Raises:
            ConfigError: the name cannot be, or there are too many.
        """
        name, there = checked(label), self.there()
        found = next((one.id for one in there if one.name == name), None)
        if found is not None:
            return found
        if len(there) >= MOST_CLASSES:
            raise ConfigError(f"an index keeps up to {MOST_CLASSES} classes of labels; delete or merge some")
        number = self._db.execute("SELECT coalesce(max(id), 0) + 1 FROM classes").fetchone()[0]
        self._put(ClassRow(number, name, colour or next_colour(one.colour for one in there)))
        return number

    def make(self, label: str, colour: str | None) -> None:
        """Make sure that there is a class, of the colour that is given, if one is."""
        colour = None if colour is None else checked_colour(colour)
        self.number(label, colour)
        if colour is not None:
            self.recolour(label, colour)

    def rename(self, label: str, to: str) -> tuple[int, int] | None:
        """Give a class another name; where another class has that, return the numbers of both, and leave them alone."""
        one, name = self.named(label), checked(to)
        other = next((other for other in self.there() if other.name == name and other.id != one.id), None)
        if other is not None:
            return one.id, other.id
        self._restate(one, one._replace(name=name))
        return None

    def recolour(self, label: str, colour: str) -> None:
        """Give a class another colour."""
        one = self.named(label)
        self._restate(one, one._replace(colour=checked_colour(colour)))

    def end(self, number: int) -> None:
        """Let a class be no more; one of this very version has never been."""
        self._db.execute("DELETE FROM classes WHERE id = ? AND since = ?", (number, self._version))
        self._db.execute("UPDATE classes SET until = ? WHERE id = ? AND until IS NULL", (self._version, number))

    def _restate(self, one: ClassRow, other: ClassRow) -> None:
        if one != other:
            self.end(one.id)
            self._put(other)

    def _put(self, one: ClassRow) -> None:
        row = (one.id, self._version, self._version, one.name, one.colour)
        self._db.execute("INSERT INTO classes VALUES (?, ?, NULL, ?, ?, ?)", row)


def next_colour(used: Iterable[str]) -> str:
    """The first colour of the palette that is used least."""
    counts = dict.fromkeys(PALETTE, 0)
    for colour in used:
        if colour in counts:
            counts[colour] += 1
    return min(PALETTE, key=lambda colour: counts[colour])


def checked_colour(colour: object) -> str:
    """A colour as ``#rrggbb`` in small letters.

    Raises:
        ConfigError: it is none.
    """
    if not isinstance(colour, str) or not re.fullmatch("#[0-9a-fA-F]{6}", colour):
        raise ConfigError(f"{str(colour)[:40]!r} is no colour; write one as #rrggbb, such as {PALETTE[0]}")
    return colour.lower()
