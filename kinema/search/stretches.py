"""Stretches of windows, as long as a query: what a search compares with the mean of the query's windows."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from kinema.common.vectors import products, unit
from kinema.search.comparing import Comparison
from kinema.search.database import some_ids, vectors_of, videos_of
from kinema.search.results import By
from kinema.search.store import Database

CHUNK = 20_000
"""Windows that are read at a time."""
BACKGROUND, LEAST_BACKGROUND = 2_000, 100
"""Stretches that say what score is typical of the library, at most, and at least however long they are."""
BACKGROUND_WINDOWS = 5_000
"""Windows that these have, at most, where there are more than the least."""


def direction(vectors: np.ndarray) -> np.ndarray:
    """(Q, D) -> (D,) of length 1: what a query of Q windows, as they are compared, is looked for by."""
    return unit(vectors.mean(axis=0))


def along(scores: np.ndarray, videos: np.ndarray, length: int) -> np.ndarray:
    """The mean of scores or vectors (N, ...) over ``length`` windows around each; what a video has not got is nothing.

    Args:
        scores: or vectors, of windows, those of a video together and in the order of time.
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
    sums = np.cumsum(scores, axis=0, dtype=np.float64)
    sums = np.concatenate([np.zeros_like(sums[:1]), sums])
    return ((sums[after] - sums[first]) / length).astype(np.float32)


def around(ids: np.ndarray, length: int) -> np.ndarray:
    """The numbers ``ids`` (N,), sorted, with all that lie less than ``length`` from one of them, sorted."""
    if length == 1 or not len(ids):
        return ids
    begins = np.flatnonzero(np.diff(ids, prepend=ids[0] - 2 * length) > 2 * length - 1)
    ends = np.append(begins[1:], len(ids)) - 1
    return np.concatenate([np.arange(ids[a] - length + 1, ids[b] + length) for a, b in zip(begins, ends, strict=True)])


def scores_of(
    db: Database, by: By, compared: Comparison, asked: np.ndarray, ids: np.ndarray, length: int
) -> tuple[np.ndarray, np.ndarray]:
    """Those of ``ids``, sorted, that there are, and their cosines with ``asked`` (D,), :func:`along` their videos."""
    numbers, scores, wanted = [np.zeros(0, np.int64)], [np.zeros(0, np.float32)], around(ids, length)
    for part, vectors in _compared(db, by, compared, wanted):
        numbers.append(part)
        scores.append(products(vectors, asked))
    found, cosines = np.concatenate(numbers), np.concatenate(scores)
    if length > 1:
        own = np.isin(found, ids)
        found, cosines = found[own], along(cosines, videos_of(db, found), length)[own]
    return found, cosines


def background(db: Database, by: By, compared: Comparison, length: int) -> np.ndarray:
    """(N, D) the means of stretches of ``length`` windows, drawn evenly from the library: their products with a query
    are the scores that :func:`scores_of` gives."""
    ids = some_ids(db, min(BACKGROUND, max(LEAST_BACKGROUND, BACKGROUND_WINDOWS // length)))
    at_once, means = max(1, CHUNK // (4 * length)), []
    for at in range(0, len(ids), at_once):
        chosen = ids[at : at + at_once]
        parts = list(_compared(db, by, compared, around(chosen, length)))
        if not parts:
            continue
        found, vectors = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
        videos = videos_of(db, found) if length > 1 else found
        means.append(along(vectors, videos, length)[np.isin(found, chosen)])
    return np.concatenate(means) if means else np.zeros((0, 0), np.float32)


def _compared(db: Database, by: By, compared: Comparison, ids: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Those of ``ids`` that there are and their vectors as they are compared, in parts."""
    for at in range(0, len(ids), CHUNK):
        found, vectors = vectors_of(db, by, ids[at : at + CHUNK])
        if len(found):
            yield found, compared(by, vectors)
