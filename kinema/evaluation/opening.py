"""The encoder that is to be judged, with what is to differ from how it was made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any, TypeVar

from kinema.config import ClipConfig, ReadoutConfig, from_plain
from kinema.errors import ConfigError
from kinema.models import OpenedEncoder, VideoEncoder, open_encoder

Plain = TypeVar("Plain", ClipConfig, ReadoutConfig)


def open_asked(
    spec: str | Path,
    readout: ReadoutConfig | Mapping[str, Any] | None = None,
    clip: ClipConfig | Mapping[str, Any] | None = None,
    *,
    like: str | Path | None = None,
    seed: int = 0,
) -> tuple[OpenedEncoder, ClipConfig]:
    """An encoder and the clips that it is to see.

    Args:
        spec: the encoder, as :func:`kinema.models.open_encoder` takes it.
        readout: all of a readout, or settings by name in place of the encoder's own.
        clip: all of a clip's geometry, or settings by name in place of what the encoder was made for.
        like: with ``random``, a run whose architecture, clips and readout to take.
        seed: with ``random``, of the weights.

    Raises:
        ConfigError: there is no such setting; or as of :func:`kinema.models.open_encoder`.
        CheckpointError: as of :func:`kinema.models.open_encoder`.
    """
    if isinstance(readout, Mapping):
        module = open_encoder(spec, like=like, seed=seed).module
        usual = module.readout if isinstance(module, VideoEncoder) else ReadoutConfig()
        wanted: ReadoutConfig | None = overlaid("readout", usual, readout)
    else:
        wanted = readout
    opened = open_encoder(spec, like=like, seed=seed, readout=wanted)
    return opened, overlaid("clip", opened.clip, clip) if isinstance(clip, Mapping) else clip or opened.clip


def overlaid(name: str, usual: Plain, asked: Mapping[str, Any]) -> Plain:
    """The ``usual`` settings, a dataclass that messages call ``name``, with those ``asked`` for in place of theirs.

    Raises:
        ConfigError: there is no such setting.
    """
    steps = {"step", "step_frames"}  # one of which takes the place of the other
    freed = dict.fromkeys(steps) if len(steps & asked.keys()) == 1 and name == "clip" else {}
    try:
        return from_plain(type(usual), {**asdict(usual), **freed, **asked})
    except TypeError as error:
        known = ", ".join(field.name for field in fields(usual))
        raise ConfigError(f"{name} has no such setting ({error}): it knows {known}") from error
