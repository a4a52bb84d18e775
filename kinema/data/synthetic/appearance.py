"""What the videos show: backgrounds (``SCENES``) and objects (``SHAPES``), each a random member of its family."""

from __future__ import annotations

import colorsys
import math
from collections.abc import Callable, Mapping

import cv2
import numpy as np

Array = np.ndarray
Rng = np.random.Generator

PATCH_REACH = 1.75
"""An object's picture spans this many radii (of the disc of the same area) either way."""


def _colour(hue: float, saturation: float, value: float) -> Array:
    return np.array(colorsys.hsv_to_rgb(hue % 1, np.clip(saturation, 0, 1), np.clip(value, 0, 1)), np.float32)


def smooth_noise(shape: tuple[int, int], cell: tuple[float, float], rng: Rng) -> Array:
    """Smooth noise in [0, 1] of the given shape, whose grains are about ``cell`` (height, width) pixels."""
    height, width = (max(4, math.ceil(n / c) + 3) for n, c in zip(shape, cell, strict=True))
    grid = rng.uniform(0, 1, (height, width)).astype(np.float32)
    full = cv2.resize(grid, (math.ceil(width * cell[1]), math.ceil(height * cell[0])), interpolation=cv2.INTER_CUBIC)
    top, left = ((n - m) // 2 for n, m in zip(full.shape, shape, strict=True))
    return np.clip(full[top : top + shape[0], left : left + shape[1]], 0, 1)


# --- Backgrounds. A pattern maps coordinates u, v (in frame widths, turned and shifted at random) to [0, 1].


def _edge(wave: Array, sharpness: float = 6.0) -> Array:
    """A wave in [-1, 1] turned into bands with soft edges."""
    return 0.5 + 0.5 * np.tanh(sharpness * wave)


def _stripes(u: Array, v: Array, rng: Rng) -> Array:
    return _edge(np.sin(2 * np.pi * rng.uniform(4, 7) * u))


def _tiles(u: Array, v: Array, rng: Rng) -> Array:
    frequency = math.pi * rng.uniform(6, 10)
    return _edge(np.sin(frequency * u) * np.sin(frequency * v))


def _dots(u: Array, v: Array, rng: Rng) -> Array:
    frequency = 2 * math.pi * rng.uniform(4, 6.5)
    return _edge(np.cos(frequency * u) + np.cos(frequency * v) - rng.uniform(0.5, 0.9), 3)


def _dunes(u: Array, v: Array, rng: Rng) -> Array:
    bend = rng.uniform(0.04, 0.07) * np.sin(2 * np.pi * rng.uniform(1.2, 2.2) * v)
    return 0.5 + 0.5 * np.sin(2 * np.pi * rng.uniform(4, 6.5) * (u + bend))


def _bricks(u: Array, v: Array, rng: Rng) -> Array:
    rows = rng.uniform(6, 9)
    row = np.floor(v * rows)
    along = u * rows / rng.uniform(2, 2.6) + 0.5 * row
    column = np.floor(along)
    mortar = (v * rows - row < 0.2) | (along - column < 0.1)
    shade = rng.uniform(0.35, 1, 97).astype(np.float32)[(row * 31 + column * 17).astype(np.int64) % 97]
    return np.where(mortar, 0.0, shade)


def _clouds(u: Array, v: Array, rng: Rng) -> Array:
    cell = u.shape[0] * rng.uniform(0.14, 0.2)
    coarse, fine = (smooth_noise(u.shape, (grain, grain), rng) for grain in (cell, cell / 3))
    return np.clip(1.7 * (0.65 * coarse + 0.35 * fine) - 0.35, 0, 1)


def _lagoon(u: Array, v: Array, rng: Rng) -> Array:
    cell = u.shape[0] * rng.uniform(0.07, 0.1)
    return _edge(2 * smooth_noise(u.shape, (cell, cell), rng) - 1)


def _meadow(u: Array, v: Array, rng: Rng) -> Array:
    cell = u.shape[0] * rng.uniform(0.014, 0.02)
    return np.clip(1.6 * smooth_noise(u.shape, (rng.uniform(2, 4) * cell, cell), rng) - 0.3, 0, 1)


SCENES: Mapping[str, tuple[Callable[[Array, Array, Rng], Array], float, float]] = {
    "bricks": (_bricks, 0.02, 0.55),
    "dunes": (_dunes, 0.12, 0.50),
    "meadow": (_meadow, 0.27, 0.55),
    "lagoon": (_lagoon, 0.48, 0.55),
    "clouds": (_clouds, 0.58, 0.50),
    "stripes": (_stripes, 0.72, 0.42),
    "dots": (_dots, 0.88, 0.45),
    "tiles": (_tiles, 0.60, 0.05),
}
"""Name of a background family: its pattern, and the hue and saturation its palettes scatter around."""


def draw_background(scene: str, side: int, width: int, rng: Rng) -> Array:
    """A (side, side, 3) uint8 RGB picture of the scene; a frame is ``width`` of its pixels wide."""
    pattern, hue, saturation = SCENES[scene]
    angle, shift = rng.uniform(0, math.pi), rng.uniform(0, 50, 2).tolist()
    y, x = np.mgrid[0:side, 0:side].astype(np.float32) / width
    u = math.cos(angle) * x + math.sin(angle) * y + shift[0]
    v = math.cos(angle) * y - math.sin(angle) * x + shift[1]
    hue, saturation = hue + rng.uniform(-0.02, 0.02), saturation * rng.uniform(0.85, 1.15)
    dark = _colour(hue - rng.uniform(0, 0.03), 1.15 * saturation, rng.uniform(0.38, 0.48))
    light = _colour(hue + rng.uniform(0, 0.03), 0.75 * saturation, rng.uniform(0.74, 0.86))
    level = pattern(u, v, rng).astype(np.float32)[..., None]
    return np.rint(255 * (dark + (light - dark) * level)).astype(np.uint8)


# --- Objects. An outline is a list of closed curves (n, 2), y downwards; what lies in an odd number of them is inside.


def _polar(radius: Array | float, angle: Array) -> Array:
    return np.stack([radius * np.cos(angle), radius * np.sin(angle)], -1)


_ROUND = np.linspace(0, 2 * math.pi, 72, endpoint=False)


def _corners(count: int, *radii: float) -> Array:
    angles = np.arange(count) * 2 * math.pi / count - math.pi / 2
    return _polar(np.resize(radii, count), angles)


def _moon() -> Array:
    """The unit disc less a disc of radius 0.85 whose centre is 0.55 to the right."""
    tip = math.acos((1 + 0.55**2 - 0.85**2) / (2 * 0.55))
    outer = _polar(1.0, np.linspace(tip, 2 * math.pi - tip, 48))
    inner_tip = math.atan2(math.sin(tip), math.cos(tip) - 0.55)
    inner = _polar(0.85, np.linspace(2 * math.pi - inner_tip, inner_tip, 32)) + np.array([0.55, 0])
    return np.concatenate([outer, inner[1:-1]])


def _heart() -> Array:
    t = _ROUND
    return np.stack([16 * np.sin(t) ** 3, 5 * np.cos(2 * t) + 2 * np.cos(3 * t) + np.cos(4 * t) - 13 * np.cos(t)], -1)


def _cross() -> Array:
    arm = np.array([(0.36, 0.36), (0.36, 1), (-0.36, 1)])
    quarter = np.array([(0, 1), (-1, 0)])
    return np.concatenate([arm @ np.linalg.matrix_power(quarter, turns) for turns in range(4)])


SHAPES: Mapping[str, list[Array]] = {
    "circle": [_polar(1.0, _ROUND)],
    "square": [_corners(4, 1.0)],
    "triangle": [_corners(3, 1.0)],
    "star": [_corners(10, 1.0, 0.52)],
    "cross": [_cross()],
    "ring": [_polar(1.0, _ROUND), _polar(0.5, _ROUND)],
    "heart": [_heart()],
    "moon": [_moon()],
}
"""Name of a shape: its outline, in any scale."""


def _stencil(shape: str, side: int) -> Array:
    """Coverage in [0, 1] of the shape, (side, side), centred and scaled to the area of a disc of radius 1."""
    curves = [curve.astype(np.float32) for curve in SHAPES[shape]]
    areas = [cv2.contourArea(curve) for curve in curves]
    moments = cv2.moments(curves[0])
    centre = np.array([moments["m10"], moments["m01"]]) / moments["m00"]
    scale = math.sqrt(math.pi / (2 * max(areas) - sum(areas))) * 4 * side / (2 * PATCH_REACH)
    fine = np.zeros((4 * side, 4 * side), np.uint8)
    cv2.fillPoly(fine, [np.rint((curve - centre) * scale + 2 * side - 0.5).astype(np.int32) for curve in curves], 255)
    return cv2.resize(fine, (side, side), interpolation=cv2.INTER_AREA).astype(np.float32) / 255


def draw_object(shape: str, side: int, textured: bool, rng: Rng) -> Array:
    """A (side, side, 4) uint8 picture: RGB multiplied by coverage, and the coverage.

    Args:
        shape: a name in ``SHAPES``.
        side: pixels; they span ``PATCH_REACH`` radii either way.
        textured: patches of three colours inside a rim, or else one colour with a mark off the middle.
        rng: draws the colours and the texture.
    """
    cover = _stencil(shape, side)
    hue = rng.uniform()
    bright = _colour(hue, rng.uniform(0.7, 1), rng.uniform(0.9, 1))
    dark = _colour(hue + rng.uniform(0.3, 0.7), rng.uniform(0.6, 1), rng.uniform(0.15, 0.35))
    pale = _colour(rng.uniform(), rng.uniform(0, 0.25), 1.0)
    field = smooth_noise(cover.shape, (side / 6, side / 6), rng)[..., None]
    if textured:
        paint = np.where(field < 0.42, dark, np.where(field < 0.58, pale, bright))
    else:
        paint = np.broadcast_to(bright, (side, side, 3)).copy()
        angle, reach = rng.uniform(0, 2 * math.pi), side / (2 * PATCH_REACH)
        tip = side / 2 + 0.62 * reach * np.array([math.cos(angle), math.sin(angle)])
        cv2.circle(paint, np.rint(tip).astype(int).tolist(), round(0.42 * reach), dark.tolist(), -1, cv2.LINE_AA)
    rim = max(1, round(side / 28))
    core = cv2.erode(cover, np.ones((2 * rim + 1, 2 * rim + 1), np.uint8))[..., None]
    paint = pale + (paint - pale) * core
    return np.rint(255 * np.dstack([paint * cover[..., None], cover])).astype(np.uint8)
