"""How movements run over time: curves of seconds (T,) that bodies and surfaces are moved by.

Tempo, moment and number of repetitions are drawn here, so that every motion varies in them alike.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np

Array = np.ndarray
Rng = np.random.Generator
Motion = TypeVar("Motion", bound=Callable[..., Any])


def by_name(*motions: Motion) -> dict[str, Motion]:
    """What moves something, by the names of the functions."""
    return {motion.__name__.strip("_"): motion for motion in motions}


def ease(t: Array, start: float, length: float) -> Array:
    """From 0 to 1 within ``length`` seconds with the least jerk, as hands move that reach for something."""
    s = np.clip((t - start) / length, 0, 1)
    return s**3 * (10 + s * (6 * s - 15))


def pulse(t: Array, start: float, rise: float, hold: float, fall: float) -> Array:
    """From 0 to 1, still for ``hold`` seconds, and back to 0."""
    return ease(t, start, rise) - ease(t, start + rise + hold, fall)


def strokes(t: Array, rng: Rng, length: tuple[float, float], again: float = 0.6) -> Array:
    """There and back, once or several times with pauses; at least one stroke begins within the clip.

    Args:
        t: seconds (T,).
        rng: draws moment, tempo and number.
        length: shortest and longest stroke in seconds.
        again: the probability that there is more than one.
    """
    seconds, total = rng.uniform(*length), np.zeros_like(t)
    start = rng.uniform(0, max(0.1, 0.8 * (t[-1] - seconds)))
    pause = rng.uniform(0, 0.8)
    rise, hold = rng.uniform(0.25, 0.55), rng.uniform(0, 0.3)
    if rng.random() < again:
        start -= (seconds + pause) * math.floor(start / (seconds + pause))
    else:
        pause = t[-1] + 1
    while start < t[-1]:
        took = seconds * rng.uniform(0.85, 1.15)
        height = rng.uniform(0.8, 1.0)
        total += height * pulse(t, start, rise * took, hold * took, (1 - rise - hold) * took)
        start += took + pause * rng.uniform(0.6, 1.4)
    return total


def hold(t: Array, rng: Rng, rise: tuple[float, float], back: float = 0.5) -> Array:
    """There, and with the probability ``back`` some time later back again."""
    seconds = rng.uniform(*rise)
    start = rng.uniform(0, max(0.1, 0.6 * (t[-1] - seconds)))
    still = rng.uniform(0.1, 0.8) if rng.random() < back else t[-1] + 1
    return pulse(t, start, seconds, still, seconds * rng.uniform(0.7, 1.3))


def rhythm(t: Array, rng: Rng, rate: tuple[float, float]) -> Array:
    """A phase in radians that grows by ``rate`` turns a second, not quite evenly, from anywhere."""
    return 2 * math.pi * (rng.uniform(*rate) * t + rng.uniform()) + 0.25 * wander(t, rng, 0.6)


def wander(t: Array, rng: Rng, rate: float = 0.4) -> Array:
    """Aimless sway of deviation about 1, with about ``rate`` swings a second."""
    speeds, phases = rate * rng.uniform(0.5, 1.8, 3), rng.uniform(0, 2 * math.pi, 3)
    return np.sqrt(2 / 3) * np.sin(2 * math.pi * np.outer(t, speeds) + phases).sum(axis=1)


def delayed(values: Array, steps: int) -> Array:
    """The same curve, ``steps`` frames later: what is there at first stays that long."""
    return values if steps <= 0 else np.concatenate([np.repeat(values[:1], steps), values])[: len(values)]


def through(t: Array, times: Array, values: Array) -> Array:
    """A curve that rests at ``values`` (N,) at ``times`` (N,), increasing, and eases from one to the next."""
    total = np.full_like(t, values[0])
    for k in range(len(times) - 1):
        total += (values[k + 1] - values[k]) * ease(t, times[k], times[k + 1] - times[k])
    return total
