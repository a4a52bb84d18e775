"""Reading video files: clips by time, upright and in RGB, and a manifest of what a folder holds.

Everything is loaded on first use, so that importing this package costs nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kinema.common.lazy import load_on_use

if TYPE_CHECKING:
    from kinema.video.clip import Clip, VideoInfo
    from kinema.video.decoder import Decoder
    from kinema.video.decoders import register_decoder
    from kinema.video.folder import find_videos, passed_over
    from kinema.video.frame_cache import HeldVideo, Shelf
    from kinema.video.manifest import Manifest, ManifestEntry, usable
    from kinema.video.manifest_files import read_manifest, write_manifest
    from kinema.video.reader import Video
    from kinema.video.scan import scan_folder
    from kinema.video.view import View

__all__ = [
    "Clip",
    "Decoder",
    "HeldVideo",
    "Manifest",
    "ManifestEntry",
    "Shelf",
    "Video",
    "VideoInfo",
    "View",
    "find_videos",
    "passed_over",
    "read_manifest",
    "register_decoder",
    "scan_folder",
    "usable",
    "write_manifest",
]

__getattr__, __dir__ = load_on_use(
    __name__,
    {
        "clip": ("Clip", "VideoInfo"),
        "decoder": ("Decoder",),
        "decoders": ("register_decoder",),
        "frame_cache": ("HeldVideo", "Shelf"),
        "folder": ("find_videos", "passed_over"),
        "manifest": ("Manifest", "ManifestEntry", "usable"),
        "manifest_files": ("read_manifest", "write_manifest"),
        "reader": ("Video",),
        "scan": ("scan_folder",),
        "view": ("View",),
    },
)
