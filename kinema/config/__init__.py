"""Typed settings: every field is a command-line option and a YAML key.

Nothing heavy is imported here, so that ``kinema --help`` stays quick.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

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

__all__ = [
    "LENGTHS",
    "POOLED",
    "AugmentConfig",
    "BenchmarkName",
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
]

Settings = TypeVar("Settings")


def from_plain(kind: Callable[..., Settings], values: Mapping[str, Any]) -> Settings:
    """Settings of a ``kind`` from plain values by name, as JSON holds them: lists become tuples.

    Raises:
        TypeError: the kind has no such setting.
    """
    return kind(**{name: tuple(value) if isinstance(value, list) else value for name, value in values.items()})
