"""Methods of training, and the losses they are made of.

Everything is loaded on first use, so that importing this package costs nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kinema.common.lazy import load_on_use

if TYPE_CHECKING:
    from kinema.methods.base import Draws, Losses, Method, Views, draw, step_generator
    from kinema.methods.hcml import HCML, MSCLWithHCML
    from kinema.methods.losses import clip_info_nce, lmcl
    from kinema.methods.masked import MaskedMotion
    from kinema.methods.momentum import KeyQueue, MomentumEncoder, cosine_momentum
    from kinema.methods.motion_objective import MotionObjective
    from kinema.methods.mscl import MSCL
    from kinema.methods.progressive import Phase, ProgressiveSchedule
    from kinema.methods.recognition import Recognition, load_classifier
    from kinema.methods.registry import create_method, register_method, settings_for
    from kinema.methods.tubelet import TubeletContrast

__all__ = [
    "HCML",
    "MSCL",
    "Draws",
    "KeyQueue",
    "Losses",
    "MSCLWithHCML",
    "MaskedMotion",
    "Method",
    "MomentumEncoder",
    "MotionObjective",
    "Phase",
    "ProgressiveSchedule",
    "Recognition",
    "TubeletContrast",
    "Views",
    "clip_info_nce",
    "cosine_momentum",
    "create_method",
    "draw",
    "lmcl",
    "load_classifier",
    "register_method",
    "settings_for",
    "step_generator",
]

__getattr__, __dir__ = load_on_use(
    __name__,
    {
        "base": ("Draws", "Losses", "Method", "Views", "draw", "step_generator"),
        "hcml": ("HCML", "MSCLWithHCML"),
        "losses": ("clip_info_nce", "lmcl"),
        "masked": ("MaskedMotion",),
        "momentum": ("KeyQueue", "MomentumEncoder", "cosine_momentum"),
        "motion_objective": ("MotionObjective",),
        "mscl": ("MSCL",),
        "progressive": ("Phase", "ProgressiveSchedule"),
        "recognition": ("Recognition", "load_classifier"),
        "registry": ("create_method", "register_method", "settings_for"),
        "tubelet": ("TubeletContrast",),
    },
)
