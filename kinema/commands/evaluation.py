"""Measuring encoders on labelled videos."""

from __future__ import annotations

from typing import Any, Literal

from jsonargparse.typing import NonNegativeInt, PositiveInt

from kinema.commands.benchmarks import chosen
from kinema.config import BenchmarkName, ClipConfig


def evaluate(
    protocol: Literal["retrieval", "knn", "probe", "few-label", "pairs", "diagnosis", "all"],
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
    appearance_column: str | None = None,
    split: Literal["auto", "split", "group", "video"] = "auto",
    per_class: list[PositiveInt] | None = None,
    samples: list[PositiveInt] | None = None,
    draws: PositiveInt | None = None,
    pairs: list[tuple[str, str]] | None = None,
    clip: ClipConfig | None = None,
    clips: PositiveInt = 10,
    batch_size: PositiveInt = 64,
    workers: NonNegativeInt | None = None,
    device: str = "auto",
    precision: Literal["auto", "32"] = "auto",
    cache: str | None = None,
    like: str | None = None,
    seed: NonNegativeInt = 0,
) -> None:
    """Measure what an encoder has learned, on labelled videos.

    Args:
        protocol: retrieval (does the nearest video show the same?), knn (what do the nearest videos say it shows?),
            probe (how good is a linear classifier?), few-label (and with few labels?), pairs (can it tell opposites
            apart?), diagnosis (does it go by motion or by appearance?), or all of these that the data allow.
        run: folder of a run, file of an encoder or of published weights, random for an untrained encoder,
            torchvision:MODEL, hf:FOLDER or hf:OWNER/NAME of the Hugging Face Hub, or module:function of yours.
        data: folder of videos.
        out: JSON file to write; for all, a folder for results.json, results.csv and report.html.
        labels: CSV file with a column of file names relative to the folder, the labels and perhaps split (train or
            test); class folders by default.
        benchmark: a standard benchmark, whose official lists take the place of labels.
        fold: of a benchmark that has several.
        annotations: folder of the benchmark's official lists; looked for in and beside the folder by default.
        max_missing: share of a benchmark's train or test videos, from 0 to 1, that may be missing; what is normal for
            it by default.
        label_column: column to predict; for diagnosis, that of the motion.
        group_column: column whose groups (subjects, source videos) never stand on both sides of a comparison.
        appearance_column: for diagnosis and all, column that tells how a video looks, whatever moves in it.
        split: how videos are held out; auto takes the split column, else the groups, else one video at a time.
        per_class: for few-label and all, labelled videos of each class; [1, 5, 10] by default.
        samples: for few-label and all, labelled videos in all, such as [1000]; none by default.
        draws: for few-label and all, how often the labelled videos are drawn; 5 by default.
        pairs: for pairs and all, names of classes two by two, such as [[left, right]]; those of opposite names (left
            and right, in and out, ...) by default.
        clip: geometry of the clips; what the encoder was made for by default.
        clips: clips per video, whose features are averaged.
        batch_size: clips per forward pass.
        workers: processes that decode video; one less than there are cores by default.
        device: auto, cpu, cuda, cuda:1, ...
        precision: auto uses bfloat16 where it is quicker.
        cache: folder in which features are kept and looked for; features, beside the results, by default.
        like: with random, a run whose architecture and clips to take; those of the settings without a preset by
            default.
        seed: with random, of the weights.
    """
    from kinema.evaluation import FewLabelSpec
    from kinema.full_evaluation import evaluate_and_write

    asked = {"per_class": () if samples and per_class is None else per_class, "samples": samples, "draws": draws}
    few: dict[str, Any] = {
        name: value if isinstance(value, int) else tuple(value) for name, value in asked.items() if value is not None
    }
    evaluation, files = evaluate_and_write(
        protocol,
        run,
        data,
        out,
        labels=labels,
        label_column=label_column,
        group_column=group_column,
        appearance_column=appearance_column,
        split=split,
        few_label=FewLabelSpec(**few) if few else None,
        pairs=pairs,
        clip=clip,
        clips=clips,
        batch_size=batch_size,
        workers=workers,
        device=device,
        precision=precision,
        cache=cache,
        like=like,
        seed=seed,
        benchmark=chosen(benchmark, fold, annotations, max_missing),
    )
    print(evaluation.summary())
    for path in files:
        print(path)
