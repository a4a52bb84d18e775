"""Where in the picture the windows of an index lie: in tables that an index of whole frames has not got."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import isfinite
from typing import Any

from kinema.boxes.box import Box, Place
from kinema.errors import KinemaError
from kinema.search.about import get_about
from kinema.search.store import Damage, Database
from kinema.search.tables import FORMAT_WITH_BOXES
from kinema.search.values import among, of_kind, text


def has_boxes(db: Database) -> bool:
    """Whether an index keeps where its windows lie."""
    return get_about(db, "format", int) == FORMAT_WITH_BOXES


def row_of(place: Place) -> tuple[float, float, float, float, str]:
    """A place as the tables have it."""
    box = place.box
    return box.left, box.top, box.right, box.bottom, place.subject


def places_of(db: Database, ids: Iterable[int]) -> dict[int, Place]:
    """The places of windows by their numbers; of those that have any."""
    if not has_boxes(db):
        return {}
    chosen = among(int(number) for number in ids)
    query = f'SELECT id, "left", top, "right", bottom, subject FROM boxes WHERE id {chosen}'
    return {number: _place(row) for number, *row in db.execute(query)}


def _place(row: Sequence[Any]) -> Place:
    if not all(isfinite(of_kind(side, float)) for side in row[:4]):
        raise Damage("it holds a number without end")
    try:
        return Place(Box(*row[:4]), text(row[4]))
    except KinemaError as error:
        raise Damage(f"it holds what is no box: {error}") from error
