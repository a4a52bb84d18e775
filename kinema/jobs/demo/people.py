"""What the encoder that comes with kinema finds among people that it has never seen, beside an untrained one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from kinema.common.processes import available_cores
from kinema.data.labels import LabelledSet
from kinema.data.synthetic import SynthConfig, synthesise
from kinema.evaluation import RetrievalFigures, RetrievalResult, evaluate_retrieval
from kinema.evaluation.gather import gather_several
from kinema.models import open_encoder
from kinema.models.sources import RANDOM
from kinema.report.demo_content import SHOWN, LabelledVideo, PeopleContent, Query, Way

READY = "motion"
VIDEOS = 168
"""Twelve of each of the 14 things that two people do."""
SEED = 7
"""The encoder was trained on videos of seed 0."""
DRAWING: dict[str, Any] = {"size": 96, "frames": 27, "fps": 15.0, "test_share": 0.0}
KINDS = ("pair",)
LABELS = ("motion", "scene")
QUERIES = 6
"""Motions of which a query is shown."""
DRAWN_WITH = 0
"""Seed of the draw."""
NEIGHBOURS = 4
"""Of a video that is shown, how many are shown beside it."""


def draw_one_each(labels: Sequence[str], count: int | None = None) -> list[int]:
    """A video of each label, drawn at random, in the order of the labels.

    Args:
        labels: of the videos.
        count: labels that are drawn at random first; all by default.

    Returns:
        Positions of the videos.
    """
    rng = np.random.default_rng(DRAWN_WITH)
    names = np.array(labels)
    chosen = sorted(rng.permutation(np.unique(names))[:count].tolist())
    return [int(rng.choice(np.flatnonzero(names == name))) for name in chosen]


def find_people(out: Path, videos: int = VIDEOS) -> PeopleContent:
    """Make videos of people, and ask two encoders which of the others each is most like.

    Args:
        out: folder of the videos; what an earlier call left there is used.
        videos: how many; as many as give each motion at least two.
    """
    drawing = SynthConfig(videos, SEED, "figures", kinds=KINDS)
    synthesise(out, drawing, workers=available_cores(), **DRAWING)
    labelled = {column: LabelledSet.read(out, out / "labels.csv", column) for column in LABELS}
    motion = labelled["motion"]
    encoders = {RANDOM: open_encoder(RANDOM, like=READY), READY: open_encoder(READY)}
    everything = range(len(motion))
    gathered = gather_several(
        encoders, motion.paths, encoders[READY].clip, fit_on=everything, transductive=True, clips=1
    )
    found = {
        name: {column: evaluate_retrieval(each.readout, labelled[column], "video") for column in LABELS}
        for name, each in gathered.items()
    }
    names = {column: [table.classes[label] for label in table.labels] for column, table in labelled.items()}
    shown = [LabelledVideo(*each) for each in zip(motion.paths, *names.values(), strict=True)]

    def query(i: int) -> Query:
        nearest = {name: _shown(results["motion"]).neighbours[i][:NEIGHBOURS] for name, results in found.items()}
        return Query(shown[i], {name: [shown[j] for j in rows] for name, rows in nearest.items()})

    return PeopleContent(
        methods={name: _by_way(results) for name, results in found.items()},
        chance={column: result.chance for column, result in found[READY].items()},
        videos=len(motion),
        motions=len(motion.classes),
        queries=[query(i) for i in draw_one_each(names["motion"], QUERIES)],
    )


def _by_way(results: Mapping[str, RetrievalResult]) -> dict[Way, dict[str, float]]:
    return {
        SHOWN: {f"{column}_r1": _shown(result).recall[1] for column, result in results.items()},
        "readout": {f"{column}_r1": result.plain.recall[1] for column, result in results.items()},
    }


def _shown(result: RetrievalResult) -> RetrievalFigures:
    """Figures of the whitened readout."""
    whitened = result.readout.still.whitened
    assert whitened is not None
    return whitened
