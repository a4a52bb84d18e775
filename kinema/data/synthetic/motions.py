"""How the object moves: one program per motion class.

A program turns the times of the frames into a change of pose: a shift in frame widths, a turn in radians (positive is
clockwise on the screen, where y points down) and a growth (natural logarithm of the magnification). Lengths are in
frame widths and rates in units per second, so that size and frame rate of the video are free.

No frame tells left from right: place, size, orientation and phase are drawn alike for all directions of a motion, and
what leaves the frame comes round again on the other side, so that place says nothing of the time passed either. Two
things cannot be avoided: only translations are often cut by the border, and what zooms in ends larger than it began.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial

import numpy as np

Array = np.ndarray
Rng = np.random.Generator

WRAP_PERIOD = 0.85
"""Frame widths between two appearances of an object that leaves the frame; less than one, so that it never hides."""


@dataclass(frozen=True)
class Change:
    """A change of pose over time, each (T,); ``wraps`` if the object, once out of the frame, comes round again."""

    x: Array | float = 0.0
    y: Array | float = 0.0
    turn: Array | float = 0.0
    growth: Array | float = 0.0
    wraps: bool = False


Program = Callable[[Array, Rng], Change]
"""From times in seconds (T,) and a random generator to the change of pose. Times may run slow, fast or backwards."""


@dataclass(frozen=True)
class Trajectory:
    """Poses of the object; lengths in frame widths.

    Attributes:
        centre: (T, 2), from the middle of the frame, x rightwards and y downwards.
        angle: (T,) radians, clockwise.
        diameter: (T,) of the disc with the object's area.
        period: the object is drawn again at every multiple of this distance, or only once if None.
    """

    centre: Array
    angle: Array
    diameter: Array
    period: float | None = None


def sample_trajectory(program: Program, times: Array, rng: Rng) -> Trajectory:
    """Draw size, place and orientation at random and let ``program`` move the object from there."""
    size = math.exp(rng.uniform(math.log(0.30), math.log(0.44)))
    angle = rng.uniform(0, 2 * math.pi)
    place, ring = rng.uniform(-0.18, 0.18, 2), rng.uniform(-0.5, 0.5, 2)
    change = program(times, rng)
    period = WRAP_PERIOD if change.wraps else None
    centre = np.empty((len(times), 2))
    for axis, shift in enumerate((change.x, change.y)):
        moves = np.ptp(shift) > 1e-6
        centre[:, axis] = shift + (period * ring[axis] if period and moves else place[axis])
    still = np.zeros(len(times))
    return Trajectory(centre, angle + change.turn + still, size * np.exp(change.growth + still), period)


def translate(direction: float | None, times: Array, rng: Rng) -> Change:
    """Move straight by 1.1 to 2 pixels a frame (of 64 pixels, at 16 frames a second).

    Args:
        direction: in degrees, clockwise from rightwards; None for any.
        times: as those of every program.
        rng: likewise.
    """
    way = rng.uniform(0.275, 0.5) * times
    angle = math.radians(rng.uniform(0, 360) if direction is None else direction)
    return Change(math.cos(angle) * way, math.sin(angle) * way, wraps=True)


def rotate(sense: int | None, times: Array, rng: Rng) -> Change:
    """Turn on the spot by 8 to 15 degrees a frame: clockwise (1), counter-clockwise (-1) or either (None)."""
    rate = rng.uniform(2.2, 4.0) * (rng.choice((-1, 1)) if sense is None else sense)
    return Change(turn=rate * times)


def zoom(sense: int, times: Array, rng: Rng) -> Change:
    """Grow (1) or shrink (-1) by 3 to 4.3 % a frame, fourfold at most, with the usual size half-way through."""
    rate = min(rng.uniform(0.48, 0.68), math.log(4) / np.ptp(times))
    return Change(growth=sense * rate * (times - times.mean()))


def oscillate(x: int, y: int, times: Array, rng: Rng) -> Change:
    """Swing along an axis, 0.12 to 0.19 frame widths either way, to and fro in 0.85 to 1.2 seconds."""
    phase = 2 * math.pi * (rng.uniform() + times / rng.uniform(0.85, 1.2))
    way = rng.uniform(0.12, 0.19) * np.sin(phase)
    return Change(x * way, y * way)


def circle(sense: int, times: Array, rng: Rng) -> Change:
    """Go round a circle of radius 0.12 to 0.19 frame widths in 1.1 to 1.5 seconds, without turning."""
    phase = 2 * math.pi * (rng.uniform() + sense * times / rng.uniform(1.1, 1.5))
    radius = rng.uniform(0.12, 0.19)
    return Change(radius * np.cos(phase), radius * np.sin(phase))


SINGLE_MOTIONS: Mapping[str, Program] = {
    "translate_left": partial(translate, 180),
    "translate_right": partial(translate, 0),
    "translate_up": partial(translate, 270),
    "translate_down": partial(translate, 90),
    "rotate_cw": partial(rotate, 1),
    "rotate_ccw": partial(rotate, -1),
    "zoom_in": partial(zoom, 1),
    "zoom_out": partial(zoom, -1),
    "oscillate_horizontal": partial(oscillate, 1, 0),
    "oscillate_vertical": partial(oscillate, 0, 1),
    "circle_cw": partial(circle, 1),
    "circle_ccw": partial(circle, -1),
}


def two_paces(program: Program, first: float, second: float, times: Array, rng: Rng) -> Change:
    """Run ``program`` at ``first`` times its pace, then ``second``; the change comes 40 to 60 % into the video."""
    switch = times[0] + rng.uniform(0.4, 0.6) * np.ptp(times)
    return program(first * np.minimum(times - switch, 0) + second * np.maximum(times - switch, 0), rng)


def there_and_back(name: str) -> Program:
    """Run a single motion, then run it backwards."""
    return partial(two_paces, SINGLE_MOTIONS[name], 1, -1)


ORDERED_MOTIONS: Mapping[str, Program] = {
    "left_then_right": there_and_back("translate_left"),
    "right_then_left": there_and_back("translate_right"),
    "up_then_down": there_and_back("translate_up"),
    "down_then_up": there_and_back("translate_down"),
    "rotate_cw_then_ccw": there_and_back("rotate_cw"),
    "rotate_ccw_then_cw": there_and_back("rotate_ccw"),
    "circle_cw_then_ccw": there_and_back("circle_cw"),
    "circle_ccw_then_cw": there_and_back("circle_ccw"),
    "slow_then_fast": partial(two_paces, partial(translate, None), 0.45, 1.25),
    "fast_then_slow": partial(two_paces, partial(translate, None), 1.25, 0.45),
    "spin_slow_then_fast": partial(two_paces, partial(rotate, None), 0.45, 1.25),
    "spin_fast_then_slow": partial(two_paces, partial(rotate, None), 1.25, 0.45),
}
"""Pairs of classes: the second shows what the first shows, in reverse order."""


@dataclass(frozen=True)
class Difficulty:
    """What makes a set easy or hard.

    Attributes:
        motions: the motion classes.
        drift: slowest and fastest camera, frame widths a second.
        textured: whether the object has a texture, or one colour with a mark.
        pace: factor on the pace of all motions.
        exposure: smallest and largest swing of the camera's exposure, in natural logarithms of the gain. Like changing
            light in real video it tells clips apart, even by the difference of two frames, and says nothing of motion.
        noise: standard deviation of the sensor noise, of 255 grey levels.
    """

    motions: Mapping[str, Program] = field(default_factory=lambda: SINGLE_MOTIONS)
    drift: tuple[float, float] = (0.05, 0.15)
    textured: bool = True
    pace: float = 1.0
    exposure: tuple[float, float] = (0.1, 0.25)
    noise: float = 3.0


DIFFICULTIES: Mapping[str, Difficulty] = {
    "easy": Difficulty(drift=(0.0, 0.0), textured=False, pace=1.25, exposure=(0.0, 0.0), noise=1.0),
    "default": Difficulty(),
    "hard": Difficulty(motions=ORDERED_MOTIONS),
}
