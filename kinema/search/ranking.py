"""From a vector to the places in the library that are most like it."""

from __future__ import annotations

import sqlite3
import threading
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from kinema.search.about import get_about
from kinema.search.approximate import Generation, candidates, generation, index_path, open_generation
from kinema.search.comparing import comparison
from kinema.search.connection import snapshot
from kinema.search.database import ids_where, vectors_after, videos_of, windows_where
from kinema.search.faiss_files import DamagedFile, shown
from kinema.search.results import By, Hit, Window
from kinema.search.stretches import along, background, scores_of
from kinema.search.values import as_matrix, check_length
from kinema.vectors import unit

FEW = 2_000
"""Candidates beyond which comparing all windows that the filters allow is the better way."""
LEAST_SPREAD = 1e-3
KEPT = 8
"""Lengths of queries whose backgrounds are held."""


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
        self._recent: dict[By, tuple[tuple[int, int], np.ndarray, np.ndarray, np.ndarray]] = {}
        self._indexes: dict[By, tuple[int, Any]] = {}
        self._broken: dict[By, tuple[int, str]] = {}
        self._background: OrderedDict[tuple[By, int], tuple[int, np.ndarray]] = OrderedDict()

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
            except FileNotFoundError:  # a new generation came between the database and its file
                continue
            except DamagedFile as error:
                self._give_up(by, str(error))
                break
        else:
            self._give_up(by, "")
        with snapshot(self._folder) as db:
            return self._nearest(db, np.atleast_2d(vectors), by, top, allowed, exact=True)

    def complaint(self, by: By) -> str:
        """What is wrong with the approximate index that the last search did without; empty if nothing is."""
        with self._lock:
            return self._broken[by][1] if by in self._broken else ""

    def _give_up(self, by: By, reason: str) -> None:
        """Do without a generation's file, which is gone if there is no ``reason``."""
        with snapshot(self._folder) as db:
            made = generation(db)
        said = reason or f"{shown(index_path(self._folder, made, by))} is gone"
        with self._lock:
            self._indexes.pop(by, None)
            self._broken[by] = made.number, f"{said}, so that every window was compared; run `kinema index` again"

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
            scores = others @ _mean(comparison(db)(by, vectors))
        middle = float(np.median(scores))
        return middle, max(LEAST_SPREAD, 1.4826 * float(np.median(np.abs(scores - middle))))

    def _others(self, db: sqlite3.Connection, by: By, length: int) -> np.ndarray:
        """See :func:`~kinema.search.stretches.background`."""
        state = get_about(db, "state", int) or 0
        with self._lock:
            held = self._background.get((by, length))
            if held is None or held[0] != state:
                held = state, background(db, by, length)
                self._background[by, length] = held
            self._background.move_to_end((by, length))
            while len(self._background) > KEPT:
                self._background.popitem(last=False)
        return held[1]

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
        made, asked, length = generation(db), _mean(comparison(db)(by, vectors)), len(vectors)
        with self._lock:
            if by in self._broken and self._broken[by][0] != made.number:
                del self._broken[by]
            exact = exact or by in self._broken
        recent = self._recent_scores(db, by, asked, made, length)
        wanted = 8 * top
        while made.last and not exact and wanted <= FEW:
            likely = self._likely_scores(db, by, asked, made, wanted, length)
            ids, scores = (np.concatenate(parts) for parts in zip(likely, recent, strict=True))
            hits = _hits(db, ids, scores, top, wanted, allowed)
            if len(hits) == top:
                return hits
            wanted *= 4
        if made.last:
            recent = scores_of(db, by, asked, ids_where(db, *allowed), length)
        while True:
            hits = _hits(db, *recent, top, wanted, allowed)
            if len(hits) == top or wanted >= len(recent[0]):
                return hits
            wanted *= 4

    def _recent_scores(
        self, db: sqlite3.Connection, by: By, asked: np.ndarray, made: Generation, length: int
    ) -> tuple[np.ndarray, np.ndarray]:
        key = (get_about(db, "state", int) or 0, made.last)
        with self._lock:
            held = self._recent.get(by)
            if held is None or held[0] != key:
                ids, vectors = as_matrix(list(vectors_after(db, by, made.last)))
                held = key, ids, comparison(db)(by, vectors), videos_of(db, ids)
                self._recent[by] = held
        _, ids, vectors, videos = held
        return ids, along(vectors @ asked, videos, length) if len(ids) else np.zeros(0, np.float32)

    def _likely_scores(
        self, db: sqlite3.Connection, by: By, asked: np.ndarray, made: Generation, wanted: int, length: int
    ) -> tuple[np.ndarray, np.ndarray]:
        with self._lock:
            held = self._indexes.get(by)
            if held is None or held[0] != made.number:
                held = made.number, open_generation(db, self._folder, made, by)
                self._indexes[by] = held
        return scores_of(db, by, asked, np.sort(candidates(held[1], asked, wanted)), length)


def _mean(vectors: np.ndarray) -> np.ndarray:
    """(Q, D) -> (D,) of length 1."""
    return unit(vectors.mean(axis=0))


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
