"""Reading video files: clips by time, upright and in RGB, and a manifest of what a folder holds.

Everything is loaded on first use, so that importing this package costs nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kinema.video.clip import Clip
    from kinema.video.reader import Video, VideoInfo
    from kinema.video.view import View

__all__ = ["Clip", "Video", "VideoInfo", "View"]

_HOMES = {"Clip": "clip", "Video": "reader", "VideoInfo": "reader", "View": "view"}


def __getattr__(name: str):
    if name in _HOMES:
        return getattr(importlib.import_module(f"kinema.video.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'kinema.video' has no attribute {name!r}")
