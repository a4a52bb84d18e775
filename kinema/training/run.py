"""What all trainings share: the videos that are used, Lightning's trainer, and going on where a run was stopped."""

from __future__ import annotations

import logging
import os
import sys
import warnings
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import lightning as L
import torch
from lightning.pytorch.loggers import Logger, TensorBoardLogger

from kinema.config import TrainConfig, TrainerConfig
from kinema.data.clips import span
from kinema.data.module import ClipPairsModule
from kinema.errors import ConfigError, OutputError
from kinema.files import make_folder, write_json
from kinema.methods.base import Method
from kinema.models.weights import ENCODER_FILE, save_encoder
from kinema.precision import quick_bfloat16, trains_in_bfloat16
from kinema.provenance import ids_sha256, software_versions
from kinema.training.callbacks import (
    CHECKPOINT,
    METRICS,
    Checkpoints,
    Loading,
    MetricsLogger,
    read_metrics,
    signals_given_back,
)
from kinema.training.module import TrainingModule
from kinema.training.resuming import check_checkpoint
from kinema.video import ManifestEntry, read_manifest, scan_folder, usable, write_manifest
from kinema.video.manifest import MANIFEST

NOISE = (
    ".*does not have many workers",
    "Experiment logs directory .* exists and is not empty",
    "You're resuming from a checkpoint that ended before the epoch ended",  # the sampler knows where it was
    r"`isinstance\(treespec, LeafSpec\)` is deprecated",
    "find_unused_parameters=True was specified",
    "Grad strides do not match bucket view strides",
    r"torch\.distributed\.nn\.functional\.all_gather is deprecated",
    r"It is recommended to use `self\.log\('data_wait'",  # the first process's own share is meant
)
"""Beginnings of Lightning's and PyTorch's warnings that are of no use to the user of a run."""


@dataclass(frozen=True)
class Fitted:
    """What a training left in memory.

    Attributes:
        module: with the trained method.
        data: what it was trained on.
        loading: the times.
    """

    module: TrainingModule
    data: ClipPairsModule
    loading: Loading

    def card(self, method: str, preset: str) -> dict[str, Any]:
        """Facts about the trained encoder, for its file.

        Args:
            method: its name.
            preset: name of the preset that the settings began as.
        """
        config, entries, trainer = self.module.config, self.data.entries, self.module.trainer
        rows = read_metrics(self.module.out / METRICS) if trainer.is_global_zero else []
        last = [row for row in rows if "loss" in row][-self.data.steps_per_epoch :]
        names = sorted({name for row in last for name in row if name.startswith("loss") or name.endswith("_accuracy")})
        means = {name: [row[name] for row in last if name in row] for name in names}
        settings = asdict(config)
        settings["flow"].pop("cache")
        encoder = self.module.method.trained_encoder().read_by(config.readout)
        return {
            "method": method,
            "preset": preset,
            "seed": config.seed,
            "clip": settings["clip"],
            "model": settings["model"],
            "readout": settings["readout"],
            **({"hcml": settings["hcml"]} if encoder.hierarchical else {}),
            "config": settings,
            "features": encoder.features,
            "training": {
                "steps": trainer.global_step,
                "clips_seen": self.data.clips_seen(trainer.global_step),
                "seconds": self.loading.seconds,
                "data_wait": self.loading.share,
                "last_epoch_means": {name: sum(values) / len(values) for name, values in means.items()},
            },
            "data": {
                "videos": len(entries),
                "hours": sum(entry.duration for entry in entries) / 3600,
                "sha256": ids_sha256([f"{entry.path},{entry.bytes}" for entry in entries]),
            },
            "versions": software_versions(),
        }

    def save(self, card: dict[str, Any]) -> None:
        """Write the trained encoder with its card into the run's folder; in one of several processes."""
        if self.module.trainer.is_global_zero:
            save_encoder(self.module.method.trained_encoder(), self.module.out / ENCODER_FILE, card)
            write_json(self.module.out / "card.json", card)


def fit(
    videos: str | Path,
    out: str | Path,
    config: TrainConfig,
    make: Callable[[], Method],
    identity: dict[str, str],
    *,
    hierarchical: bool,
    labels: Mapping[str, int] | None = None,
    manifest: str | Path | None = None,
    resume: bool = False,
) -> Fitted:
    """Train a method on the videos of a folder.

    Args:
        videos: the folder.
        out: the run's folder, for ``metrics.csv``, ``manifest.csv``, ``last.ckpt`` and TensorBoard's logs.
        config: all settings.
        make: makes the untrained method.
        identity: what, beside the settings, must be the same on resuming: plain values by name.
        hierarchical: whether the settings of HCML play a part.
        labels: the class of each video to train on by its path in the manifest; None for all videos, without labels.
        manifest: what ``kinema scan`` wrote of the folder; None to scan it now.
        resume: go on where an earlier call with the same settings was stopped.

    Raises:
        KinemaError: the videos, the settings, a checkpoint or the output folder are at fault; or the loss is not
            finite.
        Stopped: the user asked to stop; a checkpoint was left.
    """
    out = make_folder(out)
    checkpoint = out / CHECKPOINT
    if checkpoint.exists() and not resume:
        raise OutputError(f"{out} holds a run already; go on with --resume, or choose another folder")
    step = check_checkpoint(checkpoint, config, identity, hierarchical) if checkpoint.exists() else 0
    if manifest is None and step and (out / MANIFEST).exists():
        manifest = out / MANIFEST
    entries = _entries(Path(videos), out, config, manifest, labels)
    use_threads(config.trainer)
    L.seed_everything(config.seed, verbose=False)
    method = make()
    module = TrainingModule(method, config, identity, out)
    data = ClipPairsModule(
        videos,
        entries,
        config,
        out,
        with_flow=method.with_flow,
        pairs_from=method.pairs_from(config.epochs),
        labels=None if labels is None else [labels[entry.path] for entry in entries],
    )
    lines = not sys.stderr.isatty()
    phases = [phase.name for phase in module.schedule.phases] if module.schedule else []
    loading = Loading(lines, phases)
    callbacks = [loading, Checkpoints(checkpoint, config.trainer.checkpoint_minutes)]
    loggers = [MetricsLogger(out, step, phases), TensorBoardLogger(out, name="tensorboard", version="")]
    trainer = make_trainer(config, out, callbacks, loggers, lines)
    try:
        with warnings.catch_warnings(), signals_given_back():
            for message in NOISE:
                warnings.filterwarnings("ignore", message=message)
            trainer.fit(module, data, ckpt_path=checkpoint if step else None, weights_only=True)
    except SystemExit as error:  # what Lightning makes of Ctrl-C
        raise KeyboardInterrupt from error
    except OSError as error:
        raise OutputError(
            f"cannot write to {out}: {error.strerror or error}; make room there and go on with --resume"
        ) from error
    return Fitted(module, data, loading)


def use_threads(settings: TrainerConfig) -> None:
    """Leave as many cores to the processes that decode as there are such processes, if a CPU trains."""
    if settings.accelerator != "gpu" and not torch.cuda.is_available():
        torch.set_num_threads(settings.threads or max(1, (os.cpu_count() or 1) - settings.workers))


def _entries(
    videos: Path, out: Path, config: TrainConfig, manifest: str | Path | None, labels: Mapping[str, int] | None
) -> list[ManifestEntry]:
    """The videos to train on; says what is left out and why."""
    entries = scan_folder(videos) if manifest is None else read_manifest(manifest)
    if int(os.environ.get("LOCAL_RANK", "0")) == 0:
        write_manifest(entries, out / MANIFEST)
    if labels is not None:
        entries = [entry for entry in entries if entry.path in labels]

    def shortest(entry: ManifestEntry) -> float:
        return span(config.clip, entry.fps, extra=config.flow.step_ratio)

    chosen, summary = usable(entries, config.trainer.max_bad_share, shortest)
    if int(os.environ.get("LOCAL_RANK", "0")) == 0:
        print(summary, file=sys.stderr)
    return chosen


def make_trainer(
    config: TrainConfig, out: Path, callbacks: list[L.Callback], loggers: list[Logger], lines: bool
) -> L.Trainer:
    """Lightning's trainer for a run.

    Args:
        config: all settings.
        out: the run's folder.
        callbacks: what happens around the steps.
        loggers: what takes the metrics.
        lines: show no progress bar.

    Raises:
        ConfigError: a GPU is asked for and there is none, or bfloat16 where its gradients are wrong.
    """
    settings = config.trainer
    accelerator = settings.accelerator
    gpu = accelerator == "gpu" or (accelerator == "auto" and torch.cuda.is_available())
    if accelerator == "gpu" and not torch.cuda.is_available():
        raise ConfigError("trainer.accelerator is gpu, but PyTorch sees none here; use auto or cpu")
    devices = settings.devices or (torch.cuda.device_count() if gpu else 1)
    on = torch.device("cuda" if gpu else "cpu")
    bf16 = settings.precision == "bf16" or (settings.precision == "auto" and quick_bfloat16(on))
    bf16 = bf16 and trains_in_bfloat16(on)
    if settings.precision == "bf16" and not bf16:
        raise ConfigError(
            f"trainer.precision is bf16, in which PyTorch {torch.__version__} computes wrong gradients on this "
            "processor; use 32 or auto"
        )
    for name in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.WARNING)
    return L.Trainer(
        accelerator="gpu" if gpu else "cpu",
        devices=devices,
        # LMCL alone uses no projector, and a phase its own level alone
        strategy="auto" if devices == 1 else "ddp_find_unused_parameters_true",
        precision="bf16-mixed" if bf16 else "32-true",
        max_epochs=min(config.epochs, settings.stop_after or config.epochs),
        gradient_clip_val=config.optimizer.clip_norm,
        callbacks=callbacks,
        logger=loggers,
        log_every_n_steps=1,
        enable_checkpointing=False,
        enable_progress_bar=not lines,
        enable_model_summary=False,
        use_distributed_sampler=False,
        default_root_dir=out,
    )
