"""What the demo's report tells, apart from how it looks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

Way = Literal["readout", "readout, whitened", "pooled", "pooled, whitened"]
"""What of an encoder is compared: its readout or its pooled features, as they are or whitened."""

SHOWN: Way = "readout, whitened"
"""The way of headline, bars, pictures and maps, since an index compares so."""


@dataclass(frozen=True)
class LabelledVideo:
    """A video file and what is known of it; encoders never saw these labels."""

    path: Path
    motion: str
    scene: str
    shape: str = ""


@dataclass(frozen=True)
class Query:
    """A video and the most similar others by each method, nearest first."""

    video: LabelledVideo
    found: Mapping[str, Sequence[LabelledVideo]]


@dataclass(frozen=True)
class PeopleContent:
    """What the encoder that comes with kinema, ``motion``, and a ``random`` one find among generated people.

    Attributes:
        methods: method to :data:`Way`, of the readout alone, to ``motion_r1`` and ``scene_r1``, shares in [0, 1].
        chance: what guessing reaches on ``motion`` and ``scene``, in [0, 1].
        videos: how many; each is asked about, and found among the others.
        motions: how many there are.
        queries: some of them with their neighbours.
    """

    methods: Mapping[str, Mapping[Way, Mapping[str, float]]]
    chance: Mapping[str, float]
    videos: int
    motions: int
    queries: Sequence[Query]


@dataclass(frozen=True)
class DemoContent:
    """Everything the demo's report tells; methods are called ``random``, ``moco`` and ``mscl``.

    Attributes:
        results: as in ``results.json``: ``methods`` (method to :data:`Way` to ``motion_r1``, ``scene_r1``,
            ``shape_r1`` and, of some ways, ``motion_probe``, shares in [0, 1]), ``readout`` (its settings),
            ``seconds``, ``clips_seen`` (by each trained method) and ``seeds``.
        chance: what guessing reaches on ``motion``, ``scene`` and ``shape``, in [0, 1]; with ``lmcl_accuracy`` also
            on matching time steps.
        test_videos: how many questions each share in ``results`` stands on; gives the standard errors.
        curves: method to the rows of its ``metrics.csv``, for the trained methods.
        queries: a test video of each motion, drawn at random, with its neighbours under every method.
        drawn_with: the seed of these draws.
        people: what the encoder that comes with kinema finds.
        features: method to (N, D) features of the same N videos.
        points: those N videos.
        samples: videos to show with their optical flow.
        commands: what to type to make this report again.
        folder: where the demo's ``videos`` and the run ``mscl`` lie, as it is typed.
        environment: versions and machine, name to value.
    """

    results: Mapping[str, Any]
    chance: Mapping[str, float]
    test_videos: int
    curves: Mapping[str, Sequence[Mapping[str, float]]]
    queries: Sequence[Query]
    drawn_with: int
    people: PeopleContent
    features: Mapping[str, np.ndarray]
    points: Sequence[LabelledVideo]
    samples: Sequence[LabelledVideo]
    commands: Sequence[str]
    folder: str
    environment: Mapping[str, str]


@dataclass(frozen=True)
class Measure:
    """One column of the table of results."""

    key: str
    chance: str
    title: str
    term: str
    meaning: str


MEASURES = (
    Measure(
        "motion_r1",
        "motion",
        "Finds the same motion",
        "motion R@1",
        "the most similar video it finds moves the same way, whatever it looks like",
    ),
    Measure(
        "scene_r1",
        "scene",
        "Finds the same scene",
        "scene R@1",
        "the most similar video it finds has the same kind of background, however it moves",
    ),
    Measure(
        "shape_r1",
        "shape",
        "Finds the same shape",
        "shape R@1",
        "the most similar video it finds shows an object of the same shape",
    ),
    Measure(
        "motion_probe",
        "motion",
        "Motion can be read off",
        "motion probe",
        "a linear classifier, trained with labels on top of the frozen encoder, names the motion rightly",
    ),
)
