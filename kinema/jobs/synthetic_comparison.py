"""How well encoders tell motion, scene and shape apart on the synthetic videos: shared by the demo and the ablation."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from torch import Tensor

from kinema.data.labels import LabelledSet
from kinema.evaluation import evaluate_probe, evaluate_retrieval

LABELS = ("motion", "scene", "shape")
CLIPS = 4
"""Clips per video; ten, as in the protocol, would change little on videos of two seconds."""


def read_labels(folder: Path) -> dict[str, LabelledSet]:
    """The videos of a folder that :func:`kinema.data.synthetic.synthesise` wrote, under each of their labels."""
    return {column: LabelledSet.read(folder, folder / "labels.csv", column) for column in LABELS}


def retrieve(
    features: Tensor | np.ndarray, labelled: Mapping[str, LabelledSet]
) -> tuple[dict[str, float], list[list[int]]]:
    """Retrieval by each label.

    Args:
        features: (N, D) of the videos of ``labelled``, in their order.
        labelled: the same videos under each of the columns motion, scene and shape.

    Returns:
        Figures (``motion_r1``, ``scene_r1``, ``shape_r1``, from 0 to 1), and the neighbours of every query.
    """
    retrieved = {column: evaluate_retrieval(features, labelled[column]).plain for column in LABELS}
    return {f"{column}_r1": found.recall[1] for column, found in retrieved.items()}, retrieved["motion"].neighbours


def compare(features: Tensor | np.ndarray, labelled: Mapping[str, LabelledSet]) -> dict[str, float]:
    """The figures of :func:`retrieve`, and ``motion_probe``: the share of motions that a linear probe names rightly."""
    figures, _ = retrieve(features, labelled)
    return figures | {"motion_probe": evaluate_probe(features, labelled["motion"]).top1}
