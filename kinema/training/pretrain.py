"""From a folder of videos to an encoder: the whole of a pretraining run."""

from __future__ import annotations

import logging
import os
import sys
import warnings
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import lightning as L
import torch
from lightning.pytorch.loggers import TensorBoardLogger

from kinema.config import MethodName, PretrainConfig
from kinema.data.clips import span
from kinema.data.module import ClipPairsModule
from kinema.errors import CheckpointError, ConfigError, OutputError
from kinema.files import make_folder, write_json
from kinema.methods import settings_for
from kinema.models import save_encoder
from kinema.models.weights import ENCODER_FILE
from kinema.precision import quick_bfloat16
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
from kinema.training.checks import check_settings
from kinema.training.module import PretrainModule
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
class Run:
    """What a pretraining run left.

    Attributes:
        out: its folder.
        card: what ``card.json`` holds.
        seconds: spent in training by this call.
        earlier_seconds: spent in training by the calls that this one went on from.
    """

    out: Path
    card: dict[str, Any]
    seconds: float
    earlier_seconds: float

    @property
    def data_wait(self) -> float:
        """Share of the training time spent waiting for data, from 0 to 1."""
        return self.card["training"]["data_wait"]

    @property
    def files(self) -> list[Path]:
        """The files that a user would look for."""
        return [self.out / name for name in (ENCODER_FILE, "card.json", METRICS, MANIFEST, CHECKPOINT)]


def pretrain(
    videos: str | Path,
    out: str | Path,
    config: PretrainConfig,
    *,
    method: MethodName = "mscl",
    preset: str = "",
    manifest: str | Path | None = None,
    resume: bool = False,
) -> Run:
    """Train an encoder on the videos of a folder, without labels.

    Args:
        videos: the folder.
        out: the run's folder: ``encoder.safetensors``, ``card.json``, ``metrics.csv``, ``manifest.csv``, ``last.ckpt``
            and TensorBoard's logs.
        config: all settings.
        method: ``mscl``, ``moco`` for its RGB loss alone, ``hcml``, or ``mscl+hcml`` for the losses of both.
        preset: name of the preset that the settings began as, for the card.
        manifest: what ``kinema scan`` wrote of the folder; None to scan it now.
        resume: go on where an earlier call with the same settings was stopped.

    Raises:
        KinemaError: the videos, the settings, a checkpoint or the output folder are at fault; or the loss is not
            finite.
        Stopped: the user asked to stop; a checkpoint was left.
    """
    config = settings_for(method, config)
    check_settings(config, method)
    out = make_folder(out)
    checkpoint = out / CHECKPOINT
    if checkpoint.exists() and not resume:
        raise OutputError(f"{out} holds a run already; go on with --resume, or choose another folder")
    step = _check_checkpoint(checkpoint, config, method) if checkpoint.exists() else 0
    if manifest is None and step and (out / MANIFEST).exists():
        manifest = out / MANIFEST
    entries = _entries(Path(videos), out, config, manifest)
    settings = config.trainer
    if settings.accelerator != "gpu" and not torch.cuda.is_available():
        torch.set_num_threads(settings.threads or max(1, (os.cpu_count() or 1) - settings.workers))
    L.seed_everything(config.seed, verbose=False)
    module = PretrainModule(method, config, out)
    pairs_from = module.method.pairs_from(config.epochs)
    data = ClipPairsModule(videos, entries, config, out, with_flow=module.method.with_flow, pairs_from=pairs_from)
    lines = not sys.stderr.isatty()
    phases = [phase.name for phase in module.schedule.phases] if module.schedule else []
    loading = Loading(lines, phases)
    callbacks = [loading, Checkpoints(checkpoint, settings.checkpoint_minutes)]
    trainer = _trainer(config, out, callbacks, MetricsLogger(out, step, phases), lines)
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
    card = _card(preset, data, module, loading)
    if trainer.is_global_zero:
        save_encoder(module.method.trained_encoder(), out / ENCODER_FILE, card)
        write_json(out / "card.json", card)
    return Run(out, card, loading.seconds - loading.earlier, loading.earlier)


def _entries(videos: Path, out: Path, config: PretrainConfig, manifest: str | Path | None) -> list[ManifestEntry]:
    """The videos to train on; says what is left out and why."""
    entries = scan_folder(videos) if manifest is None else read_manifest(manifest)
    if int(os.environ.get("LOCAL_RANK", "0")) == 0:
        write_manifest(entries, out / MANIFEST)

    def shortest(entry: ManifestEntry) -> float:
        return span(config.clip, entry.fps, extra=config.flow.step_ratio)

    chosen, summary = usable(entries, config.trainer.max_bad_share, shortest)
    if int(os.environ.get("LOCAL_RANK", "0")) == 0:
        print(summary, file=sys.stderr)
    return chosen


def _trainer(
    config: PretrainConfig, out: Path, callbacks: list[L.Callback], metrics: MetricsLogger, lines: bool
) -> L.Trainer:
    settings = config.trainer
    accelerator = settings.accelerator
    gpu = accelerator == "gpu" or (accelerator == "auto" and torch.cuda.is_available())
    if accelerator == "gpu" and not torch.cuda.is_available():
        raise ConfigError("trainer.accelerator is gpu, but PyTorch sees none here; use auto or cpu")
    devices = settings.devices or (torch.cuda.device_count() if gpu else 1)
    quick = quick_bfloat16(torch.device("cuda" if gpu else "cpu"))
    bf16 = settings.precision == "bf16" or (settings.precision == "auto" and quick)
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
        logger=[metrics, TensorBoardLogger(out, name="tensorboard", version="")],
        log_every_n_steps=1,
        enable_checkpointing=False,
        enable_progress_bar=not lines,
        enable_model_summary=False,
        use_distributed_sampler=False,
        default_root_dir=out,
    )


def _comparable(config: dict[str, Any], method: MethodName) -> dict[str, Any]:
    """Settings by dotted name, but for those that may differ between two parts of one run, or play no part in it."""
    names = ("stop_after", "workers", "hold_mib", "threads", "checkpoint_minutes")
    free = {f"trainer.{name}" for name in names}
    flat: dict[str, Any] = {}
    for name, value in config.items():
        inner = value if isinstance(value, dict) else {"": value}
        for key, setting in inner.items():
            flat[f"{name}.{key}".strip(".")] = list(setting) if isinstance(setting, tuple) else setting
    if "hcml" not in method:
        free |= {name for name in flat if name.startswith("hcml.")}
    if not ("hcml" in method and flat["hcml.progressive"]):
        free.add("epochs")  # where phases follow one another, a longer training would have begun with other phases
    flat["flow.cache"] = bool(flat.get("flow.cache"))  # where it lies is free; whether flow was rounded is not
    return {name: value for name, value in flat.items() if name not in free}


def _check_checkpoint(path: Path, config: PretrainConfig, method: MethodName) -> int:
    """The step of a checkpoint that fits the settings.

    Raises:
        CheckpointError: it is damaged, or was made by another method or with other settings.
    """
    try:
        state = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
        step, settings = int(state["global_step"]), state["config"]
        made_by: MethodName = state.get("method", "moco" if method == "moco" else "mscl")  # once there were only these
        found = _comparable(settings, made_by)
    except Exception as error:  # torch names no error for a damaged file: zip, pickle and key errors all occur
        raise CheckpointError(f"{path} is damaged or no checkpoint of kinema; delete it to begin anew") from error
    if made_by != method:
        raise CheckpointError(f"{path} was made by the method {made_by}, not {method}; use the same, or another folder")
    wanted = _comparable(asdict(config), method)
    differing = [
        f"{name} was {found.get(name)}, is {wanted.get(name)}"
        for name in sorted(found.keys() | wanted.keys())
        if found.get(name) != wanted.get(name)
    ]
    if differing:
        raise CheckpointError(
            f"{path} was made with other settings ({'; '.join(differing[:5])}); use the same, or another folder"
        )
    return step


def _card(preset: str, data: ClipPairsModule, module: PretrainModule, loading: Loading) -> dict[str, Any]:
    config, entries, trainer = module.config, data.entries, module.trainer
    rows = read_metrics(Path(module.out) / METRICS) if trainer.is_global_zero else []
    last = [row for row in rows if "loss" in row][-data.steps_per_epoch :]
    names = sorted({name for row in last for name in row if name.startswith("loss") or name.endswith("_accuracy")})
    means = {name: [row[name] for row in last if name in row] for name in names}
    settings = asdict(config)
    settings["flow"].pop("cache")
    hierarchy = {"hcml": settings["hcml"]} if "hcml" in module.name else {}
    return {
        "method": module.name,
        "preset": preset,
        "seed": config.seed,
        "clip": settings["clip"],
        "model": settings["model"],
        **hierarchy,
        "config": settings,
        "features": module.method.trained_encoder().features,
        "training": {
            "steps": trainer.global_step,
            "clips_seen": data.clips_seen(trainer.global_step),
            "seconds": loading.seconds,
            "data_wait": loading.share,
            "last_epoch_means": {name: sum(values) / len(values) for name, values in means.items()},
        },
        "data": {
            "videos": len(entries),
            "hours": sum(entry.duration for entry in entries) / 3600,
            "sha256": ids_sha256([f"{entry.path},{entry.bytes}" for entry in entries]),
        },
        "versions": software_versions(),
    }
