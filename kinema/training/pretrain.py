"""From a folder of videos to an encoder: the whole of a pretraining run."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kinema.config import MethodName, PretrainConfig
from kinema.methods import create_method, settings_for
from kinema.models.weights import ENCODER_FILE
from kinema.training.callbacks import CHECKPOINT, METRICS
from kinema.training.checks import check_pretraining
from kinema.training.run import fit, run_folder
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
    check_pretraining(config, method)
    with run_folder(out) as out:
        fitted = fit(
            videos,
            out,
            config,
            lambda: create_method(method, config),
            {"method": method},
            hierarchical="hcml" in method,
            manifest=manifest,
            resume=resume,
        )
        card = fitted.card(method, preset)
        fitted.save(card)
    return Run(out, card, fitted.loading.seconds - fitted.loading.earlier, fitted.loading.earlier)
