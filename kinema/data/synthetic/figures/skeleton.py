"""The skeleton of people: it is posed by angles, and stands on the lower of its feet.

Lengths are body heights, angles radians. Arms and legs hang straight down at 0.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kinema.data.synthetic.figures.curves import Array, Rng, wander

UPPER_ARM, FOREARM, THIGH, SHANK, TORSO, NECK = 0.165, 0.15, 0.245, 0.235, 0.30, 0.115
SHOULDER, HIP, FOOT = 0.105, 0.055, 0.03


@dataclass
class Limb:
    """Angles of an arm or a leg over time, each (T,).

    Attributes:
        swing: forwards.
        spread: sideways, away from the body.
        bend: of elbow or knee.
        twist: 0 bends the elbow forwards, pi/2 upwards when the arm is spread.
    """

    swing: Array
    spread: Array
    bend: Array
    twist: Array


@dataclass
class Pose:
    """A posture over time; everything (T,).

    Attributes:
        forward: way gone ahead.
        aside: way gone to the left.
        hop: height of the lower foot above the ground.
        turn: of the whole body to its left, on top of where it faces.
        lean: of the trunk forwards.
        tilt: of the trunk to its left.
        twist: of the shoulders to the left.
        nod: of the head forwards.
        arms: left and right.
        legs: left and right.
    """

    forward: Array
    aside: Array
    hop: Array
    turn: Array
    lean: Array
    tilt: Array
    twist: Array
    nod: Array
    arms: tuple[Limb, Limb]
    legs: tuple[Limb, Limb]


def standing(t: Array, rng: Rng) -> Pose:
    """Someone who stands and is alive: a posture of one's own and a little sway."""

    def sway(rest: float, amount: float) -> Array:
        return rest + amount * wander(t, rng)

    def limb(spread: float, bend: float) -> Limb:
        return Limb(sway(rng.normal(0, 0.07), 0.02), sway(spread, 0.01), sway(bend, 0.03), np.zeros_like(t))

    elbow, stance = rng.uniform(0.05, 0.5), rng.uniform(0.02, 0.15)
    arms = (limb(0.12, elbow), limb(0.12, elbow))
    legs = (limb(stance, rng.uniform(0, 0.15)), limb(stance, rng.uniform(0, 0.15)))
    return Pose(
        forward=sway(0, 0.004),
        aside=np.zeros_like(t),
        hop=np.zeros_like(t),
        turn=sway(0, 0.03),
        lean=sway(rng.normal(0.03, 0.04), 0.012),
        tilt=sway(0, 0.012),
        twist=sway(0, 0.02),
        nod=sway(rng.normal(0, 0.08), 0.04),
        arms=arms,
        legs=legs,
    )


def skeleton(pose: Pose) -> dict[str, Array]:
    """Joints (T, 3) forwards, to the left, up, before the body turns; the lower foot is on the ground unless it hops.

    Names: hip, chest, neck, head; shoulder0, elbow0, hand0, hip0, knee0, foot0 of the left side, and so on with 1.
    """
    zero = np.zeros_like(pose.lean)
    joints: dict[str, Array] = {}
    legs = []
    for k, leg in enumerate(pose.legs):
        side = 1 - 2 * k
        thigh, shank = _directions(leg, side, -1)
        legs.append((np.stack([zero, zero + side * HIP, zero], -1), THIGH * thigh, SHANK * shank))
    height = pose.hop + FOOT - np.minimum(*((thigh + shank)[:, 2] for _, thigh, shank in legs))
    hip = np.stack([zero, zero, height], -1)
    joints["hip"] = hip
    for k, (root, thigh, shank) in enumerate(legs):
        joints[f"hip{k}"] = hip + root
        joints[f"knee{k}"] = hip + root + thigh
        joints[f"foot{k}"] = hip + root + thigh + shank
    up = _upper(np.stack([zero, zero, zero + 1], -1), pose)
    joints["chest"], joints["neck"] = hip + 0.7 * TORSO * up, hip + TORSO * up
    nod = np.stack([np.sin(pose.nod), zero, np.cos(pose.nod)], -1)
    joints["head"] = joints["neck"] + NECK * _upper(nod, pose)
    for k, arm in enumerate(pose.arms):
        side = 1 - 2 * k
        upper, fore = (_upper(d, pose) for d in _directions(arm, side, 1))
        shoulder = joints["neck"] + _upper(np.stack([zero, zero + side * SHOULDER, zero - 0.03], -1), pose)
        joints[f"shoulder{k}"] = shoulder
        joints[f"elbow{k}"] = shoulder + UPPER_ARM * upper
        joints[f"hand{k}"] = shoulder + UPPER_ARM * upper + FOREARM * fore
    return joints


def _directions(limb: Limb, side: int, bends: int) -> tuple[Array, Array]:
    """Unit vectors (T, 3) of the upper and the lower half of a limb; arms bend forwards (1), legs backwards (-1)."""
    ca, sa, cb, sb = np.cos(limb.swing), np.sin(limb.swing), np.cos(limb.spread), np.sin(limb.spread)
    upper = np.stack([sa * cb, side * sb, -ca * cb], -1)
    ahead = np.stack([ca, np.zeros_like(ca), sa], -1)
    away = np.stack([-sa * sb, side * cb, ca * sb], -1)
    towards = np.cos(limb.twist)[:, None] * ahead + np.sin(limb.twist)[:, None] * away
    bend = bends * limb.bend[:, None]
    return upper, np.cos(bend) * upper + np.sin(bend) * towards


def _upper(v: Array, pose: Pose) -> Array:
    """Directions (T, 3) in the trunk's frame to the body's: twisted, tilted, leant."""
    f, left, up = v[..., 0], v[..., 1], v[..., 2]
    c, s = np.cos(pose.twist), np.sin(pose.twist)
    f, left = c * f - s * left, s * f + c * left
    c, s = np.cos(pose.tilt), np.sin(pose.tilt)
    left, up = c * left + s * up, c * up - s * left
    c, s = np.cos(pose.lean), np.sin(pose.lean)
    return np.stack([c * f + s * up, left, c * up - s * f], -1)


def shuffled(limbs: tuple[Limb, Limb], rng: Rng) -> tuple[Limb, Limb]:
    """Left and right, or right and left."""
    return limbs if rng.random() < 0.5 else limbs[::-1]
