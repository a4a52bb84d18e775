"""What a training begins with: an untrained encoder, or a trained one, which then decides the architecture."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from kinema.common.provenance import differing
from kinema.config import FinetuneConfig, HCMLConfig, ModelConfig, Motion, PretrainConfig, TrainConfig
from kinema.errors import CheckpointError
from kinema.methods.base import Method
from kinema.methods.recognition import Recognition
from kinema.methods.registry import METHODS, create_method, settings_for
from kinema.models import WithMotion, add_motion_hierarchy, load_encoder
from kinema.models.encoder import VideoEncoder, build_encoder
from kinema.models.pyramid import TemporalPyramid

Config = TypeVar("Config", FinetuneConfig, PretrainConfig)

HIERARCHY = ("levels", "prime", "fusion", "chain", "reduction", "radius", "dilation", "pool")
"""Settings of HCML that decide which weights there are and what they mean."""

BESIDE = ("flow_width", "flow_patch", "flow_input", "embedding")
"""Settings of the model that say nothing about the encoder, but about what is trained beside it."""


def settings_of(weights: str | Path, motion: Motion) -> dict[str, Any]:
    """What of the settings of a pretraining the weights say, unless one says otherwise: the architecture, the clips and
    the readout.

    An encoder without a pyramid says nothing of it: one is added where the settings ask for it.

    Args:
        weights: as :func:`kinema.load_encoder` takes them.
        motion: ``hcml`` if the method trains a motion hierarchy.

    Returns:
        Settings, nested as in a file of settings.

    Raises:
        CheckpointError: the weights are damaged, or no encoder.
    """
    card = load_encoder(weights).card
    taken = {"model": _architecture(ModelConfig(**card["model"]))}
    if taken["model"]["pyramid"] is None:
        del taken["model"]["pyramid"]
    taken |= {name: card[name] for name in ("clip", "readout") if card.get(name)}
    if motion == "hcml" and card.get("hcml"):
        taken["hcml"] = {name: card["hcml"][name] for name in HIERARCHY if name in card["hcml"]}
    return taken


def motion_by(method: str) -> Motion:
    """``hcml`` if the method of a name trains a motion hierarchy.

    Raises:
        ConfigError: there is no method of that name.
    """
    return "hcml" if METHODS.get(method).hierarchical else "none"


def begin_pretraining(
    method: str, config: PretrainConfig, weights: str | Path | None
) -> tuple[PretrainConfig, Callable[[], Method]]:
    """The settings of a pretraining as its method takes them, and a function that makes the method to train.

    Args:
        method: its name.
        config: all settings.
        weights: what the encoder begins with, as :func:`kinema.load_encoder` takes it; None for an untrained one.

    Raises:
        ConfigError: there is no method of that name.
        CheckpointError: the weights are damaged, or those of another architecture than the settings ask for.
    """
    motion = motion_by(method)
    settings = settings_for(method, config)
    if weights is None:
        return settings, lambda: create_method(method, settings)
    encoder = starting_encoder(settings, motion, weights)
    found, wanted = _architecture(ModelConfig(**encoder.card["model"])), _architecture(settings.model)
    if None in (found["pyramid"], wanted["pyramid"]):  # it is left out, or added
        found["pyramid"] = wanted["pyramid"]
    if others := differing(found, wanted):
        raise CheckpointError(
            f"{weights} holds another network than the settings under model ask for ({'; '.join(others)}); ask for "
            "the same, or begin without weights"
        )
    begun = _with_hierarchy_of(encoder, settings, motion)
    return begun, lambda: create_method(method, begun, _with_pyramid(starting_encoder(begun, motion, weights), begun))


def network_settings(config: FinetuneConfig, motion: Motion, weights: str | Path | None) -> FinetuneConfig:
    """The settings of a training with labels, with the architecture of the encoder that it begins with, if any.

    Raises:
        CheckpointError: the weights are damaged, or another network's.
    """
    if weights is None:
        return config
    encoder = starting_encoder(config, motion, weights)
    config = dataclasses.replace(config, model=ModelConfig(**encoder.card["model"]))
    return _with_hierarchy_of(encoder, config, motion)


def new_network(config: FinetuneConfig, classes: int, motion: Motion, weights: str | Path | None) -> Recognition:
    """The network to train with labels, for so many classes.

    Raises:
        CheckpointError: the weights are damaged, or another network's.
    """
    hcml = config.hcml if motion == "hcml" else None
    encoder = starting_encoder(config, motion, weights)
    return Recognition(encoder, classes, config.dropout, config.label_smoothing, hcml)


def starting_encoder(config: TrainConfig, motion: Motion, weights: str | Path | None) -> VideoEncoder:
    """An encoder to begin with, with a motion hierarchy if ``motion`` asks for one, in training mode.

    Raises:
        CheckpointError: the weights are damaged, or hold another motion hierarchy.
    """
    encoder = build_encoder(config.model) if weights is None else load_encoder(weights).train()
    if motion == "none":
        return encoder
    if isinstance(encoder.backbone, WithMotion):
        _refuse_another(encoder.backbone.config, config.hcml, weights)
        return encoder
    with_levels = add_motion_hierarchy(encoder.backbone, config.hcml)
    moving = VideoEncoder(with_levels, encoder.input, encoder.colours, encoder.readout, encoder.pyramid)
    moving.card = encoder.card
    return moving


def _with_pyramid(encoder: VideoEncoder, config: PretrainConfig) -> VideoEncoder:
    """The encoder with a new pyramid if the settings ask for one and it has none, without its own if they do not."""
    channels = config.model.pyramid
    if (encoder.pyramid is None) == (channels is None):
        return encoder
    pyramid = None if channels is None else TemporalPyramid(encoder.backbone.stage_widths, channels)
    return VideoEncoder(encoder.backbone, encoder.input, encoder.colours, config.readout, pyramid)


def _architecture(model: ModelConfig) -> dict[str, Any]:
    """The settings of a model that decide which weights its encoder has and what they mean."""
    return {name: value for name, value in dataclasses.asdict(model).items() if name not in BESIDE}


def _refuse_another(found: HCMLConfig, wanted: HCMLConfig, weights: str | Path | None) -> None:
    parts = [{name: getattr(config, name) for name in HIERARCHY} for config in (found, wanted)]
    if others := differing(*parts):
        raise CheckpointError(
            f"{weights} holds another motion hierarchy ({'; '.join(others)}); set hcml to the same, or begin with "
            "an encoder without one"
        )


def _with_hierarchy_of(encoder: VideoEncoder, config: Config, motion: Motion) -> Config:
    """The settings with the hierarchy of an encoder whose hierarchy is not trained as one."""
    if motion == "none" and isinstance(encoder.backbone, WithMotion):
        return dataclasses.replace(config, hcml=encoder.backbone.config)
    return config
