"""Feature vectors."""

from __future__ import annotations

import numpy as np


def unit(vectors: np.ndarray) -> np.ndarray:
    """Vectors (..., D) of floating point divided by their lengths; those without a length stay zero."""
    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return np.divide(vectors, lengths, out=np.zeros_like(vectors), where=lengths > 0)


def products(vectors: np.ndarray, other: np.ndarray) -> np.ndarray:
    """(N,) the products of vectors (N, D) with another (D,).

    By one thread, and each vector's alike whatever comes with it: a BLAS would share them among threads, which on a
    busy machine wait for one another many times as long as the products take.
    """
    scores: np.ndarray = np.einsum("nd,d->n", vectors, other)
    return scores
