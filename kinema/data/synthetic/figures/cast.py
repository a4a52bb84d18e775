"""Who is on the stage: for each motion of the set the bodies that do it, where they stand and how they are seen."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from kinema.data.synthetic.figures import steps
from kinema.data.synthetic.figures.animal_motions import ANIMAL_MOTIONS
from kinema.data.synthetic.figures.animals import Animal, resting
from kinema.data.synthetic.figures.bodies import Array, Part, View
from kinema.data.synthetic.figures.curves import Rng
from kinema.data.synthetic.figures.faces import speak
from kinema.data.synthetic.figures.gestures import PERSON_MOTIONS, improvise, stand
from kinema.data.synthetic.figures.hand_motions import HAND_MOTIONS
from kinema.data.synthetic.figures.hands import Hand, open_hand
from kinema.data.synthetic.figures.mouth_motions import MOUTH_MOTIONS
from kinema.data.synthetic.figures.pairs import PAIR_MOTIONS, improvise_together
from kinema.data.synthetic.figures.palettes import Palette
from kinema.data.synthetic.figures.people import Person
from kinema.data.synthetic.figures.skeleton import standing
from kinema.data.synthetic.figures.stage import Act, Stage
from kinema.data.synthetic.figures.surfaces import DEFORMING_MOTIONS, deform
from kinema.data.synthetic.figures.things import OBJECT_MOTIONS, move_things
from kinema.errors import ConfigError

Director = Callable[[str, Stage, Palette, Rng, Rng], Act]
"""From a motion, a stage and a palette to an act; one generator draws the movement, the other the looks."""


def _facing(rng: Rng) -> float:
    """To the camera, to a side, anything between, or seldom away."""
    kind = rng.choice(4, p=[0.35, 0.35, 0.2, 0.1])
    if kind == 0:
        return math.pi / 2 + rng.normal(0, 0.25)
    if kind == 1:
        return float(rng.choice((0, math.pi)) + rng.normal(0, 0.2))
    return rng.uniform(0, math.pi) if kind == 2 else rng.uniform(0, 2 * math.pi)


def _height(stage: Stage, across: float, rng: Rng) -> float:
    """Stage lengths of a body's height, of which ``across`` fit into the breadth; small, usual or cut by the frame."""
    kind = rng.choice(3, p=[0.2, 0.65, 0.15])
    share = (rng.uniform(0.25, 0.5), rng.uniform(0.55, 0.92), rng.uniform(1.0, 1.5))[kind]
    return min(share * stage.height, (1.6 if kind == 2 else 1.05) * stage.width / across)


def _ground(stage: Stage, height: float, rng: Rng) -> float:
    """Where feet stand: anywhere low if the body fits, or such that the head is seen."""
    if height > 0.95 * stage.height:
        return rng.uniform(0.08, 0.25) * stage.height + height
    return rng.uniform(min(height + 0.05, 0.98 * stage.height), 0.98 * stage.height)


def _bystanders(stage: Stage, height: float, ground: float, palette: Palette, movement: Rng, look: Rng) -> list[Part]:
    """At times someone farther back, who stands or walks by."""
    parts: list[Part] = []
    while movement.random() < 0.12:
        pose = standing(stage.times, movement)
        (steps.walk if movement.random() < 0.5 else stand)(pose, stage.times, movement)
        size = height * movement.uniform(0.35, 0.7)
        x = movement.uniform(0.05, 0.95) * stage.width
        view = View(x, ground - movement.uniform(0, 0.2) * height, size, yaw=_facing(movement))
        parts += _behind(Person.draw(look, palette).parts(pose, view), 5.0)
    return parts


def _behind(parts: list[Part], far: float) -> list[Part]:
    for part in parts:
        part.depth = part.depth + far
    return parts


def _person(motion: str, stage: Stage, palette: Palette, movement: Rng, look: Rng) -> Act:
    pose = standing(stage.times, movement)
    (improvise if motion == IMPROVISE else PERSON_MOTIONS[motion])(pose, stage.times, movement)
    height = _height(stage, 0.6, look)
    ground, x = _ground(stage, height, look), stage.width * (0.5 + look.normal(0, 0.12))
    view = View(x, ground, height, yaw=_facing(look), elevation=look.uniform(0, 0.25))
    _centre(pose.forward)
    parts = Person.draw(look, palette).parts(pose, view)
    return Act(_bystanders(stage, height, ground, palette, movement, look) + parts)


def _centre(forward: Array) -> None:
    """Keep most of a long way in the frame, in place: half-way through the clip they are where they were placed."""
    if np.ptp(forward) > 0.5:
        forward -= np.median(forward)


def _pair(motion: str, stage: Stage, palette: Palette, movement: Rng, look: Rng) -> Act:
    poses = standing(stage.times, movement), standing(stage.times, movement)
    apart = (improvise_together if motion == IMPROVISE else PAIR_MOTIONS[motion])(*poses, stage.times, movement)
    height = _height(stage, apart + 0.35, look)
    ground, flip = _ground(stage, height, look), look.random() < 0.5
    slant, elevation = look.normal(0, 0.25), look.uniform(0, 0.2)
    middle = stage.width * (0.5 + look.normal(0, 0.05))
    parts: list[Part] = []
    for k, pose in enumerate(poses):
        yaw = slant + (0.0 if (k == 0) != flip else math.pi)
        pose.forward -= apart / 2  # each looks to the middle between them
        place = View(middle, ground, height * look.uniform(0.93, 1.07), yaw=yaw, elevation=elevation)
        parts += Person.draw(look, palette).parts(pose, place)
    return Act(_bystanders(stage, height, ground, palette, movement, look) + parts)


CROWD_MOTIONS = (
    *("walk", "run", "march", "turn", "jump", "jumping_jack", "squat", "raise_arms", "wave_both", "clap", "stand"),
)
"""What three people do, each at their own pace."""


def _crowd(motion: str, stage: Stage, palette: Palette, movement: Rng, look: Rng) -> Act:
    height = _height(stage, 1.6, look)
    ground, facing = _ground(stage, height, look), _facing(look)
    parts: list[Part] = []
    for k in range(3):
        pose = standing(stage.times, movement)
        PERSON_MOTIONS[motion](pose, stage.times, movement)
        x = stage.width * (0.2 + 0.3 * k) + look.normal(0, 0.05)
        own = facing + look.normal(0, 0.3) if look.random() < 0.7 else _facing(look)
        far = look.uniform(0, 0.15)
        view = View(x, ground - far * height, height * look.uniform(0.85, 1.1) * (1 - far), yaw=own)
        _centre(pose.forward)
        parts += _behind(Person.draw(look, palette).parts(pose, view), 3 * far)
    return Act(parts)


def _animal(motion: str, stage: Stage, palette: Palette, movement: Rng, look: Rng) -> Act:
    pose = resting(stage.times, movement)
    ANIMAL_MOTIONS[motion](pose, stage.times, movement)
    _centre(pose.forward)
    beast = Animal.draw(look, palette)
    scale = look.uniform(0.16, 0.5) * (0.7 if beast.legs > 0.3 else 1.0)
    elevation = look.choice((0.0, 0.3, 0.8, 1.3), p=(0.35, 0.3, 0.2, 0.15)) + look.uniform(0, 0.2)
    tall = scale * (beast.legs + 2 * beast.girth + 0.8)
    ground = look.uniform(min(tall + 0.05, 0.85 * stage.height), 0.97 * stage.height)
    if elevation > 0.7:
        ground = stage.height * look.uniform(0.4, 0.7)
    facing = look.choice((0, math.pi)) + look.normal(0, 0.4) if look.random() < 0.75 else look.uniform(0, 2 * math.pi)
    view = View(stage.width * (0.5 + look.normal(0, 0.12)), ground, scale, yaw=facing, elevation=elevation)
    return Act(beast.parts(pose, view))


def _hand(motion: str, stage: Stage, palette: Palette, movement: Rng, look: Rng) -> Act:
    grip = open_hand(stage.times, movement)
    HAND_MOTIONS[motion](grip, stage.times, movement)
    scale = look.uniform(0.14, 0.36)
    angle = look.normal(0, 0.35) if look.random() < 0.75 else look.uniform(-2, 2)
    middle = np.array([stage.width, stage.height]) * (0.5 + look.normal(0, 0.07, 2))
    wrist = middle - scale * np.array([math.sin(angle), -math.cos(angle)])
    hand = Hand.draw(wrist[0], wrist[1], scale, angle, look, palette)
    return Act(hand.parts(grip))


@dataclass(frozen=True)
class Kind:
    """A kind of actor.

    Attributes:
        motions: their names.
        stages: puts one of them on a stage.
        often: how often each of them occurs in a set, relative to those of other kinds.
    """

    motions: tuple[str, ...]
    stages: Director
    often: int


IMPROVISE = "improvise"
"""What has no name: every joint in its own time. A third of the set, since much moves in it."""

KINDS: Mapping[str, Kind] = {
    "person": Kind(tuple(PERSON_MOTIONS), _person, 2),
    "pair": Kind(tuple(PAIR_MOTIONS), _pair, 4),
    "solo": Kind((IMPROVISE,), _person, 40),
    "duet": Kind((IMPROVISE,), _pair, 80),
    "crowd": Kind(CROWD_MOTIONS, _crowd, 1),
    "animal": Kind(tuple(ANIMAL_MOTIONS), _animal, 3),
    "hand": Kind(tuple(HAND_MOTIONS), _hand, 2),
    "mouth": Kind(tuple(MOUTH_MOTIONS), speak, 2),
    "deforming": Kind(DEFORMING_MOTIONS, deform, 1),
    "object": Kind(tuple(OBJECT_MOTIONS), move_things, 1),
}
"""Name of each kind: what it does."""


FIGURE_MOTIONS: Mapping[str, tuple[str, str]] = {
    f"{kind}_{motion}": (kind, motion) for kind, of in KINDS.items() for motion in of.motions
}
"""Label of each motion of the set: its kind, and its name among those of the kind."""


def dealt_motions(kinds: Sequence[str] = ()) -> list[str]:
    """Labels of all motions of the kinds, or of all kinds; each as often as it occurs relative to the others.

    Raises:
        ConfigError: there is no such kind.
    """
    if unknown := next((kind for kind in kinds if kind not in KINDS), None):
        raise ConfigError(f"unknown kind {unknown!r}: choose from {', '.join(KINDS)}")
    chosen = {kind: KINDS[kind] for kind in kinds} or KINDS
    return [f"{kind}_{motion}" for kind, of in chosen.items() for motion in of.motions for _ in range(of.often)]
