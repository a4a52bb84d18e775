from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from kinema.data.labels import LabelledSet


@pytest.fixture(scope="session")
def labelled_set() -> Callable[..., LabelledSet]:
    """Makes a set of files that do not exist from labels (indices), splits and groups."""

    def make(labels, splits=None, groups=None) -> LabelledSet:
        labels = np.asarray(labels)
        files = tuple(f"{n}.mp4" for n in range(len(labels)))
        classes = tuple(f"class{n}" for n in range(labels.max() + 1))
        return LabelledSet(Path("videos"), files, labels, classes, splits and tuple(splits), groups and tuple(groups))

    return make
