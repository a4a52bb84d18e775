"""How well encoders tell motion, scene and shape apart on the synthetic videos: shared by the demo and the ablation."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from kinema.data.labels import LabelledSet
from kinema.evaluation import Features, evaluate_probe, evaluate_retrieval

LABELS = ("motion", "scene", "shape")
CLIPS = 4
"""Clips per video; ten, as in the protocol, would change little on videos of two seconds."""


def read_labels(folder: Path) -> dict[str, LabelledSet]:
    """The videos of a folder that :func:`kinema.data.synthetic.synthesise` wrote, under each of their labels."""
    return {column: LabelledSet.read(folder, folder / "labels.csv", column) for column in LABELS}


def compare(
    features: Features, labelled: Mapping[str, LabelledSet]
) -> tuple[dict[str, dict[str, float]], dict[str, list[list[int]]]]:
    """Retrieval by each label, and a linear probe of motion, for every encoder.

    Args:
        features: of the videos of ``labelled``, in their order.
        labelled: the same videos under each of the columns motion, scene and shape.

    Returns:
        Encoder to figures (``motion_r1``, ``scene_r1``, ``shape_r1``, ``motion_probe``, from 0 to 1), and encoder to
        the neighbours of every query.
    """
    measured: dict[str, dict[str, float]] = {}
    neighbours = {}
    for name in features.values:
        retrieved = {column: evaluate_retrieval(features[name], labelled[column]) for column in LABELS}
        measured[name] = {f"{column}_r1": retrieved[column].plain.recall[1] for column in LABELS}
        measured[name]["motion_probe"] = evaluate_probe(features[name], labelled["motion"]).top1
        neighbours[name] = retrieved["motion"].plain.neighbours
    return measured, neighbours
