"""Where in the picture the subject is: boxes around what moves, and boxes and keypoints that other tools found.

Everything is loaded on first use: who asks an index needs no OpenCV.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kinema.common.lazy import load_on_use

if TYPE_CHECKING:
    from kinema.boxes.box import LEAST, MOTION, WHOLE, Box, Place, framed
    from kinema.boxes.cutting import cut
    from kinema.boxes.motion import box_settings, motion_box, own_motion, small

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

__getattr__, __dir__ = load_on_use(
    __name__,
    {
        "box": ("LEAST", "MOTION", "WHOLE", "Box", "Place", "framed"),
        "cutting": ("cut",),
        "motion": ("box_settings", "motion_box", "own_motion", "small"),
    },
)
