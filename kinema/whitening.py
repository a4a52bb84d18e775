"""Whitening of nuisances: features that let go of what changes while a motion stays the same (ours).

Copies of a window that differ by a shift, a size, a tempo or the light should have one feature. The scatter that they
have instead says which directions of a feature are not to be trusted, and whitening by it makes these short: the
within-class covariance normalisation of speaker verification (Hatch et al., Interspeech 2006), with augmentation in the
place of labels.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError

from kinema.errors import CheckpointError, DataError
from kinema.tensors import read_tensors, write_tensors

SHRINKAGE = 0.3
LEAST_WINDOWS = 8
"""Fewer say too little about scatter."""


@dataclass(frozen=True, eq=False)
class Whitening:
    """A linear map of features, in which the scatter within copies of a window is even.

    Of the covariance C within copies, over N windows in D values, it is multiplication with the inverse root of
    C + shrinkage * trace(C) / min(N (copies - 1), D) * I, after the mean is subtracted and up to a factor.

    Attributes:
        mean: (D,) of all copies.
        directions: (R, D), orthonormal: where there is scatter.
        gains: (R,) what these are multiplied by, as a share of what all else is.
        basis: (V, D), orthonormal: the directions that are kept; None for all.
        windows: how many it was fitted on.
        copies: of each window.
        shrinkage: as above.
    """

    mean: np.ndarray
    directions: np.ndarray
    gains: np.ndarray
    basis: np.ndarray | None
    windows: int
    copies: int
    shrinkage: float

    @classmethod
    def fit(cls, copies: np.ndarray, shrinkage: float = SHRINKAGE, values: int | None = None) -> Whitening:
        """Fit to features of augmented copies; no labels are needed.

        Args:
            copies: (K, N, D) of K copies of N windows.
            shrinkage: positive; the larger, the less is whitened.
            values: the length of a whitened feature: of longer ones the directions are kept in which the windows
                differ most after whitening. None to keep all.

        Raises:
            DataError: there are too few windows or copies, or they do not differ at all.
        """
        features = np.asarray(copies, np.float64)
        count, windows, size = features.shape
        if windows < LEAST_WINDOWS or count < 2:
            raise DataError(
                f"whitening needs two copies of {LEAST_WINDOWS} windows, not {count} of {windows}; use more videos"
            )
        centres = features.mean(0)
        within = (features - centres).reshape(-1, size)
        degrees = windows * (count - 1)
        directions, variances = _principal(within, degrees)
        if not len(variances):
            raise DataError("whitening cannot be fitted: all copies of a window have the same feature")
        least = shrinkage * variances.sum() / min(degrees, size)
        gains = np.sqrt(least / (variances + least))
        mean = centres.mean(0)
        fitted = cls(mean, directions, gains, None, windows, count, shrinkage)
        if values is None or values >= size:
            return fitted
        basis = _principal(fitted.transform(centres), windows)[0][:values]
        return cls(mean, directions, gains, basis, windows, count, shrinkage)

    def transform(self, features: np.ndarray) -> np.ndarray:
        """(..., D) -> (..., D), or (..., V) where fewer values are kept; of the same floating type."""
        centred = features - self.mean.astype(features.dtype)
        directions = self.directions.astype(features.dtype)
        along = centred @ directions.T
        whitened = centred + (along * (self.gains - 1).astype(features.dtype)) @ directions
        return whitened if self.basis is None else whitened @ self.basis.astype(features.dtype).T

    def save(self, path: str | Path) -> Path:
        """Write a safetensors file.

        Raises:
            OutputError: it cannot be written.
        """
        arrays = {"mean": self.mean, "directions": self.directions, "gains": self.gains}
        if self.basis is not None:
            arrays["basis"] = self.basis
        about = {"windows": str(self.windows), "copies": str(self.copies), "shrinkage": repr(self.shrinkage)}
        write_tensors(path, {name: torch.from_numpy(array) for name, array in arrays.items()}, about)
        return Path(path)

    @classmethod
    def load(cls, path: str | Path) -> Whitening:
        """Read what :meth:`save` wrote.

        Raises:
            CheckpointError: the file is missing, damaged or of another kind.
        """
        try:
            found, about = read_tensors(path)
            arrays = {name: value.numpy() for name, value in found.items()}
            facts = int(about["windows"]), int(about["copies"]), float(about["shrinkage"])
            return cls(arrays["mean"], arrays["directions"], arrays["gains"], arrays.get("basis"), *facts)
        except (SafetensorError, OSError, KeyError, ValueError) as error:
            raise CheckpointError(f"{path} holds no whitening that can be read ({error}); fit it again") from error


def _principal(rows: np.ndarray, degrees: int) -> tuple[np.ndarray, np.ndarray]:
    """Orthonormal directions (R, D) of rows (n, D) and the variances (R,) along them, the largest first.

    From the smaller of the two matrices of products, which is several times quicker than a singular value
    decomposition and exact enough for directions that matter.
    """
    wide = rows.shape[1] > len(rows)
    products = rows @ rows.T if wide else rows.T @ rows
    variances, vectors = np.linalg.eigh(products / degrees)
    kept = variances > 1e-10 * max(float(variances[-1]), 1e-300)
    variances, vectors = variances[kept][::-1], vectors[:, kept][:, ::-1]
    if not wide:
        return vectors.T, variances
    return (vectors / np.sqrt(variances * degrees)).T @ rows, variances
