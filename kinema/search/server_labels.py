"""The labels of an index on a server: in its tables, beside the windows."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from kinema.search.store import Database

if TYPE_CHECKING:
    from kinema.search.server import ServerStore


class ServerLabels:
    """See :class:`~kinema.search.store.LabelTables`; a connection is asked for each time.

    Args:
        store: of the index.
    """

    kept = True

    def __init__(self, store: ServerStore):
        self.path, self._store = store.path, store

    @contextmanager
    def reading(self) -> Iterator[Database]:
        """One state of the labels."""
        with self._store.snapshot() as db:
            yield db

    @contextmanager
    def writing(self) -> Iterator[Database]:
        """One change at a time, whoever makes it."""
        with self._store.labelling() as db, db.writing():
            yield db

    def close(self) -> None:
        """Nothing is held."""
