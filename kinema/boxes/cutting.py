"""Pixels of what lies in a box."""

from __future__ import annotations

import cv2
import numpy as np

from kinema.boxes.box import Box


def cut(frames: np.ndarray, box: Box, size: tuple[int, int]) -> np.ndarray:
    """What lies in a box of frames (T, H, W, 3) uint8, scaled to ``size`` (height, width): (T, *size, 3) uint8.

    The box is taken to the nearest whole pixels, one at least. Scaling down averages areas.
    """
    height, width = frames.shape[1:3]
    left, top = min(round(box.left * width), width - 1), min(round(box.top * height), height - 1)
    right, bottom = max(round(box.right * width), left + 1), max(round(box.bottom * height), top + 1)
    part = frames[:, top:bottom, left:right]
    if part.shape[1:3] == size:
        return part
    shrinking = part.shape[1] >= size[0] and part.shape[2] >= size[1]
    how = cv2.INTER_AREA if shrinking else cv2.INTER_LINEAR
    return np.stack([cv2.resize(frame, size[::-1], interpolation=how) for frame in part])
