"""What a training has in memory, and what it leaves of it: the encoder and its card."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from kinema.common.files import write_json
from kinema.common.provenance import software_versions
from kinema.config import TrainConfig
from kinema.models.encoder import VideoEncoder
from kinema.models.weights import ENCODER_FILE, save_encoder
from kinema.training.callbacks import Loading
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
