"""What a training leaves: the encoder and its card, as they are in memory, and as they were in a checkpoint."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, is_dataclass
from pathlib import Path
from typing import Any, TypeVar

from kinema.common.files import write_json
from kinema.common.provenance import software_versions
from kinema.config import FinetuneConfig, Motion, PretrainConfig, TrainConfig, from_plain
from kinema.errors import CheckpointError
from kinema.methods.base import Method
from kinema.methods.beginning import new_network
from kinema.methods.registry import create_method, settings_for
from kinema.models.encoder import VideoEncoder
from kinema.models.weights import ENCODER_FILE, save_encoder
from kinema.training.callbacks import CHECKPOINT, Loading
from kinema.training.resuming import opened_checkpoint
from kinema.training.trainer import Trainer


def recorded(config: TrainConfig) -> dict[str, Any]:
    """Settings of a training as plain values, but for where flow was kept."""
    settings = asdict(config)
    settings["flow"].pop("cache")
    return settings


def card_settings(encoder: VideoEncoder, config: TrainConfig) -> dict[str, Any]:
    """What the card of an encoder says of the settings that it was trained with."""
    settings = recorded(config)
    return {
        **{name: settings[name] for name in ("seed", "clip", "model", "readout")},
        **({"hcml": settings["hcml"]} if encoder.hierarchical else {}),
        "config": settings,
        "features": encoder.features_by(config.readout),
    }


@dataclass(frozen=True)
class Fitted:
    """What a training left in memory.

    Attributes:
        trainer: has taken its steps.
        loading: the times.
        facts: what the card says beside that: ``method``, ``preset`` and others.
        warning: what the user was told of the plan; an empty word for nothing.
    """

    trainer: Trainer
    loading: Loading
    facts: Mapping[str, Any]
    warning: str = ""

    def card(self) -> dict[str, Any]:
        """Facts about the encoder as it is now, for its file."""
        module, data, steps = self.trainer.module, self.trainer.data, self.trainer.step
        config, plan, last = module.config, module.plan, list[dict[str, float]]()
        if self.trainer.metrics is not None:
            self.trainer.metrics.save()
            last = self.trainer.metrics.last
        names = sorted({name for row in last for name in row if name.startswith("loss") or name.endswith("_accuracy")})
        means = {name: [row[name] for row in last if name in row] for name in names}
        return {
            **self.facts,
            **card_settings(module.method.trained_encoder(), config),
            "training": {
                "steps": steps,
                "steps_planned": plan.steps,
                "steps_per_epoch": plan.steps_per_epoch,
                "clips_per_video": plan.clips_per_video,
                "clips_seen": data.clips_seen(steps),
                "seconds": self.loading.seconds,
                "data_wait": self.loading.share,
                "last_epoch_means": {name: sum(values) / len(values) for name, values in means.items()},
                **({"too_short": self.warning} if self.warning else {}),
            },
            "data": {
                "videos": len(data.entries),
                "hours": float(data.entries.column("duration").sum()) / 3600,
                "sha256": data.entries_sha256,
                "left_out": [asdict(left) for left in data.left_out],
            },
            "versions": software_versions(),
        }

    def save(self) -> None:
        """Write the encoder as it is now, with its card, into the run's folder."""
        card, module = self.card(), self.trainer.module
        save_encoder(module.method.trained_encoder(), module.out / ENCODER_FILE, card)
        write_json(module.out / "card.json", card)


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
