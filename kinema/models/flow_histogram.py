"""Histograms of optical flow, with place and time: the hand-made feature that a learned one has to beat.

Nothing is learned: in each of a few cells of the frame and parts of the clip, how much moves in which direction. In the
manner of HOF (Laptev et al., CVPR 2008, section 3.1), on dense flow and over the whole frame.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from kinema.config import ClipConfig
from kinema.flow import create_estimator

DIRECTIONS = 8


class FlowHistogram(nn.Module):
    """Clips to histograms of flow directions, of which each part of the clip has the length 1.

    Flow is that of Farneback from every second frame to the next. Pixels count in their cell for the direction that
    they move in, by their speed; those that are nearly still count a little for that. The square root keeps one fast
    pixel from hiding many slow ones. Frames at the end that only repeat the last one are not looked at.

    Args:
        grid: parts of time, cells over the longer and over the shorter side of the frame.
        still: pixels per frame below which nothing is taken to move.
        still_weight: what a still pixel counts.

    Attributes:
        clip: what it is made for, frame by frame as the file has them.
        card: what it is.
        features: length of what it gives.
    """

    def __init__(self, grid: tuple[int, int, int] = (4, 6, 4), still: float = 0.4, still_weight: float = 0.02):
        super().__init__()
        self.grid, self.still, self.still_weight = grid, still, still_weight
        self.clip = ClipConfig(frames=48, step=None, step_frames=1, size=(96, 64), squeeze=True)
        self.card = {"name": "histogram", "histogram": self.extra_repr()}
        self.features = int(np.prod(grid)) * (DIRECTIONS + 1)
        self._flow = create_estimator("farneback", window=13)

    def extra_repr(self) -> str:
        """The settings."""
        return f"farneback, grid={self.grid}, still={self.still}, still_weight={self.still_weight}"

    def forward(self, clips: Tensor) -> Tensor:
        """(B, 3, T, H, W) from 0 to 1, of two frames or more -> (B, ``features``).

        Raises:
            ConfigError: the frames are too small for optical flow.
        """
        pixels = clips.mul(255).round().byte().permute(0, 2, 3, 4, 1).cpu().numpy()
        histograms = torch.from_numpy(np.stack([self._histogram(clip) for clip in pixels]))
        return histograms.to(clips.device, torch.float32)

    def _histogram(self, frames: np.ndarray) -> np.ndarray:
        """(T, H, W, 3) uint8 -> (features,)."""
        changes = np.flatnonzero((frames[1:] != frames[:-1]).any((1, 2, 3)))
        shown = int(changes[-1]) + 2 if len(changes) else 2
        first = np.arange(0, shown - 1, 2)
        flow = self._flow.pairs(frames[first], frames[first + 1])
        speed, angle = np.hypot(flow[:, 0], flow[:, 1]), np.arctan2(flow[:, 1], flow[:, 0])
        moving = speed >= self.still
        direction = ((angle + np.pi) * (DIRECTIONS / (2 * np.pi))).astype(int) % DIRECTIONS
        time, *places = self.grid
        rows, columns = places if frames.shape[1] >= frames.shape[2] else places[::-1]
        sizes = (len(flow), *frames.shape[1:3])
        part, row, column = np.ix_(*map(_cells, sizes, (time, rows, columns)))
        place = ((part * rows + row) * columns + column) * (DIRECTIONS + 1)
        kind = np.where(moving, direction, DIRECTIONS)
        weight = np.where(moving, speed, self.still_weight)
        histogram = np.bincount((place + kind).ravel(), weight.ravel(), minlength=self.features).reshape(time, -1)
        return np.sqrt(histogram / np.maximum(histogram.sum(1, keepdims=True), 1e-6)).ravel()


def _cells(size: int, cells: int) -> np.ndarray:
    """(size,) which of ``cells`` equal parts each position lies in."""
    return np.arange(size) * cells // size
