"""Optical flow: estimation, geometry of fields, rendering, motion differentials and a store on disk.

Flow is float32 in pixels per sampled step, channel 0 = u rightwards and channel 1 = v downwards: numpy ``(T, 2, H, W)``
from the estimators and the store, torch ``(B, 2, T, H, W)`` in batches.

Everything is loaded on first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kinema.common.lazy import load_on_use

if TYPE_CHECKING:
    from kinema.flow.base import FlowEstimator
    from kinema.flow.color_wheel import flow_to_wheel, wheel_legend
    from kinema.flow.differential import (
        clip_scores,
        grid_scores,
        kept_starts,
        key_start,
        motion_differential,
        motion_edges,
    )
    from kinema.flow.estimators import (
        create_estimator,
        list_estimators,
        parse_estimator,
        register_estimator,
        set_opencv_threads,
    )
    from kinema.flow.files import read_flow, write_flow
    from kinema.flow.histogram import direction_histogram, flow_gradients, stabilise
    from kinema.flow.ops import (
        FRA_ANGLES,
        crop_resize,
        crop_resize_flow,
        flip_flow,
        magnitude,
        resize_flow,
        rotate_flow,
        scale_flow,
        stays_inside,
        warp,
    )
    from kinema.flow.store import FlowStore
    from kinema.flow.tvl1 import TVL1

__all__ = [
    "FRA_ANGLES",
    "TVL1",
    "FlowEstimator",
    "FlowStore",
    "clip_scores",
    "create_estimator",
    "crop_resize",
    "crop_resize_flow",
    "direction_histogram",
    "flip_flow",
    "flow_gradients",
    "flow_to_wheel",
    "grid_scores",
    "kept_starts",
    "key_start",
    "list_estimators",
    "magnitude",
    "motion_differential",
    "motion_edges",
    "parse_estimator",
    "read_flow",
    "register_estimator",
    "resize_flow",
    "rotate_flow",
    "scale_flow",
    "set_opencv_threads",
    "stabilise",
    "stays_inside",
    "warp",
    "wheel_legend",
    "write_flow",
]

__getattr__, __dir__ = load_on_use(
    __name__,
    {
        "base": ("FlowEstimator",),
        "color_wheel": ("flow_to_wheel", "wheel_legend"),
        "differential": (
            "clip_scores",
            "grid_scores",
            "kept_starts",
            "key_start",
            "motion_differential",
            "motion_edges",
        ),
        "estimators": (
            "create_estimator",
            "list_estimators",
            "parse_estimator",
            "register_estimator",
            "set_opencv_threads",
        ),
        "files": ("read_flow", "write_flow"),
        "histogram": ("direction_histogram", "flow_gradients", "stabilise"),
        "ops": (
            "FRA_ANGLES",
            "crop_resize",
            "crop_resize_flow",
            "flip_flow",
            "magnitude",
            "resize_flow",
            "rotate_flow",
            "scale_flow",
            "stays_inside",
            "warp",
        ),
        "store": ("FlowStore",),
        "tvl1": ("TVL1",),
    },
)
