"""What protocols make of features first: they are checked, and each query's nearest videos are found."""

from __future__ import annotations

import numpy as np
from torch import Tensor

from kinema.common.vectors import unit
from kinema.data.labels import LabelledSet
from kinema.errors import DataError
from kinema.evaluation.folds import Fold, Folds

CHUNK = 1024
"""Queries whose similarities are held in memory at once."""


def checked_features(features: Tensor | np.ndarray, labelled: LabelledSet) -> np.ndarray:
    """``features`` as (N, D) float64, one finite row for each video.

    Raises:
        ValueError: another shape.
        DataError: a row is not finite; the file is named.
    """
    if isinstance(features, Tensor):
        features = features.detach().float().cpu().numpy()
    values = np.asarray(features, dtype=np.float64)
    if values.ndim != 2 or len(values) != len(labelled):
        raise ValueError(f"features of shape {values.shape} for {len(labelled)} videos; expected (N, D)")
    wrong = np.flatnonzero(~np.isfinite(values).all(1))
    if len(wrong):
        raise DataError(
            f"{len(wrong)} of {len(values)} features are not finite, the first is that of {labelled.files[wrong[0]]}; "
            "the encoder's training has probably diverged"
        )
    return values


def find_neighbours(
    values: np.ndarray, folds: Folds, depth: int, centred: bool, asked: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Indices (Q, depth) of each query's nearest videos in its gallery, nearest first, and their similarities.

    A query never finds itself; of equally similar videos the earlier row comes first.

    Args:
        values: (N, D) features.
        folds: the rounds; queries follow one another.
        depth: how many, at most as many as the smallest gallery holds.
        centred: subtract a mean before the cosine: with one round gallery and queries each lose their own, with
            several both lose that of the round's gallery, since the mean of a few queries is mostly what they show.
        asked: (N, D) features of the videos as queries, where they are not those as neighbours.
    """
    asked = values if asked is None else asked
    found = [_of_fold(values, asked, fold, depth, centred, own_mean=len(folds) == 1) for fold in folds]
    return np.concatenate([places for places, _ in found]), np.concatenate([similar for _, similar in found])


def nearest(similarity: np.ndarray, k: int) -> np.ndarray:
    """(Q, k) columns of the k largest entries in each row of (Q, G), largest first; equal ones in column order."""
    least = -np.partition(-similarity, k - 1, axis=1)[:, k - 1]
    result = np.empty((len(similarity), k), dtype=np.int64)
    for position, (row, threshold) in enumerate(zip(similarity, least, strict=True)):
        candidates = np.flatnonzero(row >= threshold)
        result[position] = candidates[np.argsort(-row[candidates], kind="stable")[:k]]
    return result


def _of_fold(
    values: np.ndarray, asked: np.ndarray, fold: Fold, depth: int, centred: bool, own_mean: bool
) -> tuple[np.ndarray, np.ndarray]:
    gallery, queries = values[fold.gallery], asked[fold.queries]
    if centred:
        mean = gallery.mean(0)
        gallery, queries = gallery - mean, queries - (queries.mean(0) if own_mean else mean)
    gallery, queries = unit(gallery), unit(queries)
    places, similar = [], []
    for start in range(0, len(queries), CHUNK):
        similarity = queries[start : start + CHUNK] @ gallery.T
        similarity[fold.queries[start : start + CHUNK, None] == fold.gallery] = -np.inf
        columns = nearest(similarity, depth)
        places.append(fold.gallery[columns])
        similar.append(np.take_along_axis(similarity, columns, axis=1))
    return np.concatenate(places), np.concatenate(similar)
