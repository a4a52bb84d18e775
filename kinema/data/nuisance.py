"""What may change while a motion stays the same: copies of a window with another crop, size, tempo and light."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np


@dataclass(frozen=True)
class Nuisance:
    """How far the copies of a window go; each draw is even over the range.

    Attributes:
        shift: of the crop, as a share of its sides.
        scale: logarithm of the size.
        aspect: logarithm of width to height.
        tempo: logarithm of the speed.
        contrast: logarithm of the contrast about the mean.
        brightness: share of the full range that is added.
    """

    shift: float = 0.08
    scale: float = 0.12
    aspect: float = 0.05
    tempo: float = 0.2
    contrast: float = 0.2
    brightness: float = 0.08

    def times(self, times: np.ndarray, earliest: float, latest: float, rng: np.random.Generator) -> np.ndarray:
        """The times (T,) in seconds of a window at another tempo about its middle, between two others.

        A window that would reach beyond one end is moved away from it as far as the other end allows.
        """
        middle = (times[0] + times[-1]) / 2
        slowed = middle + (times - middle) * math.exp(rng.uniform(-self.tempo, self.tempo))
        slowed += max(0.0, earliest - slowed[0]) - max(0.0, slowed[-1] - latest)
        return slowed.clip(earliest, latest)

    def show(self, frames: np.ndarray, size: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
        """Scaled frames (T, H, W, 3) uint8 of a window -> a copy (T, *size, 3) uint8, cut about the centre.

        Bilinear; what lies outside the frame repeats its border.
        """
        height, width = size
        scale = math.exp(rng.uniform(-self.scale, self.scale))
        aspect = math.exp(rng.uniform(-self.aspect, self.aspect))
        across, down = scale * aspect, scale / aspect
        right, below = rng.uniform(-self.shift, self.shift, 2) * (width, height)
        left = (frames.shape[2] - 1) / 2 + right - across * (width - 1) / 2
        top = (frames.shape[1] - 1) / 2 + below - down * (height - 1) / 2
        where = np.array([[across, 0, left], [0, down, top]])
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        cut = np.stack(
            [
                cv2.warpAffine(frame, where, (width, height), flags=flags, borderMode=cv2.BORDER_REPLICATE)
                for frame in frames
            ]
        )
        contrast = math.exp(rng.uniform(-self.contrast, self.contrast))
        light = cut.mean() * (1 - contrast) + 255 * rng.uniform(-self.brightness, self.brightness)
        levels = (contrast * np.arange(256) + light).round().clip(0, 255).astype(np.uint8)
        return levels[cut]
