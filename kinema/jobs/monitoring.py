"""Measuring an encoder while it is trained: does it find what moves alike, among labelled or generated videos?"""

from __future__ import annotations

import math
from pathlib import Path

from kinema.common.processes import is_first
from kinema.config import ClipConfig
from kinema.config.requests import MonitorConfig
from kinema.data.clips import span
from kinema.data.labels import LabelledSet
from kinema.data.synthetic import synthesise
from kinema.evaluation.features import extract_features
from kinema.evaluation.folds import make_folds
from kinema.evaluation.representation import retrieval_figures
from kinema.models import VideoEncoder
from kinema.training.snapshots import Monitor

NAME = "retrieval_r1"
VIDEOS, FPS, SEED = 240, 16.0, 9_000
"""Of the generated videos: enough for a figure that tells 0.05 apart, from a seed that no preset trains on."""
GENERATED = "synthetic"


def retrieval_monitor(labelled: LabelledSet, clip: ClipConfig, every: int) -> Monitor:
    """R@1 of labelled videos by cosine similarity of the readout, one clip a video, held out as `kinema evaluate` does.

    Args:
        labelled: the videos, which should not be trained on.
        clip: the geometry of the clips that are trained on.
        every: steps from one measurement to the next.

    Raises:
        ConfigError: the labels' split or groups leave one side empty.
    """
    folds = make_folds(labelled, "auto", "retrieval")

    def measure(encoder: VideoEncoder) -> float:
        seen = encoder.readout.clip(clip)
        found = extract_features({NAME: encoder}, labelled.paths, seen, clips=1, workers=0)
        return retrieval_figures(found[NAME].numpy(), labelled, folds, (1,), 0, centred=False).recall[1]

    return Monitor(measure, every, NAME)


def chosen_monitor(asked: MonitorConfig, generated: str | Path, clip: ClipConfig) -> Monitor | None:
    """The :func:`retrieval_monitor` that a command names; None in all but the first of several processes.

    Args:
        asked: which videos, and how often.
        generated: folder for generated videos.
        clip: the geometry of the clips that are trained on.

    Raises:
        DataError: the folder has no labels, or no videos.
    """
    if asked.monitor is None or not is_first():
        return None
    if str(asked.monitor) == GENERATED:
        return synthetic_monitor(generated, clip, asked.monitor_every)
    labelled = LabelledSet.read(asked.monitor, asked.monitor_labels, asked.monitor_column)
    return retrieval_monitor(labelled, clip, asked.monitor_every)


def synthetic_monitor(out: str | Path, clip: ClipConfig, every: int) -> Monitor:
    """A :func:`retrieval_monitor` of generated videos, whose motion and appearance are independent.

    Args:
        out: folder for the videos; what is there already is used.
        clip: the geometry of the clips that are trained on.
        every: steps from one measurement to the next.

    Raises:
        OutputError: ``out`` cannot be written, or holds something else.
    """
    side = max(64, *clip.size, clip.short_side or 0)
    frames = max(32, math.ceil(span(clip, FPS) * FPS) + 1)
    synthesise(out, videos=VIDEOS, seed=SEED, size=side + side % 2, frames=frames, fps=FPS, test_share=0.5)
    return retrieval_monitor(LabelledSet.read(out, Path(out) / "labels.csv", "motion"), clip, every)
