"""Encoders to files and back.

An encoder is one safetensors file: the backbone's weights under torchvision's names, and a card (JSON) in the header
that says how the network is built and how it was made. An encoder with a motion hierarchy has the backbone's weights
below ``backbone.`` and the hierarchy's beside them. Nothing in the file is executed on loading.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from torch import Tensor

from kinema.config import HCMLConfig, ModelConfig, from_plain
from kinema.errors import CheckpointError, ConfigError
from kinema.models.backbone import Backbone
from kinema.models.encoder import VideoEncoder, build_encoder
from kinema.models.hierarchy import WithMotion
from kinema.tensors import read_about, read_tensors, read_weights, write_tensors

ENCODER_FILE = "encoder.safetensors"

CLASSIFIERS = ("fc.", "classifier.", "blocks.5.")
"""How the names of published classification layers begin, which an encoder is without."""


def save_encoder(encoder: VideoEncoder, path: str | Path, card: dict[str, Any]) -> Path:
    """Write an encoder and its card.

    Args:
        encoder: the encoder.
        path: the file.
        card: facts about it; ``card["model"]`` must hold its :class:`~kinema.config.ModelConfig` as a dict, and
            ``card["hcml"]`` its :class:`~kinema.config.HCMLConfig` if it has a motion hierarchy.

    Raises:
        OutputError: the file cannot be written.
    """
    write_tensors(path, encoder.backbone.state_dict(), {"card": json.dumps(card)})
    return Path(path)


def load_encoder(path: str | Path) -> VideoEncoder:
    """Load a trained encoder, in evaluation mode.

    Args:
        path: a run's folder or an encoder's safetensors file.

    Returns:
        A module from clips (B, 3, T, H, W) with values from 0 to 1 to features (B, D), on the CPU, with the attribute
        ``card``.

    Raises:
        CheckpointError: the file is missing, damaged or no encoder of kinema, or does not fit its card.
    """
    path = weights_file(path)
    if not path.is_file():
        raise CheckpointError(f"there is no encoder at {path}; train one with `kinema pretrain`")
    try:
        weights, about = read_tensors(path)
        card = json.loads(about["card"])
        encoder = build_encoder(ModelConfig(**card["model"]), hierarchy_of(card))  # torch: RuntimeError for odd numbers
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{path} is damaged or no safetensors file: {error}; copy or train it again") from error
    except (AttributeError, KeyError, TypeError, ValueError, RuntimeError, ConfigError) as error:
        raise CheckpointError(
            f"{path} has no card that this version of kinema understands ({error!r}); it may come from another version"
        ) from error
    expected = encoder.backbone.state_dict()
    wrong = _differing(expected, weights)
    if wrong:
        raise CheckpointError(
            f"{path} holds another architecture than its card says: {len(wrong)} weights differ, first {wrong[0]}; "
            "copy or train it again"
        )
    encoder.backbone.load_state_dict(weights)
    encoder.card = card
    return encoder.eval()


def weights_file(path: str | Path) -> Path:
    """The file of weights that is meant by a run's folder or a file."""
    path = Path(path)
    return path / ENCODER_FILE if path.is_dir() else path


def has_card(path: str | Path) -> bool:
    """Whether a run's folder or a file holds an encoder of kinema, and not mere weights."""
    try:
        return "card" in read_about(weights_file(path))
    except (SafetensorError, OSError):
        return False


def load_backbone(backbone: Backbone | WithMotion, path: str | Path) -> None:
    """Put published weights into a backbone: a state dict under its own names, with or without a classifier.

    Args:
        backbone: without a classifier.
        path: a safetensors file, or one of PyTorch's, of which nothing but the weights is read.

    Raises:
        CheckpointError: the file is missing, damaged, or of another architecture.
    """
    path = Path(path)
    if not path.is_file():
        raise CheckpointError(f"there are no weights at {path}; name an encoder of kinema or a file with a state dict")
    try:
        weights: Mapping[str, Any] = read_weights(path)
        weights = weights.get("state_dict", weights)
        weights = {name: value for name, value in weights.items() if not name.startswith(CLASSIFIERS)}
        wrong = _differing(backbone.state_dict(), weights)
    except Exception as error:  # torch names no error for a damaged file: zip, pickle and key errors all occur
        raise CheckpointError(f"{path} is damaged or no file of weights ({error}); copy it again") from error
    if wrong:
        raise CheckpointError(
            f"{path} holds another architecture than {type(backbone).__name__}: {len(wrong)} weights differ, first "
            f"{wrong[0]}; name the backbone, width and patch that it was trained with"
        )
    backbone.load_state_dict(weights)


def _differing(expected: Mapping[str, Tensor], found: Mapping[str, Tensor]) -> list[str]:
    """The names that are not in both, or not of the same shape."""
    return sorted(
        name
        for name in expected.keys() | found.keys()
        if name not in found or name not in expected or found[name].shape != expected[name].shape
    )


def hierarchy_of(card: dict[str, Any]) -> HCMLConfig | None:
    """The motion hierarchy of the encoder that a card is about; None if it has none.

    Raises:
        TypeError: it has a setting that this version does not know.
    """
    settings = card.get("hcml")
    return None if settings is None else from_plain(HCMLConfig, settings)
