"""Which decoder reads videos: said once for everything that reads, by KINEMA_DECODER in the environment.

An environment is what processes that read videos inherit, however they are started, and how frames are decoded belongs
to a machine, not to an experiment.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from kinema.common.registry import Given, Registry
from kinema.errors import ConfigError, KinemaError, VideoError, words_of
from kinema.video.by_torchcodec import TorchCodec, TorchCodecOnGPU, version, why_not_torchcodec
from kinema.video.decoder import Decoder
from kinema.video.source import Source

USUAL = "pyav"
BEST = "auto"
"""torchcodec where it loads, or else PyAV."""

DECODERS: Registry[type[Decoder]] = Registry(
    "video decoder",
    "kinema.decoders",
    {USUAL: Source, "torchcodec": TorchCodec, "torchcodec-cuda": TorchCodecOnGPU},
    Decoder,
)


def register_decoder(name: str) -> Callable[[Given], Given]:
    """A decorator for a class derived from :class:`~kinema.video.decoder.Decoder`, which KINEMA_DECODER then may name.

    Raises:
        ConfigError: the name is taken or none, or the class is no decoder.
    """
    return DECODERS.register(name)


def chosen_decoder() -> str:
    """The name of the decoder that KINEMA_DECODER asks for; PyAV's where it is not set."""
    said = os.environ.get("KINEMA_DECODER") or USUAL
    if said == BEST:
        return USUAL if why_not_torchcodec() else "torchcodec"
    return said


def open_decoder(path: str | Path, name: str | None = None) -> Decoder:
    """Open a video with a decoder, by default with the chosen one.

    Raises:
        ConfigError: there is no decoder of that name, or it does not load here.
        VideoError: the file cannot be opened, or no frame of it decodes.
    """
    wanted = name or chosen_decoder()
    try:
        kind = DECODERS.get(wanted)
    except ConfigError as error:
        raise ConfigError(f"KINEMA_DECODER: {error}" if name is None else str(error)) from error
    try:
        return kind(path)  # type: ignore[call-arg]  # every decoder is made of a path
    except Exception as error:
        if isinstance(error, KinemaError) or DECODERS.is_own(wanted):
            raise
        raise VideoError(
            str(path), f"the video decoder {wanted} cannot open it ({type(error).__name__}: {words_of(error)})"
        ) from error


def in_recipes() -> dict[str, str]:
    """What decoder makes other pixels than PyAV, for recipes of what is kept on disk; nothing where PyAV reads."""
    name = chosen_decoder()
    return {} if name == USUAL else {"decoder": f"{name} {version()}".strip() if "torchcodec" in name else name}
