"""Training encoders, and the whole jobs around it."""

from __future__ import annotations

import os
from typing import Literal

from jsonargparse.typing import PositiveInt

from kinema.config import FinetuneConfig, MethodName, Motion, PretrainConfig
from kinema.presets import DEFAULT_PRESET

Difficulty = Literal["easy", "default", "hard"]


def pretrain(
    videos: str,
    out: str,
    config: PretrainConfig,
    method: MethodName = "mscl",
    preset: str = DEFAULT_PRESET,
    manifest: str | None = None,
    resume: bool = False,
) -> None:
    """Train an encoder on a folder of videos, without labels.

    Args:
        videos: folder of videos, searched with all folders in it.
        out: folder of the run.
        config: all settings.
        method: mscl learns from RGB and optical flow; moco is its RGB loss alone; hcml learns a hierarchy of motion
            features from RGB alone, one level after another; mscl+hcml has the losses of both.
        preset: named settings to begin with (tiny, r3d18, mscl-r3d18-k400); options and --config go on top.
        manifest: what `kinema scan` wrote of the folder; it is scanned now by default.
        resume: go on where the run in this folder was stopped.
    """
    from kinema.training import pretrain

    run = pretrain(videos, out, config, method=method, preset=preset, manifest=manifest, resume=resume)
    if os.environ.get("LOCAL_RANK", "0") == "0":  # of several processes one speaks
        print(f"trained in {run.seconds / 60:.1f} min, {run.data_wait:.1%} of it waiting for data")
        for path in run.files:
            print(path)


def finetune(
    videos: str,
    out: str,
    config: FinetuneConfig,
    labels: str | None = None,
    label_column: str = "label",
    group_column: str | None = None,
    split: Literal["auto", "split", "group", "video"] = "auto",
    per_class: PositiveInt | None = None,
    samples: PositiveInt | None = None,
    motion: Motion = "none",
    weights: str | None = None,
    preset: str = DEFAULT_PRESET,
    manifest: str | None = None,
    resume: bool = False,
) -> None:
    """Train a network to recognise the classes of labelled videos, and test it on others.

    Args:
        videos: folder of videos.
        out: folder for results.json, predictions.csv and the runs.
        config: all settings.
        labels: CSV file with a column of file names relative to the folder, the labels and perhaps split (train or
            test); class folders by default.
        label_column: column to predict.
        group_column: column whose groups (subjects, source videos) are never both trained on and tested.
        split: how videos are held out; auto takes the split column, else one group at a time, else five parts.
        per_class: videos of each class to train on, drawn by the seed; all by default.
        samples: videos to train on in all, as even over the classes as they allow, drawn by the seed; all by default.
        motion: hcml adds its motion hierarchy to the network and its losses to the cross-entropy.
        weights: a run's folder or an encoder file to begin with, or a file with published weights of the backbone;
            none by default.
        preset: named settings to begin with (tiny, r3d18); options and --config go on top.
        manifest: what `kinema scan` wrote of the folder; it is scanned now by default.
        resume: go on where the training in this folder was stopped.
    """
    from kinema.finetuning import finetune

    found = finetune(
        videos,
        out,
        config,
        labels=labels,
        label_column=label_column,
        group_column=group_column,
        split=split,
        per_class=per_class,
        samples=samples,
        motion=motion,
        weights=weights,
        preset=preset,
        manifest=manifest,
        resume=resume,
    )
    if os.environ.get("LOCAL_RANK", "0") == "0":
        print(found.summary())
        for path in found.files:
            print(path)


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
        seeds: one round of each ladder for each.
        only: names of the rungs wanted; all by default.
    """
    from kinema.ablation import ablate_hcml

    numbers = {"videos": videos, "per_class": per_class, "seeds": seeds}
    for path in ablate_hcml(out, config, difficulty=difficulty, only=only, **numbers):
        print(path)
