"""Typed settings: every field is a command-line option and a YAML key.

Nothing heavy is imported here, so that ``kinema --help`` stays quick.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass, replace
from typing import Any, TypeVar

from kinema.config.bouts import BoutConfig
from kinema.config.methods import (
    POOLED,
    EncoderInput,
    HCMLConfig,
    MaskedConfig,
    ModelConfig,
    Motion,
    MSCLConfig,
    ReadoutConfig,
    TubeletConfig,
)
from kinema.config.training import (
    LENGTHS,
    FinetuneConfig,
    OptimizerConfig,
    PretrainConfig,
    TrainConfig,
    TrainerConfig,
)
from kinema.config.videos import AugmentConfig, BenchmarkName, ClipConfig, ExtractConfig, FlowConfig, SamplingConfig
from kinema.errors import ConfigError

__all__ = [
    "LENGTHS",
    "POOLED",
    "AugmentConfig",
    "BenchmarkName",
    "BoutConfig",
    "ClipConfig",
    "EncoderInput",
    "ExtractConfig",
    "FinetuneConfig",
    "FlowConfig",
    "HCMLConfig",
    "MSCLConfig",
    "MaskedConfig",
    "ModelConfig",
    "Motion",
    "OptimizerConfig",
    "PretrainConfig",
    "ReadoutConfig",
    "SamplingConfig",
    "TrainConfig",
    "TrainerConfig",
    "TubeletConfig",
    "from_plain",
    "overlaid",
]

Settings = TypeVar("Settings")


def from_plain(kind: Callable[..., Settings], values: Mapping[str, Any]) -> Settings:
    """Settings of a ``kind`` from plain values by name, as JSON holds them: lists become tuples.

    Raises:
        TypeError: the kind has no such setting.
    """
    return kind(**_as_tuples(values))


def overlaid(name: str, usual: Settings, asked: Mapping[str, Any]) -> Settings:
    """The ``usual`` settings, a dataclass that messages call ``name``, with those ``asked`` for in place of theirs.

    Raises:
        ConfigError: there is no such setting, or ``usual`` is none at all, as where a number is given by position.
    """
    if not is_dataclass(usual):
        raise ConfigError(f"{name} takes its settings by name, or all as one value; {usual!r} says of none which it is")
    known = [field.name for field in fields(usual)]
    if unknown := asked.keys() - set(known):
        raise ConfigError(f"{name} has no such setting as {min(unknown)}: it knows {', '.join(known)}")
    steps = {"step", "step_frames"}  # one of which takes the place of the other
    freed = dict.fromkeys(steps) if isinstance(usual, ClipConfig) and len(steps & asked.keys()) == 1 else {}
    return replace(usual, **{**freed, **_as_tuples(asked)})  # type: ignore[type-var]


def _as_tuples(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}
