"""Backdrops (``SCENES``), and what moves in them by itself: leaves, water, light that flickers, passers-by."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping

import cv2
import numpy as np

from kinema.data.synthetic.appearance import SCENES as PATTERNS
from kinema.data.synthetic.appearance import draw_background, smooth_noise
from kinema.data.synthetic.figures.bodies import Array, Colour, Part, capsule, disc
from kinema.data.synthetic.figures.curves import Rng, wander
from kinema.data.synthetic.figures.palettes import PALETTES, darker
from kinema.data.synthetic.figures.stage import Scenery, Stage


def _any_colour(rng: Rng, low: float = 0.0, high: float = 1.0) -> Array:
    """Any colour, mostly dull, of brightness between ``low`` and ``high``."""
    grey = rng.uniform(low, high)
    return np.clip(255 * (grey + rng.normal(0, 0.1, 3)), 0, 255)


def _blend(level: Array, *colours: Array) -> Array:
    """Colours (3,) along a level (H, W) from 0 to 1, as float32 (H, W, 3)."""
    stops = np.linspace(0, 1, len(colours))
    return np.stack([np.interp(level, stops, [c[i] for c in colours]) for i in range(3)], -1).astype(np.float32)


def _rough(shape: tuple[int, int], unit: float, rng: Rng, size: float = 0.25, layers: int = 4) -> Array:
    """Noise of several sizes of grain, from 0 to 1."""
    total, weight = np.zeros(shape, np.float32), 0.0
    for k in range(layers):
        cell = max(size * unit / 2.2**k, 1.5)
        total += smooth_noise(shape, (cell, cell), rng) * 0.7**k
        weight += 0.7**k
    return total / weight


def _room(stage: Stage, rng: Rng) -> Array:
    """A wall and a floor, with things on them."""
    x, y = stage.grid()
    horizon = stage.height * rng.uniform(0.5, 0.9)
    rough = _rough(x.shape, stage.unit, rng)[..., None]
    wall, floor = _any_colour(rng, 0.25, 0.95), _any_colour(rng, 0.15, 0.8)
    image = np.where((y < horizon)[..., None], wall * (0.9 + 0.2 * rough), floor * (0.75 + 0.5 * rough)).astype(
        np.float32
    )
    for _ in range(int(rng.integers(1, 7))):
        w, h = rng.uniform(0.05, 0.5, 2)
        left, low = rng.uniform(-0.2, stage.width), horizon + rng.uniform(-0.6, 0.1)
        box = stage.corners(np.array([(left, low - h), (left + w, low)]))
        cv2.rectangle(image, box[0].tolist(), box[1].tolist(), _any_colour(rng).tolist(), -1)
        if rng.random() < 0.5:
            cv2.rectangle(image, box[0].tolist(), box[1].tolist(), _any_colour(rng).tolist(), 2)
    return image


def _wall(stage: Stage, rng: Rng) -> Array:
    """An even wall with a gradient of light."""
    x, y = stage.grid()
    level = rng.normal(0, 0.3) * x + rng.normal(0, 0.3) * y + 0.15 * _rough(x.shape, stage.unit, rng)
    return _any_colour(rng, 0.1, 0.95) * (0.9 + level[..., None] * 0.6)


def _lawn(stage: Stage, rng: Rng) -> Array:
    """Grass or sand with something darker behind it."""
    x, y = stage.grid()
    horizon = stage.height * rng.uniform(-0.1, 0.5)
    fine = _rough(x.shape, stage.unit, rng, 0.08, 3)
    near = _blend(fine, _any_colour(rng, 0.15, 0.4) * (0.8, 1.1, 0.6), _any_colour(rng, 0.4, 0.8) * (0.85, 1.1, 0.6))
    far = _blend(_rough(x.shape, stage.unit, rng, 0.2, 3), _any_colour(rng, 0.0, 0.4), _any_colour(rng, 0.2, 0.8))
    edge = 0.04 * _rough(x.shape, stage.unit, rng, 0.3, 2)
    return np.where((y < horizon + edge)[..., None], far, near)


def _foliage(stage: Stage, rng: Rng) -> Array:
    """Leaves against light, and a trunk or two."""
    x, y = stage.grid()
    level = np.clip(2.2 * _rough(x.shape, stage.unit, rng, rng.uniform(0.1, 0.25), 4) - 0.6, 0, 1)
    image = _blend(
        level, _any_colour(rng, 0, 0.25), _any_colour(rng, 0.2, 0.5) * (0.8, 1.1, 0.6), _any_colour(rng, 0.5, 1)
    )
    for _ in range(int(rng.integers(0, 3))):
        foot = rng.uniform(0, stage.width)
        trunk = [(foot, -0.2), (foot + rng.normal(0, 0.1), stage.height + 0.2)]
        ends = stage.corners(np.array(trunk)).tolist()
        cv2.line(
            image, ends[0], ends[1], _any_colour(rng, 0, 0.4).tolist(), round(rng.uniform(0.02, 0.08) * stage.unit) + 1
        )
    ground = stage.height * rng.uniform(0.75, 1.2)
    return np.where((y > ground)[..., None], _any_colour(rng, 0.2, 0.7) * (0.8 + 0.4 * level[..., None]), image)


def _street(stage: Stage, rng: Rng) -> Array:
    """Fronts with rows of windows, and a pavement."""
    x, y = stage.grid()
    image = np.broadcast_to(_any_colour(rng, 0.5, 1), (*x.shape, 3)).astype(np.float32)
    left = -0.3
    while left < stage.width + 0.3:
        wide, top = rng.uniform(0.2, 0.8), stage.height * rng.uniform(-0.2, 0.5)
        front, pane = _any_colour(rng, 0.15, 0.9), _any_colour(rng)
        inside = (x >= left) & (x < left + wide) & (y > top)
        per, tall = rng.uniform(0.08, 0.25, 2)
        window = inside & ((x - left) % per > 0.4 * per) & ((y - top) % tall > 0.5 * tall)
        image[inside], image[window] = front, pane
        left += wide
    ground = y > stage.height * rng.uniform(0.6, 0.95)
    image[ground] = _any_colour(rng, 0.2, 0.7)
    return image * (0.85 + 0.3 * _rough(x.shape, stage.unit, rng, 0.1, 3)[..., None])


def _water(stage: Stage, rng: Rng) -> Array:
    """Water with glints, and perhaps a shore."""
    x, y = stage.grid()
    flat = smooth_noise(x.shape, (0.03 * stage.unit, rng.uniform(0.1, 0.3) * stage.unit), rng)
    image = _blend(flat, _any_colour(rng, 0.1, 0.4) * (0.7, 0.9, 1.1), _any_colour(rng, 0.3, 0.8) * (0.8, 1, 1.2))
    shore = stage.height * rng.uniform(0.5, 1.3)
    return np.where((y > shore)[..., None], _any_colour(rng, 0.3, 0.8) * (0.8 + 0.4 * flat[..., None]), image)


def _cage(stage: Stage, rng: Rng) -> Array:
    """A box with bedding, lit from one side, with bars or a rim at times; often dark."""
    x, y = stage.grid()
    bright = rng.choice((0.3, 0.5, 0.9))
    grain = _rough(x.shape, stage.unit, rng, 0.06, 3)
    image = _any_colour(rng, 0.3 * bright, bright) * (0.6 + 0.8 * grain[..., None] * rng.uniform(0.2, 1))
    wall = stage.height * rng.uniform(-0.2, 0.7)
    image = np.where((y < wall)[..., None], _any_colour(rng, 0.05, bright), image).astype(np.float32)
    if rng.random() < 0.4:
        for at in np.arange(-0.2, stage.width + 0.2, rng.uniform(0.05, 0.2)):
            ends = stage.corners(np.array([(at, -0.3), (at, wall)])).tolist()
            cv2.line(image, ends[0], ends[1], _any_colour(rng, 0, bright).tolist(), max(1, round(0.01 * stage.unit)))
    away = (x - rng.uniform(0, stage.width)) ** 2 + (y - rng.uniform(0, stage.height)) ** 2
    return image * (0.55 + 0.6 * np.exp(-away / rng.uniform(0.2, 0.8)))[..., None]


def _pattern(stage: Stage, rng: Rng) -> Array:
    """A regular pattern, dulled."""
    height, width = stage.backdrop
    picture = draw_background(str(rng.choice(list(PATTERNS))), max(height, width), round(stage.unit), rng)
    share = rng.uniform(0.2, 0.9)
    return share * picture[:height, :width] + (1 - share) * _any_colour(rng)


SCENES: Mapping[str, tuple[Callable[[Stage, Rng], Array], float]] = {
    "room": (_room, 0.1),
    "wall": (_wall, 0.05),
    "lawn": (_lawn, 0.5),
    "foliage": (_foliage, 0.75),
    "street": (_street, 0.15),
    "water": (_water, 0.9),
    "cage": (_cage, 0.1),
    "pattern": (_pattern, 0.2),
}
"""Name of a kind of backdrop: what draws it, and how often it moves by itself."""


def draw_scenery(scene: str, stage: Stage, rng: Rng) -> Scenery:
    """A backdrop of that kind."""
    draw, restless = SCENES[scene]
    scenery = Scenery(np.clip(draw(stage, rng), 0, 255).astype(np.uint8))
    if rng.random() < restless:
        _waves(scenery, stage, rng) if scene == "water" else _tremble(scenery, stage, rng)
    if rng.random() < 0.15:
        _flicker(scenery, stage, rng)
    if rng.random() < 0.25:
        scenery.parts += _movers(stage, rng)
    return scenery


def _tremble(scenery: Scenery, stage: Stage, rng: Rng) -> None:
    """Places move to and fro, each at its own moment, more in some regions than in others."""
    shape, t = stage.backdrop, stage.times
    cell = rng.uniform(0.05, 0.2) * stage.unit
    region = np.clip(2 * smooth_noise(shape, (0.5 * stage.unit,) * 2, rng) - rng.uniform(0, 0.8), 0, 1)
    for _ in range(2):
        rate, phase = rng.uniform(0.7, 4.0), rng.uniform(0, 2 * math.pi)
        for quarter in (0.0, math.pi / 2):
            push = np.stack([smooth_noise(shape, (cell, cell), rng) * 2 - 1 for _ in range(2)], -1)
            gust = 1 + 0.4 * wander(t, rng)
            push *= rng.uniform(0.003, 0.02) * region[..., None]
            scenery.modes.append((push, np.sin(2 * math.pi * rate * t + phase + quarter) * gust))


def _waves(scenery: Scenery, stage: Stage, rng: Rng) -> None:
    """Waves run over the backdrop."""
    (x, y), t = stage.grid(), stage.times
    for _ in range(2):
        angle, long = rng.normal(math.pi / 2, 0.5), rng.uniform(0.08, 0.3)
        way = 2 * math.pi / long * (math.cos(angle) * x + math.sin(angle) * y)
        turns = 2 * math.pi * rng.uniform(0.4, 1.5) * t * rng.choice((-1, 1))
        size = rng.uniform(0.03, 0.12) * long
        for wave, amount in ((np.sin(way), np.cos(turns)), (np.cos(way), -np.sin(turns))):
            push = np.stack([0.4 * size * wave, size * wave], -1)
            scenery.modes.append((push, amount))
            scenery.shades.append((rng.uniform(0.05, 0.2) * wave, amount))


def _flicker(scenery: Scenery, stage: Stage, rng: Rng) -> None:
    """Light that comes and goes in some places."""
    shape, t = stage.backdrop, stage.times
    field = 2 * smooth_noise(shape, (0.4 * stage.unit,) * 2, rng) - 1
    scenery.shades.append((rng.uniform(0.1, 0.4) * field, wander(t, rng, rng.uniform(0.3, 3))))


def _movers(stage: Stage, rng: Rng) -> Iterator[Part]:
    """Small things that cross the background or dance in it."""
    t = stage.times
    crossing, size = rng.random() < 0.6, rng.uniform(0.01, 0.06)
    for _ in range(int(rng.integers(1, 6))):
        palette = PALETTES[str(rng.choice(list(PALETTES)))]
        colour: Colour = palette.colour(rng)
        place = rng.uniform((0, 0), (stage.width, 0.8 * stage.height))
        if crossing:
            way = rng.choice((-1, 1)) * rng.uniform(0.1, 0.6) * (t - t.mean())
            path = place + np.stack([way, 0.01 * wander(t, rng, 1)], -1)
        else:
            path = place + rng.uniform(0.02, 0.08) * np.stack([wander(t, rng, 1), wander(t, rng, 1)], -1)
        own = size * rng.uniform(0.6, 1.5)
        if rng.random() < 0.5:
            outline = disc(path, own, rng.uniform(1, 2.5), 0.3 * wander(t, rng))
        else:
            outline = capsule(path - np.array([0, 1.8 * own]), path, own, 0.8 * own)
        yield Part(outline, darker(colour, 0.8))
