"""Adapting a trained encoder: what a pretraining that begins with weights does unless its user says otherwise."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from kinema.methods.registry import METHODS
from kinema.models import load_encoder
from kinema.presets import DEFAULT_PRESET, list_presets, preset_path

ADAPTING_STEPS = 300
"""Steps of a training that adapts an encoder: minutes with the presets for a laptop. Ours, as is the rate: twice the
steps at a third of the rate lost more of what the encoder knew (docs/real.md)."""
ADAPTING_RATE = 1 / 10
"""Share of the preset's learning rate at which it does so, lest what the encoder has learned is lost at once. Ours."""


def adapting(weights: str | Path) -> dict[str, Any]:
    """The settings that lie beneath the user's where no preset is named.

    Args:
        weights: as :func:`kinema.load_encoder` takes them.

    Returns:
        Settings, nested as in a file of settings: the preset and the method that the weights' card names, as far as
        they are kinema's, otherwise the default preset; :data:`ADAPTING_STEPS`, and :data:`ADAPTING_RATE` of the
        preset's learning rate.

    Raises:
        CheckpointError: the weights are damaged, or no encoder.
    """
    card = load_encoder(weights).card
    preset = card["preset"] if card.get("preset") in list_presets() else DEFAULT_PRESET
    rate = yaml.safe_load(preset_path(preset).read_text(encoding="utf-8"))["optimizer"]["lr"]
    return {
        "preset": preset,
        **({"method": card["method"]} if card.get("method") in METHODS.names() else {}),
        "steps": ADAPTING_STEPS,
        "epochs": None,
        "optimizer": {"lr": rate * ADAPTING_RATE},
    }
