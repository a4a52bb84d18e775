"""Measuring an encoder while it is trained: does it find what moves alike, among labelled or generated videos?"""

from __future__ import annotations

import math
from pathlib import Path

from kinema.config import ClipConfig
from kinema.data.clips import span
from kinema.data.labels import LabelledSet
from kinema.data.synthetic import synthesise
from kinema.evaluation.features import extract_features
from kinema.evaluation.folds import make_folds
from kinema.evaluation.representation import retrieval_figures
from kinema.models import VideoEncoder
from kinema.training.keeping import Monitor

NAME = "retrieval_r1"
VIDEOS, FPS, SEED = 240, 16.0, 9_000
"""Of the generated videos: enough for a figure that tells 0.05 apart, from a seed that no preset trains on."""
GENERATED = "synthetic"


def retrieval_monitor(
    labelled: LabelledSet, clip: ClipConfig, every: int, workers: int = 0, name: str = NAME
) -> Monitor:
    """R@1 of labelled videos by cosine similarity of the readout, one clip a video, held out as `kinema evaluate` does.

    Args:
        labelled: the videos, which should not be trained on.
        clip: the geometry of the clips that are trained on.
        every: steps from one measurement to the next.
        workers: processes that decode; 0 to decode in the training process.
        name: of the figure, in the log.

    Raises:
        ConfigError: the labels' split or groups leave one side empty.
    """
    folds = make_folds(labelled, "auto", "retrieval")

    def measure(encoder: VideoEncoder) -> float:
        seen = encoder.readout.clip(clip)
        found = extract_features({name: encoder}, labelled.paths, seen, clips=1, workers=workers)
        return retrieval_figures(found[name].numpy(), labelled, folds, (1,), 0, centred=False).recall[1]

    return Monitor(measure, every, name)


def labelled_monitor(
    videos: str | Path,
    labels: str | Path | None,
    label_column: str,
    clip: ClipConfig,
    every: int,
) -> Monitor:
    """A :func:`retrieval_monitor` of a folder of labelled videos.

    Args:
        videos: the folder.
        labels: CSV file with ``file``, the label's column and optionally ``split``; None for class folders.
        label_column: the label's.
        clip: the geometry of the clips that are trained on.
        every: steps from one measurement to the next.

    Raises:
        DataError: there are no labels, or no videos.
    """
    return retrieval_monitor(LabelledSet.read(videos, labels, label_column), clip, every)


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
    synthesise(out, VIDEOS, SEED, size=side + side % 2, frames=frames, fps=FPS, test_share=0.5)
    return retrieval_monitor(LabelledSet.read(out, Path(out) / "labels.csv", "motion"), clip, every)
