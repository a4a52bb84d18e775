"""Each motion moves what it names: checked on joints, over several draws."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from kinema.data.synthetic.figures.animal_motions import ANIMAL_MOTIONS
from kinema.data.synthetic.figures.animals import Animal, resting
from kinema.data.synthetic.figures.curves import delayed, ease, hold, pulse, strokes, through
from kinema.data.synthetic.figures.gestures import PERSON_MOTIONS
from kinema.data.synthetic.figures.hand_motions import HAND_MOTIONS
from kinema.data.synthetic.figures.hands import FINGERS, Hand, open_hand
from kinema.data.synthetic.figures.mouth_motions import MOUTH_MOTIONS, SOUNDS, Mouth
from kinema.data.synthetic.figures.pairs import PAIR_MOTIONS
from kinema.data.synthetic.figures.palettes import PALETTES
from kinema.data.synthetic.figures.skeleton import FOREARM, SHANK, THIGH, UPPER_ARM, Pose, skeleton, standing
from kinema.data.synthetic.figures.things import OBJECT_MOTIONS

T = np.arange(90) / 30
DRAWS = 6
Joints = dict[str, np.ndarray]


def person(motion: str, draw: int) -> tuple[Pose, Joints]:
    rng = np.random.default_rng(draw)
    pose = standing(T, rng)
    PERSON_MOTIONS[motion](pose, T, rng)
    return pose, skeleton(pose)


def either(joints: Joints, name: str, measure: Callable[[np.ndarray], float]) -> float:
    return max(measure(joints[f"{name}0"]), measure(joints[f"{name}1"]))


def up(joint: np.ndarray) -> np.ndarray:
    return joint[:, 2]


PERSON_CHECKS: dict[str, Callable[[Pose, Joints], bool]] = {
    "stand": lambda p, j: np.ptp(j["hip"], axis=0).max() < 0.1 and np.ptp(p.forward) < 0.1,
    "walk": lambda p, j: np.corrcoef(j["foot0"][:, 0], j["foot1"][:, 0])[0, 1] < -0.6,
    "run": lambda p, j: np.ptp(j["foot0"][:, 0]) > 0.3 and either(j, "foot", lambda f: up(f).max()) > 0.15,
    "march": lambda p, j: either(j, "knee", lambda k: up(k).max()) > 0.35 and np.ptp(p.forward) < 0.1,
    "step": lambda p, j: 0.08 < np.ptp(p.forward) < 0.5,
    "sidestep": lambda p, j: np.ptp(p.aside) > 0.1 and np.ptp(p.forward) < 0.1,
    "turn": lambda p, j: np.ptp(p.turn) > 1.3,
    "jump": lambda p, j: (np.minimum(up(j["foot0"]), up(j["foot1"]))).max() > 0.07,
    "jumping_jack": lambda p, j: np.ptp(np.linalg.norm(j["hand0"] - j["hand1"], axis=1)) > 0.25,
    "squat": lambda p, j: np.ptp(up(j["hip"])) > 0.1,
    "lunge": lambda p, j: np.ptp(np.linalg.norm(j["foot0"] - j["foot1"], axis=1)) > 0.2,
    "fall": lambda p, j: up(j["head"])[-1] < 0.75 * up(j["head"])[0],
    "bend_down": lambda p, j: np.ptp(up(j["head"])) > 0.12 and up(j["hip"]).min() > 0.4,
    "bow": lambda p, j: np.ptp(j["head"][:, 0]) > 0.12,
    "side_bend": lambda p, j: np.ptp(j["head"][:, 1]) > 0.1,
    "raise_arm": lambda p, j: either(j, "hand", lambda h: np.ptp(up(h))) > 0.3,
    "raise_arms": lambda p, j: min(np.ptp(up(j["hand0"])), np.ptp(up(j["hand1"]))) > 0.3,
    "wave": lambda p, j: (
        (either(j, "hand", lambda h: up(h).max()) > 0.7) and np.ptp(up(j["hand0"]) - up(j["hand1"])) > 0.05
    ),
    "wave_both": lambda p, j: min(up(j["hand0"]).max(), up(j["hand1"]).max()) > 0.7,
    "arm_circles": lambda p, j: either(j, "hand", lambda h: np.ptp(up(h))) > 0.5,
    "clap": lambda p, j: np.ptp(np.linalg.norm(j["hand0"] - j["hand1"], axis=1)) > 0.1,
    "point": lambda p, j: either(j, "hand", lambda h: h[:, 0].max()) > 0.25,
    "punch": lambda p, j: either(j, "hand", lambda h: np.ptp(h[:, 0])) > 0.12,
    "push": lambda p, j: min(np.ptp(j["hand0"][:, 0]), np.ptp(j["hand1"][:, 0])) > 0.2,
    "throw": lambda p, j: either(j, "hand", lambda h: np.ptp(h[:, 0])) > 0.3,
    "kick": lambda p, j: either(j, "foot", lambda f: f[:, 0].max()) > 0.3,
    "knee": lambda p, j: either(j, "knee", lambda k: np.ptp(up(k))) > 0.1,
}


def test_every_gesture_has_a_check() -> None:
    assert set(PERSON_CHECKS) == set(PERSON_MOTIONS)


@pytest.mark.parametrize("motion", PERSON_MOTIONS)
def test_gestures_move_what_they_name(motion: str) -> None:
    for draw in range(DRAWS):
        assert PERSON_CHECKS[motion](*person(motion, draw)), draw


@pytest.mark.parametrize("motion", PERSON_MOTIONS)
def test_bones_keep_their_length_and_feet_stay_above_the_ground(motion: str) -> None:
    _, joints = person(motion, 3)
    for k in (0, 1):
        for a, b, length in (
            ("shoulder", "elbow", UPPER_ARM),
            ("elbow", "hand", FOREARM),
            ("hip", "knee", THIGH),
            ("knee", "foot", SHANK),
        ):
            np.testing.assert_allclose(np.linalg.norm(joints[f"{a}{k}"] - joints[f"{b}{k}"], axis=1), length, atol=1e-9)
        assert up(joints[f"foot{k}"]).min() > 0


def pair(motion: str, draw: int) -> tuple[Pose, Pose, float]:
    rng = np.random.default_rng(draw)
    one, other = standing(T, rng), standing(T, rng)
    return one, other, PAIR_MOTIONS[motion](one, other, T, rng)


def distance(motion: str, draw: int) -> np.ndarray:
    one, other, apart = pair(motion, draw)
    return apart - one.forward - other.forward


@pytest.mark.parametrize("draw", range(DRAWS))
def test_pairs_come_together_and_part(draw: int) -> None:
    for motion in ("hug", "approach"):
        gap = distance(motion, draw)
        assert gap[-1] < gap[0] - 0.15
        assert gap.min() > 0.05
    gap = distance("part", draw)
    assert gap[-1] > gap[0] + 0.15


@pytest.mark.parametrize("draw", range(DRAWS))
def test_who_is_pushed_goes_back_after_the_hands_came(draw: int) -> None:
    one, other, _ = pair("push", draw)
    reach = np.minimum(skeleton(one)["hand0"][:, 0], skeleton(one)["hand1"][:, 0])
    assert other.forward[-1] < other.forward[0] - 0.07
    early, late = (np.argmax(np.abs(np.diff(curve))) for curve in (reach[: np.argmax(reach) + 1], other.forward))
    assert early <= late + 2


@pytest.mark.parametrize("draw", range(DRAWS))
def test_hands_meet(draw: int) -> None:
    for motion in ("handshake", "high_five", "hand_over"):
        one, other, apart = pair(motion, draw)
        gap = apart - one.forward - other.forward - skeleton(one)["hand1"][:, 0] - skeleton(other)["hand1"][:, 0]
        assert gap[0] > gap.min() + 0.15
        assert -0.25 < gap.min() < 0.35
    one, _, _ = pair("high_five", draw)
    assert up(skeleton(one)["hand1"]).max() > up(skeleton(one)["neck"]).min() - 0.05


@pytest.mark.parametrize("motion", ["punch", "kick"])
@pytest.mark.parametrize("draw", range(DRAWS))
def test_who_is_hit_gives_way(motion: str, draw: int) -> None:
    _, other, _ = pair(motion, draw)
    assert sum(np.ptp(moved) for moved in (other.lean, other.nod, other.forward)) > 0.25


def animal(motion: str, draw: int) -> tuple[Joints, Joints]:
    """Joints of an animal that does it, and of the same one at rest."""
    rng = np.random.default_rng(draw)
    beast = Animal.draw(rng, PALETTES["any"])
    poses = []
    for moves in (True, False):
        own = np.random.default_rng([draw, 1])
        pose = resting(T, own)
        if moves:
            ANIMAL_MOTIONS[motion](pose, T, own)
        poses.append(beast.joints(pose))
    return poses[0], poses[1]


ANIMAL_CHECKS: dict[str, Callable[[Joints, Joints], bool]] = {
    "rest": lambda j, r: np.ptp(j["nose"], axis=0).max() < 0.5,
    "walk": lambda j, r: (
        np.corrcoef(np.diff(j["paw0"] - j["chest"], axis=0)[:, 0], np.diff(j["paw1"] - j["chest"], axis=0)[:, 0])[0, 1]
        < 0
    ),
    "run": lambda j, r: np.ptp(j["foot0"][:, 0] - j["rump"][:, 0]) > 0.05,
    "turn_round": lambda j, r: np.ptp(np.unwrap(np.arctan2(*(j["chest"] - j["rump"])[:, 1::-1].T))) > 1.0,
    "rear_up": lambda j, r: np.ptp(up(j["chest"])) > 0.4,
    "lean_on_wall": lambda j, r: np.ptp(up(j["chest"])) > 0.4,
    "raise_head": lambda j, r: np.ptp(up(j["nose"]) - up(j["chest"])) > 0.15,
    "sniff": lambda j, r: up(j["nose"]).mean() < up(r["nose"]).mean(),
    "groom": lambda j, r: up(j["chest"]).mean() > up(r["chest"]).mean() + 0.1,
    "lick": lambda j, r: (
        np.linalg.norm(j["nose"] - j["rump"], axis=1).mean() < np.linalg.norm(r["nose"] - r["rump"], axis=1).mean()
    ),
    "scratch": lambda j, r: max(np.ptp(up(j["foot0"])), np.ptp(up(j["foot1"]))) > 0.03,
    "stretch": lambda j, r: up(j["chest"]).min() < up(r["chest"]).min() - 0.05,
    "shake": lambda j, r: np.ptp(j["nose"][:, 1]) > 0.1,
}


def test_every_animal_motion_has_a_check() -> None:
    assert set(ANIMAL_CHECKS) == set(ANIMAL_MOTIONS)


@pytest.mark.parametrize("motion", ANIMAL_MOTIONS)
def test_animals_move_what_is_named(motion: str) -> None:
    for draw in range(DRAWS):
        assert ANIMAL_CHECKS[motion](*animal(motion, draw)), draw


def tips(motion: str, draw: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Distances from the fingers' roots to their tips (FINGERS, T), the middle of the outlines (T, 2), their spread."""
    rng = np.random.default_rng(draw)
    grip = open_hand(T, rng)
    HAND_MOTIONS[motion](grip, T, rng)
    hand = Hand.draw(0.5, 0.5, 0.2, 0.0, rng, PALETTES["any"])
    bones = hand.bones(grip)
    outline = np.concatenate([part.outline for part in hand.parts(grip)[2:]], axis=1)
    return (
        np.linalg.norm(bones[:, :, 3] - bones[:, :, 0], axis=-1).T,
        outline.mean(axis=1),
        outline.std(axis=1).mean(axis=1),
    )


@pytest.mark.parametrize("draw", range(DRAWS))
def test_hands_close_open_and_go_where_they_say(draw: int) -> None:
    assert tips("close", draw)[0][1:].min(axis=1).max() < 0.75 * tips("close", draw)[0][1:].max()
    opened = tips("open", draw)[0][1:].mean(axis=0)
    assert opened.max() > opened[0] + 0.1
    assert np.ptp(tips("squeeze", draw)[0][1:], axis=1).min() > 0.1
    bent = np.ptp(tips("beckon", draw)[0], axis=1)
    assert bent[1] > 2 * bent[2:].max()
    assert len(bent) == FINGERS
    for motion, axis, sign in (("left", 0, -1), ("right", 0, 1), ("up", 1, -1), ("down", 1, 1)):
        middle = tips(f"swipe_{motion}", draw)[1]
        assert sign * (middle[-1] - middle[0])[axis] > 0.1
    for motion, sign in (("push", 1), ("pull", -1)):
        size = tips(motion, draw)[2]
        assert sign * np.log(size[-1] / size[0]) > 0.15


def mouth(motion: str, draw: int) -> Mouth:
    made = Mouth(*(np.zeros_like(T) for _ in range(6)))
    MOUTH_MOTIONS[motion](made, T, np.random.default_rng(draw))
    return made


@pytest.mark.parametrize("draw", range(DRAWS))
def test_mouths_say_their_sounds_in_order(draw: int) -> None:
    for word, wide_first in (("eo", True), ("oe", False), ("iau", True), ("uai", False)):
        wide = mouth(f"say_{word}", draw).wide
        assert (np.argmax(wide) < np.argmin(wide)) == wide_first, word
    twice = mouth("say_mama", draw).open
    assert np.sum((twice[1:-1] > twice[:-2]) & (twice[1:-1] >= twice[2:]) & (twice[1:-1] > 0.3)) == 2
    assert mouth("yawn", draw).open.max() > 0.9
    assert np.ptp(mouth("smile", draw).smile) > 0.5
    assert np.ptp(mouth("chew", draw).aside) > 0.15
    assert mouth("kiss", draw).round.max() > 0.5
    assert SOUNDS["m"][0] == 0


@pytest.mark.parametrize("draw", range(DRAWS))
def test_things_go_as_they_are_called(draw: int) -> None:
    def centres(motion: str) -> np.ndarray:
        return np.stack([course.centre for course in OBJECT_MOTIONS[motion](T, np.random.default_rng(draw))])

    def gaps(motion: str) -> np.ndarray:
        where = centres(motion)
        return np.linalg.norm(where - where.mean(axis=0), axis=-1).mean(axis=0)

    assert gaps("scatter")[-1] > gaps("scatter")[0] + 0.15
    assert gaps("gather")[-1] < gaps("gather")[0] - 0.15
    touch = np.argmin(gaps("collide"))
    assert 0 < touch < len(T) - 1
    assert np.ptp(gaps("orbit")) < 1e-6
    assert np.all(np.diff(centres("fall")[0, :, 1]) >= 0)
    assert np.ptp(centres("bounce")[0, :, 1]) > 0.2
    (roll,) = OBJECT_MOTIONS["roll"](T, np.random.default_rng(draw))
    turned, gone = np.diff(roll.angle), np.diff(roll.centre[:, 0])
    np.testing.assert_allclose(turned * roll.diameter[1:] / 2, gone, atol=1e-9)


def test_curves_begin_and_end_where_they_say() -> None:
    assert ease(T, 1, 0.5)[[0, 30, 45, 89]] == pytest.approx([0, 0, 1, 1])
    assert pulse(T, 0.5, 0.5, 0.5, 0.5)[[0, 15, 30, 45, 60, 89]] == pytest.approx([0, 0, 1, 1, 0, 0])
    assert through(T, np.array([0.5, 1, 2]), np.array([0, 2, -1]))[[0, 30, 60, 89]] == pytest.approx([0, 2, -1, -1])
    np.testing.assert_array_equal(delayed(T, 5)[5:], T[:-5])
    assert np.all(delayed(T, 5)[:5] == 0)
    for draw in range(20):
        rng = np.random.default_rng(draw)
        assert strokes(T, rng, (0.4, 1.0)).max() > 0.7
        assert hold(T, rng, (0.3, 0.6)).max() > 0.9
