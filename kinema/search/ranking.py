"""From a vector to the places in the library that are most like it."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from kinema.common.last_used import LastUsed
from kinema.common.vectors import products
from kinema.search.approximate import candidates
from kinema.search.comparing import comparison
from kinema.search.connection import snapshot
from kinema.search.database import Allowed, ids_where, windows_where
from kinema.search.faiss_files import DamagedFile, shown
from kinema.search.following import Following, Ready
from kinema.search.recent import recent_scores
from kinema.search.results import By, Hit, Window
from kinema.search.segments import Covered, covered
from kinema.search.store import Database
from kinema.search.stretches import along, direction, scores_of
from kinema.search.values import among as one_of
from kinema.search.values import check_length

FEW = 2_000
"""Candidates beyond which comparing all windows that the filters allow is the better way; and so many that they allow
are all compared."""
SELECTIVE = 0.25
"""Of the candidates, the share that the filters allow below which windows are chosen before candidates are named."""
LEAST_SPREAD = 1e-3
KEPT = 4
"""Filters whose windows are held."""

Scored = tuple[np.ndarray, np.ndarray]
"""Numbers (N,) of windows and their scores (N,)."""


class Ranker:
    """Finds the nearest windows; threads may share one.

    Windows that no segment of the approximate index covers are held in memory and compared one by one; of the others
    it names candidates, whose vectors come from the database.

    Args:
        index: what is called so.
    """

    def __init__(self, index: Path):
        self._index = index
        self._following = Following(index)
        self._lock = threading.Lock()
        self._broken: dict[By, tuple[Covered, str]] = {}
        self._chosen: LastUsed[np.ndarray] = LastUsed(KEPT)

    def nearest(self, vectors: np.ndarray, by: By, top: int, allowed: Allowed, exact: bool) -> tuple[Hit, ...]:
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
                with self._following.state(by) as (db, ready):
                    return self._nearest(db, ready, np.atleast_2d(vectors), by, top, allowed, exact)
            except FileNotFoundError as error:  # others may have come between the database and its file
                reason = f"{shown(Path(str(error)))} is gone"
            except DamagedFile as error:
                reason = str(error)
                break
        self._give_up(by, reason)
        with self._following.state(by) as (db, ready):
            return self._nearest(db, ready, np.atleast_2d(vectors), by, top, allowed, exact=True)

    def complaint(self, by: By) -> str:
        """What is wrong with the approximate index that the last search did without; empty if nothing is."""
        with self._lock:
            return self._broken[by][1] if by in self._broken else ""

    def _give_up(self, by: By, reason: str) -> None:
        """Do without the segments of the present state."""
        with snapshot(self._index) as db:
            now = covered(db)
        self._following.close_segments(by)
        with self._lock:
            self._broken[by] = now, f"{reason}, so that every window was compared; run `kinema index` again"

    def typical(self, vectors: np.ndarray, by: By) -> tuple[float, float]:
        """The median score in the library with the query's ``vectors`` (Q, D), and the spread of scores around it.

        The scores are those that :meth:`nearest` compares, of stretches of Q windows, which lie closer together than
        those of windows. Both figures are of the median kind, so that the few that are like the query do not count as
        typical.
        """
        with snapshot(self._index) as db:
            compared = comparison(db)
            others = self._following.background(db, by, compared, len(vectors))
            if not len(others):
                return 0.0, 1.0
            scores = products(others, direction(compared(by, vectors)))
        middle = float(np.median(scores))
        return middle, max(LEAST_SPREAD, 1.4826 * float(np.median(np.abs(scores - middle))))

    def _nearest(
        self,
        db: Database,
        ready: Ready,
        vectors: np.ndarray,
        by: By,
        top: int,
        allowed: Allowed,
        exact: bool,
    ) -> tuple[Hit, ...]:
        check_length(db, by, vectors.shape[1], "the query")
        now, compared, length = ready.covered, ready.compared, len(vectors)
        asked = direction(compared(by, vectors))
        with self._lock:
            if by in self._broken and self._broken[by][0] != now:
                del self._broken[by]
            exact = exact or by in self._broken
        ids, cosines, videos = recent_scores(ready.recent, asked)
        recent = ids, along(cosines, videos, length)
        wanted, among = 8 * top, self._chosen.look((ready.state, allowed))
        if among is not None and len(among) >= SELECTIVE * now.count:
            among = None
        while now.last and not exact and wanted <= FEW and (among is None or len(among) > FEW):
            likely = candidates(self._following.segments(db, by, now), asked, wanted, among)
            scored = scores_of(db, by, compared, asked, np.sort(likely), length)
            hits, share = _hits(db, *_joined(scored, _those(recent, among)), top, wanted, allowed)
            if len(hits) == top:
                return hits
            if among is None and share < SELECTIVE:
                among = self._choose(db, ready.state, allowed)
            else:
                wanted *= 4
        if now.last:
            recent = scores_of(db, by, compared, asked, self._choose(db, ready.state, allowed), length)
        while True:
            hits, share = _hits(db, *recent, top, wanted, allowed)
            if len(hits) == top or wanted >= len(recent[0]):
                return hits
            if among is None and share < SELECTIVE:
                among = self._choose(db, ready.state, allowed)
                recent = _those(recent, among)
            else:
                wanted *= 4

    def _choose(self, db: Database, state: int, allowed: Allowed) -> np.ndarray:
        """(N,) the windows that filters leave in a state, sorted, looked for once."""
        found = self._chosen.look((state, allowed))
        if found is None:
            found = ids_where(db, *allowed)
        self._chosen.put((state, allowed), found)
        return found


def _hits(
    db: Database,
    ids: np.ndarray,
    scores: np.ndarray,
    top: int,
    wanted: int,
    allowed: Allowed,
) -> tuple[tuple[Hit, ...], float]:
    """The hits among the ``wanted`` best of ``ids``, and the share of these that may be found."""
    best = np.lexsort((ids, -scores))[:wanted]
    score_of = dict(zip(ids[best].tolist(), scores[best].tolist(), strict=True))
    chosen = f"windows.id {one_of(score_of)} AND {allowed[0]}"
    found = {window.id: window for window in windows_where(db, chosen, allowed[1])}
    hits = merge([(found[number], score) for number, score in score_of.items() if number in found], top)
    return hits, len(found) / max(1, len(best))


def _those(scored: Scored, among: np.ndarray | None) -> Scored:
    """Of numbers, sorted, and their scores those that are ``among`` others; all if that is None."""
    if among is None:
        return scored
    place = np.minimum(np.searchsorted(among, scored[0]), len(among) - 1)
    chosen = among[place] == scored[0] if len(among) else np.zeros(len(scored[0]), bool)
    return scored[0][chosen], scored[1][chosen]


def _joined(one: Scored, other: Scored) -> Scored:
    return np.concatenate([one[0], other[0]]), np.concatenate([one[1], other[1]])


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
