"""From a folder of videos to an encoder: the whole of a pretraining run."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kinema.common.provenance import file_sha256
from kinema.config import PretrainConfig
from kinema.data.crops import check_boxes
from kinema.data.plan import Plan
from kinema.errors import ConfigError
from kinema.methods.beginning import begin_pretraining, motion_by
from kinema.models.weights import ENCODER_FILE, name_of, weights_file
from kinema.training.callbacks import CHECKPOINT
from kinema.training.checks import check_pretraining, too_short
from kinema.training.folder import run_folder
from kinema.training.hardware import count_devices
from kinema.training.metrics import METRICS
from kinema.training.ranks import find_place
from kinema.training.rendezvous import all_together
from kinema.training.run import fit
from kinema.training.snapshots import BEST, ENCODERS, Monitor
from kinema.video.manifest import MANIFEST


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
        names = (ENCODER_FILE, "card.json", METRICS, MANIFEST, CHECKPOINT)
        kept = [self.out / name for name in (BEST, ENCODERS) if (self.out / name).exists()]
        return [*(self.out / name for name in names), *kept]


def pretrain(
    videos: str | Path,
    out: str | Path,
    config: PretrainConfig,
    *,
    method: str = "mscl",
    weights: str | Path | None = None,
    preset: str = "",
    manifest: str | Path | None = None,
    monitor: Monitor | None = None,
    resume: bool = False,
) -> Run:
    """Train an encoder on the videos of a folder, without labels.

    Args:
        videos: the folder.
        out: the run's folder: ``encoder.safetensors``, ``card.json``, ``metrics.csv``, ``manifest.parquet``,
            ``last.ckpt`` and TensorBoard's logs.
        config: all settings.
        method: ``mscl``, ``moco`` for its RGB loss alone, ``hcml``, ``mscl+hcml`` for the losses of both, ``tubelet``,
            ``masked``, or one that is registered.
        weights: what the encoder begins with, as :func:`kinema.load_encoder` takes it; all else, the optimiser among
            it, is new. Its architecture must be the one that ``config.model`` asks for
            (:func:`kinema.methods.beginning.settings_of` says it). None to begin from scratch.
        preset: name of the preset that the settings began as, for the card.
        manifest: what ``kinema scan`` wrote of the folder; None to scan it now.
        monitor: what is measured of the encoder on the way, whose best is kept as ``best.safetensors``; None for
            nothing. :mod:`kinema.jobs.monitoring` has one.
        resume: go on where an earlier call with the same settings was stopped.

    Raises:
        KinemaError: the videos, the settings, the weights, a checkpoint or the output folder are at fault; or the loss
            is not finite.
        Stopped: the user asked to stop; a checkpoint was left.
    """
    place = find_place(count_devices(config.trainer), config.trainer.nodes)
    with all_together(place, Path(out)) as together:
        config, make = begin_pretraining(method, config, weights)
        check_pretraining(config, method)
        check_boxes(config.clip, Path(videos))
        began = None if weights is None else {"name": name_of(weights), "sha256": file_sha256(weights_file(weights))}
        if monitor is not None and monitor.every < 1:
            raise ConfigError(f"a monitor measures every so many steps, at least 1, not {monitor.every}")

        def warn(plan: Plan) -> str:
            return too_short(plan.steps) if weights is None else ""

        with run_folder(out, together) as out:
            fitted = fit(
                videos,
                out,
                config,
                make,
                {"method": method, "weights": "none" if began is None else began["sha256"][:12]},
                together,
                hierarchical=motion_by(method) == "hcml",
                facts={"method": method, "preset": preset, **({} if began is None else {"began_with": began})},
                warn=warn,
                manifest=manifest,
                resume=resume,
                monitor=monitor,
            )
        return Run(out, fitted.card(), fitted.loading.seconds - fitted.loading.earlier, fitted.loading.earlier)
