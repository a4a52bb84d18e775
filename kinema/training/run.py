"""What all trainings share: the videos that are used, the trainer, and going on where a run was stopped."""

from __future__ import annotations

import json
import sys
import warnings
from collections.abc import Callable, Mapping
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from kinema.common.addresses import shown
from kinema.common.files import make_folder
from kinema.common.processes import is_first
from kinema.common.provenance import differing
from kinema.common.streams import in_one_line
from kinema.config import TrainConfig
from kinema.data.fields import shortest_video
from kinema.data.loader import explaining
from kinema.data.plan import Plan, make_plan
from kinema.data.training_data import TrainingData
from kinema.errors import ConfigError, DataError, OutputError
from kinema.methods.base import Method
from kinema.training.callbacks import CHECKPOINT, Checkpoints, Loading, Telling
from kinema.training.checks import check_remaining
from kinema.training.coordination import Together
from kinema.training.fitted import Fitted
from kinema.training.folder import agreed_videos
from kinema.training.hardware import choose_device, choose_precision, threads_given_back, use_threads
from kinema.training.metrics import MetricsWriter
from kinema.training.module import TrainingModule
from kinema.training.resuming import check_checkpoint, common_settings
from kinema.training.snapshots import Keeping, Monitor
from kinema.training.trainer import Trainer, seed_everything, share_statistics
from kinema.video import Manifest, usable
from kinema.video.manifest import MANIFEST


def fit(
    videos: str | Path,
    out: str | Path,
    config: TrainConfig,
    make: Callable[[], Method],
    identity: dict[str, str],
    together: Together,
    *,
    hierarchical: bool,
    facts: Mapping[str, Any],
    warn: Callable[[Plan], str] = lambda plan: "",
    labels: Mapping[str, int] | None = None,
    manifest: str | Path | None = None,
    resume: bool = False,
    save: Callable[[Fitted], None] = Fitted.save,
    monitor: Monitor | None = None,
) -> Fitted:
    """Train a method on the videos of a folder.

    Args:
        videos: the folder.
        out: the run's folder, for ``metrics.csv``, ``manifest.parquet``, ``last.ckpt`` and TensorBoard's logs.
        config: all settings.
        make: makes the untrained method.
        identity: what, beside the settings, must be the same on resuming: plain values by name.
        together: the processes of the training, as :func:`~kinema.training.folder.run_folder` gives them.
        hierarchical: whether the settings of HCML play a part.
        facts: what the encoder's card says beside what the training knows: ``method``, ``preset`` and others.
        warn: what the user should know of a plan before the training begins; an empty word for nothing.
        labels: the class of each video to train on by its path in the manifest; None for all videos, without labels.
        manifest: what ``kinema scan`` wrote of the folder; None to scan it now.
        resume: go on where an earlier call with the same settings was stopped.
        save: writes the encoder as it is; called with every checkpoint and at the end, in one of several processes.
        monitor: what is measured of the encoder on the way; None for nothing.

    Raises:
        KinemaError: the videos, the settings, a checkpoint or the output folder are at fault; or the loss is not
            finite.
        Stopped: the user asked to stop; a checkpoint was left.
    """
    device = choose_device(config.trainer, together.place.local)
    precision = choose_precision(config.trainer, device)
    out = make_folder(out)
    checkpoint = out / CHECKPOINT
    if checkpoint.exists() and not resume:
        raise OutputError(f"{out} holds a run already; go on with --resume, or choose another folder")
    step = check_checkpoint(checkpoint, config, identity, hierarchical, together.count) if checkpoint.exists() else 0
    if manifest is None and step and (out / MANIFEST).exists():
        manifest = out / MANIFEST
    _refuse_others(together, out, config, identity, hierarchical, step)
    entries = _chosen(agreed_videos(videos, out, manifest, together), Path(videos), config, labels)
    plan = make_plan(config, len(entries), together.count)
    _announce(plan, config, warn(plan), check_remaining(out, step, plan.steps))
    seed_everything(config.seed)
    method = make()
    if config.trainer.sync_batchnorm:
        share_statistics(method)
    module = TrainingModule(method, config, plan, identity, out)
    data = TrainingData(
        videos,
        entries,
        config,
        plan,
        out,
        with_flow=method.with_flow,
        with_key=method.with_key,
        pairs_from=method.pairs_from(plan),
        labels=None if labels is None else [labels[path] for path in entries.paths()],
    )
    end = min(plan.steps, (config.trainer.stop_after or plan.length) * plan.unit)
    phases = [phase.name for phase in module.schedule.phases] if module.schedule else []
    metrics = MetricsWriter(out, step, phases, plan.steps_per_epoch) if together.rank == 0 else None
    trainer = Trainer(module, together, device, precision, metrics)
    fitted = Fitted(trainer, Loading(), facts, warn(plan))
    every = config.trainer.keep_every
    keeping = Keeping(out, every and every * plan.unit, monitor, config.readout, fitted.card)
    checkpoints = Checkpoints(checkpoint, config.trainer.checkpoint_minutes, partial(save, fitted))
    callbacks = [keeping, fitted.loading, Telling(module.schedule, keeping.newest), checkpoints]
    try:
        with warnings.catch_warnings(), threads_given_back(), explaining():
            use_threads(config.trainer)
            warnings.filterwarnings(
                "ignore", "Grad strides do not match bucket view strides"
            )  # of kernels of one pixel
            trainer.fit(data, end, callbacks, checkpoint if step else None)
    except BrokenPipeError:
        raise
    except OSError as error:
        raise OutputError(
            f"cannot write to {out}: {error.strerror or error}; make room there and go on with --resume"
        ) from error
    if data.left_out and trainer.first:
        print(f"{len(data.left_out)} of {len(entries)} videos broke and were left out:", file=sys.stderr)
        print(*(in_one_line(f"  {left}") for left in data.left_out), sep="\n", file=sys.stderr, flush=True)
    if trainer.first:
        save(fitted)
    return fitted


def _refuse_others(
    together: Together, out: Path, config: TrainConfig, identity: Mapping[str, str], hierarchical: bool, step: int
) -> None:
    """Refuse to train together with a first process that does something else."""
    own = {**common_settings(asdict(config), type(config), hierarchical), **identity, "begins at step": step}
    own["processes"] = together.count
    found = json.loads(together.agree(f"settings of {out.name}", json.dumps(own)))
    if others := differing(found, json.loads(json.dumps(own))):
        raise ConfigError(
            f"the process of rank {together.rank} would do something else than the first ({'; '.join(others[:5])}); "
            "begin all with the same settings, and let --out be the same folder on all nodes"
        )


def _chosen(entries: Manifest, videos: Path, config: TrainConfig, labels: Mapping[str, int] | None) -> Manifest:
    """The videos to train on; says what is left out and why."""
    if labels is not None:
        entries = entries.take(np.fromiter((path in labels for path in entries.paths()), bool, len(entries)))
    chosen, summary = usable(entries, config.trainer.max_bad_share, partial(shortest_video, config))
    if is_first():
        print(summary, file=sys.stderr)
    if len(chosen) < 2:  # which cannot be told apart
        raise DataError(f"{shown(videos)} holds {len(chosen)} usable video; training needs at least 2: add videos")
    return chosen


def _announce(plan: Plan, config: TrainConfig, *warnings: str) -> None:
    """Say how the training will go, in one of several processes."""
    if is_first():
        small = f", since there are only {plan.videos} videos" if plan.batch_size < config.trainer.batch_size else ""
        passes = plan.steps * plan.batch_size * plan.processes / plan.videos
        pieces = plan.processes * config.trainer.accumulate
        parts = f" in {pieces} parts" if config.trainer.accumulate > 1 else ""
        print(
            f"training for {plan.steps} steps of {plan.batch_size * plan.processes} clips{parts}{small}; about "
            f"{passes:.3g} clips of each video",
            *filter(None, warnings),
            sep="\n",
            file=sys.stderr,
        )
