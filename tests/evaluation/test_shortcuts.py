from __future__ import annotations

import numpy as np
import pytest

from kinema.evaluation.folds import make_folds
from kinema.evaluation.shortcuts import backwards, leak


def cosine(one, other):
    return one @ other / np.linalg.norm(one) / np.linalg.norm(other)


@pytest.mark.parametrize("split", ["video", "group"])
def test_backwards_against_the_slow_reference(labelled_set, split):
    rng = np.random.default_rng(0)
    motion = labelled_set(rng.permutation(np.arange(24) % 3), groups="abcdef" * 4)
    normal = rng.normal(size=(24, 4))
    turned = normal + 0.8 * rng.normal(size=(24, 4))
    itself, right = [], []
    for query in range(24):
        others = [
            other
            for other in range(24)
            if other != query and (split == "video" or motion.groups[other] != motion.groups[query])
        ]
        ahead = max(cosine(normal[query], normal[other]) for other in others)
        itself.append(cosine(normal[query], turned[query]) > ahead)
        nearest = max(others, key=lambda other, query=query: cosine(turned[query], normal[other]))
        right.append(motion.labels[nearest] == motion.labels[query])
    found = backwards(normal, turned, motion, make_folds(motion, split, "retrieval"))
    assert found.itself == pytest.approx(np.mean(itself)) and 0 < found.itself < 1
    assert found.r1 == pytest.approx(np.mean(right))


def test_who_is_blind_to_direction_finds_itself(labelled_set):
    motion = labelled_set(np.arange(12) % 3)
    values = np.random.default_rng(0).normal(size=(12, 5))
    folds = make_folds(motion, "video", "retrieval")
    assert backwards(values, values * 1.5, motion, folds).itself == 1.0
    assert backwards(values, -values, motion, folds).itself == 0.0


def test_leaks_against_the_slow_reference(labelled_set):
    rng = np.random.default_rng(1)
    motion = labelled_set(np.arange(20) % 4)
    actors = rng.integers(0, 3, 20)
    values = np.eye(3)[actors] + 0.5 * rng.normal(size=(20, 3))
    leaking, expected = [], []
    for video in range(20):
        others = [other for other in range(20) if other != video]
        wrong = [o for o in others if actors[o] == actors[video] and motion.labels[o] != motion.labels[video]]
        leaking.append(max(others, key=lambda o, v=video: cosine(values[v], values[o])) in wrong)
        expected.append(len(wrong) / len(others))
    found = leak(values, motion, actors)
    assert found.share == pytest.approx(np.mean(leaking)) and found.chance == pytest.approx(np.mean(expected))
    assert found.share > found.chance, "these features go by the actor"


def test_without_shared_identities_there_is_nothing_to_leak(labelled_set):
    motion = labelled_set(np.arange(6) % 2)
    assert leak(np.eye(6), motion, np.arange(6)) is None
    assert leak(np.eye(6), motion, motion.labels) is None, "identity and motion are the same"
