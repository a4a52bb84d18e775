"""Mouths in close-up: skin that a jaw moves, lips, teeth and a tongue. Lengths are half the breadth of the mouth."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from kinema.data.synthetic.appearance import smooth_noise
from kinema.data.synthetic.figures.bodies import Array, Colour, Part
from kinema.data.synthetic.figures.curves import Rng, wander
from kinema.data.synthetic.figures.mouth_motions import MOUTH_MOTIONS, Mouth
from kinema.data.synthetic.figures.palettes import Palette, darker, skin
from kinema.data.synthetic.figures.stage import Act, Stage


def speak(motion: str, stage: Stage, palette: Palette, movement: Rng, look: Rng) -> Act:
    """A face near the camera that does ``motion``; its colours are those of skin, whatever the palette."""
    t, zero = stage.times, np.zeros_like(stage.times)
    mouth = Mouth(zero + 0.0, 0.02 * wander(t, movement), zero + 0.0, zero + 0.0, zero + 0.0, zero + 0.0)
    mouth.open += movement.uniform(0, 0.06)
    MOUTH_MOTIONS[motion](mouth, t, movement)
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


def _lips(mouth: Mouth, centre: Array, size: float, tone: Colour, rng: Rng) -> list[Part]:
    """Lips, the dark between them, teeth and tongue; ``centre`` is (T, 2)."""
    red, green, blue = (
        int(min(255, c * rng.uniform(low, low + 0.3))) for c, low in zip(tone, (0.75, 0.45, 0.45), strict=True)
    )
    lips = (red, green, blue)
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


def _skin(stage: Stage, centre: Array, size: float, tone: Colour, rng: Rng) -> Callable[[Array], None]:
    """Paints a face around the mouth: skin with blemishes, nose, chin, folds, a beard at times."""
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
