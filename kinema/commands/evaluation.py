"""Measuring encoders on labelled videos."""

from __future__ import annotations

from typing import Literal

from jsonargparse.typing import NonNegativeInt, PositiveInt

from kinema.commands.benchmarks import chosen
from kinema.config import BenchmarkName, ClipConfig


def evaluate(
    protocol: Literal["retrieval", "probe"],
    run: str,
    data: str,
    out: str,
    labels: str | None = None,
    benchmark: BenchmarkName | None = None,
    fold: PositiveInt = 1,
    annotations: str | None = None,
    max_missing: float | None = None,
    label_column: str = "label",
    group_column: str | None = None,
    split: Literal["auto", "split", "group", "video"] = "auto",
    clip: ClipConfig | None = None,
    clips: PositiveInt = 10,
    batch_size: PositiveInt = 64,
    workers: NonNegativeInt | None = None,
    device: str = "auto",
    precision: Literal["auto", "32"] = "auto",
    like: str | None = None,
    seed: NonNegativeInt = 0,
) -> None:
    """Measure what an encoder has learned, on labelled videos.

    Args:
        protocol: retrieval (does the nearest video show the same?) or probe (how good is a linear classifier?).
        run: folder of a run, file of an encoder or of published weights, random for an untrained encoder,
            torchvision:MODEL, hf:FOLDER or hf:OWNER/NAME of the Hugging Face Hub, or module:function of yours.
        data: folder of videos.
        out: JSON file to write.
        labels: CSV file with a column of file names relative to the folder, the labels and perhaps split (train or
            test); class folders by default.
        benchmark: a standard benchmark, whose official lists take the place of labels.
        fold: of a benchmark that has several.
        annotations: folder of the benchmark's official lists; looked for in and beside the folder by default.
        max_missing: share of a benchmark's train or test videos, from 0 to 1, that may be missing; what is normal for
            it by default.
        label_column: column to predict.
        group_column: column whose groups (subjects, source videos) never stand on both sides of a comparison.
        split: how videos are held out; auto takes the split column, else the groups, else one video at a time.
        clip: geometry of the clips; what the encoder was made for by default.
        clips: clips per video, whose features are averaged.
        batch_size: clips per forward pass.
        workers: processes that decode video; one less than there are cores by default.
        device: auto, cpu, cuda, cuda:1, ...
        precision: auto uses bfloat16 where it is quicker.
        like: with random, a run whose architecture and clips to take; the tiny preset's by default.
        seed: with random, of the weights.
    """
    from kinema.evaluation import evaluate

    evaluation = evaluate(
        protocol,
        run,
        data,
        labels,
        label_column,
        group_column,
        out,
        split=split,
        clip=clip,
        clips=clips,
        batch_size=batch_size,
        workers=workers,
        device=device,
        precision=precision,
        like=like,
        seed=seed,
        benchmark=chosen(benchmark, fold, annotations, max_missing),
    )
    print(evaluation.summary())
    print(out)
