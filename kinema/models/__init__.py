"""Encoders: a family of backbones with named stages, the flow encoder, the temporal pyramid, and weights in and out.

Everything is loaded on first use, so that importing this package costs nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kinema.common.lazy import load_on_use

if TYPE_CHECKING:
    from kinema.models.backbone import Backbone
    from kinema.models.cost_volume import local_cost_volume
    from kinema.models.encoder import FlowEncoder, VideoEncoder, build_encoder, build_flow_encoder, random_encoder
    from kinema.models.hierarchy import MotionFeatures, WithMotion, add_motion_hierarchy
    from kinema.models.prime_motion import DisplacementHead, PrimeMotion
    from kinema.models.pyramid import TemporalPyramid
    from kinema.models.readout import Readout, register_readout
    from kinema.models.registry import create_model, list_models, register_backbone
    from kinema.models.resnet3d import VideoResNet, flow_resnet18
    from kinema.models.sources import OpenedEncoder, open_encoder
    from kinema.models.weights import load_encoder, save_encoder

__all__ = [
    "Backbone",
    "DisplacementHead",
    "FlowEncoder",
    "MotionFeatures",
    "OpenedEncoder",
    "PrimeMotion",
    "Readout",
    "TemporalPyramid",
    "VideoEncoder",
    "VideoResNet",
    "WithMotion",
    "add_motion_hierarchy",
    "build_encoder",
    "build_flow_encoder",
    "create_model",
    "flow_resnet18",
    "list_models",
    "load_encoder",
    "local_cost_volume",
    "open_encoder",
    "random_encoder",
    "register_backbone",
    "register_readout",
    "save_encoder",
]

__getattr__, __dir__ = load_on_use(
    __name__,
    {
        "backbone": ("Backbone",),
        "cost_volume": ("local_cost_volume",),
        "encoder": ("FlowEncoder", "VideoEncoder", "build_encoder", "build_flow_encoder", "random_encoder"),
        "hierarchy": ("MotionFeatures", "WithMotion", "add_motion_hierarchy"),
        "prime_motion": ("DisplacementHead", "PrimeMotion"),
        "pyramid": ("TemporalPyramid",),
        "readout": ("Readout", "register_readout"),
        "registry": ("create_model", "list_models", "register_backbone"),
        "resnet3d": ("VideoResNet", "flow_resnet18"),
        "sources": ("OpenedEncoder", "open_encoder"),
        "weights": ("load_encoder", "save_encoder"),
    },
)
