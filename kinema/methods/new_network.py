"""The network that a training with labels begins with: from scratch, from a run or from published weights."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from kinema.config import FinetuneConfig, HCMLConfig, ModelConfig, Motion
from kinema.errors import CheckpointError
from kinema.methods.recognition import Recognition
from kinema.models import WithMotion, add_motion_hierarchy, load_encoder
from kinema.models.encoder import VideoEncoder, build_encoder
from kinema.provenance import differing

HIERARCHY = ("levels", "prime", "fusion", "chain", "reduction", "radius", "dilation", "pool")
"""Settings of HCML that decide which weights there are and what they mean."""


def network_settings(config: FinetuneConfig, motion: Motion, weights: str | Path | None) -> FinetuneConfig:
    """The settings with the architecture of the encoder that the training begins with, if it has one.

    Raises:
        CheckpointError: the weights are damaged, or another network's.
    """
    return config if weights is None else _as_built(config, _encoder(config, motion, weights), motion)


def new_network(config: FinetuneConfig, classes: int, motion: Motion, weights: str | Path | None) -> Recognition:
    """The network to train, for so many classes.

    Raises:
        CheckpointError: the weights are damaged, or another network's.
    """
    hcml = config.hcml if motion == "hcml" else None
    return Recognition(_encoder(config, motion, weights), classes, config.dropout, config.label_smoothing, hcml)


def _encoder(config: FinetuneConfig, motion: Motion, weights: str | Path | None) -> VideoEncoder:
    """An encoder to begin with, with a motion hierarchy if ``motion`` asks for one."""
    encoder = build_encoder(config.model) if weights is None else load_encoder(weights).train()
    if motion == "none":
        return encoder
    if isinstance(encoder.backbone, WithMotion):
        _refuse_another(encoder.backbone.config, config.hcml, weights)
        return encoder
    with_levels = add_motion_hierarchy(encoder.backbone, config.hcml)
    moving = VideoEncoder(with_levels, encoder.input, encoder.colours, encoder.pyramid)
    moving.card = encoder.card
    return moving


def _refuse_another(found: HCMLConfig, wanted: HCMLConfig, weights: str | Path | None) -> None:
    parts = [{name: getattr(config, name) for name in HIERARCHY} for config in (found, wanted)]
    if others := differing(*parts):
        raise CheckpointError(
            f"{weights} holds another motion hierarchy ({'; '.join(others)}); set hcml to the same, or begin with "
            "an encoder without one"
        )


def _as_built(config: FinetuneConfig, encoder: VideoEncoder, motion: Motion) -> FinetuneConfig:
    """The settings with the architecture of an encoder that was loaded."""
    config = dataclasses.replace(config, model=ModelConfig(**encoder.card["model"]))
    if motion == "none" and isinstance(encoder.backbone, WithMotion):
        config = dataclasses.replace(config, hcml=encoder.backbone.config)
    return config
