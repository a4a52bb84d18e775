"""Methods by name."""

from __future__ import annotations

import dataclasses
from typing import get_args

from kinema.config import MethodName, PretrainConfig
from kinema.errors import ConfigError
from kinema.methods.base import Method
from kinema.methods.hcml import HCML
from kinema.methods.mscl import MSCL
from kinema.methods.mscl_hcml import MSCLWithHCML
from kinema.models.encoder import VideoEncoder


def settings_for(name: MethodName, config: PretrainConfig) -> PretrainConfig:
    """The settings as a method takes them: ``moco`` is ``mscl`` with all but its RGB loss switched off.

    The encoder's pyramid, which dense losses train, is no part of what has none: ``moco`` and ``hcml``.

    Raises:
        ConfigError: there is no method of that name.
    """
    if name not in get_args(MethodName):
        raise ConfigError(f"unknown method {name!r}: choose one of {', '.join(get_args(MethodName))}")
    if name in ("moco", "hcml"):
        config = dataclasses.replace(config, model=dataclasses.replace(config.model, pyramid=None))
    return dataclasses.replace(config, mscl=config.mscl.rgb_only()) if name == "moco" else config


def create_method(name: MethodName, config: PretrainConfig, encoder: VideoEncoder | None = None) -> Method:
    """A method whose training is to begin.

    Args:
        name: of the method.
        config: what :func:`settings_for` gave; each method takes its own part.
        encoder: to begin with, of the architecture in ``config``; None for an untrained one. Momentum encoders begin as
            its copies.

    Raises:
        ConfigError: a setting of the hierarchy is out of range.
    """
    if name == "hcml":
        return HCML(config.model, config.hcml, encoder)
    if name == "mscl+hcml":
        return MSCLWithHCML(config.model, config.mscl, config.hcml, encoder)
    return MSCL(config.model, config.mscl, encoder=encoder)
