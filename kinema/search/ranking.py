"""From a vector to the places in the library that are most like it."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from kinema.search.approximate import Generation, candidates, generation, index_path, open_generation
from kinema.search.comparing import comparison
from kinema.search.database import (
    as_matrix,
    get_about,
    ids_where,
    snapshot,
    vectors_after,
    vectors_of,
    videos_of,
    windows_where,
)
from kinema.search.faiss_files import DamagedFile, shown
from kinema.search.results import By, Hit, Window
from kinema.vectors import unit

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
        self._recent: dict[By, tuple[tuple[int, int], np.ndarray, np.ndarray, np.ndarray]] = {}
        self._indexes: dict[By, tuple[int, Any]] = {}
        self._broken: dict[By, tuple[int, str]] = {}
        self._background: dict[By, tuple[int, np.ndarray]] = {}

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
            scores = held[1] @ _mean(comparison(db)(by, vectors))
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
            recent = _scores(db, by, asked, ids_where(db, *allowed), length)
        while True:
            hits = _hits(db, *recent, top, wanted, allowed)
            if len(hits) == top or wanted >= len(recent[0]):
                return hits
            wanted *= 4

    def _recent_scores(
        self, db: sqlite3.Connection, by: By, asked: np.ndarray, made: Generation, length: int
    ) -> tuple[np.ndarray, np.ndarray]:
        key = (get_about(db, "state"), made.last)
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
        return _scores(db, by, asked, np.sort(candidates(held[1], asked, wanted)), length)


def _mean(vectors: np.ndarray) -> np.ndarray:
    """(Q, D) -> (D,) of length 1."""
    return unit(vectors.mean(axis=0))


def along(scores: np.ndarray, videos: np.ndarray, length: int) -> np.ndarray:
    """The mean of scores (N,) over ``length`` windows around each; what its video has not got counts as nothing.

    Args:
        scores: of windows, those of a video together and in the order of time.
        videos: (N,) the video of each.
        length: windows.
    """
    if length == 1 or not len(scores):
        return scores
    edges = np.flatnonzero(np.diff(videos, prepend=-1, append=-1))  # where a video begins, and the end
    run = np.repeat(np.arange(len(edges) - 1), np.diff(edges))
    place = np.arange(len(scores))
    first = np.maximum(edges[run], place - (length - 1) // 2)
    after = np.minimum(edges[run + 1], place + length // 2 + 1)
    sums = np.concatenate([[0.0], np.cumsum(scores, dtype=np.float64)])
    return ((sums[after] - sums[first]) / length).astype(np.float32)


def around(ids: np.ndarray, length: int) -> np.ndarray:
    """The numbers ``ids`` (N,), sorted, with all that lie less than ``length`` from one of them, sorted."""
    if length == 1 or not len(ids):
        return ids
    begins = np.flatnonzero(np.diff(ids, prepend=ids[0] - 2 * length) > 2 * length - 1)
    ends = np.append(begins[1:], len(ids)) - 1
    return np.concatenate([np.arange(ids[a] - length + 1, ids[b] + length) for a, b in zip(begins, ends, strict=True)])


def _scores(
    db: sqlite3.Connection, by: By, asked: np.ndarray, ids: np.ndarray, length: int
) -> tuple[np.ndarray, np.ndarray]:
    """Those of ``ids``, sorted, that there are, and their cosines with ``asked`` (D,), :func:`along` their videos."""
    numbers, scores, wanted = [np.zeros(0, np.int64)], [np.zeros(0, np.float32)], around(ids, length)
    for at in range(0, len(wanted), CHUNK):
        part, vectors = vectors_of(db, by, wanted[at : at + CHUNK])
        numbers.append(part)
        scores.append(comparison(db)(by, vectors) @ asked if len(part) else np.zeros(0, np.float32))
    found, cosines = np.concatenate(numbers), np.concatenate(scores)
    if length > 1:
        own = np.isin(found, ids)
        found, cosines = found[own], along(cosines, videos_of(db, found), length)[own]
    return found, cosines


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
