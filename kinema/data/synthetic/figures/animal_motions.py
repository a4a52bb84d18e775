"""What animals do: each motion turns one that rests (:func:`animals.resting`) into one that moves."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import numpy as np

from kinema.data.synthetic.figures.animals import Stance
from kinema.data.synthetic.figures.curves import Array, Rng, by_name, ease, hold, rhythm, strokes, wander


def rest(pose: Stance, t: Array, rng: Rng) -> None:
    """Sit still and breathe."""
    pose.hunch += 0.05 * np.sin(rhythm(t, rng, (1.0, 3.0)))


def walk(pose: Stance, t: Array, rng: Rng) -> None:
    """Go ahead, legs crosswise."""
    phase, far = rhythm(t, rng, (0.8, 2.0)), 0.5 * rng.uniform(0.6, 1.1)
    for k in (0, 1):
        pose.paws[k][:] += far * np.sin(phase + math.pi * k)
        pose.fold[k][:] += 0.4 * far * (1 + np.cos(phase + math.pi * k))
        pose.feet[k][:] += far * np.sin(phase + math.pi * (1 - k))
    pose.hunch += 0.08 * far * np.sin(2 * phase)
    way = rng.uniform(0.5, 1.0) * far * phase / math.pi
    pose.forward += way - way[int(rng.integers(len(t) // 4, 3 * len(t) // 4 + 1))]


def run(pose: Stance, t: Array, rng: Rng) -> None:
    """Bound ahead, forelegs and hind legs in turns, the back bending."""
    phase, far = rhythm(t, rng, (2.0, 3.2)), rng.uniform(0.6, 0.9)
    for k in (0, 1):
        pose.paws[k][:] += far * np.sin(phase + 0.4 * k)
        pose.feet[k][:] -= far * np.sin(phase + 0.4 * k)
    pose.hunch += 0.35 * np.sin(phase)
    pose.rear += 0.12 * np.cos(phase)
    way = rng.uniform(0.5, 1.1) * phase / math.pi
    pose.forward += way - way[int(rng.integers(len(t) // 3, 2 * len(t) // 3 + 1))]


def rear_up(pose: Stance, t: Array, rng: Rng) -> None:
    """Rise on the hind legs, look around, come down."""
    go, high = hold(t, rng, (0.3, 0.8), 0.6), rng.uniform(0.8, 1.35)
    if rng.random() < 0.3:
        go = 1 - go
    pose.rear += high * go
    pose.hunch *= 1 - 0.6 * go
    pose.head += rng.uniform(-0.5, 0.2) * go + 0.12 * go * wander(t, rng, 1.0)
    for k in (0, 1):
        pose.fold[k][:] += 0.45 * go
        pose.paws[k][:] += rng.uniform(0.1, 0.7) * go + 0.1 * go * wander(t, rng, 1.0)


def lean_on_wall(pose: Stance, t: Array, rng: Rng) -> None:
    """Rise with the forelegs stretched against something, and step with them there."""
    go, phase = hold(t, rng, (0.3, 0.8), 0.4), rhythm(t, rng, (0.8, 2.0))
    pose.rear += rng.uniform(0.9, 1.3) * go
    pose.hunch *= 1 - 0.9 * go
    pose.head += 0.25 * go + 0.15 * go * wander(t, rng, 0.9)
    for k in (0, 1):
        pose.paws[k][:] += (1.0 + 0.35 * np.sin(phase + math.pi * k)) * go


def raise_head(pose: Stance, t: Array, rng: Rng) -> None:
    """The head up and down again."""
    go = strokes(t, rng, (0.5, 1.4), 0.4)
    pose.head += rng.uniform(0.7, 1.3) * go - 0.3
    pose.hunch -= 0.1 * go


def sniff(pose: Stance, t: Array, rng: Rng) -> None:
    """The snout at the ground, quick and small, the head to and fro."""
    quick = np.sin(rhythm(t, rng, (4.0, 7.0)))
    pose.head += -0.5 + 0.09 * quick
    pose.look += rng.uniform(0.3, 0.6) * wander(t, rng, 0.7)
    pose.shift += 0.02 * quick
    pose.forward += rng.uniform(0, 0.3) * (t - t.mean())


def groom(pose: Stance, t: Array, rng: Rng) -> None:
    """Sit up, both forepaws over the face, quick strokes."""
    phase, big = rhythm(t, rng, (2.5, 6.0)), rng.uniform(0.25, 0.5)
    pose.rear += rng.uniform(0.5, 0.9)
    pose.hunch += 0.35 + 0.05 * np.sin(phase)
    pose.head += -0.35 + 0.3 * big * np.sin(phase + 1)
    together = 0 if rng.random() < 0.6 else math.pi
    for k in (0, 1):
        stroke = np.sin(phase + together * k)
        pose.paws[k][:] += 0.7 + big * stroke
        pose.fold[k][:] += 0.75 + 0.4 * big * stroke


def lick(pose: Stance, t: Array, rng: Rng) -> None:
    """Sit bent, the head at the belly or the flank, going to and fro."""
    phase, side = rhythm(t, rng, (2.0, 5.0)), rng.uniform(-1, 1)
    pose.rear += rng.uniform(0.3, 0.7)
    pose.hunch += rng.uniform(0.6, 0.9)
    pose.sideways += 0.8 * side
    pose.look += 0.9 * side
    pose.head += -0.7 + 0.14 * np.sin(phase)
    pose.shift += rng.uniform(0.03, 0.07) * np.sin(phase)
    pose.paws[0][:] += 0.5


def scratch(pose: Stance, t: Array, rng: Rng) -> None:
    """One hind leg up to the neck, very quick."""
    k, up = int(rng.integers(2)), hold(t, rng, (0.2, 0.4), 0.5)
    shake = np.sin(rhythm(t, rng, (4.0, 7.5)))
    pose.feet[k][:] += up * (1.5 + 0.35 * shake)
    pose.sideways += (0.4 - 0.8 * k) * up
    pose.head += up * (-0.3 + 0.05 * shake)
    pose.rear += 0.25 * up


def turn_round(pose: Stance, t: Array, rng: Rng) -> None:
    """Bend to one side and turn."""
    way = rng.choice((-1, 1)) * rng.uniform(1.2, 3.2)
    seconds = rng.uniform(0.5, 1.3)
    go = ease(t, rng.uniform(0, max(0.05, t[-1] - seconds)), seconds)
    pose.turn += way * go
    pose.sideways += np.sign(way) * rng.uniform(0.6, 1.1) * np.clip(4 * go * (1 - go), 0, 1)
    phase = rhythm(t, rng, (1.5, 3.0))
    for k in (0, 1):
        pose.paws[k][:] += 0.3 * np.sin(phase + math.pi * k) * np.clip(8 * go * (1 - go), 0, 1)


def stretch(pose: Stance, t: Array, rng: Rng) -> None:
    """Forelegs ahead and down, the back hollow."""
    go = strokes(t, rng, (1.0, 2.0), 0.1)
    pose.hunch -= 0.5 * go
    pose.rear -= 0.25 * go
    pose.head += 0.5 * go
    for paw in pose.paws:
        paw += 0.9 * go


def shake(pose: Stance, t: Array, rng: Rng) -> None:
    """Head and body to and fro around their length, very quick, for a moment."""
    go, quick = strokes(t, rng, (0.5, 1.2), 0.3), rhythm(t, rng, (4.0, 7.0))
    pose.sideways += 0.35 * go * np.sin(quick)
    pose.look += 0.8 * go * np.sin(quick + 0.7)
    pose.tail += 0.8 * go * np.sin(quick + 1.5)


ANIMAL_MOTIONS: Mapping[str, Callable[[Stance, Array, Rng], None]] = by_name(
    *(rest, walk, run, turn_round, rear_up, lean_on_wall, raise_head),
    *(sniff, groom, lick, scratch, stretch, shake),
)
"""Name of what an animal does: what does it."""
