"""What mouths do: speak words, chew, yawn, smile. Words of the same sounds differ in their order."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from kinema.data.synthetic.figures.bodies import Array
from kinema.data.synthetic.figures.curves import Rng, by_name, hold, rhythm, strokes, through


@dataclass
class Mouth:
    """A mouth over time, each (T,).

    Attributes:
        open: of the jaw, 0 closed, 1 far.
        wide: factor on the breadth, as a logarithm.
        round: of the lips, 0 flat, 1 as for "oo".
        aside: shift of the jaw to the right.
        smile: how far the corners are up.
        tongue: how much of it is seen, 0 to 1.
    """

    open: Array
    wide: Array
    round: Array
    aside: Array
    smile: Array
    tongue: Array


SOUNDS: Mapping[str, tuple[float, float, float, float]] = {
    "m": (0.0, 0.0, 0.1, 0.0),
    "a": (0.85, 0.0, 0.0, 0.1),
    "e": (0.4, 0.16, 0.0, 0.2),
    "i": (0.2, 0.26, 0.0, 0.1),
    "o": (0.55, -0.22, 0.6, 0.0),
    "u": (0.22, -0.4, 1.0, 0.0),
    "f": (0.1, 0.06, 0.0, 0.0),
    "l": (0.45, 0.04, 0.0, 0.9),
}
"""Shapes of the mouth: open, wide, round, tongue."""

WORDS = ("ma", "mama", "oma", "amo", "eo", "oe", "iau", "uai", "mif", "fola", "lalu", "bemo", "ufi", "ale")
"""What is said, sound by sound; words of the same sounds differ in their order."""


def say(word: str) -> Callable[[Mouth, Array, Rng], None]:
    """Say a word once, at an uneven pace, somewhere in the clip; the mouth rests closed before and after."""
    shapes = np.array([SOUNDS["m" if sound == "b" else sound] for sound in word])

    def saying(mouth: Mouth, t: Array, rng: Rng) -> None:
        pace = rng.uniform(0.1, 0.24)
        steps = pace * rng.uniform(0.7, 1.4, len(shapes) + 1)
        start = rng.uniform(0.05, max(0.1, t[-1] - steps.sum() - 0.2))
        times = start + np.concatenate([[0], np.cumsum(steps)])
        _go_through(mouth, t, times, np.pad(rng.uniform(0.6, 1.25) * shapes, ((1, 1), (0, 0))))

    return saying


def _go_through(mouth: Mouth, t: Array, times: Array, shapes: Array) -> None:
    """Take the shapes (N, 4) at ``times`` (N,), one after the other."""
    for name, values in zip(("open", "wide", "round", "tongue"), shapes.T, strict=True):
        setattr(mouth, name, getattr(mouth, name) + through(t, times, values))


def _babble(mouth: Mouth, t: Array, rng: Rng) -> None:
    sounds, at = list(SOUNDS.values()), rng.uniform(-0.2, 0.2)
    times, values = [at], [np.zeros(4)]
    while at < t[-1]:
        pause = 0.3 if rng.random() < 0.15 else 0.0
        at += rng.uniform(0.08, 0.22) + pause
        times.append(at)
        values.append(np.zeros(4) if pause else rng.uniform(0.6, 1.1) * np.array(sounds[rng.integers(len(sounds))]))
    _go_through(mouth, t, np.array(times), np.array(values))


def _chew(mouth: Mouth, t: Array, rng: Rng) -> None:
    phase = rhythm(t, rng, (1.0, 2.0))
    mouth.open += rng.uniform(0.08, 0.25) * (1 + np.sin(phase))
    mouth.aside += rng.uniform(0.1, 0.25) * np.cos(phase)
    mouth.round += 0.15 * np.sin(phase)


def _yawn(mouth: Mouth, t: Array, rng: Rng) -> None:
    go = strokes(t, rng, (1.4, 2.4), 0.0)
    mouth.open += rng.uniform(1.2, 1.6) * go
    mouth.wide -= 0.12 * go


def _smile(mouth: Mouth, t: Array, rng: Rng) -> None:
    go = hold(t, rng, (0.3, 0.8))
    mouth.smile += rng.uniform(0.6, 1.2) * go
    mouth.wide += rng.uniform(0.15, 0.3) * go
    mouth.open += rng.uniform(0, 0.25) * go


def _kiss(mouth: Mouth, t: Array, rng: Rng) -> None:
    go = strokes(t, rng, (0.5, 1.2))
    mouth.round += 1.1 * go
    mouth.wide -= 0.45 * go


def _gape(mouth: Mouth, t: Array, rng: Rng) -> None:
    mouth.open += rng.uniform(0.4, 1.0) * (0.5 - 0.5 * np.cos(rhythm(t, rng, (0.8, 2.5))))


def _lick(mouth: Mouth, t: Array, rng: Rng) -> None:
    go = strokes(t, rng, (0.6, 1.2))
    mouth.tongue += 1.2 * go
    mouth.open += 0.35 * go


MOUTH_MOTIONS: Mapping[str, Callable[[Mouth, Array, Rng], None]] = {
    **{f"say_{word}": say(word) for word in WORDS},
    **by_name(_babble, _chew, _yawn, _smile, _kiss, _gape, _lick),
}
"""Name of what a mouth does: what does it."""
