"""Where in the picture something moves, beyond what the camera does."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np

from kinema.boxes import box
from kinema.boxes.box import Box

SIDE = 64
"""Shorter side in pixels of the frames on which motion is looked for."""
LONGEST = 4
"""How many times longer the longer side may be."""
GRAIN = 8.0
"""Levels a pixel, added to the gradient by which a change is divided: what noise makes of places without texture."""
BLUR = 1.0
"""Sigma in pixels of the smoothing of motion over the picture."""
MOST = 0.2
"""Share of the picture that a shift must explain, by more than a level, to be the camera's."""
MOVES, STRONG = 0.05, 0.1
"""Pixels from frame to frame, and share of the strongest motion, from which a place moves for certain."""
STIRS, WEAK = 0.02, 0.03
"""From which a place moves that hangs together with one which does so for certain: the rest of a body."""
GROUND = 3.0
"""Times what a quarter of all places do not exceed that is taken for noise of the camera, which is everywhere."""
REST = 0.02
"""Share of the places that move that may lie beyond each side of the box: the tip of a tail, a fly."""


def small(pixels: np.ndarray) -> np.ndarray:
    """A frame (H, W, 3) uint8 in grey, (h, w) float32, its shorter side :data:`SIDE` pixels."""
    height, width = pixels.shape[:2]
    scale = SIDE / min(height, width)
    size = min(round(width * scale), LONGEST * SIDE), min(round(height * scale), LONGEST * SIDE)
    grey = cv2.cvtColor(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), cv2.COLOR_RGB2GRAY)
    return grey.astype(np.float32)


def own_motion(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """By about how much each place moves, beside what the camera does.

    The camera's motion is taken for one shift, which is undone. What has changed then is divided by the gradient, which
    is how far an edge went; on dark or smooth grounds flow would find motion everywhere.

    Args:
        before: (h, w) levels, float32.
        after: the frame that follows, likewise.

    Returns:
        (h, w) float32 pixels.
    """
    steadied = _steadied(before, after)
    across, down = (cv2.Sobel(before, cv2.CV_32F, *along, scale=1 / 8) for along in ((1, 0), (0, 1)))
    motion: np.ndarray = np.abs(steadied - before) / (np.hypot(across, down) + GRAIN)
    return motion


def _steadied(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """``after`` shifted to where most of ``before`` is, if that makes them more alike in enough places: over a plain
    ground a subject may be all that a shift is found of. What is not shown of ``before`` is taken to be as it was."""
    window = cv2.createHanningWindow(before.shape[::-1], cv2.CV_32F)
    (right, down), _ = cv2.phaseCorrelate(before * window, after * window)  # given a window, it changes the frames
    if not 0.1 <= max(abs(right), abs(down)) <= SIDE / 4:
        return after
    shift = np.array([[1, 0, right], [0, 1, down]], np.float32)
    how = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    shifted = cv2.warpAffine(after, shift, after.shape[::-1], flags=how, borderMode=cv2.BORDER_REPLICATE)
    shown = cv2.warpAffine(np.ones_like(after), shift, after.shape[::-1], flags=how)
    shifted = np.where(shown > 0.999, shifted, before)
    gain = np.abs(after - before) - np.abs(shifted - before)
    return shifted if np.mean(gain > 1) > max(np.mean(gain < -1), MOST) else after


def motion_box(motion: np.ndarray) -> Box | None:
    """The box around what moves; None where nothing does.

    Places that move for certain are its seeds, and what hangs together with one and stirs belongs to it: of an animal
    that turns its head, the outline of the body too, but no noise elsewhere.

    Args:
        motion: (h, w) pixels by which places move from frame to frame, on average over a window.

    Returns:
        The smallest box with all but :data:`REST` of the places that move beyond each of its sides.
    """
    smooth = cv2.GaussianBlur(motion.astype(np.float32), (0, 0), BLUR)
    smooth = smooth - GROUND * float(np.quantile(smooth, 0.25))
    peak = float(smooth.max())
    seeds = smooth >= max(MOVES, STRONG * peak)
    if not seeds.any():
        return None
    stirs = smooth >= max(STIRS, WEAK * peak)
    _, parts = cv2.connectedComponents(stirs.astype(np.uint8))
    moves = stirs & np.isin(parts, np.unique(parts[seeds]))
    left, right = _middle(moves.sum(0))
    top, bottom = _middle(moves.sum(1))
    return Box(left, top, right, bottom)


def _middle(mass: np.ndarray) -> tuple[float, float]:
    """From where to where, from 0 to 1, all but :data:`REST` of some mass at either end lies."""
    below = np.cumsum(mass) / mass.sum()
    first, last = np.searchsorted(below, REST, side="right"), np.searchsorted(below, 1 - REST)
    return float(first / len(mass)), float((last + 1) / len(mass))


def box_settings() -> dict[str, Any]:
    """All that decides how a box is found and what is cut around it, as plain values."""
    names = ("SIDE", "LONGEST", "GRAIN", "BLUR", "MOST", "MOVES", "STRONG", "STIRS", "WEAK", "GROUND", "REST")
    return {"margin": box.MARGIN, "least": box.LEAST, **{name.lower(): globals()[name] for name in names}}
