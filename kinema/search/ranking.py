"""From a vector to the places in the library that are most like it."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from kinema.errors import DataError
from kinema.search.approximate import Generation, candidates, generation, open_index
from kinema.search.comparing import comparison
from kinema.search.database import (
    as_matrix,
    get_about,
    ids_where,
    snapshot,
    vectors_after,
    vectors_of,
    windows_where,
)
from kinema.search.results import By, Hit, Window

FEW = 2_000
"""Candidates beyond which comparing all windows that the filters allow is the better way."""
CHUNK = 20_000
BACKGROUND = 2_000
"""Windows that say what score is typical of the library, at most about."""
LEAST_SPREAD = 1e-3


class Ranker:
    """Finds the nearest windows; threads may share one.

    Windows that the approximate index does not cover are held in memory and compared one by one; of those that it
    covers it names candidates, whose vectors come from the database.

    Args:
        folder: of the index.
    """

    def __init__(self, folder: Path):
        self._folder = folder
        self._lock = threading.Lock()
        self._recent: dict[By, tuple[tuple[int, int], np.ndarray, np.ndarray]] = {}
        self._indexes: dict[By, tuple[int, Any]] = {}
        self._background: dict[By, tuple[int, np.ndarray]] = {}

    def nearest(
        self, vectors: np.ndarray, by: By, top: int, allowed: tuple[str, list[Any]], exact: bool
    ) -> tuple[Hit, ...]:
        """The ``top`` places that are most like any of the vectors, best first, of one state of the index.

        Args:
            vectors: (D,) or (Q, D) of length 1, as stored.
            by: what is compared.
            top: how many.
            allowed: which windows may be found, as of :func:`~kinema.search.database.condition`.
            exact: compare with every window that is allowed.
        """
        for _ in range(10):
            try:
                with snapshot(self._folder) as db:
                    return self._nearest(db, np.atleast_2d(vectors), by, top, allowed, exact)
            except FileNotFoundError:  # a new generation came between the database and its file
                continue
        raise DataError(f"{self._folder} has lost a file of its approximate index; run `kinema index` again")

    def typical(self, vectors: np.ndarray, by: By) -> tuple[float, float]:
        """The median score of the library's windows, drawn evenly, with ``vectors`` (Q, D), and their spread around it.

        Both are of the median kind, so that the few that are like the query do not count as typical.
        """
        with snapshot(self._folder) as db:
            state = get_about(db, "state")
            with self._lock:
                held = self._background.get(by)
                if held is None or held[0] != state:
                    ids = ids_where(db, "1", [])
                    _, others = vectors_of(db, by, ids[:: -(-len(ids) // BACKGROUND) or 1])
                    held = state, comparison(db)(by, others)
                    self._background[by] = held
            if not len(held[1]):
                return 0.0, 1.0
            scores = best_of(held[1], comparison(db)(by, vectors))
        middle = float(np.median(scores))
        return middle, max(LEAST_SPREAD, 1.4826 * float(np.median(np.abs(scores - middle))))

    def _nearest(
        self,
        db: sqlite3.Connection,
        vectors: np.ndarray,
        by: By,
        top: int,
        allowed: tuple[str, list[Any]],
        exact: bool,
    ) -> tuple[Hit, ...]:
        made, asked = generation(db), comparison(db)(by, vectors)
        recent = self._recent_scores(db, by, asked, made)
        wanted = 8 * top
        while made.last and not exact and wanted <= FEW:
            likely = self._likely_scores(db, by, asked, made, wanted)
            ids, scores = (np.concatenate(parts) for parts in zip(likely, recent, strict=True))
            hits = _hits(db, ids, scores, top, wanted, allowed)
            if len(hits) == top:
                return hits
            wanted *= 4
        if made.last:
            recent = _scores(db, by, asked, ids_where(db, *allowed))
        while True:
            hits = _hits(db, *recent, top, wanted, allowed)
            if len(hits) == top or wanted >= len(recent[0]):
                return hits
            wanted *= 4

    def _recent_scores(
        self, db: sqlite3.Connection, by: By, asked: np.ndarray, made: Generation
    ) -> tuple[np.ndarray, np.ndarray]:
        key = (get_about(db, "state"), made.last)
        with self._lock:
            held = self._recent.get(by)
            if held is None or held[0] != key:
                ids, vectors = as_matrix(list(vectors_after(db, by, made.last)))
                held = key, ids, comparison(db)(by, vectors)
                self._recent[by] = held
        return held[1], best_of(held[2], asked) if len(held[1]) else np.zeros(0, np.float32)

    def _likely_scores(
        self, db: sqlite3.Connection, by: By, asked: np.ndarray, made: Generation, wanted: int
    ) -> tuple[np.ndarray, np.ndarray]:
        with self._lock:
            held = self._indexes.get(by)
            if held is None or held[0] != made.number:
                held = made.number, open_index(self._folder, made, by)
                self._indexes[by] = held
        return _scores(db, by, asked, candidates(held[1], asked, wanted))


def best_of(vectors: np.ndarray, asked: np.ndarray) -> np.ndarray:
    """(N,) cosines of vectors (N, D) with the one of those asked for (Q, D) that each is most like; all of length 1."""
    best: np.ndarray = (vectors @ asked.T).max(axis=1)
    return best


def _scores(db: sqlite3.Connection, by: By, asked: np.ndarray, ids: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Those of ``ids`` that there are and their scores, as of :func:`best_of`."""
    numbers, scores = [np.zeros(0, np.int64)], [np.zeros(0, np.float32)]
    for at in range(0, len(ids), CHUNK):
        part, vectors = vectors_of(db, by, ids[at : at + CHUNK])
        numbers.append(part)
        scores.append(best_of(comparison(db)(by, vectors), asked) if len(part) else np.zeros(0, np.float32))
    return np.concatenate(numbers), np.concatenate(scores)


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
