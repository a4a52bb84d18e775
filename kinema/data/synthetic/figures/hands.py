"""Hands in close-up: a palm, five fingers of three bones each, and a forearm that comes from outside.

Lengths are those of the palm, angles radians. Its axes are along it, across to the thumb, and out of its back.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kinema.data.synthetic.figures.bodies import Array, Colour, Part, capsule, patches
from kinema.data.synthetic.figures.curves import Rng, wander
from kinema.data.synthetic.figures.palettes import Palette, darker, skin

FINGERS = 5
_LENGTHS = np.array([0.75, 0.9, 1.0, 0.93, 0.72])
_ROOTS = np.array([(0.25, 0.42), (0.97, 0.32), (1.0, 0.1), (0.96, -0.12), (0.86, -0.32)])
_ASIDE = np.array([0.85, 0.16, 0.02, -0.1, -0.24])
_BONES = np.array([0.45, 0.32, 0.23])


@dataclass
class Grip:
    """A hand over time.

    Attributes:
        curl: (FINGERS, T), 0 stretched, about 1.5 a fist; the thumb first.
        fan: (T,) factor on how far the fingers are spread.
        x: (T,) shift on the stage in palms, rightwards.
        y: (T,) shift downwards.
        near: (T,) natural logarithm of the growth.
        pitch: (T,) turn of the palm around its breadth.
        roll: (T,) turn around its length.
        angle: (T,) turn in the picture, clockwise.
    """

    curl: Array
    fan: Array
    x: Array
    y: Array
    near: Array
    pitch: Array
    roll: Array
    angle: Array


def open_hand(t: Array, rng: Rng) -> Grip:
    """A hand that is held up loosely."""

    def sway(amount: float, rest: float = 0.0) -> Array:
        return rest + amount * wander(t, rng)

    loose = rng.uniform(0, 0.35)
    return Grip(
        curl=np.stack([sway(0.03, loose) for _ in range(FINGERS)]),
        fan=sway(0.05, rng.uniform(0.5, 1.4)),
        x=sway(0.03),
        y=sway(0.03),
        near=sway(0.01),
        pitch=sway(0.03, rng.normal(0, 0.2)),
        roll=sway(0.03, rng.normal(0, 0.3)),
        angle=sway(0.03),
    )


@dataclass(frozen=True)
class Hand:
    """How a hand looks, and where it is.

    Attributes:
        x: stage, of the wrist.
        y: stage, of the wrist.
        scale: stage lengths of a palm.
        angle: where the fingers point to, 0 upwards, clockwise.
        thumb: 1 or -1, the side of the thumb.
        girth: factor on the thickness of fingers.
        colours: of skin, nails, shade and sleeve.
    """

    x: float
    y: float
    scale: float
    angle: float
    thumb: int
    girth: float
    colours: dict[str, Colour]

    @classmethod
    def draw(cls, x: float, y: float, scale: float, angle: float, rng: Rng, palette: Palette) -> Hand:
        """One at random, gloved at times."""
        bare = skin(rng) if rng.random() < 0.85 else palette.colour(rng)
        colours = {
            "skin": bare,
            "nails": darker(bare, rng.uniform(1.1, 1.3)),
            "shade": darker(bare, rng.uniform(0.7, 0.9)),
            "sleeve": palette.colour(rng) if rng.random() < 0.6 else bare,
            "marks": palette.colour(rng),
        }
        return cls(x, y, scale, angle, int(rng.choice((-1, 1))), rng.uniform(0.8, 1.25), colours)

    def bones(self, grip: Grip) -> Array:
        """Joints (T, FINGERS, 4, 3) of the fingers from root to tip, in palms, before the hand turns."""
        length = grip.fan.shape[0]
        joints = np.zeros((length, FINGERS, 4, 3))
        joints[:, :, 0, :2] = _ROOTS
        for k in range(FINGERS):
            aside = _ASIDE[k] * grip.fan * (1 - 0.35 * np.clip(grip.curl[k], 0, 1.5))
            bend = np.zeros(length)
            for bone, share in enumerate(_BONES):
                bend = bend + grip.curl[k] * (0.75, 1.1, 0.8)[bone] * (0.6 if k == 0 else 1.0)
                across = aside - (0.5 * bend if k == 0 else 0)
                flat = np.cos(bend) if k else np.ones(length)
                way = np.stack([flat * np.cos(across), flat * np.sin(across), -np.sin(bend) * (1 if k else 0.4)], -1)
                joints[:, k, bone + 1] = joints[:, k, bone] + _LENGTHS[k] * share * way
        return joints

    def _project(self, points: Array, grip: Grip) -> tuple[Array, Array]:
        """Points (T, ..., 3) of the hand to the stage, and their depths."""
        extra = (slice(None),) + (None,) * (points.ndim - 2)
        pitch, roll, angle = (v[extra] for v in (grip.pitch, grip.roll, grip.angle + self.angle))
        along, across, out = points[..., 0], self.thumb * points[..., 1], points[..., 2]
        across, out = np.cos(roll) * across - np.sin(roll) * out, np.sin(roll) * across + np.cos(roll) * out
        along, out = np.cos(pitch) * along - np.sin(pitch) * out, np.sin(pitch) * along + np.cos(pitch) * out
        size = self.scale * np.exp(grip.near)[extra] * np.clip(1 + 0.12 * out, 0.5, 2)
        x = self.x + self.scale * grip.x[extra] + size * (np.sin(angle) * along + np.cos(angle) * across)
        y = self.y + self.scale * grip.y[extra] + size * (np.sin(angle) * across - np.cos(angle) * along)
        return np.stack([x, y], -1), -out

    def parts(self, grip: Grip) -> list[Part]:
        """What is seen of it."""
        unit = self.scale * np.exp(grip.near)
        fingers, depth = self._project(self.bones(grip), grip)
        corners = np.array(
            [(0, 0.2), (0.25, 0.42), (0.97, 0.36), (1.02, 0.1), (0.98, -0.14), (0.86, -0.38), (0, -0.28)]
        )
        palm = np.broadcast_to(np.concatenate([corners, np.zeros((7, 1))], 1), (len(unit), 7, 3))
        outline, _ = self._project(palm, grip)
        wrist, _ = self._project(
            np.broadcast_to(np.array([[0.1, 0, 0], [-0.6, 0, 0], [-4, 0, 0]]), (len(unit), 3, 3)), grip
        )
        sleeve = Part(capsule(wrist[:, 1], wrist[:, 2], 0.36 * unit, 0.55 * unit), self.colours["sleeve"], 0.02)
        marks = np.stack([np.linspace(0.05, 0.9, 8), np.zeros(8)], -1)
        drawn = patches(wrist[:, 1], wrist[:, 2], 0.4 * unit, marks, np.tile([0.02, 0.9], (8, 1)), 0.0)
        sleeve.marks.append((drawn, self.colours["marks"]))
        middle = outline.mean(axis=1)
        parts = [
            sleeve,
            Part(capsule(wrist[:, 0], wrist[:, 1], 0.27 * unit, 0.28 * unit), self.colours["skin"], 0.01),
            Part(middle[:, None] + 1.08 * (outline - middle[:, None]), self.colours["skin"], 0.0),
        ]
        crease = middle[:, None] + np.array([0.35, 0.3, 0.55, 0.5])[:, None] * (
            outline[:, [1, 5, 4, 2]] - middle[:, None]
        )
        parts[-1].marks.append((crease[:, None], self.colours["shade"]))
        for k in range(FINGERS):
            thick = self.girth * (0.15, 0.125, 0.13, 0.125, 0.105)[k]
            for bone in range(3):
                a, b = fingers[:, k, bone], fingers[:, k, bone + 1]
                d = (depth[:, k, bone] + depth[:, k, bone + 1]) / 2 - 0.002 * bone
                fat = thick * (1, 0.92, 0.84)[bone] * unit
                edge = Part(capsule(a, b, fat * 1.15, fat * 1.1), self.colours["shade"], d + 0.001)
                part = Part(capsule(a, b, fat, 0.92 * fat), self.colours["skin"], d)
                if bone == 2:
                    spot = patches(a, b, fat, np.array([[0.75, 0.0]]), np.array([[0.2, 0.5]]), 0.0)
                    part.marks.append((spot, self.colours["nails"]))
                parts += [edge, part]
        return parts
