"""How people get about: walking, running, steps, jumps and turns. See ``gestures`` for the rest."""

from __future__ import annotations

import math

import numpy as np

from kinema.data.synthetic.figures.curves import Array, Rng, ease, pulse, rhythm
from kinema.data.synthetic.figures.skeleton import SHANK, THIGH, Pose, shuffled

LEG = THIGH + SHANK


def stride(pose: Pose, t: Array, rng: Rng, rate: tuple[float, float], reach: tuple[float, float], lift: float) -> None:
    """Legs and arms swing against each other; the body goes as far as the legs reach, or on the spot."""
    phase, swing = rhythm(t, rng, rate), rng.uniform(*reach)
    arms = rng.uniform(0.3, 1.1) * swing
    for k in (0, 1):
        step = phase + math.pi * k
        pose.legs[k].swing += swing * np.sin(step)
        pose.legs[k].bend += lift * (0.5 + 0.5 * np.cos(step)) ** 2
        pose.arms[k].swing -= arms * np.sin(step)
        pose.arms[k].bend += 0.3 * arms * (1 - np.sin(step))
    if rng.random() < 0.85:
        way = 2 * LEG * math.sin(swing) * phase / math.pi
        pose.forward += way - way[int(rng.integers(len(t) // 4, 3 * len(t) // 4 + 1))]


def walk(pose: Pose, t: Array, rng: Rng) -> None:
    """Walk ahead."""
    stride(pose, t, rng, (0.7, 1.3), (0.25, 0.5), 0.7)


def run(pose: Pose, t: Array, rng: Rng) -> None:
    """Run ahead, leaning, with bent arms and high heels."""
    pose.lean += rng.uniform(0.1, 0.3)
    for arm in pose.arms:
        arm.bend += rng.uniform(1.0, 1.6)
    stride(pose, t, rng, (1.3, 1.9), (0.55, 0.85), 1.6)
    pose.hop += 0.02 + 0.02 * np.sin(rhythm(t, rng, (2.6, 3.4)))


def march(pose: Pose, t: Array, rng: Rng) -> None:
    """Raise the knees in turn, on the spot."""
    phase, high = rhythm(t, rng, (0.7, 1.6)), rng.uniform(1.1, 1.7)
    for k in (0, 1):
        up = np.maximum(np.sin(phase + math.pi * k), 0) ** 0.8
        pose.legs[k].swing += high * up
        pose.legs[k].bend += 1.1 * high * up
        pose.arms[1 - k].swing += 0.7 * high * (up - 0.3)
        pose.arms[1 - k].bend += 0.8 * up


def step(pose: Pose, t: Array, rng: Rng) -> None:
    """One step ahead or back."""
    far = rng.choice((-1, 1)) * rng.uniform(0.12, 0.4)
    length = rng.uniform(0.35, 0.8)
    start = rng.uniform(0, max(0.1, 0.7 * (t[-1] - 1.5 * length)))
    first, second = ease(t, start, length), ease(t, start + 0.55 * length, length)
    lead, other = shuffled(pose.legs, rng)
    apart = far * (first - second)
    lead.swing += np.arcsin(np.clip(0.7 * apart / LEG, -0.9, 0.9))
    other.swing -= np.arcsin(np.clip(0.7 * apart / LEG, -0.9, 0.9))
    lead.bend += 0.7 * pulse(t, start, 0.5 * length, 0, 0.5 * length)
    other.bend += 0.7 * pulse(t, start + 0.55 * length, 0.5 * length, 0, 0.5 * length)
    pose.forward += far * (first + second) / 2


def sidestep(pose: Pose, t: Array, rng: Rng) -> None:
    """Steps to one side."""
    side = int(rng.integers(2))
    phase, wide = rhythm(t, rng, (0.6, 1.2)), rng.uniform(0.15, 0.4)
    for k in (0, 1):
        pose.legs[k].spread += wide * (0.5 + 0.5 * np.sin(phase))
        pose.legs[k].bend += 0.6 * np.maximum((1 if k == side else -1) * np.cos(phase), 0)
    way = wide * LEG * (phase - np.sin(phase)) / math.pi
    pose.aside += (1 - 2 * side) * (way - way[len(t) // 2])


def jump(pose: Pose, t: Array, rng: Rng) -> None:
    """Crouch, leap, land."""
    count, seconds = int(rng.integers(1, 4)), rng.uniform(0.75, 1.1)
    start, high = rng.uniform(-0.1, max(0.1, t[-1] - count * seconds)), rng.uniform(0.08, 0.3)
    arms = rng.uniform(0.3, 2.8)
    for k in range(count):
        s = (t - start - k * seconds) / seconds
        crouch = pulse(s, 0.0, 0.3, 0, 0.14) + 0.7 * pulse(s, 0.74, 0.08, 0, 0.2)
        flight = np.clip((s - 0.4) / 0.36, 0, 1)
        pose.hop += high * 4 * flight * (1 - flight)
        for leg in pose.legs:
            leg.swing += 0.65 * crouch
            leg.bend += 1.3 * crouch
        pose.lean += 0.45 * crouch
        for arm in pose.arms:
            arm.swing += arms * pulse(s, 0.25, 0.25, 0.1, 0.35) - 0.5 * crouch
    pose.forward += rng.uniform(-0.1, 0.3) * ease(t, start, count * seconds)


def jumping_jack(pose: Pose, t: Array, rng: Rng) -> None:
    """Arms and legs apart and together, leaping."""
    phase = rhythm(t, rng, (0.8, 1.7))
    go = 0.5 - 0.5 * np.cos(phase)
    arms, legs = rng.uniform(1.7, 2.8), rng.uniform(0.3, 0.55)
    for arm in pose.arms:
        arm.spread += arms * go
        arm.bend *= 0.4
    for leg in pose.legs:
        leg.spread += legs * go
    pose.hop += rng.uniform(0.03, 0.08) * np.sin(phase) ** 2


def turn(pose: Pose, t: Array, rng: Rng) -> None:
    """Turn around on the spot, by a quarter to a whole turn."""
    way = rng.choice((-1, 1)) * rng.uniform(1.5, 6.3)
    seconds = abs(way) * rng.uniform(0.25, 0.5)
    go = ease(t, rng.uniform(0, max(0.05, t[-1] - seconds)), seconds)
    pose.turn += way * go
    phase = rhythm(t, rng, (1.0, 1.8))
    busy = np.clip(8 * go * (1 - go), 0, 1)
    for k in (0, 1):
        pose.legs[k].bend += 0.5 * busy * np.maximum(np.sin(phase + math.pi * k), 0)
        pose.legs[k].swing += 0.25 * busy * np.maximum(np.sin(phase + math.pi * k), 0)
