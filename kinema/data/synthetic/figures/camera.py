"""How a video is taken: the camera's own movements (``CAMERAS``), and what lens, light and sensor do to it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import cv2
import numpy as np

from kinema.data.synthetic.figures.curves import Array, Rng, by_name, ease, wander
from kinema.data.synthetic.figures.stage import Stage

Path = tuple[Array, Array, Array, Array]
"""Shift rightwards and downwards in stage lengths, logarithm of the growth, and roll in radians; each (T,)."""


def _still(t: Array, rng: Rng) -> Path:
    zero = np.zeros_like(t)
    return zero, zero, zero, zero


def _handheld(t: Array, rng: Rng) -> Path:
    """A hand that cannot keep still, from hardly to clearly."""
    size = math.exp(rng.uniform(math.log(0.002), math.log(0.02)))
    rate = rng.uniform(0.5, 2.5)
    x, y = size * wander(t, rng, rate), size * wander(t, rng, rate)
    return x, y, 0.3 * size * wander(t, rng, rate), 0.6 * size * wander(t, rng, rate)


def _jitter(t: Array, rng: Rng) -> Path:
    """Each frame is a little beside the last, as where a detector cuts frames out, or a mount rattles."""
    size = math.exp(rng.uniform(math.log(0.001), math.log(0.012)))
    stay = rng.uniform(0, 0.7)
    x, y = (_smoothed(rng.standard_normal(len(t)), stay) * size * rng.uniform(0.3, 1) for _ in range(2))
    return x, y, 0.4 * size * _smoothed(rng.standard_normal(len(t)), stay), np.zeros_like(t)


def _smoothed(noise: Array, stay: float) -> Array:
    total = noise.copy()
    for i in range(1, len(total)):
        total[i] += stay * total[i - 1]
    return total * math.sqrt(1 - stay**2)


def _pan(t: Array, rng: Rng) -> Path:
    """Slowly to one side, evenly or with a beginning and an end."""
    angle, far = rng.uniform(0, 2 * math.pi), rng.uniform(0.03, 0.25)
    even = (t - t[-1] / 2) / max(t[-1], 1e-6)
    eased = ease(t, rng.uniform(0, 0.5) * t[-1], rng.uniform(0.3, 0.8) * t[-1]) - 0.5
    way = far * (even if rng.random() < 0.6 else eased)
    x, y, grow, roll = _handheld(t, rng)
    return x + way * math.cos(angle), y + 0.5 * way * math.sin(angle), grow, roll


def _zoom(t: Array, rng: Rng) -> Path:
    """Nearer or farther."""
    way = rng.choice((-1, 1)) * rng.uniform(0.05, 0.3) * (t - t[-1] / 2) / max(t[-1], 1e-6)
    x, y, grow, roll = _handheld(t, rng)
    return x, y, grow + way, roll


CAMERAS: Mapping[str, Callable[[Array, Rng], Path]] = by_name(_still, _handheld, _jitter, _pan, _zoom)
"""Name of a kind of camera: how it moves over the times (T,)."""


def move_camera(camera: str, stage: Stage, rng: Rng) -> Array:
    """Views (T, 2, 3) that take stage coordinates to where that camera shows them."""
    x, y, grow, roll = CAMERAS[camera](stage.times, rng)
    tilt = rng.normal(0, 0.02)
    cos, sin = np.exp(grow) * np.cos(roll + tilt), np.exp(grow) * np.sin(roll + tilt)
    middle = np.array([stage.width, stage.height]) / 2
    linear = np.stack([np.stack([cos, -sin], -1), np.stack([sin, cos], -1)], 1)
    shift = np.stack([x, y], -1) + middle - linear @ middle
    return np.concatenate([linear, shift[..., None]], axis=2)


def develop(canvas: Array, size: tuple[int, int], times: Array, rng: Rng) -> Array:
    """From the canvas (T, h, w, 3) uint8 to frames (T, *size, 3) uint8, as a real camera gives them.

    Blur, few pixels, changing exposure, contrast, tint, rolling light, vignette, noise, blocks, and grey at times.
    """
    height, width = size
    blur = rng.uniform(0.4, 1.4) * canvas.shape[1] / height / 2
    coarse = rng.uniform(0.4, 0.8) if rng.random() < 0.15 else 1.0
    frames = np.empty((len(canvas), height, width, 3), np.float32)
    for t, picture in enumerate(canvas):
        soft = cv2.GaussianBlur(picture, (0, 0), blur)
        if coarse < 1:
            soft = cv2.resize(soft, (round(coarse * width), round(coarse * height)), interpolation=cv2.INTER_AREA)
            frames[t] = cv2.resize(soft, (width, height), interpolation=cv2.INTER_LINEAR)
        else:
            frames[t] = cv2.resize(soft, (width, height), interpolation=cv2.INTER_AREA)
    if rng.random() < 0.3:  # a long exposure: each frame keeps something of the one before
        ghost = np.float32(rng.uniform(0.1, 0.35))
        frames[1:] += ghost * (frames[:-1] - frames[1:])
    if rng.random() < 0.25:
        frames = frames.mean(axis=3, keepdims=True) if rng.random() < 0.8 else frames[..., 1:2]
        frames = np.repeat(frames, 3, axis=3)
    contrast, level = rng.uniform(0.5, 1.15), rng.uniform(-35, 35)
    tint = np.exp(rng.normal(0, 0.06, 3)).astype(np.float32)
    gain = np.exp(rng.uniform(0, 0.12) * wander(times, rng, rng.uniform(0.2, 1.5))).astype(np.float32)
    frames -= 110
    frames *= np.float32(contrast)
    frames += np.float32(110 + level)
    frames *= gain[:, None, None, None] * tint
    if rng.random() < 0.15:  # the mains' light on a rolling shutter
        rows = np.arange(height) / height * rng.uniform(1, 4) + times[:, None] * rng.uniform(-4, 4)
        frames *= (1 + rng.uniform(0.02, 0.08) * np.sin(2 * math.pi * rows)).astype(np.float32)[:, :, None, None]
    if rng.random() < 0.3:
        y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
        frames *= (1 - rng.uniform(0.1, 0.4) * (x**2 + y**2) / 2).astype(np.float32)[..., None]
    noise = rng.standard_normal(frames.shape[:3], np.float32) * np.float32(math.exp(rng.uniform(-1, 1.8)))
    frames += noise[..., None] + np.float32(0.5)  # the half rounds
    np.clip(frames, 0, 255, out=frames)
    pictures = frames.astype(np.uint8)
    if rng.random() < 0.2:  # blocks, as where too few bits were left
        quality = [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(20, 60))]
        for picture in pictures:
            picture[:] = np.asarray(cv2.imdecode(cv2.imencode(".jpg", picture, quality)[1], cv2.IMREAD_COLOR))
    return pictures
