"""From a vector to the places in the library that are most like it."""

from __future__ import annotations

import sqlite3
import threading
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from typing import Any, get_args

import numpy as np

from kinema.search.approximate import candidates
from kinema.search.comparing import Comparison, comparison
from kinema.search.connection import snapshot
from kinema.search.database import ids_where, windows_where
from kinema.search.faiss_files import DamagedFile, shown
from kinema.search.recent import Recent
from kinema.search.results import By, Hit, Window
from kinema.search.segments import Covered, covered, open_segment
from kinema.search.stretches import along, background, direction, scores_of
from kinema.search.values import check_length

FEW = 2_000
"""Candidates beyond which comparing all windows that the filters allow is the better way."""
LEAST_SPREAD = 1e-3
KEPT = 8
"""Lengths of queries whose backgrounds are held."""


class Ranker:
    """Finds the nearest windows; threads may share one.

    Windows that no segment of the approximate index covers are held in memory and compared one by one; of the others
    it names candidates, whose vectors come from the database.

    Args:
        folder: of the index.
    """

    def __init__(self, folder: Path):
        self._folder = folder
        self._lock = threading.Lock()
        self._recent: dict[By, Recent] = {way: Recent(way) for way in get_args(By)}
        self._segments: dict[By, dict[int, Any]] = {way: {} for way in get_args(By)}
        self._broken: dict[By, tuple[Covered, str]] = {}
        self._background: OrderedDict[tuple[By, int], tuple[Comparison, int, np.ndarray]] = OrderedDict()

    def nearest(
        self, vectors: np.ndarray, by: By, top: int, allowed: tuple[str, list[Any]], exact: bool
    ) -> tuple[Hit, ...]:
        """The ``top`` places that are most like the query, best first, of one state of the index.

        The mean of the query's windows is compared with that of as many windows of a video around a place: a movement
        that lasts is looked for as long as it lasts.

        Args:
            vectors: (D,) or (Q, D) of length 1, as stored: those of the query's windows.
            by: what is compared.
            top: how many.
            allowed: which windows may be found, as of :func:`~kinema.search.database.condition`.
            exact: compare with every window that is allowed.
        """
        for _ in range(10):
            try:
                with snapshot(self._folder) as db:
                    return self._nearest(db, np.atleast_2d(vectors), by, top, allowed, exact)
            except FileNotFoundError as error:  # others may have come between the database and its file
                reason = f"{shown(Path(str(error)))} is gone"
            except DamagedFile as error:
                reason = str(error)
                break
        self._give_up(by, reason)
        with snapshot(self._folder) as db:
            return self._nearest(db, np.atleast_2d(vectors), by, top, allowed, exact=True)

    def complaint(self, by: By) -> str:
        """What is wrong with the approximate index that the last search did without; empty if nothing is."""
        with self._lock:
            return self._broken[by][1] if by in self._broken else ""

    def _give_up(self, by: By, reason: str) -> None:
        """Do without the segments of the present state."""
        with snapshot(self._folder) as db:
            now = covered(db)
        with self._lock:
            self._segments[by] = {}
            self._broken[by] = now, f"{reason}, so that every window was compared; run `kinema index` again"

    def typical(self, vectors: np.ndarray, by: By) -> tuple[float, float]:
        """The median score in the library with the query's ``vectors`` (Q, D), and the spread of scores around it.

        The scores are those that :meth:`nearest` compares, of stretches of Q windows, which lie closer together than
        those of windows. Both figures are of the median kind, so that the few that are like the query do not count as
        typical.
        """
        with snapshot(self._folder) as db:
            others = self._others(db, by, len(vectors))
            if not len(others):
                return 0.0, 1.0
            scores = others @ direction(comparison(db)(by, vectors))
        middle = float(np.median(scores))
        return middle, max(LEAST_SPREAD, 1.4826 * float(np.median(np.abs(scores - middle))))

    def _others(self, db: sqlite3.Connection, by: By, length: int) -> np.ndarray:
        """See :func:`~kinema.search.stretches.background`; read anew where the library has grown by a tenth since,
        so that a search beside one who adds to it need not do so each time."""
        compared, last = comparison(db), db.execute("SELECT max(id) FROM windows").fetchone()[0] or 0
        with self._lock:
            held = self._background.get((by, length))
            if held is None or not held[1] <= last <= 1.1 * held[1] or not compared.same_as(held[0]):
                held = compared, last, background(db, by, length)
                self._background[by, length] = held
            self._background.move_to_end((by, length))
            while len(self._background) > KEPT:
                self._background.popitem(last=False)
        return held[2]

    def _nearest(
        self,
        db: sqlite3.Connection,
        vectors: np.ndarray,
        by: By,
        top: int,
        allowed: tuple[str, list[Any]],
        exact: bool,
    ) -> tuple[Hit, ...]:
        check_length(db, by, vectors.shape[1], "the query")
        now, compared, length = covered(db), comparison(db), len(vectors)
        asked = direction(compared(by, vectors))
        with self._lock:
            if by in self._broken and self._broken[by][0] != now:
                del self._broken[by]
            exact = exact or by in self._broken
        recent = self._recent_scores(db, by, asked, compared, now, length)
        wanted = 8 * top
        while now.last and not exact and wanted <= FEW:
            likely = self._likely_scores(db, by, asked, now, wanted, length)
            ids, scores = (np.concatenate(parts) for parts in zip(likely, recent, strict=True))
            hits = _hits(db, ids, scores, top, wanted, allowed)
            if len(hits) == top:
                return hits
            wanted *= 4
        if now.last:
            recent = scores_of(db, by, asked, ids_where(db, *allowed), length)
        while True:
            hits = _hits(db, *recent, top, wanted, allowed)
            if len(hits) == top or wanted >= len(recent[0]):
                return hits
            wanted *= 4

    def _recent_scores(
        self, db: sqlite3.Connection, by: By, asked: np.ndarray, compared: Comparison, now: Covered, length: int
    ) -> tuple[np.ndarray, np.ndarray]:
        with self._lock:
            ids, vectors, videos = self._recent[by].windows(db, compared, now.last)
        return ids, along(vectors @ asked, videos, length) if len(ids) else np.zeros(0, np.float32)

    def _likely_scores(
        self, db: sqlite3.Connection, by: By, asked: np.ndarray, now: Covered, wanted: int, length: int
    ) -> tuple[np.ndarray, np.ndarray]:
        numbers = [segment.number for segment in now.segments]
        with self._lock:
            known = self._segments[by]
            held = {number: known.get(number) or open_segment(db, self._folder, number, by) for number in numbers}
            self._segments[by] = held
        likely = candidates(list(held.values()), asked, wanted)
        return scores_of(db, by, asked, np.sort(likely), length)


def _hits(
    db: sqlite3.Connection,
    ids: np.ndarray,
    scores: np.ndarray,
    top: int,
    wanted: int,
    allowed: tuple[str, list[Any]],
) -> tuple[Hit, ...]:
    """The hits among the ``wanted`` best of ``ids``."""
    best = np.lexsort((ids, -scores))[:wanted]
    score_of = dict(zip(ids[best].tolist(), scores[best].tolist(), strict=True))
    chosen = f"windows.id IN ({', '.join(map(str, score_of))}) AND {allowed[0]}"
    found = {window.id: window for window in windows_where(db, chosen, allowed[1])}
    return merge([(found[number], score) for number, score in score_of.items() if number in found], top)


def merge(ranked: Sequence[tuple[Window, float]], top: int) -> tuple[Hit, ...]:
    """Make hits of windows with their scores, best first: of windows that overlap, the best stands for the others.

    A hit reaches over those of them that would have been hits themselves.
    """
    best: list[tuple[Window, float]] = []
    others: list[tuple[int, Window, float]] = []
    by_path: dict[str, list[int]] = {}
    for window, score in ranked:
        near = [n for n in by_path.get(window.path, ()) if _overlap(window, best[n][0])]
        if near:
            others.append((near[0], window, score))
        elif len(best) < top:
            by_path.setdefault(window.path, []).append(len(best))
            best.append((window, score))
    spans = [[window.start, window.end] for window, _ in best]
    for number, window, score in others:
        if score >= best[-1][1]:
            spans[number] = [min(spans[number][0], window.start), max(spans[number][1], window.end)]
    return tuple(Hit(score, span[0], span[1], window) for (window, score), span in zip(best, spans, strict=True))


def _overlap(one: Window, other: Window) -> bool:
    return one.start < other.end and other.start < one.end
