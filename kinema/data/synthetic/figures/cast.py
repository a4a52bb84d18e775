"""Who is on the stage: for each motion of the set the bodies that do it, where they stand and how they are seen."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import numpy as np

from kinema.data.synthetic.figures import animals, faces, gestures, hands, pairs, surfaces, things
from kinema.data.synthetic.figures.animals import Animal
from kinema.data.synthetic.figures.bodies import Array, Part, View
from kinema.data.synthetic.figures.curves import Rng
from kinema.data.synthetic.figures.hands import Hand
from kinema.data.synthetic.figures.palettes import Palette
from kinema.data.synthetic.figures.people import Person, Pose, standing
from kinema.data.synthetic.figures.stage import Act, Stage

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
        (gestures.walk if movement.random() < 0.5 else gestures.stand)(pose, stage.times, movement)
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
    gestures.PERSON_MOTIONS[motion](pose, stage.times, movement)
    height = _height(stage, 0.6, look)
    ground, x = _ground(stage, height, look), stage.width * (0.5 + look.normal(0, 0.12))
    view = View(x, ground, height, yaw=_facing(look), elevation=look.uniform(0, 0.25))
    _centre(pose, view)
    parts = Person.draw(look, palette).parts(pose, view)
    return Act(_bystanders(stage, height, ground, palette, movement, look) + parts)


def _centre(pose: Pose, view: View) -> None:
    """Keep most of the way in the frame: whoever goes far passes the middle of the clip near where they were placed."""
    if np.ptp(pose.forward) > 0.5:
        pose.forward -= np.median(pose.forward)


def _pair(motion: str, stage: Stage, palette: Palette, movement: Rng, look: Rng) -> Act:
    poses = standing(stage.times, movement), standing(stage.times, movement)
    apart = pairs.PAIR_MOTIONS[motion](*poses, stage.times, movement)
    reach = apart + 0.35
    height = _height(stage, reach, look)
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


CROWD_MOTIONS = ("walk", "run", "jump", "jumping_jack", "wave_both", "clap", "squat", "march", "raise_arms", "turn", "stand")
"""What three people do, each at their own pace."""


def _crowd(motion: str, stage: Stage, palette: Palette, movement: Rng, look: Rng) -> Act:
    height = _height(stage, 1.6, look)
    ground, facing = _ground(stage, height, look), _facing(look)
    parts: list[Part] = []
    for k in range(3):
        pose = standing(stage.times, movement)
        gestures.PERSON_MOTIONS[motion](pose, stage.times, movement)
        x = stage.width * (0.2 + 0.3 * k) + look.normal(0, 0.05)
        own = facing + look.normal(0, 0.3) if look.random() < 0.7 else _facing(look)
        far = look.uniform(0, 0.15)
        view = View(x, ground - far * height, height * look.uniform(0.85, 1.1) * (1 - far), yaw=own)
        _centre(pose, view)
        parts += _behind(Person.draw(look, palette).parts(pose, view), 3 * far)
    return Act(parts)


def _animal(motion: str, stage: Stage, palette: Palette, movement: Rng, look: Rng) -> Act:
    pose = animals.resting(stage.times, movement)
    animals.ANIMAL_MOTIONS[motion](pose, stage.times, movement)
    if np.ptp(pose.forward) > 0.5:
        pose.forward -= np.median(pose.forward)
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
    grip = hands.open_hand(stage.times, movement)
    hands.HAND_MOTIONS[motion](grip, stage.times, movement)
    scale = look.uniform(0.14, 0.36)
    angle = look.normal(0, 0.35) if look.random() < 0.75 else look.uniform(-2, 2)
    middle = np.array([stage.width, stage.height]) * (0.5 + look.normal(0, 0.07, 2))
    wrist = middle - scale * np.array([math.sin(angle), -math.cos(angle)])
    hand = Hand.draw(wrist[0], wrist[1], scale, angle, look, palette)
    return Act(hand.parts(grip))


def _face(motion: str, stage: Stage, palette: Palette, movement: Rng, look: Rng) -> Act:
    return faces.speak(motion, stage, movement, look)


KINDS: Mapping[str, tuple[tuple[str, ...], Director, int]] = {
    "person": (tuple(gestures.PERSON_MOTIONS), _person, 2),
    "pair": (tuple(pairs.PAIR_MOTIONS), _pair, 4),
    "crowd": (CROWD_MOTIONS, _crowd, 1),
    "animal": (tuple(animals.ANIMAL_MOTIONS), _animal, 3),
    "hand": (tuple(hands.HAND_MOTIONS), _hand, 2),
    "face": (tuple(faces.FACE_MOTIONS), _face, 2),
    "deforming": (surfaces.DEFORMING_MOTIONS, surfaces.deform, 1),
    "object": (tuple(things.OBJECT_MOTIONS), things.move_things, 1),
}
"""Name of a kind of actor: its motions, what stages them, and how often each occurs, relative to the others."""


def direct(kind: str, motion: str, stage: Stage, palette: Palette, movement: Rng, look: Rng) -> Act:
    """The act of a kind and one of its motions; ``movement`` draws how it moves, ``look`` how it looks and where it is."""
    return KINDS[kind][1](motion, stage, palette, movement, look)


FIGURE_MOTIONS: Mapping[str, tuple[str, str]] = {
    f"{kind}_{motion}": (kind, motion) for kind, (motions, _, _) in KINDS.items() for motion in motions
}
"""Label of each motion of the set: its kind, and its name among those of the kind."""


def dealt_motions() -> list[str]:
    """Labels of all motions, each as often as it occurs relative to the others."""
    return [f"{kind}_{motion}" for kind, (motions, _, often) in KINDS.items() for motion in motions for _ in range(often)]


