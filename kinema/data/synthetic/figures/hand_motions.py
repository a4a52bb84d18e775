"""What hands do: each motion turns one that is held up (:func:`hands.open_hand`) into one that moves."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

import numpy as np

from kinema.data.synthetic.figures.curves import Array, Rng, by_name, ease, hold, rhythm, strokes
from kinema.data.synthetic.figures.hands import FINGERS, Grip


def _wave(grip: Grip, t: Array, rng: Rng) -> None:
    grip.angle += rng.uniform(0.25, 0.6) * np.sin(rhythm(t, rng, (1.0, 3.0)))


def _close(grip: Grip, t: Array, rng: Rng) -> None:
    go = hold(t, rng, (0.25, 0.7), 0.2)
    grip.curl += 1.25 * go


def _open(grip: Grip, t: Array, rng: Rng) -> None:
    go = hold(t, rng, (0.25, 0.7), 0.2)
    grip.curl += 1.25 * (1 - go)


def _squeeze(grip: Grip, t: Array, rng: Rng) -> None:
    grip.curl += 1.2 * (0.5 - 0.5 * np.cos(rhythm(t, rng, (0.8, 2.2))))


def _ripple(grip: Grip, t: Array, rng: Rng) -> None:
    phase, order = rhythm(t, rng, (0.8, 2.5)), rng.choice((-1, 1))
    for k in range(FINGERS):
        grip.curl[k] += 0.55 * (1 + np.sin(phase + order * 0.9 * k))


def _pinch(grip: Grip, t: Array, rng: Rng) -> None:
    go = strokes(t, rng, (0.5, 1.2))
    grip.curl[0] += 0.8 * go
    grip.curl[1] += 0.95 * go
    grip.curl[2:] += rng.uniform(0, 1.2)


def _beckon(grip: Grip, t: Array, rng: Rng) -> None:
    grip.curl[2:] += 1.3
    grip.curl[0] += 1.0
    grip.curl[1] += 0.6 * (1 + np.sin(rhythm(t, rng, (1.0, 2.5))))


def _point(grip: Grip, t: Array, rng: Rng) -> None:
    go = hold(t, rng, (0.25, 0.6), 0.5)
    grip.curl[2:] += 1.3 * go
    grip.curl[0] += 0.9 * go
    grip.y -= 0.35 * go


def _count(grip: Grip, t: Array, rng: Rng) -> None:
    step = rng.uniform(0.15, 0.5)
    start = rng.uniform(0, max(0.05, t[-1] - 5 * step))
    for i, k in enumerate((1, 2, 3, 4, 0)):
        grip.curl[k] += 1.3 * (1 - ease(t, start + i * step, 0.8 * step))


def _turn_over(grip: Grip, t: Array, rng: Rng) -> None:
    grip.roll += rng.choice((-1, 1)) * rng.uniform(2.4, 3.3) * hold(t, rng, (0.4, 0.9))


def _twist(grip: Grip, t: Array, rng: Rng) -> None:
    grip.roll += rng.uniform(0.7, 1.2) * np.sin(rhythm(t, rng, (0.8, 2.4)))


def _rotate(way: int, grip: Grip, t: Array, rng: Rng) -> None:
    grip.angle += way * rng.uniform(0.8, 1.6) * (ease(t, rng.uniform(0, 0.5), rng.uniform(0.5, 1.2)) - 0.5)


def _swipe(right: int, down: int, grip: Grip, t: Array, rng: Rng) -> None:
    seconds, far = rng.uniform(0.3, 0.8), rng.uniform(1.0, 1.8)
    start = rng.uniform(0.1, max(0.15, t[-1] - seconds - 0.2))
    go = ease(t, start, seconds) - 0.5
    grip.x += right * far * go
    grip.y += down * far * go
    grip.angle += 0.35 * right * go
    grip.pitch += 0.4 * down * go


def _push(grip: Grip, t: Array, rng: Rng) -> None:
    grip.near += rng.uniform(0.35, 0.6) * (ease(t, rng.uniform(0, 0.8), rng.uniform(0.3, 0.8)) - 0.5)


def _pull(grip: Grip, t: Array, rng: Rng) -> None:
    grip.near -= rng.uniform(0.35, 0.6) * (ease(t, rng.uniform(0, 0.8), rng.uniform(0.3, 0.8)) - 0.5)


def _knock(grip: Grip, t: Array, rng: Rng) -> None:
    go = strokes(t, rng, (0.25, 0.5), 1.0)
    grip.curl += 1.2
    grip.pitch += 0.8 * go
    grip.y += 0.25 * go


HAND_MOTIONS: Mapping[str, Callable[[Grip, Array, Rng], None]] = {
    **by_name(_wave, _close, _open, _squeeze, _ripple, _pinch, _beckon, _point, _count, _turn_over, _twist),
    "rotate_cw": partial(_rotate, 1),
    "rotate_ccw": partial(_rotate, -1),
    "swipe_left": partial(_swipe, -1, 0),
    "swipe_right": partial(_swipe, 1, 0),
    "swipe_up": partial(_swipe, 0, -1),
    "swipe_down": partial(_swipe, 0, 1),
    **by_name(_push, _pull, _knock),
}
"""Name of what a hand does: what does it. Directions are those on the screen, so no picture is mirrored."""
