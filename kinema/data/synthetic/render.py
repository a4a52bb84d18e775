"""From a description to frames and their true flow.

Pictures are drawn at twice the size of the frame, moved by sub-pixel warps and averaged down, so that motion is smooth
and the flow exact. Positions are continuous: the centre of pixel i lies at i + 0.5.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, field

import cv2
import numpy as np

from kinema.data.synthetic.appearance import PATCH_REACH, draw_background, draw_object
from kinema.data.synthetic.motions import Difficulty, Trajectory, sample_trajectory

OVERSAMPLE = 2


@dataclass(frozen=True)
class Member:
    """One video of a set to make: its labels and where its random draws come from.

    Attributes:
        split: "train" or "test".
        index: its number within the split.
        motion: what moves how.
        scene: the background's family.
        seed: the seed of the whole set.
    """

    split: str
    index: int
    motion: str
    scene: str
    seed: int = field(default=0, kw_only=True)

    @property
    def name(self) -> str:
        """Path below the set's folder, without suffix."""
        return f"{self.split}/{self.index:05d}"

    def rng(self, purpose: int) -> np.random.Generator:
        """A generator of its own for each purpose, so that motion, textures and noise are drawn independently.

        The split is part of the key: train and test share no texture.
        """
        return np.random.default_rng([self.seed, int(self.split == "test"), self.index, purpose])


@dataclass(frozen=True)
class VideoSpec(Member):
    """A video of one object, whose ``motion`` is a class of the difficulty.

    Attributes:
        shape: the object's shape.
    """

    shape: str

    @property
    def labels(self) -> dict[str, str]:
        """Column to value."""
        return {"motion": self.motion, "scene": self.scene, "shape": self.shape}


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


def render(spec: VideoSpec, difficulty: Difficulty, size: int = 64, frames: int = 32, fps: float = 16) -> Rendered:
    """Draw the video that ``spec`` describes, ``size`` pixels square."""
    times = np.arange(frames) / fps
    motion, look, sensor = (spec.rng(purpose) for purpose in range(3))
    trajectory = sample_trajectory(difficulty.motions[spec.motion], times * difficulty.pace, motion)
    heading, drift = motion.uniform(0, 2 * math.pi), motion.uniform(*difficulty.drift)
    camera = size * drift * np.outer(times - times.mean(), [math.cos(heading), math.sin(heading)])
    centre = camera + size * (trajectory.centre + 0.5)

    cover, pictures = _compose(spec, difficulty, trajectory, camera, centre, size, look)
    pictures *= _exposure(difficulty, times, sensor)[:, None, None, None]
    noise = sensor.standard_normal(cover.shape, np.float32)
    pictures += _rgb(np.float32(difficulty.noise) * noise + np.float32(0.5))  # the half rounds
    np.clip(pictures, 0, 255, out=pictures)
    return Rendered(pictures.astype(np.uint8), cover, _true_flow(trajectory, camera, centre, cover))


def _exposure(difficulty: Difficulty, times: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Gains (T,) of a camera whose automatic exposure hunts to and fro, once in 1 to 3 seconds."""
    swing, phase, period = rng.uniform(*difficulty.exposure), rng.uniform(), rng.uniform(1, 3)
    return np.exp(swing * np.sin(2 * math.pi * (phase + times / period))).astype(np.float32)


def _compose(
    spec: VideoSpec,
    difficulty: Difficulty,
    trajectory: Trajectory,
    camera: np.ndarray,
    centre: np.ndarray,
    size: int,
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray]:
    """Cover (T, H, W) and pictures (T, H, W, 3), float32, of the object at ``centre`` over the drifting background."""
    margin = math.ceil(np.abs(camera).max()) + 2
    background = draw_background(spec.scene, OVERSAMPLE * (size + 2 * margin), OVERSAMPLE * size, rng)
    background = cv2.blur(background, (OVERSAMPLE, OVERSAMPLE), anchor=(0, 0))  # averages down, once for all frames
    patch = draw_object(spec.shape, round(1.5 * size), difficulty.textured, rng)
    behind = np.empty((len(camera), size, size, 3), np.uint8)
    front = np.zeros((len(camera), size, size, 4), np.uint8)
    for t, drift in enumerate(camera):
        view = np.array([[OVERSAMPLE, 0, margin - drift[0]], [0, OVERSAMPLE, margin - drift[1]]])
        view[:, 2] *= OVERSAMPLE
        behind[t] = cv2.warpAffine(background, view, (size, size), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)
        diameter = size * trajectory.diameter[t]
        for place in _copies(centre[t], trajectory.period, diameter, size):
            front[t] += _place(patch, place, trajectory.angle[t], diameter, size)
    cover = front[..., 3] / np.float32(255)
    pictures = behind * _rgb(1 - cover)
    pictures += front[..., :3]
    return cover, pictures


def _copies(centre: np.ndarray, period: float | None, diameter: float, size: int) -> list[np.ndarray]:
    """Where the object shows: at ``centre``, or wherever multiples of the period away reach into the frame."""
    if period is None:
        return [centre]
    step, reach = period * size, PATCH_REACH * diameter / 2
    options = [[p for k in (-1, 0, 1) if -reach < (p := c % step + k * step) < size + reach] for c in centre]
    return [np.array(place) for place in itertools.product(*options)]


def _place(patch: np.ndarray, centre: np.ndarray, angle: float, diameter: float, size: int) -> np.ndarray:
    """The object's picture (H, W, 4) at a pose in pixels of the frame."""
    linear = OVERSAMPLE * PATCH_REACH * diameter / len(patch) * _rotation(angle)
    offset = OVERSAMPLE * centre - linear @ np.full(2, len(patch) / 2)
    offset += (linear.sum(axis=1) - 1) / 2  # OpenCV counts from the centre of the first pixel
    fine = cv2.warpAffine(patch, np.column_stack([linear, offset]), (OVERSAMPLE * size, OVERSAMPLE * size))
    return cv2.resize(fine, (size, size), interpolation=cv2.INTER_AREA)


def _rotation(angle: float | np.ndarray) -> np.ndarray:
    """Matrices (..., 2, 2) that turn clockwise on the screen."""
    cos, sin = np.cos(angle), np.sin(angle)
    return np.stack([cos, -sin, sin, cos], axis=-1).reshape(*np.shape(angle), 2, 2)


def _rgb(grey: np.ndarray) -> np.ndarray:
    """(T, H, W) to (T, H, W, 3); much faster than broadcasting over so short an axis."""
    return cv2.cvtColor(grey.reshape(-1, grey.shape[-1]), cv2.COLOR_GRAY2RGB).reshape(*grey.shape, 3)


def _true_flow(trajectory: Trajectory, camera: np.ndarray, centre: np.ndarray, cover: np.ndarray) -> np.ndarray:
    """The object's motion where it covers at least half of a pixel, the camera's elsewhere.

    An object that is drawn several times only shifts, so that it does not matter which of its centres is meant.
    """
    growth = trajectory.diameter[1:] / trajectory.diameter[:-1]
    strain = growth[:, None, None] * _rotation(np.diff(trajectory.angle)) - np.eye(2)
    strain, shift, drift = (a.astype(np.float32) for a in (strain, np.diff(centre, axis=0), np.diff(camera, axis=0)))
    pixel = np.arange(cover.shape[-1], dtype=np.float32) + 0.5
    right = (pixel - centre[:-1, :1].astype(np.float32))[:, None, :]
    down = (pixel - centre[:-1, 1:].astype(np.float32))[:, :, None]
    inside = cover[:-1] >= 0.5
    flow = np.empty((len(inside), 2, *inside.shape[1:]), np.float32)
    for axis in (0, 1):
        s = strain[:, axis, :, None, None]
        moved = s[:, 0] * right + s[:, 1] * down + shift[:, axis, None, None]
        flow[:, axis] = np.where(inside, moved, drift[:, axis, None, None])
    return flow
