"""What people do to each other: one acts, the other reacts a little later. They stand a reach apart or come closer."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from kinema.data.synthetic.figures import gestures
from kinema.data.synthetic.figures.curves import Array, Rng, by_name, delayed, ease, hold, pulse, rhythm, strokes
from kinema.data.synthetic.figures.skeleton import FOREARM, UPPER_ARM, Pose

ARM = UPPER_ARM + FOREARM

Interaction = Callable[[Pose, Pose, Array, Rng], float]
"""Moves two poses, in place, the first one acting; gives how far apart the two stand at first, in body heights."""


def _lag(t: Array, rng: Rng) -> int:
    """Frames until someone reacts: 0.03 to 0.25 seconds."""
    return round(rng.uniform(0.03, 0.25) / max(t[1] - t[0], 1e-3))


def _stagger(pose: Pose, go: Array, rng: Rng, far: float) -> None:
    """Go back by ``far`` as ``go`` rises from 0 to 1; trunk and arms give way meanwhile."""
    moving = np.abs(np.gradient(go))
    moving = np.clip(moving / max(moving.max(), 1e-6), 0, 1)
    pose.forward -= far * go
    pose.lean -= rng.uniform(0.15, 0.4) * moving
    for k, (arm, leg) in enumerate(zip(pose.arms, pose.legs, strict=True)):
        arm.swing += rng.uniform(0.2, 0.9) * moving
        arm.bend += rng.uniform(0.1, 0.5) * moving
        leg.swing += (1 - 2 * k) * rng.uniform(0.15, 0.4) * moving
        leg.bend += (0.4 if k else 0.1) * moving


def _moment(t: Array, rng: Rng, length: float) -> float:
    return rng.uniform(0.05, max(0.1, 0.75 * (t[-1] - length)))


def _approach(one: Pose, t: Array, rng: Rng, far: float, seconds: float) -> None:
    """Walk up to the other, there after ``seconds``."""
    phase = rhythm(t, rng, (0.8, 1.2))
    busy = 1 - ease(t, seconds - 0.25, 0.3)
    for k in (0, 1):
        s = phase + np.pi * k
        one.legs[k].swing += 0.35 * busy * np.sin(s)
        one.legs[k].bend += 0.6 * busy * np.maximum(np.cos(s), 0)
        one.arms[k].swing -= 0.25 * busy * np.sin(s)
    one.forward += far * np.clip(t / seconds, 0, 1)


def push(one: Pose, other: Pose, t: Array, rng: Rng) -> float:
    """Both hands against the other, who goes back."""
    length = rng.uniform(0.4, 0.9)
    start = _moment(t, rng, length + 0.4)
    ready = pulse(t, start, 0.4 * length, 0.5 * length, 0.5)
    go = pulse(t, start + 0.4 * length, 0.5 * length, 0.15, 0.5)
    near = rng.uniform(0.05, 0.2)
    for arm in one.arms:
        arm.swing += 0.6 * ready + 0.85 * go
        arm.bend += 1.5 * ready - 1.6 * np.minimum(go, ready + 0.1)
    one.lean += rng.uniform(0.1, 0.35) * go
    one.legs[0].swing += 0.35 * go
    one.legs[1].swing -= 0.25 * go
    one.forward += near * ease(t, start, 0.8 * length)
    late = delayed(ease(t, start + 0.7 * length, rng.uniform(0.35, 0.7)), _lag(t, rng))
    _stagger(other, late, rng, rng.uniform(0.1, 0.5))
    return ARM + 0.12 + near + rng.uniform(-0.03, 0.08)


def punch(one: Pose, other: Pose, t: Array, rng: Rng) -> float:
    """A fist at the other's head, which is thrown back."""
    go, near = strokes(t, rng, (0.3, 0.6), 0.3), rng.uniform(0, 0.12)
    k = int(rng.integers(2))
    one.arms[k].swing += 0.4 * np.clip(4 * go, 0, 1) + 1.25 * go
    one.arms[k].bend += 1.4 * np.clip(4 * go, 0, 1) - 1.5 * go
    one.twist += (2 * k - 1) * 0.5 * go
    one.lean += 0.2 * go
    one.forward += near * go
    late = delayed(go, _lag(t, rng))
    other.nod -= rng.uniform(0.3, 0.8) * late
    other.lean -= rng.uniform(0.1, 0.45) * late
    other.forward -= rng.uniform(0, 0.15) * late
    for arm in other.arms:
        arm.swing += rng.uniform(0, 1.0) * late
        arm.bend += rng.uniform(0, 1.2) * late
    return ARM + 0.12 + near + rng.uniform(-0.02, 0.08)


def kick(one: Pose, other: Pose, t: Array, rng: Rng) -> float:
    """A foot against the other, who gives way."""
    gestures.kick(one, t, rng)
    leg = max(one.legs, key=lambda leg: float(np.ptp(leg.swing)))
    go = np.clip((leg.swing - leg.swing[0]) / max(float(np.ptp(leg.swing)), 1e-6), 0, 1)
    late = delayed(np.maximum.accumulate(go) if rng.random() < 0.5 else go, _lag(t, rng))
    other.lean += rng.choice((-0.3, 0.5)) * late
    other.forward -= rng.uniform(0.05, 0.3) * late
    for arm in other.arms:
        arm.swing += rng.uniform(0.2, 0.9) * late
    return rng.uniform(0.5, 0.62)


def handshake(one: Pose, other: Pose, t: Array, rng: Rng) -> float:
    """Both reach out one hand, the hands go up and down, and part."""
    reach, shaken = hold(t, rng, (0.3, 0.7)), rhythm(t, rng, (1.5, 3.0))
    amount = rng.uniform(0.05, 0.2)
    lag = _lag(t, rng)
    for k, pose in enumerate((one, other)):
        go = delayed(reach, lag * k)
        together = np.clip(3 * np.minimum(go, delayed(reach, lag)) - 2, 0, 1)
        arm = pose.arms[1]
        arm.swing += go * (rng.uniform(0.85, 1.1) - arm.swing) + amount * together * np.sin(shaken)
        arm.bend += go * (0.35 - arm.bend) + 0.5 * amount * together * np.sin(shaken)
        pose.lean += rng.uniform(0, 0.2) * go
    return 2 * ARM * 0.9 + rng.uniform(-0.02, 0.05)


def hug(one: Pose, other: Pose, t: Array, rng: Rng) -> float:
    """They come together, arms around each other, and stay."""
    seconds = rng.uniform(0.6, max(0.7, 0.75 * t[-1]))
    far = rng.uniform(0.25, 0.7)
    both = rng.random() < 0.5
    _approach(one, t, rng, far / 2 if both else far, seconds)
    if both:
        _approach(other, t, rng, far / 2, seconds)
    opened, closed = ease(t, seconds - 0.7, 0.5), ease(t, seconds - 0.25, 0.45)
    for k, pose in enumerate((one, other)):
        lag = k * _lag(t, rng)
        o, c = delayed(opened, lag), delayed(closed, lag)
        for arm in pose.arms:
            arm.swing += rng.uniform(1.0, 1.4) * o
            arm.spread += 0.6 * o - 0.8 * c
            arm.bend += 0.9 * c
        pose.lean += 0.15 * c
    return far + rng.uniform(0.16, 0.24)


def high_five(one: Pose, other: Pose, t: Array, rng: Rng) -> float:
    """Raised hands meet and part."""
    length = rng.uniform(0.5, 0.9)
    start = _moment(t, rng, 2 * length)
    go = pulse(t, start, length, rng.uniform(0, 0.15), length)
    for k, pose in enumerate((one, other)):
        late = delayed(go, k * _lag(t, rng))
        pose.arms[1].swing += rng.uniform(2.0, 2.3) * late
        pose.arms[1].bend += late * (0.2 - pose.arms[1].bend)
    return 2 * ARM * 0.75 + rng.uniform(0, 0.06)


def point_at(one: Pose, other: Pose, t: Array, rng: Rng) -> float:
    """One points at the other, who stands by."""
    gestures.point(one, t, rng)
    gestures.stand(other, t, rng)
    return rng.uniform(0.5, 0.8)


def hand_over(one: Pose, other: Pose, t: Array, rng: Rng) -> float:
    """One reaches out low, the other takes it and draws back."""
    length = rng.uniform(0.5, 0.9)
    start = _moment(t, rng, 2.2 * length)
    for pose, begin in ((one, start), (other, start + 0.5 * length)):
        go = pulse(t, begin, length, 0.1, length)
        pose.arms[1].swing += rng.uniform(0.9, 1.2) * go
        pose.arms[1].bend += go * 0.2
    return 2 * ARM * 0.9


def approach(one: Pose, other: Pose, t: Array, rng: Rng) -> float:
    """One walks up to the other, or both do."""
    far = rng.uniform(0.4, 0.9)
    _approach(one, t, rng, far / 2, rng.uniform(0.8, 1.0) * t[-1])
    if rng.random() < 0.5:
        _approach(other, t, rng, far / 2, rng.uniform(0.8, 1.0) * t[-1])
    return far + rng.uniform(0.25, 0.4)


def part(one: Pose, other: Pose, t: Array, rng: Rng) -> float:
    """They go back from each other."""
    far, start = rng.uniform(0.4, 0.9), rng.uniform(0, 0.4)
    for pose in (one, other) if rng.random() < 0.6 else (one,):
        _approach(pose, t, rng, 0.0, t[-1])
        pose.forward -= far / 2 * np.clip((t - start) / max(t[-1] - start, 0.1), 0, 1)
    return rng.uniform(0.3, 0.45)


def pull(one: Pose, other: Pose, t: Array, rng: Rng) -> float:
    """One takes the other's arm and draws; the other stumbles ahead."""
    length = rng.uniform(0.5, 0.9)
    start = _moment(t, rng, 2 * length)
    reach, draw = ease(t, start, 0.6 * length), ease(t, start + 0.7 * length, length)
    one.arms[1].swing += 1.4 * reach - 0.5 * draw
    one.arms[1].bend += 1.1 * draw
    one.lean += 0.15 * reach - 0.35 * draw
    late, far = delayed(draw, _lag(t, rng)), rng.uniform(0.1, 0.25)
    other.arms[1].swing += 1.2 * reach + 0.2 * late
    _stagger(other, late, rng, -far)
    one.forward -= 0.6 * far * draw
    return 2 * ARM * 0.85


def spar(one: Pose, other: Pose, t: Array, rng: Rng) -> float:
    """Both punch, in turns or at once."""
    for pose in (one, other):
        gestures.punch(pose, t, rng)
        pose.forward += 0.05 * np.sin(rhythm(t, rng, (0.8, 1.8)))
        pose.hop += 0.01 + 0.01 * np.sin(rhythm(t, rng, (1.5, 3)))
    return rng.uniform(0.5, 0.6)


def bow_to(one: Pose, other: Pose, t: Array, rng: Rng) -> float:
    """Both bow, one a little later."""
    go, lag = strokes(t, rng, (0.8, 1.6), 0.2), _lag(t, rng)
    for k, pose in enumerate((one, other)):
        late = delayed(go, k * lag)
        pose.lean += rng.uniform(0.5, 0.9) * late
        pose.nod += 0.3 * late
    return rng.uniform(0.7, 0.9)


def dance(one: Pose, other: Pose, t: Array, rng: Rng) -> float:
    """Sway together, hand in hand."""
    phase, far = rhythm(t, rng, (0.6, 1.2)), rng.uniform(0.08, 0.2)
    for k, pose in enumerate((one, other)):
        sway = np.sin(phase) * (1 - 2 * k)
        pose.forward += far * sway
        pose.tilt += 0.12 * sway
        for leg, side in zip(pose.legs, (1, -1), strict=True):
            leg.bend += 0.35 * np.maximum(side * np.sin(phase), 0)
        for arm in pose.arms:
            arm.swing += 1.2 + 0.25 * np.cos(phase)
            arm.bend += 0.3
    return 2 * ARM * 0.85


def improvise_together(one: Pose, other: Pose, t: Array, rng: Rng) -> float:
    """Both move as they like; at times one then does what moves the other, who gives way."""
    for pose in (one, other):
        gestures.improvise(pose, t, rng)
    if rng.random() < 0.3:
        start, seconds = rng.uniform(0, 0.6) * t[-1], rng.uniform(0.3, 0.8)
        one.forward += rng.uniform(0.1, 0.3) * ease(t, start, seconds)
        _stagger(other, delayed(ease(t, start + 0.7 * seconds, seconds), _lag(t, rng)), rng, rng.uniform(0.1, 0.5))
    return rng.uniform(0.3, 0.9)


PAIR_MOTIONS: Mapping[str, Interaction] = by_name(
    *(push, pull, punch, kick, spar, handshake, high_five, hug),
    *(point_at, hand_over, bow_to, approach, part, dance),
)
"""Name of what a pair does: what does it."""
