"""Measuring encoders on labelled videos."""

from __future__ import annotations

from typing import Any, Literal

from jsonargparse import ArgumentParser
from jsonargparse.typing import NonNegativeFloat, NonNegativeInt, PositiveInt

from kinema.commands.benchmarks import chosen
from kinema.config import BenchmarkName, ClipConfig, ReadoutConfig


def evaluate(
    protocol: Literal["retrieval", "knn", "probe", "few-label", "pairs", "diagnosis", "all"],
    data: str,
    out: str,
    run: str = "motion",
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
    jitter: PositiveInt | None = None,
    shaken: NonNegativeFloat | None = None,
    readout: dict[str, Any] | None = None,
    clip: dict[str, Any] | None = None,
    clips: PositiveInt = 10,
    batch_size: PositiveInt = 64,
    workers: NonNegativeInt | None = None,
    device: str = "auto",
    precision: Literal["auto", "32"] = "auto",
    cache: str | None = None,
    like: str | None = None,
    seed: NonNegativeInt = 0,
    cluster: str | None = None,
) -> None:
    """Measure what an encoder has learned, on labelled videos.

    Args:
        protocol: retrieval (does the nearest video show the same?), knn (what do the nearest videos say it shows?),
            probe (how good is a linear classifier?), few-label (and with few labels?), pairs (can it tell opposites
            apart?), diagnosis (does it go by motion or by appearance?), or all of these that the data allow.
        data: folder of videos, or its address.
        out: JSON file to write; for all, a folder for results.json, results.csv and report.html.
        run: motion, the encoder that comes with kinema; folder of a run, file of an encoder or of published weights,
            random for an untrained encoder, histogram for a hand-made histogram of optical flow, torchvision:MODEL,
            hf:FOLDER or hf:OWNER/NAME of the Hugging Face Hub, or module:function of yours.
        labels: CSV file with a column of file names relative to the folder, the labels and perhaps split (train or
            test), and start and end (seconds) of parts of videos; or another tool's file of intervals; class folders by
            default.
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
        jitter: for retrieval and all, see the videos through shifted crops too, so many times; 8 if no number is given.
            For small sets, since the mean is less noisy.
        shaken: for retrieval and all, see them shaken as by a hand too, by so many pixels (standard deviation); 0.3 if
            no number is given.
        readout: settings of the readout in place of the encoder's, such as --readout.stage layer3 or
            --readout '{stage: layer3, grid: [1, 6, 4], moments: true}'.
        clip: settings of the clips in place of what the encoder was made for, such as --clip.center_crop '[128, 212]'
            --clip.center_seconds 1.6.
        clips: clips per video, whose features are averaged.
        batch_size: clips per forward pass.
        workers: processes that decode video; one less than there are cores by default.
        device: auto, cpu, cuda, cuda:1, ...
        precision: auto uses bfloat16 where it is quicker.
        cache: folder in which features are kept and looked for; features, beside the results, by default.
        like: with random, a run whose architecture and clips to take; those of the settings without a preset by
            default.
        seed: with random, of the weights.
        cluster: let a Ray cluster read the videos and compute the features: auto (that of this machine), an address, or
            local; docs/cluster.md.
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
        jitter=jitter,
        shaken=shaken,
        readout=None if readout is None else checked_settings(ReadoutConfig, readout),
        clip=None if clip is None else checked_settings(ClipConfig, clip),
        clips=clips,
        batch_size=batch_size,
        workers=workers,
        device=device,
        precision=precision,
        cache=cache,
        like=like,
        seed=seed,
        benchmark=chosen(benchmark, fold, annotations, max_missing),
        cluster=cluster,
    )
    print(evaluation.summary())
    for path in files:
        print(path)


def evaluate_triplets(
    folder: str,
    encoder: str = "motion",
    out: str | None = None,
    readout: dict[str, Any] | None = None,
    clip: dict[str, Any] | None = None,
    clips: PositiveInt = 10,
    batch_size: PositiveInt = 64,
    workers: NonNegativeInt | None = None,
    device: str = "auto",
    precision: Literal["auto", "32"] = "auto",
    cache: str | None = None,
    cluster: str | None = None,
) -> None:
    """Ask whether a clip of the same motion is nearer than one of another.

    Args:
        folder: folder of triplets, CATEGORY/example_N/{ref,positive,negative}.mp4.
        encoder: what to judge, as for kinema evaluate.
        out: JSON file to write.
        readout: settings of the readout in place of the encoder's.
        clip: settings of the clips in place of what the encoder was made for.
        clips: clips per video, whose features are averaged.
        batch_size: clips per forward pass.
        workers: processes that decode video; one less than there are cores by default.
        device: auto, cpu, cuda, cuda:1, ...
        precision: auto uses bfloat16 where it is quicker.
        cache: folder in which features are kept and looked for; features, beside the result, by default.
        cluster: let a Ray cluster read the videos and compute the features: auto (that of this machine), an address, or
            local.
    """
    from kinema.evaluation.run_triplets import evaluate_triplet_folder

    evaluation = evaluate_triplet_folder(
        folder,
        encoder,
        out,
        readout=None if readout is None else checked_settings(ReadoutConfig, readout),
        clip=None if clip is None else checked_settings(ClipConfig, clip),
        clips=clips,
        batch_size=batch_size,
        workers=workers,
        device=device,
        precision=precision,
        cache=cache,
        cluster=cluster,
    )
    print(evaluation.summary())
    if out is not None:
        print(out)


def checked_settings(kind: type, given: dict[str, Any]) -> dict[str, Any]:
    """Settings of a dataclass by name, as its types want them.

    Raises:
        ArgumentError: there is no such setting, or not with such a value.
    """
    parser = ArgumentParser(exit_on_error=False)
    parser.add_class_arguments(kind)
    return vars(parser.parse_object(given, defaults=False))
