"""Encoders: backbones with named stages, the flow encoder, the temporal pyramid, and weights in and out.

Everything is loaded on first use, so that importing this package costs nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kinema.models.encoder import FlowEncoder, VideoEncoder, build_encoder, build_flow_encoder, random_encoder
    from kinema.models.pyramid import TemporalPyramid
    from kinema.models.resnet3d import VideoResNet, flow_resnet18, r3d18
    from kinema.models.weights import load_encoder, save_encoder

__all__ = [
    "FlowEncoder",
    "TemporalPyramid",
    "VideoEncoder",
    "VideoResNet",
    "build_encoder",
    "build_flow_encoder",
    "flow_resnet18",
    "load_encoder",
    "r3d18",
    "random_encoder",
    "save_encoder",
]

_HOMES = {
    "encoder": ("FlowEncoder", "VideoEncoder", "build_encoder", "build_flow_encoder", "random_encoder"),
    "pyramid": ("TemporalPyramid",),
    "resnet3d": ("VideoResNet", "flow_resnet18", "r3d18"),
    "weights": ("load_encoder", "save_encoder"),
}


def __getattr__(name: str):
    for home, names in _HOMES.items():
        if name in names:
            return getattr(importlib.import_module(f"kinema.models.{home}"), name)
    raise AttributeError(f"module 'kinema.models' has no attribute {name!r}")
