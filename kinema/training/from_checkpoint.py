"""The encoder in a run's checkpoint, which may be newer than the one beside it."""

from __future__ import annotations

from dataclasses import is_dataclass
from pathlib import Path
from typing import Any, TypeVar

from kinema.config import FinetuneConfig, Motion, PretrainConfig, TrainConfig, from_plain
from kinema.errors import CheckpointError
from kinema.methods.base import Method
from kinema.methods.beginning import new_network
from kinema.methods.registry import create_method, settings_for
from kinema.models.encoder import VideoEncoder
from kinema.training.callbacks import CHECKPOINT
from kinema.training.fitted import card_settings
from kinema.training.resuming import opened_checkpoint

Config = TypeVar("Config", bound=TrainConfig)
RECOGNITION = "recognition with motion "


def encoder_from_checkpoint(run: str | Path) -> VideoEncoder:
    """The encoder as it was when a run's checkpoint was written, with its card, in evaluation mode.

    Args:
        run: the run's folder. Nothing in its checkpoint is executed.

    Raises:
        CheckpointError: there is no checkpoint, or it is damaged.
    """
    path = Path(run) / CHECKPOINT
    if not path.is_file():
        raise CheckpointError(f"{run} holds no {CHECKPOINT}: name the folder of a run that was trained here")
    with opened_checkpoint(path) as state:
        made_by, weights = state["identity"]["method"], state["state_dict"]
        method, config = _rebuilt(made_by, state["config"], weights)
        method.load_state_dict({name.removeprefix("method."): value for name, value in weights.items()})
    encoder = method.trained_encoder().read_by(config.readout).eval()
    encoder.card = {
        "method": "recognition" if made_by.startswith(RECOGNITION) else made_by,
        **card_settings(encoder, config),
        "training": {"steps": state["global_step"]},
    }
    return encoder


def _rebuilt(made_by: str, settings: dict[str, Any], weights: dict[str, Any]) -> tuple[Method, TrainConfig]:
    if made_by.startswith(RECOGNITION):
        motion: Motion = "hcml" if made_by.endswith("hcml") else "none"
        labelled = _config(FinetuneConfig, settings)
        return new_network(labelled, len(weights["method.classifier.bias"]), motion, None), labelled
    config = settings_for(made_by, _config(PretrainConfig, settings))
    return create_method(made_by, config), config


def _config(kind: type[Config], settings: dict[str, Any]) -> Config:
    """Settings of a ``kind`` from those that a checkpoint holds, nested and plain."""
    usual = kind()
    parts: dict[str, Any] = {
        name: from_plain(type(part), value) if is_dataclass(part := getattr(usual, name)) else value
        for name, value in settings.items()
    }
    return kind(**parts)
