"""Methods that learn without labels, and the losses they are made of.

Everything is loaded on first use, so that importing this package costs nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kinema.lazy import load_on_use

if TYPE_CHECKING:
    from kinema.methods.losses import LocalContrast, clip_info_nce, lmcl
    from kinema.methods.momentum import MomentumEncoder, cosine_momentum
    from kinema.methods.mscl import MSCL, Draws, Views, draw
    from kinema.methods.queue import KeyQueue

__all__ = [
    "MSCL",
    "Draws",
    "KeyQueue",
    "LocalContrast",
    "MomentumEncoder",
    "Views",
    "clip_info_nce",
    "cosine_momentum",
    "draw",
    "lmcl",
]

__getattr__, __dir__ = load_on_use(
    __name__,
    {
        "losses": ("LocalContrast", "clip_info_nce", "lmcl"),
        "momentum": ("MomentumEncoder", "cosine_momentum"),
        "mscl": ("MSCL", "Draws", "Views", "draw"),
        "queue": ("KeyQueue",),
    },
)
