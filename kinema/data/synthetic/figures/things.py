"""Rigid things that move, turn, grow, bounce, swing and meet."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import partial

import numpy as np

from kinema.data.synthetic.appearance import SHAPES
from kinema.data.synthetic.figures.bodies import Array, Colour, Part
from kinema.data.synthetic.figures.curves import Rng, by_name, ease, rhythm, wander
from kinema.data.synthetic.figures.palettes import Palette
from kinema.data.synthetic.figures.stage import Act, Stage
from kinema.data.synthetic.motions import SINGLE_MOTIONS, Program, Trajectory, sample_trajectory

Courses = list[Trajectory]


def _course(x: Array | float, y: Array | float, turn: Array | float, size: float, t: Array, rng: Rng) -> Trajectory:
    zero = np.zeros_like(t)
    angle = rng.uniform(0, 2 * math.pi)
    return Trajectory(np.stack([x + zero, y + zero], -1), angle + turn + zero, size + zero)


def _bounce(t: Array, rng: Rng) -> Courses:
    """A ball that falls and comes up again."""
    period, floor, high = rng.uniform(0.5, 1.0), rng.uniform(0.1, 0.35), rng.uniform(0.3, 0.6)
    s = (t / period + rng.uniform()) % 1
    way = rng.uniform(-0.3, 0.3) * (t - t.mean())
    return [_course(way + rng.normal(0, 0.1), floor - high * 4 * s * (1 - s), 4 * way, rng.uniform(0.15, 0.3), t, rng)]


def _pendulum(t: Array, rng: Rng) -> Courses:
    """Something on a string that swings."""
    long, swing = rng.uniform(0.4, 0.7), rng.uniform(0.3, 0.8) * np.sin(rhythm(t, rng, (0.5, 1.2)))
    x, y = long * np.sin(swing), -0.4 + long * np.cos(swing)
    return [_course(x + rng.normal(0, 0.05), y, -swing, rng.uniform(0.15, 0.3), t, rng)]


def _shake(t: Array, rng: Rng) -> Courses:
    """Something that trembles on the spot."""
    phase, size = rhythm(t, rng, (4, 8)), rng.uniform(0.02, 0.05)
    x, y = rng.normal(0, 0.1, 2)
    x, y = x + size * np.sin(phase), y + size * np.cos(1.3 * phase)
    return [_course(x, y, 0.1 * np.sin(phase), rng.uniform(0.25, 0.5), t, rng)]


def _roll(t: Array, rng: Rng) -> Courses:
    """A wheel that rolls to one side."""
    size, way = rng.uniform(0.2, 0.4), rng.choice((-1, 1)) * rng.uniform(0.3, 0.7) * (t - t.mean())
    return [_course(way, rng.uniform(-0.1, 0.3), 2 * way / size, size, t, rng)]


def _fall(t: Array, rng: Rng) -> Courses:
    """Something that falls faster and faster and stays down."""
    start = rng.uniform(0, 0.5 * t[-1])
    top, floor = rng.uniform(-0.45, -0.25), rng.uniform(0.2, 0.4)
    y = np.minimum(top + rng.uniform(1.0, 2.5) * np.maximum(t - start, 0) ** 2, floor)
    return [_course(rng.normal(0, 0.15), y, rng.uniform(-2, 2) * (y - top), rng.uniform(0.15, 0.3), t, rng)]


def _collide(t: Array, rng: Rng) -> Courses:
    """Two come together, touch and go back."""
    when, speed, size = t[-1] * rng.uniform(0.35, 0.65), rng.uniform(0.3, 0.7), rng.uniform(0.15, 0.28)
    gap = size / 2 + speed * np.abs(t - when) * np.where(t < when, 1, rng.uniform(0.4, 1))
    y = rng.normal(0, 0.1)
    return [_course(side * gap, y, side * 0.5 * gap, size, t, rng) for side in (-1, 1)]


def _cross(t: Array, rng: Rng) -> Courses:
    """Two go past each other."""
    way, y = rng.uniform(0.3, 0.7) * (t - t[-1] * rng.uniform(0.4, 0.6)), rng.uniform(0.08, 0.2)
    return [_course(side * way, side * y, 0, rng.uniform(0.15, 0.3), t, rng) for side in (-1, 1)]


def _orbit(t: Array, rng: Rng) -> Courses:
    """Two go round each other."""
    phase, far = rng.choice((-1, 1)) * rhythm(t, rng, (0.4, 1.0)), rng.uniform(0.15, 0.28)
    size = rng.uniform(0.15, 0.25)
    return [_course(s * far * np.cos(phase), s * far * np.sin(phase), 0, size, t, rng) for s in (-1, 1)]


def _spread(sign: int, t: Array, rng: Rng) -> Courses:
    """Several go apart (1) or come together (-1)."""
    count, start = int(rng.integers(3, 6)), rng.uniform(0, 2 * math.pi)
    go = ease(t, rng.uniform(0, 0.3 * t[-1]), rng.uniform(0.5, 0.8) * t[-1])
    away = 0.08 + rng.uniform(0.25, 0.4) * (go if sign > 0 else 1 - go)
    angles = start + 2 * math.pi * np.arange(count) / count
    size = rng.uniform(0.1, 0.2)
    return [_course(away * math.cos(a), away * math.sin(a), 0, size, t, rng) for a in angles]


def _swarm(t: Array, rng: Rng) -> Courses:
    """Several that dance around their places."""
    rate, size = rng.uniform(0.5, 1.5), rng.uniform(0.06, 0.14)
    places = rng.uniform(-0.4, 0.4, (int(rng.integers(4, 9)), 2))
    return [
        _course(x + 0.08 * wander(t, rng, rate), y + 0.08 * wander(t, rng, rate), 0, size, t, rng) for x, y in places
    ]


def _single(program: Program, t: Array, rng: Rng) -> Courses:
    return [sample_trajectory(program, t * rng.uniform(0.6, 1.3), rng)]


OBJECT_MOTIONS: Mapping[str, Callable[[Array, Rng], Courses]] = {
    **{name: partial(_single, program) for name, program in SINGLE_MOTIONS.items()},
    **by_name(_bounce, _pendulum, _shake, _roll, _fall, _collide, _cross, _orbit),
    "scatter": partial(_spread, 1),
    "gather": partial(_spread, -1),
    "swarm": _swarm,
}
"""Name of what rigid things do: their courses. The first ones are those of the default set."""


def move_things(motion: str, stage: Stage, palette: Palette, movement: Rng, look: Rng) -> Act:
    """One thing or several that do ``motion``."""
    scale, act = look.uniform(0.75, 1.1), Act()
    middle = np.array([stage.width, stage.height]) / 2
    same = look.random() < 0.5
    shape, colours = str(look.choice(list(SHAPES))), [palette.colour(look) for _ in range(3)]
    for course in OBJECT_MOTIONS[motion](stage.times, movement):
        if not same:
            shape, colours = str(look.choice(list(SHAPES))), [palette.colour(look) for _ in range(3)]
        act.parts += _thing(shape, colours, course, middle, scale, look)
    return act


def _thing(shape: str, colours: list[Colour], course: Trajectory, middle: Array, scale: float, rng: Rng) -> list[Part]:
    """A shape with spots along the course, again wherever it comes round."""
    outline = SHAPES[shape][0]
    outline = outline / np.sqrt(np.mean((outline - outline.mean(axis=0)) ** 2) * 2)
    outline = outline - outline.mean(axis=0)
    spots = []
    for k in range(int(rng.integers(2, 7))):
        centre, size = rng.uniform(-0.6, 0.6, 2), rng.uniform(0.12, 0.4)
        corners = centre + size * np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)]) @ _turn(rng.uniform(0, 3))
        spots.append((np.clip(corners, -0.75, 0.75), colours[1 + k % 2]))
    steps = [0] if course.period is None else [-1, 0, 1]
    parts = []
    for i in steps:
        for j in steps:
            centre = course.centre if course.period is None else _wrapped(course.centre, course.period, i, j)
            linear = (course.diameter / 2)[:, None, None] * np.moveaxis(_turn(course.angle), -1, 0)
            place = middle + scale * centre

            def placed(points: Array, linear: Array = linear, place: Array = place) -> Array:
                return place[:, None] + scale * points @ linear

            marks = [(placed(corners)[:, None], colour) for corners, colour in spots]
            parts.append(Part(placed(outline), colours[0], marks=marks, convex=False))
    return parts


def _wrapped(centre: Array, period: float, i: int, j: int) -> Array:
    """The copy i, j of what comes round again, as long as it moves along that axis."""
    moves = np.ptp(centre, axis=0) > 1e-6
    around = (centre + period / 2) % period - period / 2 + period * np.array([i, j])
    return np.where(moves, around, np.where(np.array([i, j]) == 0, centre, 99.0))


def _turn(angle: Array | float) -> Array:
    """Matrices (2, 2, ...) that turn row vectors clockwise on the screen."""
    return np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
