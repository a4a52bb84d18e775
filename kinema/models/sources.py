"""Any encoder by one word: a run or file, kinema's own, a random one, torchvision's, Hugging Face's, or a function."""

from __future__ import annotations

import dataclasses
import difflib
import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from kinema.common.provenance import file_sha256
from kinema.config import POOLED, ClipConfig, ModelConfig, ReadoutConfig, Settings, from_plain
from kinema.errors import CheckpointError, ConfigError, first_line
from kinema.models.encoder import VideoEncoder, random_encoder
from kinema.models.weights import ENCODER_FILE, WITH_KINEMA, hierarchy_of, load_encoder, name_of, weights_file

RANDOM = "random"
HISTOGRAM = "histogram"
TORCHVISION, HUGGING_FACE = "torchvision:", "hf:"
FUNCTION = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")


@dataclass(frozen=True)
class OpenedEncoder:
    """An encoder and what is known of it.

    Attributes:
        module: from clips (B, 3, T, H, W) with values from 0 to 1 to features (B, D), in evaluation mode, on the CPU.
        name: what tables call it.
        sha256: of its file, or of its weights where it comes from elsewhere; None for a random one.
        card: how it was made, as far as that is known; plain values.
        clip: geometry of the clips it reads out: those it was made for, but for what its readout says of frames and
            step.
    """

    module: nn.Module
    name: str
    sha256: str | None
    card: dict[str, Any]
    clip: ClipConfig

    @property
    def facts(self) -> dict[str, Any]:
        """Name, hash and card, for a result file."""
        return {"name": self.name, "sha256": self.sha256, "card": self.card}


def open_encoder(
    spec: str | Path, *, like: str | Path | None = None, seed: int = 0, readout: ReadoutConfig | None = None
) -> OpenedEncoder:
    """An encoder by one word.

    Args:
        spec: a run's folder, an encoder's file, one that comes with kinema or published weights
            (:func:`kinema.load_encoder`); ``random``; ``histogram``, the hand-made histogram of optical flow that
            learned encoders have to beat;
            ``torchvision:MODEL`` or ``torchvision:MODEL@WEIGHTS``, one of torchvision's video models;
            ``hf:FOLDER`` or ``hf:OWNER/NAME``, an encoder of kinema or a video transformer of the Hugging Face Hub; or
            ``module:function``, a function on the path or in the current folder that takes nothing and gives a module
            from clips to features. The module's attributes ``clip`` (a :class:`~kinema.config.ClipConfig`, or its
            settings by name) and ``card`` (plain values by name), if it has them, say what it was made for.
        like: with ``random``, a run whose architecture, clips and readout to take; None for the settings' own defaults.
        seed: with ``random``, of the weights.
        readout: what of the network is a clip's feature; None for what its card says. Networks that are not of kinema
            have no readout but the pooled one.

    Raises:
        ConfigError: the model is unknown, what it needs is not installed, or it gives no (B, D); or it has not got what
            ``readout`` wants.
        CheckpointError: the file is missing, damaged or no encoder.
    """
    word = str(spec)
    if word == RANDOM:
        return _random(like, seed, readout)
    if word == HISTOGRAM:
        from kinema.models.flow_histogram import FlowHistogram

        histogram = FlowHistogram()
        return _foreign(word, histogram, histogram.card, histogram.clip, readout)
    if word.startswith(TORCHVISION):
        from kinema.models.from_torchvision import open_torchvision

        return _foreign(word, *open_torchvision(word.removeprefix(TORCHVISION)), readout)
    if word.startswith(HUGGING_FACE):
        return _hugging_face(word, readout)
    if FUNCTION.fullmatch(word) and not Path(word).exists():
        from kinema.models.from_function import open_function

        module, card, clip = open_function(word)
        _try_out(word, module, clip)
        return _foreign(word, module, card, clip, readout)
    names = [RANDOM, HISTOGRAM, *WITH_KINEMA]
    if word not in names and not Path(word).exists() and (near := difflib.get_close_matches(word, names)):
        raise ConfigError(f"there is no encoder {word!r}: did you mean {near[0]}?")
    return _trained(spec, readout)


def _trained(path: str | Path, readout: ReadoutConfig | None) -> OpenedEncoder:
    encoder = load_encoder(path, readout=readout)
    return OpenedEncoder(encoder, name_of(path), file_sha256(weights_file(path)), encoder.card, clip_of(encoder))


def _random(like: str | Path | None, seed: int, readout: ReadoutConfig | None) -> OpenedEncoder:
    card = {} if like is None else load_encoder(like).card
    readout = readout or _from_card(ReadoutConfig, card, "readout")
    encoder = random_encoder(_from_card(ModelConfig, card, "model"), seed, hierarchy_of(card), readout)
    encoder.card = {**encoder.card, "clip": card.get("clip")}
    return OpenedEncoder(encoder, RANDOM, None, encoder.card, clip_of(encoder))


def _hugging_face(word: str, readout: ReadoutConfig | None) -> OpenedEncoder:
    from kinema.models.from_transformers import open_transformer
    from kinema.models.hub import folder_of

    name = word.removeprefix(HUGGING_FACE)
    folder = folder_of(name)
    if (folder / ENCODER_FILE).is_file():
        return dataclasses.replace(_trained(folder, readout), name=name)
    return _foreign(word, *open_transformer(folder), readout)


def _foreign(
    name: str, module: nn.Module, card: dict[str, Any], clip: ClipConfig, readout: ReadoutConfig | None
) -> OpenedEncoder:
    readout = readout or ReadoutConfig()
    if readout.stage != POOLED:
        raise ConfigError(
            f"{name} gives one feature a clip and shows no stages, so it has no readout of {readout.stage!r}: leave "
            f"readout.stage at {POOLED}"
        )
    return OpenedEncoder(
        module.eval(), name, weights_sha256(module), {**card, "clip": asdict(clip)}, readout.clip(clip)
    )


def _try_out(name: str, module: nn.Module, clip: ClipConfig) -> None:
    """See to it that a module of the user's makes features of clips."""
    clips = torch.rand(2, 3, clip.frames, *clip.size, generator=torch.Generator().manual_seed(0))
    try:
        with torch.inference_mode():
            features = module.eval()(clips)
    except Exception as error:  # it is not ours
        raise ConfigError(
            f"{name} failed on clips of the shape {tuple(clips.shape)} with {type(error).__name__} "
            f"({first_line(error)}); let its clip say what it takes"
        ) from error
    if not isinstance(features, Tensor) or features.ndim != 2 or len(features) != 2:
        gave = tuple(features.shape) if isinstance(features, Tensor) else f"a {type(features).__name__}"
        raise ConfigError(
            f"{name} gave {gave} for clips of the shape {tuple(clips.shape)}; it must give features (2, D)"
        )


def weights_sha256(module: nn.Module) -> str:
    """SHA-256 of a module's weights with their names, types and shapes: the same for the same network."""
    digest = hashlib.sha256()
    for name, value in module.state_dict().items():
        digest.update(f"{name} {value.dtype} {tuple(value.shape)}\n".encode())
        digest.update(value.detach().cpu().contiguous().flatten().view(torch.uint8).numpy())
    return digest.hexdigest()


def clip_of(encoder: VideoEncoder) -> ClipConfig:
    """The geometry of the clips that an encoder reads out: as its card says, the default if it says nothing, but for
    what its readout says of frames and step."""
    return encoder.readout.clip(_from_card(ClipConfig, encoder.card, "clip"))


def _from_card(kind: Callable[..., Settings], card: Mapping[str, Any], key: str) -> Settings:
    """Settings of a ``kind`` as a card holds them; the defaults if it holds none."""
    try:
        return from_plain(kind, card.get(key) or {})
    except TypeError as error:
        raise CheckpointError(f"the encoder's card is not of this version of kinema: {key}: {error}") from error
