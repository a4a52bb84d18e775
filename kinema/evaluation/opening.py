"""The encoder that is to be judged, with what is to differ from how it was made."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kinema.config import ClipConfig, ReadoutConfig, overlaid
from kinema.models import OpenedEncoder, VideoEncoder, open_encoder


def open_asked(
    spec: str | Path,
    readout: Mapping[str, Any] | None = None,
    clip: Mapping[str, Any] | None = None,
    *,
    like: str | Path | None = None,
    seed: int = 0,
) -> tuple[OpenedEncoder, ClipConfig]:
    """An encoder and the clips that it is to see.

    Args:
        spec: the encoder, as :func:`kinema.models.open_encoder` takes it.
        readout: settings by name in place of the encoder's own.
        clip: settings by name in place of what the encoder was made for.
        like: with ``random``, a run whose architecture, clips and readout to take.
        seed: with ``random``, of the weights.

    Raises:
        ConfigError: there is no such setting; or as of :func:`kinema.models.open_encoder`.
        CheckpointError: as of :func:`kinema.models.open_encoder`.
    """
    opened = open_encoder(spec, like=like, seed=seed)
    if readout is not None:
        usual = opened.module.readout if isinstance(opened.module, VideoEncoder) else ReadoutConfig()
        opened = open_encoder(spec, like=like, seed=seed, readout=overlaid("readout", usual, readout))
    return opened, overlaid("clip", opened.clip, clip or {})
