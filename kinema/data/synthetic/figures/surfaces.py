"""Things that deform: soft bodies that breathe, bulge, wobble and twist, and cloth that waves."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import cv2
import numpy as np

from kinema.data.synthetic.appearance import SCENES as PATTERNS
from kinema.data.synthetic.appearance import draw_background, smooth_noise
from kinema.data.synthetic.figures.bodies import Array
from kinema.data.synthetic.figures.curves import Rng, by_name, hold, rhythm, strokes
from kinema.data.synthetic.figures.palettes import Palette
from kinema.data.synthetic.figures.stage import Act, Stage

Modes = list[tuple[Array, Array]]
"""Fields (H, W, 2) on the stage, each with how strong it is over time (T,)."""


class _Place:
    """Coordinates of a soft body: u, v from its middle in its own radii, and how much of it is here."""

    def __init__(self, stage: Stage, centre: Array, radius: float) -> None:
        x, y = stage.grid()
        self.t, self.radius = stage.times, radius
        self.u, self.v = (x - centre[0]) / radius, (y - centre[1]) / radius
        self.near = np.exp(-((self.u**2 + self.v**2) ** 2) / 4)

    def mode(self, right: Array, down: Array, amount: Array) -> tuple[Array, Array]:
        """A displacement in radii, fading out beyond the body."""
        return (self.radius * self.near[..., None] * np.stack([right, down], -1)).astype(np.float32), amount


def _breathe(p: _Place, rng: Rng) -> Modes:
    return [p.mode(p.u, p.v, rng.uniform(0.06, 0.18) * np.sin(rhythm(p.t, rng, (0.4, 1.4))))]


def _beat(p: _Place, rng: Rng) -> Modes:
    phase = rhythm(p.t, rng, (0.9, 2.2))
    thump = np.exp(4 * (np.cos(phase) - 1)) + 0.6 * np.exp(6 * (np.cos(phase - 1.4) - 1))
    return [p.mode(p.u, p.v, rng.uniform(0.12, 0.25) * thump)]


def _bulge(p: _Place, rng: Rng) -> Modes:
    angle = rng.uniform(0, 2 * math.pi)
    u, v = p.u - 0.6 * math.cos(angle), p.v - 0.6 * math.sin(angle)
    here = np.exp(-(u**2 + v**2) / 0.2)
    return [p.mode(here * u, here * v, rng.uniform(0.5, 0.9) * strokes(p.t, rng, (0.5, 1.4)))]


def _wobble(p: _Place, rng: Rng) -> Modes:
    amount = rng.uniform(0.08, 0.18) * np.exp(-rng.uniform(0, 1) * p.t) * np.sin(rhythm(p.t, rng, (1.5, 4.0)))
    return [p.mode(p.u, -p.v, amount)]


def _squash(p: _Place, rng: Rng) -> Modes:
    return [p.mode(0.7 * p.u, -p.v, rng.uniform(0.2, 0.4) * strokes(p.t, rng, (0.5, 1.4)))]


def _stretch(p: _Place, rng: Rng) -> Modes:
    return [p.mode(-0.5 * p.u, p.v, rng.uniform(0.2, 0.4) * hold(p.t, rng, (0.5, 1.2)))]


def _twist(p: _Place, rng: Rng) -> Modes:
    return [p.mode(-p.v, p.u, rng.uniform(0.25, 0.5) * np.sin(rhythm(p.t, rng, (0.4, 1.5))))]


def _shear(p: _Place, rng: Rng) -> Modes:
    return [p.mode(-p.v, 0 * p.v, rng.uniform(0.2, 0.4) * np.sin(rhythm(p.t, rng, (0.5, 2.0))))]


def _ripple(p: _Place, rng: Rng) -> Modes:
    away = np.sqrt(p.u**2 + p.v**2) + 1e-3
    wave, phase = 2 * math.pi * away / rng.uniform(0.5, 0.8), rhythm(p.t, rng, (0.8, 2.0))
    size = rng.uniform(0.04, 0.08)
    return [
        p.mode(np.sin(wave) * p.u / away, np.sin(wave) * p.v / away, size * np.cos(phase)),
        p.mode(np.cos(wave) * p.u / away, np.cos(wave) * p.v / away, -size * np.sin(phase)),
    ]


def _crawl(p: _Place, rng: Rng) -> Modes:
    phase, size = rhythm(p.t, rng, (0.7, 1.8)), rng.uniform(0.12, 0.2)
    return [
        p.mode(0 * p.u, np.sin(3.5 * p.u), size * np.cos(phase)),
        p.mode(0 * p.u, np.cos(3.5 * p.u), -size * np.sin(phase)),
    ]


SOFT_MOTIONS: Mapping[str, Callable[[_Place, Rng], Modes]] = by_name(
    *(_breathe, _beat, _bulge, _wobble, _squash, _stretch, _twist, _shear, _ripple, _crawl)
)

CLOTH_MOTIONS = ("flutter", "billow")
"""A cloth with fast short waves that grow from its fixed edge, and one that swells and falls."""

DEFORMING_MOTIONS = (*SOFT_MOTIONS, *CLOTH_MOTIONS)
"""Names of what soft bodies and cloth do."""


def deform(motion: str, stage: Stage, palette: Palette, movement: Rng, look: Rng) -> Act:
    """A soft body or a cloth that does ``motion``."""
    if motion in CLOTH_MOTIONS:
        return _cloth(motion, stage, palette, movement, look)
    radius = look.uniform(0.2, 0.48)
    centre = np.array([stage.width, stage.height]) / 2 + look.normal(0, 0.08, 2)
    place = _Place(stage, centre, radius)
    lumps = [(int(look.integers(2, 6)), look.uniform(0, 0.12), look.uniform(0, 6)) for _ in range(2)]
    paint = _paint(stage, palette, look)

    def surface(image: Array) -> None:
        angle = np.arctan2(place.v, place.u)
        edge = 0.8 + sum(size * np.sin(count * angle + phase) for count, size, phase in lumps)
        cover = 1 / (1 + np.exp(25 * (np.hypot(place.u, place.v) - edge)))[..., None]
        light = 1.1 - 0.35 * (place.u**2 + place.v**2)[..., None]
        image[:] = np.clip(image * (1 - cover) + paint * light * cover, 0, 255).astype(np.uint8)

    return Act(surface=surface, modes=SOFT_MOTIONS[motion](place, movement))


def _cloth(motion: str, stage: Stage, palette: Palette, movement: Rng, look: Rng) -> Act:
    """A cloth fixed at its left, right or upper edge."""
    (x, y), t = stage.grid(), stage.times
    low, high = look.uniform(0.05, 0.25, 2), 1 - look.uniform(0.05, 0.25, 2)
    side = str(look.choice(["left", "right", "top"]))
    u = (x / stage.width - low[0]) / (high[0] - low[0])
    v = (y / stage.height - low[1]) / (high[1] - low[1])
    along = np.clip({"left": u, "right": 1 - u, "top": v}[side], 0, 1.3)
    away = np.exp(-30 * (np.maximum(np.maximum(-u, u - 1), 0) ** 2 + np.maximum(np.maximum(-v, v - 1), 0) ** 2))
    turns = rhythm(t, movement, (1.2, 3.0) if motion == "flutter" else (0.3, 0.9))
    wave = 2 * math.pi * along * (look.uniform(1.0, 2.2) if motion == "flutter" else look.uniform(0.3, 0.7))
    size = movement.uniform(0.04, 0.09)
    act = Act()
    for form, amount in ((np.sin(wave), np.cos(turns)), (np.cos(wave), -np.sin(turns))):
        push = size * along * away * form
        both = (0.3 * push, push) if side != "top" else (push, 0.3 * push)
        act.modes.append((np.stack(both, -1).astype(np.float32), amount))
        act.shades.append((0.25 * (form * away * along).astype(np.float32), amount))
    paint = _paint(stage, palette, look)
    edge = 0.03 * smooth_noise(x.shape, (0.3 * stage.unit,) * 2, look)
    inside = (u > edge) & (u < 1 - edge) & (v > edge) & (v < 1 - edge)
    cover = cv2.blur(inside.astype(np.float32), (3, 3))[..., None]

    def surface(image: Array) -> None:
        image[:] = np.clip(image * (1 - cover) + paint * cover, 0, 255).astype(np.uint8)

    act.surface = surface
    return act


def _paint(stage: Stage, palette: Palette, rng: Rng) -> Array:
    """A texture of the backdrop's size: a pattern in the palette's colours, or mottled."""
    height, width = stage.backdrop
    if rng.random() < 0.5:
        picture = draw_background(str(rng.choice(list(PATTERNS))), max(height, width), round(stage.unit / 2), rng)
        level = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)[:height, :width].astype(np.float32) / 255
    else:
        cell = rng.uniform(0.03, 0.15) * stage.unit
        level = smooth_noise((height, width), (cell, cell), rng)
    dark, light = (np.array(palette.colour(rng), np.float32) for _ in range(2))
    return dark + (light - dark) * level[..., None]
