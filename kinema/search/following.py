"""What searches need of an index, kept from one to the next, and read ahead while others add to it.

A search beside one who adds would have to read all that came since the one before it. So a thread reads on between
searches, a little at a time, as long as the index changes and is asked; a search finds next to all of it ready.
"""

from __future__ import annotations

import threading
import time
import weakref
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, get_args

import numpy as np

from kinema.common.last_used import LastUsed
from kinema.errors import KinemaError
from kinema.search.about import get_about
from kinema.search.comparing import Comparison, comparison
from kinema.search.connection import snapshot
from kinema.search.recent import Recent, Windows
from kinema.search.results import By
from kinema.search.segments import Covered, covered, open_segment
from kinema.search.store import Database
from kinema.search.stretches import background

if TYPE_CHECKING:
    import faiss

BITE = 500
"""Windows that are read ahead at a time: a search that comes meanwhile waits for so many."""
PAUSE, SHORT_PAUSE = 0.05, 0.002
"""Seconds between two bites, where all was read, and where there is more."""
PATIENCE = 60.0
"""Seconds after the last search, or the last change of the index, for which it is followed."""
FRESH, STALE = 1.1, 1.25
"""How many times as many windows as when the background was drawn there may be: beyond the first it is drawn anew
between searches, beyond the second a search waits for that."""
KEPT = 8
"""Lengths of queries whose backgrounds are held."""


@dataclass(frozen=True)
class Ready:
    """What a search needs of one state of the index.

    Attributes:
        state: its number, which grows with every change.
        covered: what the approximate index covers.
        compared: how vectors are compared.
        recent: the windows that it does not cover.
    """

    state: int
    covered: Covered
    compared: Comparison
    recent: Sequence[Windows]


class Following:
    """An index as searches see it; threads may share one.

    Args:
        index: what is called so.
    """

    def __init__(self, index: Path):
        self._index = index
        self._counting, self._reading, self._opening = (threading.Lock() for _ in range(3))
        self._searches = 0
        self._recent: dict[By, Recent] = {way: Recent(way) for way in get_args(By)}
        self._segments: dict[By, dict[int, faiss.IndexIVF]] = {way: {} for way in get_args(By)}
        self._backgrounds: LastUsed[tuple[Comparison, int, np.ndarray]] = LastUsed(KEPT)
        self._lengths: dict[By, int] = {}  # of the last search
        self._asked: dict[By, float] = dict.fromkeys(get_args(By), -inf)
        self._state: int | None = None
        self._changed = -inf
        self._thread: threading.Thread | None = None

    @contextmanager
    def state(self, by: By) -> Iterator[tuple[Database, Ready]]:
        """A connection that sees one state until the block ends, and what is known of that state.

        Raises:
            DataError: there is no index, or it is damaged.
        """
        with self._counting:
            self._searches += 1
        try:
            with self._read(by) as (db, ready):
                self._asked[by] = time.monotonic()
                self._follow_changes()
                yield db, ready
        finally:
            with self._counting:
                self._searches -= 1

    @contextmanager
    def _read(self, by: By, most: int | None = None) -> Iterator[tuple[Database, Ready]]:
        """The present state, with at most so many more windows than are known."""
        with ExitStack() as opened:
            with self._reading:  # in which the state begins, so that no later one has been read before it
                db = opened.enter_context(snapshot(self._index))
                state, now, compared = get_about(db, "state", int) or 0, covered(db), comparison(db)
                if state != self._state:
                    self._changed = -inf if self._state is None else time.monotonic()
                    self._state = state
                recent = self._recent[by].windows(db, compared, now.last, most)
            yield db, Ready(state, now, compared, recent)

    def segments(self, db: Database, by: By, now: Covered) -> list[faiss.IndexIVF]:
        """The segments of the approximate index, opened.

        Raises:
            FileNotFoundError: the file of one is gone, as it is where others have taken its place.
            DamagedFile: one cannot be used.
        """
        numbers = [segment.number for segment in now.segments]
        with self._opening:
            known = self._segments[by]
            held = {n: known[n] if n in known else open_segment(db, self._index, n, by) for n in numbers}
            self._segments[by] = held
        return list(held.values())

    def close_segments(self, by: By) -> None:
        """Hold none of them any longer."""
        with self._opening:
            self._segments[by] = {}

    def background(self, db: Database, by: By, compared: Comparison, length: int, grown: float = STALE) -> np.ndarray:
        """See :func:`~kinema.search.stretches.background`; read anew where vectors are compared otherwise, or the
        library has grown to ``grown`` times what it was, so that a search beside one who adds need not do so."""
        last = db.execute("SELECT max(id) FROM windows").fetchone()[0] or 0
        held = self._backgrounds.look((by, length))
        if held is None or not held[1] <= last <= grown * held[1] or not compared.same_as(held[0]):
            held = compared, last, background(db, by, compared, length)
        self._backgrounds.put((by, length), held)
        self._lengths[by] = length
        return held[2]

    def _follow_changes(self) -> None:
        """Let a thread read ahead where others are adding."""
        with self._counting:
            followed = self._thread is not None and self._thread.is_alive()
            if followed or time.monotonic() - self._changed > PATIENCE:
                return
            self._thread = threading.Thread(target=_follow, args=(weakref.ref(self),), name="following", daemon=True)
            self._thread.start()

    def _ahead(self) -> float | None:
        """Read a bite; return how many seconds to wait before the next one, None to end."""
        now, more = time.monotonic(), False
        asked = [by for by, when in self._asked.items() if now - when < PATIENCE]
        if not asked or now - self._changed > PATIENCE:
            return None
        for by in asked:
            if self._searches:  # which shall have the processor for themselves
                return SHORT_PAUSE
            before = self._recent[by].read
            with self._read(by, BITE) as (db, ready):
                more = more or self._recent[by].read - before >= BITE
                if self._segments[by]:
                    self.segments(db, by, ready.covered)
                if by in self._lengths:
                    self.background(db, by, ready.compared, self._lengths[by], FRESH)
        return SHORT_PAUSE if more else PAUSE


def _follow(following: weakref.ref[Following]) -> None:
    """What the thread does, until nobody asks, nothing changes, or there is nothing left to follow."""
    while (alive := following()) is not None:
        try:
            wait = alive._ahead()
        except FileNotFoundError:  # others have come between the database and its file
            wait = PAUSE
        except (KinemaError, OSError):  # the next search meets the same, and says it
            return
        del alive
        if wait is None:
            return
        time.sleep(wait)
