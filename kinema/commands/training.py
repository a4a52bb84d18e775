"""Training encoders, and the whole jobs around it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from jsonargparse.typing import PositiveInt

from kinema.commands.benchmarks import chosen
from kinema.config import BenchmarkName, FinetuneConfig, Motion, PretrainConfig
from kinema.errors import ConfigError
from kinema.presets import DEFAULT_PRESET
from kinema.processes import is_first

Difficulty = Literal["easy", "default", "hard"]


def pretrain(
    videos: str,
    out: str,
    config: PretrainConfig,
    method: str = "mscl",
    weights: str | None = None,
    preset: str | None = None,
    manifest: str | None = None,
    monitor: str | None = None,
    monitor_labels: str | None = None,
    monitor_column: str = "label",
    monitor_every: PositiveInt = 200,
    resume: bool = False,
    dry_run: bool = False,
    count: PositiveInt | None = None,
) -> None:
    """Train an encoder on a folder of videos, without labels.

    Args:
        videos: folder of videos, searched with all folders in it; or its address, such as s3://bucket/videos.
        out: folder of the run.
        config: all settings.
        method: mscl learns from RGB and optical flow; moco is its RGB loss alone; hcml learns a hierarchy of motion
            features from RGB alone, one level after another; mscl+hcml has the losses of both; tubelet learns from
            patches that move alike in different clips; masked predicts the motion of what is hidden; or a method of
            another package.
        weights: what the encoder begins with: a run's folder, an encoder file, published weights, or the name of an
            encoder that comes with kinema. The architecture is theirs, and so are the clips and the readout unless
            settings say otherwise. Without a preset it is adapted: with the preset and the method that it was trained
            with, for 300 steps, at a tenth of the learning rate. None by default.
        preset: named settings to begin with (tiny, motion, r3d18, mscl-r3d18-k400, hcml-r3d18-k400); options and
            --config go on top; tiny by default, or with weights the one that they were trained with.
        manifest: what `kinema scan` wrote of the folder; it is scanned now by default.
        monitor: folder of labelled videos, or synthetic for generated ones: on the way it is measured how often a
            video's nearest one is of its class (R@1), and the best encoder is kept. Nothing by default.
        monitor_labels: CSV file of the monitor's labels; class folders by default.
        monitor_column: column of its labels.
        monitor_every: steps from one measurement to the next.
        resume: go on where the run in this folder was stopped.
        dry_run: train on nothing and write nothing, but say what memory and time the training would take.
        count: number of videos that a dry run reckons with; those of the folder by default.
    """
    if dry_run:
        from kinema.dry_run import dry_pretrain

        print(dry_pretrain(videos, config, method=method, weights=weights, manifest=manifest, count=count).summary())
        return
    refuse_count(count)
    from kinema.monitoring import chosen_monitor
    from kinema.training import pretrain

    generated = Path(out) / "monitor"
    run = pretrain(
        videos,
        out,
        config,
        method=method,
        weights=weights,
        preset=preset or DEFAULT_PRESET,
        manifest=manifest,
        monitor=chosen_monitor(monitor, monitor_labels, monitor_column, generated, config.clip, monitor_every),
        resume=resume,
    )
    if is_first():  # of several processes one speaks
        print(f"trained in {run.seconds / 60:.1f} min, {run.data_wait:.1%} of it waiting for data")
        for path in run.files:
            print(path)


def finetune(
    videos: str,
    out: str,
    config: FinetuneConfig,
    labels: str | None = None,
    benchmark: BenchmarkName | None = None,
    fold: PositiveInt = 1,
    annotations: str | None = None,
    max_missing: float | None = None,
    label_column: str = "label",
    group_column: str | None = None,
    split: Literal["auto", "split", "group", "video", "none"] = "auto",
    per_class: PositiveInt | None = None,
    samples: PositiveInt | None = None,
    motion: Motion = "none",
    weights: str | None = None,
    preset: str = DEFAULT_PRESET,
    manifest: str | None = None,
    resume: bool = False,
    dry_run: bool = False,
    count: PositiveInt | None = None,
) -> None:
    """Train a network to recognise the classes of labelled videos, and test it on others.

    Args:
        videos: folder of videos, or its address, such as s3://bucket/videos.
        out: folder for results.json, predictions.csv and the runs.
        config: all settings.
        labels: CSV file with a column of file names relative to the folder, the labels and perhaps split (train or
            test), and start and end (seconds) of parts of videos; or another tool's file of intervals; class folders by
            default.
        benchmark: a standard benchmark, whose official lists take the place of labels.
        fold: of a benchmark that has several.
        annotations: folder of the benchmark's official lists; looked for in and beside the folder by default.
        max_missing: share of a benchmark's train or test videos, from 0 to 1, that may be missing; what is normal for
            it by default.
        label_column: column to predict.
        group_column: column whose groups (subjects, source videos) are never both trained on and tested.
        split: how videos are held out; auto takes the split column, else one group at a time, else five parts; none
            trains on all of them, and tests nothing.
        per_class: videos of each class to train on, drawn by the seed; all by default.
        samples: videos to train on in all, as even over the classes as they allow, drawn by the seed; all by default.
        motion: hcml adds its motion hierarchy to the network and its losses to the cross-entropy.
        weights: what to begin with, as for pretrain: its architecture counts instead of the settings under model; none
            by default.
        preset: named settings to begin with (tiny, r3d18, ucf101-finetune, hmdb51-finetune, ssv2-finetune,
            hcml-r3d18-ucf101); options and --config go on top.
        manifest: what `kinema scan` wrote of the folder; it is scanned now by default.
        resume: go on where the training in this folder was stopped.
        dry_run: train on nothing and write nothing, but say what memory and time the training would take.
        count: number of videos that a dry run reckons with; those of the labels or the benchmark by default.
    """
    task: dict[str, Any] = {
        "labels": labels,
        "label_column": label_column,
        "group_column": group_column,
        "split": split,
        "per_class": per_class,
        "samples": samples,
        "motion": motion,
        "weights": weights,
        "benchmark": chosen(benchmark, fold, annotations, max_missing),
    }
    if dry_run:
        from kinema.dry_run import dry_finetune

        print(dry_finetune(videos, config, count=count, **task).summary())
        return
    refuse_count(count)
    from kinema.finetuning import finetune

    found = finetune(videos, out, config, preset=preset, manifest=manifest, resume=resume, **task)
    if is_first():
        print(found.summary())
        for path in found.files:
            print(path)


def refuse_count(count: int | None) -> None:
    """Refuse a number of videos where they are counted.

    Raises:
        ConfigError: there is one.
    """
    if count is not None:
        raise ConfigError("--count belongs to --dry-run; a training counts its videos itself")


def demo(config: PretrainConfig, out: str = "demo", videos: PositiveInt = 1500) -> None:
    """Make videos, train RGB MoCo and MSCL on them, compare both with a random encoder, and write a report.

    Args:
        config: settings of both trainings, the tiny preset to begin with.
        out: folder to write; what an earlier, interrupted call left there is used.
        videos: number of synthetic videos, a fifth of them for testing.
    """
    from kinema.demo import demo

    for path in demo(out, config, videos=videos):
        print(path)


def ablate_mscl(
    out: str,
    config: PretrainConfig,
    difficulty: Difficulty = "default",
    videos: PositiveInt = 1500,
    seeds: list[int] = [0, 1, 2],  # noqa: B006, only read
    only: list[str] = [],  # noqa: B006
) -> None:
    """Train every rung of MSCL's ablation ladder on synthetic videos, and tabulate what each part brings.

    Args:
        out: folder to write; rows that its results.csv has already are kept, not made again.
        config: settings of every rung, the tiny preset to begin with.
        difficulty: of the videos.
        videos: number of synthetic videos, a fifth of them for testing.
        seeds: one round of the ladder for each.
        only: names of the rungs wanted; all by default.
    """
    from kinema.ablation import ablate_mscl

    for path in ablate_mscl(out, config, difficulty=difficulty, videos=videos, seeds=seeds, only=only):
        print(path)


def ablate_hcml(
    out: str,
    config: FinetuneConfig,
    difficulty: Difficulty = "hard",
    videos: PositiveInt = 1500,
    per_class: list[PositiveInt] = [10, 50],  # noqa: B006, only read
    unlabelled_epochs: PositiveInt = 28,
    seeds: list[int] = [0, 1, 2],  # noqa: B006
    only: list[str] = [],  # noqa: B006
) -> None:
    """Train every rung of HCML's ablation ladder with few labels, and tabulate what each part brings.

    Args:
        out: folder to write; rows that its results.csv has already are kept, not made again.
        config: settings of every rung, the tiny preset to begin with.
        difficulty: of the synthetic videos.
        videos: number of synthetic videos, a fifth of them for testing.
        per_class: numbers of labelled videos of each class; a ladder for each.
        unlabelled_epochs: of HCML's training without labels on all training videos, in the last rung; methods that see
            two clips of a video have half of them.
        seeds: one round of each ladder for each.
        only: names of the rungs wanted; all by default.
    """
    from kinema.ablation import ablate_hcml

    numbers = {"videos": videos, "per_class": per_class, "unlabelled_epochs": unlabelled_epochs, "seeds": seeds}
    for path in ablate_hcml(out, config, difficulty=difficulty, only=only, **numbers):
        print(path)
