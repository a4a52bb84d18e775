"""How the object moves: one program per motion class.

A program turns the times of the frames into a change of pose: a shift in frame widths, a turn in radians (positive is
clockwise on the screen, where y points down) and a growth (natural logarithm of the magnification). Lengths are in
frame widths and rates in units per second, so that size and frame rate of the video are free.

Whatever a single frame shows (place, size, orientation, phase) is drawn the same way for all directions of a motion:
no frame tells left from right. The exception cannot be avoided: what zooms in is small first and large in the end.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

Array = np.ndarray


@dataclass(frozen=True)
class Change:
    """A change of pose over time, each (T,); ``wraps`` if the object comes back on the other side of the frame."""

    x: Array | float = 0.0
    y: Array | float = 0.0
    turn: Array | float = 0.0
    growth: Array | float = 0.0
    wraps: bool = False


Program = Callable[[Array, np.random.Generator, float], Change]
"""(times in seconds (T,), random generator, factor on all rates) -> the change of pose."""


@dataclass(frozen=True)
class Trajectory:
    """Poses of the object, in frame widths from the middle of the frame.

    Attributes:
        centre: (T, 2), x rightwards and y downwards.
        angle: (T,) radians, clockwise.
        diameter: (T,) of the disc with the object's area.
        period: the object is drawn again at every multiple of this distance, or only once if None.
    """

    centre: Array
    angle: Array
    diameter: Array
    period: float | None = None


def sample_trajectory(program: Program, times: Array, rng: np.random.Generator, speed: float = 1.0) -> Trajectory:
    """Draw size, place and orientation at random and let ``program`` move the object from there."""
    size = math.exp(rng.uniform(math.log(0.30), math.log(0.44)))
    angle = rng.uniform(0, 2 * math.pi)
    place, ring = rng.uniform(-0.15, 0.15, 2), rng.uniform(-0.5, 0.5, 2)
    change = program(times, rng, speed)
    period = 1 + size / 2 if change.wraps else None
    centre = np.empty((len(times), 2))
    for axis, shift in enumerate((change.x, change.y)):
        start = ring[axis] * period if period and np.any(shift) else place[axis]
        centre[:, axis] = start + shift
    still = np.zeros(len(times))
    return Trajectory(centre, angle + change.turn + still, size * np.exp(change.growth + still), period)


# --- Default and easy: one motion per video


def translate(x: int, y: int) -> Program:
    """Move along (x, y) at a constant pace of 1.1 to 2 pixels a frame (of 64, at 16 frames a second)."""

    def program(times: Array, rng: np.random.Generator, speed: float) -> Change:
        way = rng.uniform(0.275, 0.5) * speed * times
        return Change(x * way, y * way, wraps=True)

    return program


def rotate(sense: int) -> Program:
    """Turn on the spot by 8 to 15 degrees a frame."""

    def program(times: Array, rng: np.random.Generator, speed: float) -> Change:
        return Change(turn=sense * rng.uniform(2.2, 4.0) * speed * times)

    return program


def zoom(sense: int) -> Program:
    """Grow or shrink by 3 to 4.3 % a frame, with the usual size in the middle of the video, and at most threefold."""

    def program(times: Array, rng: np.random.Generator, speed: float) -> Change:
        length = times[-1] - times[0]
        rate = min(rng.uniform(0.48, 0.68) * speed, math.log(4) / length)
        return Change(growth=sense * rate * (times - times[0] - length / 2))

    return program


def oscillate(x: int, y: int) -> Program:
    """Swing to and fro along an axis, by 0.12 to 0.19 frame widths either way, in 0.85 to 1.2 seconds."""

    def program(times: Array, rng: np.random.Generator, speed: float) -> Change:
        phase = 2 * math.pi * (rng.uniform() + times * speed / rng.uniform(0.85, 1.2))
        way = rng.uniform(0.12, 0.19) * np.sin(phase)
        return Change(x * way, y * way)

    return program


def circle(sense: int) -> Program:
    """Go round a circle of radius 0.12 to 0.19 frame widths in 1.1 to 1.5 seconds, without turning."""

    def program(times: Array, rng: np.random.Generator, speed: float) -> Change:
        phase = sense * 2 * math.pi * (rng.uniform() + times * speed / rng.uniform(1.1, 1.5))
        radius = rng.uniform(0.12, 0.19)
        return Change(radius * np.cos(phase), radius * np.sin(phase))

    return program


# --- Hard: two motions per video, and only their order tells the class


def _then(times: Array, rng: np.random.Generator, first: float, second: float) -> Array:
    """The way made at rate ``first``, then at ``second``, changing 40 to 60 % into the video."""
    switch = times[0] + rng.uniform(0.4, 0.6) * (times[-1] - times[0])
    return first * np.minimum(times - times[0], switch - times[0]) + second * np.maximum(times - switch, 0)


def there_and_back(x: int, y: int) -> Program:
    """Move along (x, y), then back."""

    def program(times: Array, rng: np.random.Generator, speed: float) -> Change:
        pace = rng.uniform(0.275, 0.5) * speed
        way = _then(times, rng, pace, -pace)
        return Change(x * way, y * way, wraps=True)

    return program


def rotate_and_back(sense: int) -> Program:
    """Turn one way, then the other."""

    def program(times: Array, rng: np.random.Generator, speed: float) -> Change:
        rate = sense * rng.uniform(2.2, 4.0) * speed
        return Change(turn=_then(times, rng, rate, -rate))

    return program


def zoom_and_back(sense: int) -> Program:
    """Grow then shrink by 4 to 5.5 % a frame, or the reverse; the mean size over the video is the usual one."""

    def program(times: Array, rng: np.random.Generator, speed: float) -> Change:
        rate = min(rng.uniform(0.64, 0.88) * speed, 2 * math.log(3) / (times[-1] - times[0]))
        growth = sense * _then(times, rng, rate, -rate)
        return Change(growth=growth - growth.mean())

    return program


def change_pace(first: float, second: float) -> Program:
    """Move straight in a random direction at ``first``, then ``second`` frame widths a second."""

    def program(times: Array, rng: np.random.Generator, speed: float) -> Change:
        direction = rng.uniform(0, 2 * math.pi)
        way = _then(times, rng, first, second) * rng.uniform(0.85, 1.15) * speed
        return Change(math.cos(direction) * way, math.sin(direction) * way, wraps=True)

    return program


def change_spin(first: float, second: float) -> Program:
    """Turn either way at ``first``, then ``second`` radians a second."""

    def program(times: Array, rng: np.random.Generator, speed: float) -> Change:
        sense = rng.choice((-1, 1))
        return Change(turn=sense * _then(times, rng, first, second) * rng.uniform(0.85, 1.15) * speed)

    return program


SINGLE_MOTIONS: Mapping[str, Program] = {
    "translate_left": translate(-1, 0),
    "translate_right": translate(1, 0),
    "translate_up": translate(0, -1),
    "translate_down": translate(0, 1),
    "rotate_cw": rotate(1),
    "rotate_ccw": rotate(-1),
    "zoom_in": zoom(1),
    "zoom_out": zoom(-1),
    "oscillate_horizontal": oscillate(1, 0),
    "oscillate_vertical": oscillate(0, 1),
    "circle_cw": circle(1),
    "circle_ccw": circle(-1),
}

ORDERED_MOTIONS: Mapping[str, Program] = {
    "left_then_right": there_and_back(-1, 0),
    "right_then_left": there_and_back(1, 0),
    "up_then_down": there_and_back(0, -1),
    "down_then_up": there_and_back(0, 1),
    "cw_then_ccw": rotate_and_back(1),
    "ccw_then_cw": rotate_and_back(-1),
    "in_then_out": zoom_and_back(1),
    "out_then_in": zoom_and_back(-1),
    "slow_then_fast": change_pace(0.17, 0.51),
    "fast_then_slow": change_pace(0.51, 0.17),
    "spin_slow_then_fast": change_spin(1.3, 3.9),
    "spin_fast_then_slow": change_spin(3.9, 1.3),
}


@dataclass(frozen=True)
class Difficulty:
    """What makes a set easy or hard.

    Attributes:
        motions: the motion classes.
        drift: slowest and fastest camera, frame widths a second.
        textured: the object has a texture, or one colour with a mark.
        speed: factor on all rates.
        noise: standard deviation of the sensor noise, of 255 grey levels.
    """

    motions: Mapping[str, Program] = field(default_factory=lambda: SINGLE_MOTIONS)
    drift: tuple[float, float] = (0.05, 0.15)
    textured: bool = True
    speed: float = 1.0
    noise: float = 3.0


DIFFICULTIES: Mapping[str, Difficulty] = {
    "easy": Difficulty(drift=(0.0, 0.0), textured=False, speed=1.25, noise=1.0),
    "default": Difficulty(),
    "hard": Difficulty(motions=ORDERED_MOTIONS),
}
