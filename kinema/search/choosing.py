"""Which windows filters leave, found once for each state of an index."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import Any

import numpy as np

from kinema.search.database import ids_where
from kinema.search.store import Database

Allowed = tuple[str, list[Any]]
"""Filters as :func:`~kinema.search.database.condition` gives them."""
KEPT = 4
"""Filters whose windows are held."""


class Choosing:
    """The windows that filters leave; threads may share one."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._held: OrderedDict[tuple[Any, ...], tuple[int, np.ndarray]] = OrderedDict()

    def known(self, state: int, allowed: Allowed) -> np.ndarray | None:
        """(N,) the windows that filters leave in a state, sorted; None where they have not been looked for."""
        with self._lock:
            held = self._held.get((allowed[0], *allowed[1]))
        return held[1] if held is not None and held[0] == state else None

    def windows(self, db: Database, state: int, allowed: Allowed) -> np.ndarray:
        """As :meth:`known`, of the database's state, whose number that is."""
        found = self.known(state, allowed)
        if found is None:
            found = ids_where(db, *allowed)
        key = allowed[0], *allowed[1]
        with self._lock:
            self._held[key] = state, found
            self._held.move_to_end(key)
            while len(self._held) > KEPT:
                self._held.popitem(last=False)
        return found
