"""What people do: each gesture turns someone who stands (:func:`skeleton.standing`) into someone who moves.

Which arm or leg, how far, how fast, when and how often is drawn; what makes the gesture is not.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import numpy as np

from kinema.data.synthetic.figures.curves import Array, Rng, by_name, ease, hold, rhythm, strokes, wander
from kinema.data.synthetic.figures.skeleton import Limb, Pose, shuffled
from kinema.data.synthetic.figures.steps import jump, jumping_jack, march, run, sidestep, step, turn, walk

Gesture = Callable[[Pose, Array, Rng], None]
"""Moves a pose, in place, over the times (T,) in seconds."""


def stand(pose: Pose, t: Array, rng: Rng) -> None:
    """Shift one's weight, look around."""
    pose.tilt += rng.uniform(0.02, 0.08) * wander(t, rng)
    pose.turn += rng.uniform(0, 0.2) * wander(t, rng, 0.25)
    pose.nod += rng.uniform(0, 0.12) * wander(t, rng)


def bend_down(pose: Pose, t: Array, rng: Rng) -> None:
    """Bend the trunk down, reach for the ground, come up again."""
    go, deep = strokes(t, rng, (0.9, 2.0), 0.3), rng.uniform(0.9, 1.9)
    pose.lean += deep * go
    for arm in pose.arms:
        arm.swing += rng.uniform(0.7, 1.1) * deep * go
        arm.bend *= 1 - 0.7 * go
    for leg in pose.legs:
        leg.swing -= 0.12 * go
        leg.bend += rng.uniform(0, 0.25) * go


def bow(pose: Pose, t: Array, rng: Rng) -> None:
    """Bow with the arms at one's sides."""
    go, deep = strokes(t, rng, (0.8, 1.8), 0.3), rng.uniform(0.5, 1.2)
    pose.lean += deep * go
    pose.nod += 0.35 * go
    for arm in pose.arms:
        arm.swing -= 0.1 * go


def squat(pose: Pose, t: Array, rng: Rng) -> None:
    """Down on bent knees and up, arms ahead."""
    go, deep = strokes(t, rng, (0.8, 1.8)), rng.uniform(0.8, 1.25)
    arms = rng.uniform(0, 1.4)
    for leg in pose.legs:
        leg.swing += deep * go
        leg.bend += 1.95 * deep * go
        leg.spread += rng.uniform(0, 0.2) * go
    pose.lean += 0.55 * deep * go
    for arm in pose.arms:
        arm.swing += arms * go


def lunge(pose: Pose, t: Array, rng: Rng) -> None:
    """One leg far ahead, down, and back."""
    go = strokes(t, rng, (0.9, 1.8), 0.4)
    front, back = shuffled(pose.legs, rng)
    front.swing += 1.0 * go
    front.bend += 1.1 * go
    back.swing -= 0.45 * go
    back.bend += 0.8 * go
    pose.forward += 0.25 * go


def wave(pose: Pose, t: Array, rng: Rng) -> None:
    """Wave one raised hand."""
    _waving(shuffled(pose.arms, rng)[:1], t, rng)


def wave_both(pose: Pose, t: Array, rng: Rng) -> None:
    """Wave both arms."""
    _waving(pose.arms, t, rng)


def _waving(arms: tuple[Limb, ...], t: Array, rng: Rng) -> None:
    up = hold(t, rng, (0.25, 0.6)) if rng.random() < 0.4 else np.ones_like(t)
    phase, far = rhythm(t, rng, (0.8, 3.0)), rng.uniform(0.25, 0.7)
    straight = rng.random() < 0.4
    raised, opposite = rng.uniform(1.3, 2.3), 0 if rng.random() < 0.6 else math.pi
    for k, arm in enumerate(arms):
        go = np.sin(phase + opposite * k)
        arm.spread += up * (raised + (1.4 if straight else 0.25) * far * go - 0.1)
        arm.twist += up * math.pi / 2
        arm.bend += up * ((0.1 if straight else 1.0) + (0.2 if straight else 1.2) * far * go - arm.bend)


def raise_arms(pose: Pose, t: Array, rng: Rng) -> None:
    """Both arms up, ahead or to the sides, and down."""
    go = strokes(t, rng, (0.9, 2.0), 0.4)
    high, ahead = rng.uniform(2.0, 3.0), rng.random() < 0.5
    for arm in pose.arms:
        joint = arm.swing if ahead else arm.spread
        joint += high * go
        arm.bend *= 1 - 0.8 * go


def raise_arm(pose: Pose, t: Array, rng: Rng) -> None:
    """One arm up and down."""
    go, arm = hold(t, rng, (0.3, 0.9), 0.7), shuffled(pose.arms, rng)[0]
    joint = arm.swing if rng.random() < 0.5 else arm.spread
    joint += rng.uniform(2.0, 3.0) * go
    arm.bend *= 1 - 0.8 * go


def point(pose: Pose, t: Array, rng: Rng) -> None:
    """One stretched arm ahead, held there."""
    go, arm = hold(t, rng, (0.25, 0.7), 0.7), shuffled(pose.arms, rng)[0]
    arm.swing += rng.uniform(1.3, 1.75) * go
    arm.bend *= 1 - 0.9 * go
    pose.lean += rng.uniform(0, 0.1) * go


def punch(pose: Pose, t: Array, rng: Rng) -> None:
    """Fists up, one thrusts ahead fast."""
    go = strokes(t, rng, (0.3, 0.6))
    lead, other = shuffled(pose.arms, rng)
    guard = hold(t, rng, (0.2, 0.4), 0.3) if rng.random() < 0.3 else np.ones_like(t)
    for arm in (lead, other):
        arm.swing += guard * rng.uniform(0.3, 0.6)
        arm.bend += guard * (rng.uniform(1.7, 2.1) - arm.bend)
    lead.swing += 1.05 * go
    lead.bend -= 1.75 * go * guard
    pose.twist += (1 if lead is pose.arms[1] else -1) * 0.5 * go
    pose.lean += rng.uniform(0.05, 0.25) * go
    pose.forward += rng.uniform(0, 0.12) * go


def kick(pose: Pose, t: Array, rng: Rng) -> None:
    """One leg back a little, then up ahead."""
    go, leg = strokes(t, rng, (0.5, 0.9), 0.4), shuffled(pose.legs, rng)[0]
    high = rng.uniform(0.8, 1.6)
    before = np.maximum(np.gradient(go), 0)
    before = before / max(before.max(), 1e-6)
    leg.swing += high * go - 0.25 * before
    leg.bend += 0.9 * before
    pose.lean -= 0.18 * high * go
    for arm in pose.arms:
        arm.spread += 0.35 * go
        arm.bend += 0.4 * go


def knee(pose: Pose, t: Array, rng: Rng) -> None:
    """One bent knee up."""
    go, leg = strokes(t, rng, (0.5, 1.0), 0.5), shuffled(pose.legs, rng)[0]
    leg.swing += rng.uniform(1.2, 1.7) * go
    leg.bend += rng.uniform(1.5, 2.0) * go
    pose.lean += 0.1 * go


def push(pose: Pose, t: Array, rng: Rng) -> None:
    """Both hands from the chest ahead, the body behind them."""
    go = strokes(t, rng, (0.5, 1.1), 0.3)
    ready = np.clip(3 * go, 0, 1)
    for arm in pose.arms:
        arm.swing += 0.5 * ready + 0.95 * go
        arm.bend += ready * 1.7 - 1.65 * go
    pose.lean += rng.uniform(0.15, 0.4) * go
    front, back = shuffled(pose.legs, rng)
    front.swing += 0.3 * go
    front.bend += 0.25 * go
    back.swing -= 0.3 * go
    pose.forward += rng.uniform(0.05, 0.15) * go


def clap(pose: Pose, t: Array, rng: Rng) -> None:
    """Hands together and apart, before the chest or above the head."""
    apart = 0.5 + 0.5 * np.cos(rhythm(t, rng, (1.2, 3.0)))
    high, wide = rng.choice((0.9, 1.2, 2.6)), rng.uniform(0.4, 0.9)
    for arm in pose.arms:
        arm.swing += high
        arm.bend += 0.45
        arm.spread += wide * apart - 0.35


def throw(pose: Pose, t: Array, rng: Rng) -> None:
    """One arm back over the shoulder, then fast ahead."""
    length = rng.uniform(0.7, 1.1)
    start = rng.uniform(0, max(0.1, t[-1] - length))
    back, ahead = ease(t, start, 0.5 * length), ease(t, start + 0.5 * length, 0.25 * length)
    rest = 1 - ease(t, start + 0.9 * length, 0.6)
    arm = shuffled(pose.arms, rng)[0]
    arm.swing += (2.9 * back - 1.5 * ahead) * rest
    arm.bend += (1.7 * back - 1.6 * ahead) * rest
    pose.lean += (-0.2 * back + 0.55 * ahead) * rest
    pose.twist += (1 if arm is pose.arms[1] else -1) * (0.6 * ahead - 0.3 * back) * rest


def arm_circles(pose: Pose, t: Array, rng: Rng) -> None:
    """Arms swing all the way round."""
    phase = rhythm(t, rng, (0.6, 1.3)) * rng.choice((-1, 1))
    for arm in shuffled(pose.arms, rng)[: int(rng.integers(1, 3))]:
        arm.swing += phase
        arm.bend *= 0.4


def side_bend(pose: Pose, t: Array, rng: Rng) -> None:
    """The trunk to one side and back, one arm over the head."""
    go, side = strokes(t, rng, (0.9, 1.8)), int(rng.integers(2))
    pose.tilt += (2 * side - 1) * rng.uniform(0.35, 0.7) * go
    pose.arms[side].spread += 2.6 * go


def fall(pose: Pose, t: Array, rng: Rng) -> None:
    """Knees give way, the trunk goes down and stays."""
    go = ease(t, rng.uniform(0.1, max(0.2, 0.6 * t[-1])), rng.uniform(0.5, 0.9))
    for leg in pose.legs:
        leg.swing += 1.3 * go
        leg.bend += 2.4 * go
    pose.lean += rng.choice((-0.9, 1.1)) * go
    for arm in pose.arms:
        arm.swing += rng.uniform(0.3, 1.2) * go
        arm.spread += 0.5 * go


def improvise(pose: Pose, t: Array, rng: Rng) -> None:
    """Move whatever joint one likes, each in its own time: nothing that has a name, but much of it at once."""

    def freely(joint: Array, far: float, rest: float = 0.0) -> None:
        kind = rng.choice(5, p=(0.2, 0.25, 0.3, 0.15, 0.1))
        if kind == 1:
            go = np.sin(rhythm(t, rng, (0.6, 2.5)))
        elif kind == 2:
            go = rng.choice((-1, 1)) * strokes(t, rng, (0.35, 1.4))
        elif kind == 3:
            go = rng.choice((-1, 1)) * hold(t, rng, (0.15, 0.6), 0.3)
        else:
            go = wander(t, rng, 0.7) if kind == 4 else np.zeros_like(t)
        joint += rest + far * rng.uniform(0.2, 1.2) * go

    for arm in pose.arms:
        freely(arm.swing, 1.2, rng.uniform(-0.3, 0.8))
        freely(arm.spread, 0.8, rng.uniform(0, 0.5))
        freely(arm.bend, 0.9, rng.uniform(0, 0.7))
    for leg in pose.legs:
        if rng.random() < 0.6:
            freely(leg.swing, 0.7)
            freely(leg.bend, 0.5, 0.2)
        leg.bend[:] = np.maximum(leg.bend, 0)
    freely(pose.lean, 0.35)
    freely(pose.turn, 0.3)
    freely(pose.forward, 0.35)
    if rng.random() < 0.3:
        (walk if rng.random() < 0.7 else jump)(pose, t, rng)


PERSON_MOTIONS: Mapping[str, Gesture] = by_name(
    *(stand, walk, run, march, step, sidestep, turn, jump, jumping_jack, squat, lunge, fall),
    *(bend_down, bow, side_bend, raise_arm, raise_arms, wave, wave_both, arm_circles, clap),
    *(point, punch, push, throw, kick, knee),
)
"""Name of a gesture of one person: what does it."""
