"""Encoders to files and back; published weights in.

An encoder of kinema is one safetensors file: the backbone's weights under torchvision's names, and a card (JSON) in the
header that says how the network is built and how it was made. An encoder with a motion hierarchy has the backbone's
weights below ``backbone.`` and the hierarchy's beside them; one with a temporal pyramid has all of these below
``backbone.`` and the pyramid's below ``pyramid.``. Nothing in any file is executed on loading.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from importlib import resources
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from torch import nn

from kinema.common.provenance import file_sha256
from kinema.common.tensors import read_about, read_tensors, write_tensors
from kinema.config import HCMLConfig, ModelConfig, ReadoutConfig, from_plain
from kinema.errors import CheckpointError, ConfigError
from kinema.models.encoder import VideoEncoder, build_encoder
from kinema.models.normalise import KINETICS, Colours
from kinema.models.published import fill, read_published
from kinema.models.readout import READOUTS
from kinema.models.registry import has_own_backbone, matching_model

ENCODER_FILE = "encoder.safetensors"

WITH_KINEMA = ("motion",)
"""Names of the encoders that come with kinema, each in a folder of that name beside this file. A name means its encoder
wherever one is asked for, whatever the current folder holds."""


def save_encoder(encoder: VideoEncoder, path: str | Path, card: dict[str, Any]) -> Path:
    """Write an encoder and its card.

    Args:
        encoder: the encoder.
        path: the file.
        card: facts about it; ``card["model"]`` must hold its :class:`~kinema.config.ModelConfig` as a dict, and
            ``card["hcml"]`` its :class:`~kinema.config.HCMLConfig` if it has a motion hierarchy. Its features are
            pooled unless ``card["readout"]`` holds a :class:`~kinema.config.ReadoutConfig`.

    Raises:
        OutputError: the file cannot be written.
    """
    if encoder.colours != KINETICS:
        card = {**card, "colours": encoder.colours._asdict()}
    write_tensors(path, _weighted(encoder).state_dict(), {"card": json.dumps(card)})
    return Path(path)


def load_encoder(path: str | Path, partial: bool = False, readout: ReadoutConfig | None = None) -> VideoEncoder:
    """Load a trained encoder, in evaluation mode.

    Args:
        path: a run's folder, an encoder's safetensors file, the name of an encoder that comes with kinema
            (:data:`WITH_KINEMA`), or a file of published weights (``docs/weights.md`` lists whose), by which the
            architecture is recognised.
        partial: load what matches of published weights where not everything does.
        readout: what of the network is a clip's feature; None for what its card says.

    Returns:
        A module from clips (B, 3, T, H, W) with values from 0 to 1 to features (B, D), on the CPU, with the attributes
        ``card`` and, for published weights, ``report``.

    Raises:
        CheckpointError: the file is missing, damaged or no encoder that kinema knows, or does not fit its card.
        ConfigError: the network has not got what ``readout`` wants.
    """
    path = weights_file(path)
    refuse_absent(path, ENCODER_FILE, "encoder", "kinema pretrain")
    encoder = _own(path) if has_card(path) else _published(path, partial)
    return encoder if readout is None else encoder.read_by(readout)


def refuse_absent(path: Path, name: str, what: str, command: str) -> None:
    """Refuse a file that is not there; a training in rounds has one of each, of that ``name``.

    Raises:
        CheckpointError: it is not.
    """
    if not path.is_file():
        rounds = sorted(other.parent for other in path.parent.glob(f"round-*/{name}"))
        way = f"it has one of each round: name {rounds[0]}, or another" if rounds else f"train one with `{command}`"
        raise CheckpointError(f"there is no {what} at {path}; {way}")


def weights_file(path: str | Path) -> Path:
    """The file of weights that is meant by a run's folder, a file, or the name of an encoder that comes with kinema.

    Raises:
        CheckpointError: the encoder of that name is not part of this installation.
    """
    if str(path) in WITH_KINEMA:
        file = Path(str(resources.files("kinema.models"))) / str(path) / ENCODER_FILE
        if not file.is_file():
            raise CheckpointError(
                f"this installation of kinema lacks the encoder {str(path)!r}; install a release of kinema, or name a "
                f"run or file (a folder of that name: ./{path})"
            )
        return file
    path = Path(path)
    return path / ENCODER_FILE if path.is_dir() else path


def name_of(path: str | Path) -> str:
    """What tables and cards call the encoder of a run's folder, a file, or a name: the folder's or the file's name."""
    file = weights_file(path).resolve()
    return file.parent.name if file.name == ENCODER_FILE else file.stem


def has_card(path: str | Path) -> bool:
    """Whether a run's folder or a file holds an encoder of kinema, and not mere weights."""
    try:
        return "card" in read_about(weights_file(path))
    except (SafetensorError, OSError):
        return False


def _own(path: Path) -> VideoEncoder:
    try:
        weights, about = read_tensors(path)
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{path} is damaged ({error}); copy or train it again") from error
    try:
        card = json.loads(about["card"])
        colours = from_plain(Colours, card["colours"]) if "colours" in card else KINETICS
        # torch: RuntimeError for odd numbers
        readout = from_plain(ReadoutConfig, card.get("readout") or {})
        encoder = build_encoder(ModelConfig(**card["model"]), hierarchy_of(card), colours, readout)
    except (AttributeError, KeyError, TypeError, ValueError, RuntimeError, ConfigError) as error:
        if isinstance(error, ConfigError) and _of_others(card):  # whose package may be missing
            raise CheckpointError(f"{path} cannot be loaded: {error}") from error
        raise CheckpointError(
            f"{path} has no card that this version of kinema understands ({error!r}); it may come from another version"
        ) from error
    expected = _weighted(encoder).state_dict()
    found, wanted = ({name: value.shape for name, value in state.items()} for state in (weights, expected))
    wrong = sorted(name for name in found.keys() | wanted.keys() if found.get(name) != wanted.get(name))
    if wrong:
        raise CheckpointError(
            f"{path} holds another architecture than its card says: {len(wrong)} weights differ, first {wrong[0]}; "
            "copy or train it again"
        )
    _weighted(encoder).load_state_dict(weights)
    encoder.card = card
    return encoder.eval()


def _of_others(card: Mapping[str, Any]) -> bool:
    """Whether a part of the encoder that a card is about is not kinema's."""
    reads = (card.get("readout") or {}).get("by", "cells")
    return not (has_own_backbone(card["model"]) and READOUTS.is_own(reads))


def _weighted(encoder: VideoEncoder) -> nn.Module:
    """The part of an encoder whose weights its file holds, under their names in it."""
    return encoder.backbone if encoder.pyramid is None else encoder


def _published(path: Path, partial: bool) -> VideoEncoder:
    published = read_published(path)
    name, settings = matching_model(published)
    channels = settings.pop("channels")
    if channels not in (3, 6):
        raise CheckpointError(f"{path} holds a network that sees {channels} channels; kinema's see three or six")
    config = ModelConfig(name, settings["width"], settings.get("patch"), "rgb" if channels == 3 else "both")
    source = published.source
    encoder = build_encoder(config, colours=source.colours)
    encoder.report = fill(encoder.backbone, published, partial)
    encoder.card = {
        "source": source.name,
        "model": asdict(config),
        "clip": asdict(source.clip),
        "weights": {"file": path.name, "sha256": file_sha256(path), **encoder.report.counts},
    }
    return encoder.eval()


def hierarchy_of(card: dict[str, Any]) -> HCMLConfig | None:
    """The motion hierarchy of the encoder that a card is about; None if it has none.

    Raises:
        TypeError: it has a setting that this version does not know.
    """
    settings = card.get("hcml")
    return None if settings is None else from_plain(HCMLConfig, settings)
