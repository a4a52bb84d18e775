"""Mouths in close-up: lips, teeth and a jaw that speak words, chew, yawn and smile.

A mouth has three numbers over time: how far it is open, how wide it is and how far the lips are rounded. Lengths are
half the breadth of the mouth.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import cv2
import numpy as np

from kinema.data.synthetic.appearance import smooth_noise
from kinema.data.synthetic.figures.bodies import Array, Part
from kinema.data.synthetic.figures.curves import Rng, delayed, hold, rhythm, strokes, through, wander
from kinema.data.synthetic.figures.palettes import darker, skin
from kinema.data.synthetic.figures.stage import Act, Stage


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
        effort = rng.uniform(0.6, 1.25)
        for k, name in enumerate(("open", "wide", "round", "tongue")):
            values = np.concatenate([[0], effort * shapes[:, k], [0]])
            curve = through(t, times, values)
            setattr(mouth, name, getattr(mouth, name) + (curve if k else delayed(curve, int(rng.integers(2)))))

    return saying


def _babble(mouth: Mouth, t: Array, rng: Rng) -> None:
    sounds, at = list(SOUNDS.values()), rng.uniform(-0.2, 0.2)
    times, values = [at], [np.zeros(4)]
    while at < t[-1]:
        pause = 0.3 if rng.random() < 0.15 else 0.0
        at += rng.uniform(0.08, 0.22) + pause
        times.append(at)
        values.append(np.zeros(4) if pause else rng.uniform(0.6, 1.1) * np.array(sounds[rng.integers(len(sounds))]))
    for k, name in enumerate(("open", "wide", "round", "tongue")):
        curve = through(t, np.array(times), np.array(values)[:, k])
        setattr(mouth, name, getattr(mouth, name) + curve)


def _chew(mouth: Mouth, t: Array, rng: Rng) -> None:
    phase = rhythm(t, rng, (1.0, 2.0))
    mouth.open += rng.uniform(0.08, 0.25) * (1 + np.sin(phase))
    mouth.aside += rng.uniform(0.1, 0.25) * np.cos(phase)
    mouth.round += 0.15 * np.sin(phase)


def _yawn(mouth: Mouth, t: Array, rng: Rng) -> None:
    go = strokes(t, rng, (1.4, 2.4), 0.0)
    mouth.open += rng.uniform(1.0, 1.5) * go
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


FACE_MOTIONS: Mapping[str, Callable[[Mouth, Array, Rng], None]] = {
    **{f"say_{word}": say(word) for word in WORDS},
    "babble": _babble,
    "chew": _chew,
    "yawn": _yawn,
    "smile": _smile,
    "kiss": _kiss,
    "gape": _gape,
    "lick": _lick,
}
"""Name of what a mouth does: what does it."""


def speak(motion: str, stage: Stage, movement: Rng, look: Rng) -> Act:
    """A face near the camera that does ``motion``."""
    t, zero = stage.times, np.zeros_like(stage.times)
    mouth = Mouth(zero + 0.0, 0.02 * wander(t, movement), zero + 0.0, zero + 0.0, zero + 0.0, zero + 0.0)
    mouth.open += movement.uniform(0, 0.06)
    FACE_MOTIONS[motion](mouth, t, movement)
    size = look.uniform(0.13, 0.34)
    centre = np.array([stage.width, stage.height]) * (0.5 + look.normal(0, 0.06, 2))
    head = 0.15 * size * np.stack([wander(t, movement, 0.4), wander(t, movement, 0.4)], -1) * movement.uniform(0, 1)
    tone = skin(look)
    act = Act(surface=_skin(stage, centre, size, tone, look))
    x, y = stage.grid()
    u, v = (x - centre[0]) / size, (y - centre[1]) / size
    near = np.exp(-((u / 2.2) ** 2))
    below = near / (1 + np.exp(-5 * (v - 0.25))) * np.exp(-np.maximum(v - 2.2, 0))
    around = np.exp(-(u**2 / 3 + v**2 / 1.2))
    nothing = np.zeros_like(u)
    act.modes += [
        (size * np.stack([nothing, 0.75 * below], -1).astype(np.float32), mouth.open),
        (size * np.stack([below, nothing], -1).astype(np.float32), mouth.aside),
        (size * np.stack([u * around, nothing], -1).astype(np.float32), mouth.wide - 0.25 * mouth.round),
        (size * np.stack([nothing, -0.22 * np.abs(u) * around], -1).astype(np.float32), mouth.smile),
        (np.stack([nothing + 1, nothing], -1).astype(np.float32), head[:, 0]),
        (np.stack([nothing, nothing + 1], -1).astype(np.float32), head[:, 1]),
    ]
    act.parts += _lips(mouth, centre + head, size, tone, look)
    return act


def _lips(mouth: Mouth, centre: Array, size: float, tone: tuple[int, int, int], rng: Rng) -> list[Part]:
    """Lips, the dark between them, teeth and tongue; ``centre`` is (T, 2)."""
    red = np.array(tone) * rng.uniform((0.75, 0.45, 0.45), (1.05, 0.75, 0.8))
    lips = tuple(int(c) for c in np.clip(red, 0, 255))
    upper, lower = rng.uniform(0.12, 0.26), rng.uniform(0.16, 0.34)
    bow = rng.uniform(0.05, 0.3)
    opened = np.maximum(mouth.open, 0)[:, None]
    breadth = np.exp(mouth.wide - 0.25 * mouth.round)[:, None] * (1 - 0.1 * opened)
    pout = 1 + 0.5 * mouth.round[:, None]
    s = np.linspace(-1, 1, 15)
    lift, drop = rng.uniform(0.12, 0.25), rng.uniform(0.5, 0.75)

    def arch(share: float) -> Array:
        return np.maximum(1 - (share * s) ** 2, 0) ** 0.6

    def curve(share: float, down: Array, jaw: float = 0.0) -> Array:
        """A line across the ``share`` of the mouth, so far down from the middle of its corners."""
        across = breadth * share * s + 0.5 * jaw * mouth.aside[:, None]
        corners = (0.3 * opened - 0.25 * mouth.smile[:, None]) * (share * s) ** 2
        return centre[:, None] + size * np.stack([across, np.broadcast_to(down + corners, across.shape)], -1)

    def between(share: float, upper: Array, lower: Array, jaw: float = 0.0) -> Array:
        return np.concatenate([curve(share, upper, jaw), curve(share, lower, 1)[:, ::-1]], axis=1)

    def up(share: float) -> Array:
        return -lift * opened * arch(share)

    def low(share: float) -> Array:
        return drop * opened * arch(share)

    cupid = 1 - bow * np.exp(-((s / 0.22) ** 2))
    around = between(1, up(1) - upper * pout * arch(1) * cupid, low(1) + lower * pout * arch(1))
    line = between(0.95, up(0.95) - 0.02, low(0.95) + 0.02)
    inside = between(0.88, up(0.88) - 0.005, low(0.88) + 0.005)
    teeth = np.minimum(rng.uniform(0.08, 0.22), 0.6 * opened) * np.clip(8 * opened - 0.8, 0, 1)
    tooth = between(0.75, up(0.75), np.minimum(up(0.75) + teeth * arch(1), low(0.75)))
    out = np.clip(mouth.tongue[:, None], 0, 1.2)
    back = np.maximum(low(0.6) - (0.2 + 0.7 * out) * (low(0.6) - up(0.6)) * arch(1), up(0.6))
    tongue = between(0.6, back, low(0.6) + 0.4 * np.maximum(out - 0.8, 0) * arch(1), 1)
    gleam = between(0.4, low(0.4) + 0.45 * lower, low(0.4) + 0.65 * lower, 1)
    dark = darker(lips, 0.25)
    white = int(rng.uniform(150, 250))
    painted = (
        (around, lips),
        (line, darker(lips, 0.5)),
        (inside, dark),
        (tongue, darker(lips, 0.85)),
        (tooth, (white, white, round(0.92 * white))),
        (gleam, darker(lips, rng.uniform(1.0, 1.4))),
    )
    return [Part(outline, colour, convex=False) for outline, colour in painted]


def _skin(stage: Stage, centre: Array, size: float, tone: tuple[int, int, int], rng: Rng) -> Callable[[Array], None]:
    """Paints a face around the mouth: skin with blemishes, nose, chin, cheeks, a beard at times, the scene beside it."""
    broad, seed = rng.uniform(1.9, 3.2), int(rng.integers(2**31))

    def paint(image: Array) -> None:
        own = np.random.default_rng(seed)
        x, y = stage.grid()
        u, v = (x - centre[0]) / size, (y - centre[1]) / size
        inside = 1 / (1 + np.exp(8 * (np.sqrt((u / broad) ** 2 + ((v + 1.0) / (1.45 * broad)) ** 2) - 1)))
        fine = smooth_noise(x.shape, (max(1.5, 0.05 * size * stage.unit),) * 2, own) - 0.5
        rough = smooth_noise(x.shape, (0.5 * size * stage.unit,) * 2, own) - 0.5
        light = 1 + own.uniform(-0.15, 0.15) * u / 2 + own.uniform(0.05, 0.25) * fine + 0.25 * rough
        light -= 0.3 * np.exp(-((v - 1.35) ** 2) / 0.05 - u**2)  # under the lower lip and over the chin
        light += 0.12 * np.exp(-((v - 1.9) ** 2) / 0.15 - u**2 / 0.8)
        for side in (-1, 1):  # nostrils and the folds beside the mouth
            light -= 0.5 * np.exp(-((u - 0.32 * side) ** 2) / 0.02 - (v + 1.0) ** 2 / 0.008)
            light -= 0.15 * np.exp(-((u - side * (1.25 - 0.25 * v)) ** 2) / 0.012) * (np.abs(v) < 1)
        light += 0.12 * np.exp(-(u**2) / 0.08) * (v < -1.0)
        face = np.array(tone) * light[..., None]
        if own.random() < 0.35:
            beard = (np.sqrt((u / 1.6) ** 2 + ((v - 0.2) / 1.4) ** 2) > 0.7) & (v > -0.75)
            hair = 0.35 + 0.5 * (fine[..., None] + 0.5)
            soft = cv2.GaussianBlur(beard.astype(np.float32), (0, 0), max(1.0, 0.15 * size * stage.unit))
            share = own.uniform(0.3, 0.9) * soft[..., None]
            face = face * (1 - share) + face * hair * share
        image[:] = np.clip(image * (1 - inside[..., None]) + face * inside[..., None], 0, 255).astype(np.uint8)

    return paint


