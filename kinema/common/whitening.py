"""Linear maps of features that are fitted without labels: whitening of what does not count, and a shorter basis.

Of a window of a video, copies are made that show the same motion: shifted, scaled, quicker, darker
(``kinema/data/nuisance.py``). What differs between the copies of one window is nuisance. Whitening its scatter makes
all nuisance count alike and little, so that what tells windows apart comes out. Speaker verification knows it as
within-class covariance normalisation (Hatch et al., Interspeech 2006), with the recordings of a speaker in place of
copies. It is transductive where it is fitted on the videos that are then searched.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Self

import numpy as np

from kinema.common.files import write_bytes
from kinema.errors import CheckpointError, ConfigError, DataError

FAINT = 1e-10
"""Variance below which, as a share of the largest, a direction is lost in rounding."""

LARGEST = 1e18
"""That a number of a map may be; float32 holds its square, and nothing that was fitted comes near."""

PRINCIPAL_SHARE = 0.75
"""Of a basis; the rest is kept for what the sample does not show."""


class _Kept:
    """Arrays that go to bytes and files and back."""

    def to_bytes(self) -> bytes:
        """The arrays, in the form of safetensors."""
        from safetensors.numpy import save

        arrays = {field.name: np.ascontiguousarray(getattr(self, field.name)) for field in fields(self)}  # type: ignore[arg-type]
        return save(arrays)

    @cached_property
    def sha256(self) -> str:
        """Of the bytes."""
        return hashlib.sha256(self.to_bytes()).hexdigest()

    @classmethod
    def from_bytes(cls, content: bytes, source: str = "what was kept") -> Self:
        """What :meth:`to_bytes` gave.

        Args:
            content: the bytes.
            source: where they are from, for the complaint.

        Raises:
            CheckpointError: they are damaged, or something else.
        """
        from safetensors import SafetensorError
        from safetensors.numpy import load

        try:
            arrays = load(content)
            if not all((np.abs(array) < LARGEST).all() for array in arrays.values()):  # or is not a number
                raise ValueError("out of range")
            return cls(**arrays)
        except (SafetensorError, TypeError, ValueError) as error:
            raise CheckpointError(f"{source} is damaged or no {cls.__name__.lower()}; fit it again") from error

    def save(self, path: str | Path) -> Path:
        """Write a file, atomically, and return its path.

        Raises:
            OutputError: it cannot be written.
        """
        return write_bytes(path, self.to_bytes())

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """What :meth:`save` wrote.

        Raises:
            CheckpointError: the file is missing, damaged or something else.
        """
        try:
            content = Path(path).read_bytes()
        except OSError as error:
            raise CheckpointError(f"{path} cannot be read ({error.strerror or error}); fit it again") from error
        return cls.from_bytes(content, str(path))


@dataclass(frozen=True, eq=False)
class Whitening(_Kept):
    """x -> S^(-1/2) (x - mean), where S is the shrunk scatter of features within the copies of a window.

    Attributes:
        mean: (D,) float32, of all copies of all windows.
        directions: (Q, D) float32, orthonormal: those in which copies differ.
        gains: (Q,) float32, by which the coordinates along them are multiplied.
        rest: () float32, by which all that is at right angles to them is multiplied.
    """

    mean: np.ndarray
    directions: np.ndarray
    gains: np.ndarray
    rest: np.ndarray

    @classmethod
    def fit(cls, copies: np.ndarray, shrinkage: float = 0.2) -> Self:
        """Fit to copies of windows.

        With W the scatter within windows (of copies about their window's mean, over the degrees of freedom N (K - 1)),
        and m the mean of those of its eigenvalues that need not be zero, of which there are min(D, N (K - 1)),

            S = (1 - shrinkage) W + shrinkage m I.

        So the scale of the features plays no part, nor does how much longer they are than there are windows.

        Args:
            copies: (K, N, D) features of K copies of N windows, K and N at least 2.
            shrinkage: above 0 and at most 1; towards 0 copies get the unit matrix for their scatter, at 1 nothing but
                the mean is taken away.

        Raises:
            ConfigError: ``shrinkage`` is out of its range.
            DataError: there are too few copies or windows, they are not finite, or the copies do not differ.
        """
        copies = np.asarray(copies, np.float64)
        if copies.ndim != 3:
            raise DataError(f"whitening is fitted to (copies, windows, values), not to an array of {copies.shape}")
        count, windows, length = copies.shape
        if not 0 < shrinkage <= 1:
            raise ConfigError(f"the shrinkage of a whitening must lie above 0 and not above 1, not {shrinkage:g}")
        if min(count, windows) < 2:
            raise DataError(
                f"whitening needs at least 2 copies of 2 windows, not {count} of {windows}: give it more videos"
            )
        if not np.isfinite(copies).all():
            raise DataError("whitening cannot be fitted to features that are not finite: check the encoder")
        within = (copies - copies.mean(axis=0)).reshape(-1, length)
        free = windows * (count - 1)
        variances, directions = _principal(within / np.sqrt(free))
        level = variances.sum() / min(length, free)
        if not level > 0:
            raise DataError("whitening needs copies that differ, and every window's have the same features")
        gains = 1 / np.sqrt((1 - shrinkage) * variances + shrinkage * level)
        rest = 1 / np.sqrt(shrinkage * level) if len(directions) < length else 0.0
        arrays = copies.mean(axis=(0, 1)), directions, gains, np.array(rest)
        return cls(*(array.astype(np.float32) for array in arrays))

    def transform(self, features: np.ndarray) -> np.ndarray:
        """Features (..., D) -> the same, whitened, float32.

        Raises:
            DataError: they have another length than those that it was fitted to.
        """
        away = _checked(features, len(self.mean)) - self.mean
        along = away @ self.directions.T
        return away * self.rest + (along * (self.gains - self.rest)) @ self.directions


@dataclass(frozen=True, eq=False)
class Basis(_Kept):
    """Fewer values for a long feature, whose inner products they keep.

    Most values are coordinates along the principal directions of a sample. The others are coordinates along random
    directions at right angles to them, scaled so that inner products of whatever features are kept on average over the
    draw, also of those that the sample knows nothing of.

    Attributes:
        directions: (values, D) float32, at right angles to each other.
    """

    directions: np.ndarray

    @classmethod
    def fit(cls, sample: np.ndarray, values: int = 512, seed: int = 0) -> Self:
        """Fit to a sample of features.

        Args:
            sample: (N, D), at least one.
            values: how many are kept; features that have no more stay as they are.
            seed: of the random directions.

        Raises:
            ConfigError: ``values`` is not positive.
            DataError: the sample is empty or not finite.
        """
        sample = np.asarray(sample, np.float64)
        if values < 1:
            raise ConfigError(f"a basis needs at least one value, not {values}")
        if sample.ndim != 2 or not len(sample) or not np.isfinite(sample).all():
            raise DataError(f"a basis is fitted to finite features (N, D), not to such an array of {sample.shape}")
        length = sample.shape[1]
        if length <= values:
            return cls(np.eye(length, dtype=np.float32))
        _, directions = _principal(sample)
        directions = directions[: int(PRINCIPAL_SHARE * values)]
        drawn = np.random.default_rng(seed).standard_normal((length, values - len(directions)))
        drawn, _ = np.linalg.qr(drawn - directions.T @ (directions @ drawn))
        scale = np.sqrt((length - len(directions)) / drawn.shape[1])
        return cls(np.concatenate([directions, scale * drawn.T]).astype(np.float32))

    def transform(self, features: np.ndarray) -> np.ndarray:
        """Features (..., D) -> (..., values) float32.

        Raises:
            DataError: they have another length than those that it was fitted to.
        """
        return _checked(features, self.directions.shape[1]) @ self.directions.T


def _checked(features: np.ndarray, length: int) -> np.ndarray:
    features = np.asarray(features, np.float32)
    if features.shape[-1] != length:
        raise DataError(
            f"this was fitted to features of {length} values and is given {features.shape[-1]}: fit it to this encoder"
        )
    return features


def _principal(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Eigenvalues (Q,), from large to small, and eigenvectors (Q, D) of the rows' scatter ``rows.T @ rows``.

    Where there are fewer rows (n, D) than dimensions, by way of their products with one another; those that are lost in
    rounding are then left out.
    """
    if len(rows) >= rows.shape[1]:
        values, vectors = np.linalg.eigh(rows.T @ rows)
        return values[::-1].clip(min=0), vectors.T[::-1]
    values, mixtures = np.linalg.eigh(rows @ rows.T)
    clear = values > FAINT * values[-1]
    values, mixtures = values[clear][::-1], mixtures[:, clear][:, ::-1]
    return values, mixtures.T @ rows / np.sqrt(values)[:, None]
