"""Training encoders, and the whole jobs around it."""

from __future__ import annotations

import sys
from pathlib import Path

from jsonargparse.typing import PositiveInt

from kinema.common.processes import is_first
from kinema.config import FinetuneConfig, PretrainConfig
from kinema.config.requests import FinetuneTask, MonitorConfig
from kinema.config.synthesis import ComparisonConfig, HCMLLadderConfig, LadderConfig
from kinema.errors import ConfigError
from kinema.presets import DEFAULT_PRESET


def pretrain(
    videos: str,
    out: str,
    monitoring: MonitorConfig,
    config: PretrainConfig,
    method: str = "mscl",
    weights: str | None = None,
    preset: str | None = None,
    manifest: str | None = None,
    resume: bool = False,
    dry_run: bool = False,
    count: PositiveInt | None = None,
) -> None:
    """Train an encoder on a folder of videos, without labels.

    Args:
        videos: folder of videos, searched with all folders in it; or its address, such as s3://bucket/videos.
        out: folder of the run.
        monitoring: what is measured on the way.
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
        resume: go on where the run in this folder was stopped.
        dry_run: train on nothing and write nothing, but say what memory and time the training would take.
        count: number of videos that a dry run reckons with; those of the folder by default.
    """
    if dry_run:
        from kinema.jobs.dry_run import dry_pretrain

        print(dry_pretrain(videos, config, method=method, weights=weights, manifest=manifest, count=count).summary())
        return
    refuse_count(count)
    from kinema.jobs.monitoring import chosen_monitor
    from kinema.training import pretrain

    if resume:
        say_if_anew(out)
    run = pretrain(
        videos,
        out,
        config,
        method=method,
        weights=weights,
        preset=preset or DEFAULT_PRESET,
        manifest=manifest,
        monitor=chosen_monitor(monitoring, Path(out) / "monitor", config.clip),
        resume=resume,
    )
    if is_first():  # of several processes one speaks
        told = f"trained in {run.seconds / 60:.1f} min, {run.data_wait:.1%} of it waiting for data"
        print(told, *run.files, sep="\n")


def finetune(
    videos: str,
    out: str,
    task: FinetuneTask,
    config: FinetuneConfig,
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
        task: what is to be recognised.
        config: all settings.
        preset: named settings to begin with (tiny, r3d18, ucf101-finetune, hmdb51-finetune, ssv2-finetune,
            hcml-r3d18-ucf101); options and --config go on top.
        manifest: what `kinema scan` wrote of the folder; it is scanned now by default.
        resume: go on where the training in this folder was stopped.
        dry_run: train on nothing and write nothing, but say what memory and time the training would take.
        count: number of videos that a dry run reckons with; those of the labels or the benchmark by default.
    """
    if dry_run:
        from kinema.jobs.dry_run import dry_finetune

        print(dry_finetune(videos, config, task, count=count).summary())
        return
    refuse_count(count)
    from kinema.jobs.finetuning import finetune

    if resume:
        say_if_anew(out)
    found = finetune(videos, out, config, task, preset=preset, manifest=manifest, resume=resume)
    if is_first():
        print(found.summary(), *found.files, sep="\n")


def say_if_anew(out: str) -> None:
    """Say where there is nothing to go on with; whole jobs, which always go on, have no need of it."""
    from kinema.training.callbacks import CHECKPOINT

    if is_first() and not Path(out, CHECKPOINT).exists():
        print(f"{out} holds no run to go on with, so this one begins anew", file=sys.stderr)


def refuse_count(count: int | None) -> None:
    """Refuse a number of videos where they are counted.

    Raises:
        ConfigError: there is one.
    """
    if count is not None:
        raise ConfigError("--count belongs to --dry-run; a training counts its videos itself")


def demo(config: PretrainConfig, comparison: ComparisonConfig, out: str = "demo") -> None:
    """Make videos, train RGB MoCo and MSCL on them, compare both with a random encoder, and write a report.

    Args:
        config: settings of both trainings, the tiny preset to begin with.
        comparison: on what they are compared.
        out: folder to write; what an earlier, interrupted call left there is used.
    """
    from kinema.jobs.demo.job import demo

    print(*demo(out, config, videos=comparison.videos), sep="\n")


def ablate_mscl(out: str, config: PretrainConfig, ladder: LadderConfig) -> None:
    """Train every rung of MSCL's ablation ladder on synthetic videos, and tabulate what each part brings.

    Args:
        out: folder to write; rows that its results.csv has already are kept, not made again.
        config: settings of every rung, the tiny preset to begin with.
        ladder: on what rungs are trained.
    """
    from kinema.jobs.ablation.mscl import ablate_mscl

    print(*ablate_mscl(out, config, ladder), sep="\n")


def ablate_hcml(out: str, config: FinetuneConfig, ladder: HCMLLadderConfig) -> None:
    """Train every rung of HCML's ablation ladder with few labels, and tabulate what each part brings.

    Args:
        out: folder to write; rows that its results.csv has already are kept, not made again.
        config: settings of every rung, the tiny preset to begin with.
        ladder: on what rungs are trained.
    """
    from kinema.jobs.ablation.hcml import ablate_hcml

    print(*ablate_hcml(out, config, ladder), sep="\n")
