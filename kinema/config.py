"""Typed settings: every field is a command-line option and a YAML key.

This module imports nothing heavy, so that ``kinema --help`` stays quick.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ClipConfig:
    """The geometry of a clip: which frames of a video an encoder sees, and at what size.

    Attributes:
        frames: frames per clip, T.
        step: seconds between two frames of a clip; None to count in frames instead.
        step_frames: frames of the file between two frames of a clip, for protocols that are written that way.
        short_side: frames are scaled so that their shorter side has this many pixels, after ``center_crop``.
        size: height and width in pixels of what the encoder sees, cut from the scaled frame.
        center_crop: width and height in pixels of a central crop at the file's own scale, before anything else.
        center_seconds: use only the central part of a video of this length.
    """

    frames: int = 8
    step: float | None = 0.125
    step_frames: int | None = None
    short_side: int = 64
    size: tuple[int, int] = (48, 48)
    center_crop: tuple[int, int] | None = None
    center_seconds: float | None = None
