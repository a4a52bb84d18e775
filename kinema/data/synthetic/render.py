"""From a description to frames and their true flow.

Pictures are drawn at twice the size of the frame, moved by sub-pixel warps and averaged down, so that motion is smooth
and the flow exact. Positions are continuous: the centre of pixel i lies at i + 0.5.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import cv2
import numpy as np

from kinema.data.synthetic.appearance import PATCH_REACH, draw_background, draw_object
from kinema.data.synthetic.motions import Difficulty, Trajectory, sample_trajectory

OVERSAMPLE = 2


@dataclass(frozen=True)
class Rendered:
    """A video and its truth.

    Attributes:
        frames: (T, H, W, 3) uint8 RGB.
        cover: (T, H, W) float32, the share of each pixel that the object covers.
        flow: (T-1, 2, H, W) float32; field t takes the surface seen in frame t to where it is in frame t+1, in pixels,
            channel 0 rightwards, channel 1 downwards.
    """

    frames: np.ndarray
    cover: np.ndarray
    flow: np.ndarray


@dataclass(frozen=True)
class VideoSpec:
    """One video to make: its labels and where its random draws come from.

    Attributes:
        split: "train" or "test".
        index: its number within the split.
        motion: a class of the difficulty.
        scene: the background's family.
        shape: the object's shape.
        seed: the seed of the whole set.
    """

    split: str
    index: int
    motion: str
    scene: str
    shape: str
    seed: int = 0

    def rng(self, purpose: int) -> np.random.Generator:
        """A generator of its own for each purpose, so that motion, textures and noise are drawn independently.

        The split is part of the key: train and test never share a texture.
        """
        return np.random.default_rng([self.seed, self.split == "test", self.index, purpose])


def render(spec: VideoSpec, difficulty: Difficulty, size: int = 64, frames: int = 32, fps: float = 16) -> Rendered:
    """Draw the video that ``spec`` describes, ``size`` pixels square."""
    times = np.arange(frames) / fps
    moving, look, noise = (spec.rng(purpose) for purpose in range(3))
    trajectory = sample_trajectory(difficulty.motions[spec.motion], times, moving, difficulty.speed)
    direction, pace = moving.uniform(0, 2 * math.pi), moving.uniform(*difficulty.drift)
    camera = pace * (times - times.mean())[:, None] * [math.cos(direction), math.sin(direction)]  # (T, 2) frame widths

    margin = math.ceil(np.abs(camera).max() * size) + 2
    background = draw_background(spec.scene, OVERSAMPLE * (size + 2 * margin), OVERSAMPLE * size, look)
    patch = draw_object(spec.shape, round(1.5 * size), difficulty.textured, look)
    centre = (trajectory.centre + camera + 0.5) * size
    pictures = np.empty((frames, size, size, 3), np.float32)
    cover = np.empty((frames, size, size), np.float32)
    for t in range(frames):
        behind = _warp(background, np.eye(2), OVERSAMPLE * (camera[t] * size - margin), size)
        front = np.zeros((size, size, 4), np.float32)
        for place in _copies(centre[t], trajectory, t, size):
            front += _draw(patch, place, trajectory.angle[t], trajectory.diameter[t] * size, size)
        cover[t] = front[..., 3] / 255
        pictures[t] = behind * (1 - cover[t, ..., None]) + front[..., :3]
    pictures += noise.standard_normal((frames, size, size, 1), np.float32) * difficulty.noise
    flow = _true_flow(trajectory, centre, camera * size, cover)
    return Rendered(np.clip(pictures + 0.5, 0, 255).astype(np.uint8), cover, flow)


def _warp(picture: np.ndarray, linear: np.ndarray, offset: np.ndarray, size: int) -> np.ndarray:
    """Move ``picture`` to linear @ p + offset (in pixels of the oversampled frame) and average down to ``size``."""
    matrix = np.column_stack([linear, offset + (linear.sum(axis=1) - 1) / 2])  # OpenCV counts from pixel centres
    wide = cv2.warpAffine(picture, matrix, (OVERSAMPLE * size,) * 2, flags=cv2.INTER_LINEAR)
    return cv2.resize(wide, (size, size), interpolation=cv2.INTER_AREA)


def _draw(patch: np.ndarray, place: np.ndarray, angle: float, diameter: float, size: int) -> np.ndarray:
    side = len(patch)
    linear = OVERSAMPLE * PATCH_REACH * diameter / side * _rotation(angle)
    return _warp(patch, linear, OVERSAMPLE * place - linear @ [side / 2, side / 2], size)


def _rotation(angle: float | np.ndarray) -> np.ndarray:
    return np.moveaxis(np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]), (0, 1), (-2, -1))


def _copies(place: np.ndarray, trajectory: Trajectory, t: int, size: int) -> list[np.ndarray]:
    """Where the object shows: ``place`` itself, or every multiple of the period away that reaches the frame."""
    if trajectory.period is None:
        return [place]
    period, reach = trajectory.period * size, PATCH_REACH * trajectory.diameter[t] * size / 2
    options = [[p for k in (-1, 0, 1) if -reach < (p := c % period + k * period) < size + reach] for c in place]
    return [np.array(place) for place in itertools.product(*options)]


def _true_flow(trajectory: Trajectory, centre: np.ndarray, camera: np.ndarray, cover: np.ndarray) -> np.ndarray:
    """The object's motion where it covers at least half of a pixel, the camera's elsewhere.

    An object drawn several times only shifts, so that the distance from its centre does not matter.
    """
    size = cover.shape[-1]
    growth = trajectory.diameter[1:] / trajectory.diameter[:-1]
    linear = growth[:, None, None] * _rotation(np.diff(trajectory.angle)) - np.eye(2)
    linear = linear.astype(np.float32)
    pixel = np.arange(size, dtype=np.float32) + 0.5
    x = (pixel - centre[:-1, :1].astype(np.float32))[:, None, :]
    y = (pixel - centre[:-1, 1:].astype(np.float32))[:, :, None]
    shift = np.diff(centre, axis=0).astype(np.float32)
    drift = np.diff(camera, axis=0).astype(np.float32)
    inside = cover[:-1] >= 0.5
    fields = []
    for axis in (0, 1):
        a, b = linear[:, axis, 0, None, None], linear[:, axis, 1, None, None]
        moved = a * x + b * y + shift[:, axis, None, None]
        fields.append(np.where(inside, moved, drift[:, axis, None, None]))
    return np.stack(fields, axis=1)
