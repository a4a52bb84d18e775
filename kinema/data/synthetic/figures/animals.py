"""Animals on four legs, from mouse to horse: a spine that bends, a head, legs and a tail.

Lengths are those of the trunk, angles radians.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from kinema.data.synthetic.figures.bodies import Array, Colour, Part, View, capsule, disc, patches, turned
from kinema.data.synthetic.figures.curves import Rng, wander
from kinema.data.synthetic.figures.palettes import Palette, darker


@dataclass
class Stance:
    """A posture over time; everything (T,).

    Attributes:
        forward: way gone ahead.
        turn: of the whole animal to its left.
        rear: how far the trunk is raised around the hips.
        hunch: how far the back is bent forwards and down.
        sideways: how far the body is bent to its left.
        head: how far the head is raised above the line of the back.
        look: how far the head is turned to the left.
        paws: swing of the forelegs ahead, left and right.
        fold: how far the forelegs are folded, left and right.
        feet: swing of the hind legs ahead, left and right.
        tail: how far the tail is bent to the left.
        shift: small movements of the snout along and across, which licking and sniffing are, (2, T).
    """

    forward: Array
    turn: Array
    rear: Array
    hunch: Array
    sideways: Array
    head: Array
    look: Array
    paws: tuple[Array, Array]
    fold: tuple[Array, Array]
    feet: tuple[Array, Array]
    tail: Array
    shift: Array


def resting(t: Array, rng: Rng) -> Stance:
    """An animal that stands and is alive: it breathes and sniffs a little."""

    def sway(amount: float, rest: float = 0.0) -> Array:
        return rest + amount * wander(t, rng)

    return Stance(
        forward=sway(0.005),
        turn=sway(0.03),
        rear=sway(0.01),
        hunch=sway(0.03, rng.uniform(0.1, 0.5)),
        sideways=sway(0.03),
        head=sway(0.06, rng.uniform(-0.2, 0.4)),
        look=sway(0.06),
        paws=(sway(0.03), sway(0.03)),
        fold=(sway(0.01), sway(0.01)),
        feet=(sway(0.03), sway(0.03)),
        tail=sway(0.25),
        shift=np.stack([sway(0.004), sway(0.004)]),
    )


@dataclass(frozen=True)
class Animal:
    """How an animal looks; lengths in lengths of its trunk.

    Attributes:
        girth: radius of the trunk.
        legs: their length.
        neck: length from the shoulder to the head.
        snout: length of the head.
        ear: radius of the ears.
        tail: length of the tail.
        colours: of coat, belly, ears, feet, tail and marks.
        places: (M, 2) of the marks, see ``patches``.
        sizes: (M, 2) of them.
    """

    girth: float
    legs: float
    neck: float
    snout: float
    ear: float
    tail: float
    colours: dict[str, Colour]
    places: Array
    sizes: Array

    @classmethod
    def draw(cls, rng: Rng, palette: Palette) -> Animal:
        """One at random: small ones have short legs and thick bodies, large ones the reverse."""
        small = rng.random() < 0.55
        girth = rng.uniform(0.24, 0.36) if small else rng.uniform(0.15, 0.23)
        legs = rng.uniform(0.1, 0.22) if small else rng.uniform(0.4, 0.75)
        coat = palette.colour(rng)
        colours = {
            "coat": coat,
            "back": darker(coat, rng.uniform(0.8, 1.2)),
            "ears": darker(coat, rng.uniform(0.6, 1.5)),
            "feet": palette.colour(rng) if rng.random() < 0.5 else darker(coat, 0.7),
            "far": darker(coat, 0.72),
            "tail": darker(coat, rng.uniform(0.6, 1.6)),
            "marks": darker(coat, rng.choice((0.55, 0.75, 1.35, 1.7))),
        }
        count = int(rng.integers(0, 9))
        places = rng.uniform((0, 0), (1, 2 * math.pi), (count, 2))
        sizes = rng.uniform(0.04, 0.22, (count, 2))
        neck = rng.uniform(0.12, 0.25) if small else rng.uniform(0.3, 0.6)
        snout, ear, tail = rng.uniform(0.25, 0.4), rng.uniform(0.04, 0.12), rng.uniform(0.1, 0.9)
        return cls(girth, legs, neck, snout, ear, tail, colours, places, sizes)

    def joints(self, pose: Stance) -> dict[str, Array]:
        """Joints (T, 3) forwards, to the left, up, by name; those of the left legs end in 0, of the right in 1."""
        zero = np.zeros_like(pose.rear)

        def direction(pitch: Array, side: Array) -> Array:
            return np.stack([np.cos(pitch) * np.cos(side), np.cos(pitch) * np.sin(side), np.sin(pitch)], -1)

        joints = {"rump": np.stack([zero - 0.4, zero, zero + self.legs + self.girth * 0.8], -1)}
        bent, side = pose.rear, pose.sideways
        joints["back"] = joints["rump"] + 0.5 * direction(bent + 0.6 * pose.hunch, 0.3 * side)
        joints["chest"] = joints["back"] + 0.5 * direction(bent - 0.6 * pose.hunch, side)
        aim = bent - 1.2 * pose.hunch + 0.35 + pose.head
        look = 1.4 * side + pose.look
        joints["head"] = joints["chest"] + self.neck * direction(aim, 0.6 * look + 0.4 * side)
        nose = aim - 0.45 - 0.2 * pose.rear
        joints["nose"] = joints["head"] + self.snout * direction(nose, look)
        joints["nose"] += np.stack([pose.shift[0], zero, pose.shift[1]], -1)
        for k, sign in enumerate((1, -1)):
            across = np.stack([zero, zero + sign * 0.6 * self.girth, zero], -1)
            low = self.legs + 0.4 * self.girth
            shoulder = joints["chest"] + 0.7 * across - np.stack([zero, zero, zero + 0.4 * self.girth], -1)
            swing, fold = pose.paws[k] + 0.35 * pose.rear, pose.fold[k]
            elbow = shoulder + 0.5 * low * np.stack([np.sin(swing), zero, -np.cos(swing)], -1)
            fore = swing + 2.2 * fold
            joints[f"shoulder{k}"], joints[f"elbow{k}"] = shoulder, elbow
            joints[f"paw{k}"] = elbow + 0.5 * low * np.stack([np.sin(fore), zero, -np.cos(fore)], -1)
            hip = joints["rump"] + across - np.stack([zero, zero, zero + 0.4 * self.girth], -1)
            swing = pose.feet[k]
            knee = hip + 0.55 * low * np.stack([np.sin(swing + 0.35), zero, -np.cos(swing + 0.35)], -1)
            joints[f"hip{k}"], joints[f"knee{k}"] = hip, knee
            joints[f"foot{k}"] = knee + 0.5 * low * np.stack([np.sin(swing - 0.4), zero, -np.cos(swing - 0.4)], -1)
        back = direction(zero - 0.25 - 0.3 * pose.rear, math.pi + 0.4 * pose.tail)
        joints["tail"] = joints["rump"] + 0.5 * self.tail * back
        joints["tip"] = joints["tail"] + 0.5 * self.tail * direction(zero - 0.1, math.pi + 1.2 * pose.tail)
        return turned(joints, pose.turn, pose.forward)

    def parts(self, pose: Stance, view: View) -> list[Part]:
        """What is seen of it in that pose; ``view.yaw`` is where it faces at first."""
        seen = {name: view.project(joint[:, None]) for name, joint in self.joints(pose).items()}
        at = {name: points[:, 0] for name, (points, _) in seen.items()}
        depth = {name: d[:, 0] for name, (_, d) in seen.items()}
        colours, unit = self.colours, view.scale
        yaw = view.yaw - pose.turn
        parts: list[Part] = []

        def piece(a: str, b: str, ra: float, rb: float, colour: str, near: float = 0.0) -> Part:
            part = Part(capsule(at[a], at[b], unit * ra, unit * rb), colours[colour], (depth[a] + depth[b]) / 2 - near)
            parts.append(part)
            return part

        thin = 0.035 + 0.12 * self.girth
        for k in (0, 1):
            far = "far" if float(np.mean(depth[f"hip{k}"] - depth[f"hip{1 - k}"])) > 0 else "coat"
            for a, b, c in (("shoulder", "elbow", "paw"), ("hip", "knee", "foot")):
                piece(f"{a}{k}", f"{b}{k}", 1.5 * thin, thin, far)
                piece(f"{b}{k}", f"{c}{k}", thin, 0.6 * thin, far if k else "feet")
        piece("rump", "tail", 0.05, 0.03, "tail")
        piece("tail", "tip", 0.03, 0.015, "tail")
        trunk = piece("back", "chest", 1.02 * self.girth, 0.8 * self.girth, "coat", 0.02)
        rear = piece("rump", "back", 0.95 * self.girth, 1.02 * self.girth, "coat", 0.02)
        for part, (a, b) in ((trunk, ("back", "chest")), (rear, ("rump", "back"))):
            if len(self.places):
                marks = patches(at[a], at[b], 0.9 * unit * self.girth, self.places, self.sizes, yaw)
                part.marks.append((marks, colours["marks"]))
        piece("chest", "head", 0.7 * self.girth, 0.6 * self.girth, "coat", 0.03)
        piece("head", "nose", 0.58 * self.girth, 0.2 * self.girth, "back", 0.04)
        for sign in (-1, 1):
            side = np.stack([np.sin(yaw), 0 * yaw], -1) * sign * unit * 0.4 * self.girth
            up = np.array([0, -0.5 * self.girth * unit])
            ear = Part(disc(at["head"] + side + up, unit * self.ear), colours["ears"], depth["head"] - 0.05 * sign)
            parts.append(ear)
        return parts
