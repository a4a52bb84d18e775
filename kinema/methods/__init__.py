"""Methods that learn without labels, and the losses they are made of.

Everything is loaded on first use, so that importing this package costs nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

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

_HOMES = {
    "losses": ("LocalContrast", "clip_info_nce", "lmcl"),
    "momentum": ("MomentumEncoder", "cosine_momentum"),
    "mscl": ("MSCL", "Draws", "Views", "draw"),
    "queue": ("KeyQueue",),
}


def __getattr__(name: str):
    for home, names in _HOMES.items():
        if name in names:
            return getattr(importlib.import_module(f"kinema.methods.{home}"), name)
    raise AttributeError(f"module 'kinema.methods' has no attribute {name!r}")
