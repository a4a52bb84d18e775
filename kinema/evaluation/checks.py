"""What every protocol checks before it measures."""

from __future__ import annotations

import numpy as np
from torch import Tensor

from kinema.data.labels import LabelledSet
from kinema.errors import DataError


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
