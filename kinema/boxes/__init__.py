"""Where in the picture the subject is: boxes around what moves, and boxes and keypoints that other tools found."""

from __future__ import annotations

from typing import Any

from kinema.boxes import box, motion
from kinema.boxes.box import LEAST, WHOLE, Box, Place, cut, framed
from kinema.boxes.motion import motion_box, own_motion, small

MOTION = "motion"
"""In place of files of boxes: boxes around what moves."""

__all__ = [
    "LEAST",
    "MOTION",
    "WHOLE",
    "Box",
    "Place",
    "box_settings",
    "cut",
    "framed",
    "motion_box",
    "own_motion",
    "small",
]


def box_settings() -> dict[str, Any]:
    """All that decides how a box is found and what is cut around it, as plain values."""
    names = ("SIDE", "LONGEST", "GRAIN", "BLUR", "MOST", "MOVES", "STRONG", "STIRS", "WEAK", "GROUND", "REST")
    return {"margin": box.MARGIN, "least": box.LEAST, **{name.lower(): getattr(motion, name) for name in names}}
