"""Reading video files: clips by time, upright and in RGB, and a manifest of what a folder holds.

Everything is loaded on first use, so that importing this package costs nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kinema.lazy import load_on_use

if TYPE_CHECKING:
    from kinema.video.clip import Clip
    from kinema.video.held import HeldVideo, Shelf
    from kinema.video.manifest import ManifestEntry, read_manifest, usable, write_manifest
    from kinema.video.reader import Video, VideoInfo
    from kinema.video.scan import find_videos, passed_over, scan_folder
    from kinema.video.view import View

__all__ = [
    "Clip",
    "HeldVideo",
    "ManifestEntry",
    "Shelf",
    "Video",
    "VideoInfo",
    "View",
    "find_videos",
    "passed_over",
    "read_manifest",
    "scan_folder",
    "usable",
    "write_manifest",
]

__getattr__, __dir__ = load_on_use(
    __name__,
    {
        "clip": ("Clip",),
        "held": ("HeldVideo", "Shelf"),
        "manifest": ("ManifestEntry", "read_manifest", "usable", "write_manifest"),
        "reader": ("Video", "VideoInfo"),
        "scan": ("find_videos", "passed_over", "scan_folder"),
        "view": ("View",),
    },
)
