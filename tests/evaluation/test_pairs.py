from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from kinema.data.synthetic import ORDERED_MOTIONS, SINGLE_MOTIONS
from kinema.errors import ConfigError, DataError
from kinema.evaluation import PairsSpec, ProbeSpec, evaluate_pairs
from kinema.evaluation.pairs import opposite_classes

SPEC = PairsSpec(probe=ProbeSpec(strengths=(0.1, 1.0)))


def test_the_opposites_of_the_synthetic_motions():
    assert opposite_classes(sorted(SINGLE_MOTIONS)) == [
        ("circle_ccw", "circle_cw"),
        ("rotate_ccw", "rotate_cw"),
        ("translate_down", "translate_up"),
        ("translate_left", "translate_right"),
        ("zoom_in", "zoom_out"),
    ]
    found = opposite_classes(list(ORDERED_MOTIONS))
    assert found == list(zip(list(ORDERED_MOTIONS)[::2], list(ORDERED_MOTIONS)[1::2], strict=True))


@pytest.mark.parametrize(
    ("classes", "pairs"),
    [
        (["Swiping Left", "Swiping Right", "Stop Sign"], [(0, 1)]),
        (["Turning Hand Clockwise", "Turning Hand Counterclockwise"], [(0, 1)]),
        (["Pulling something from left to right", "Pulling something from right to left"], [(0, 1)]),
        (["Pushing it left", "Pulling it left", "Pulling it right"], [(0, 1), (1, 2)]),
        (["Putting something into something", "Putting something out of something"], [(0, 1)]),
        (["upstairs", "downstairs", "brightness", "bleftness", "in", "inn"], []),
        (["in", "out"], [(0, 1)]),
    ],
)
def test_opposites_are_told_by_whole_words(classes, pairs):
    assert opposite_classes(classes) == [(classes[first], classes[second]) for first, second in pairs]


def case(labelled_set, splits=None, groups=None, seed=0):
    """Left and right differ in the first number, up and down in nothing; the rest is noise and tells the axis."""
    rng = np.random.default_rng(seed)
    labels = np.arange(160) % 4
    features = rng.normal(size=(160, 4))
    features[:, 0] += 6 * (labels == 0) - 6 * (labels == 1)
    features[:, 1] += 9 * (labels > 1)
    labelled = replace(labelled_set(labels, splits, groups), classes=("left", "right", "up", "down"))
    return features, labelled


def test_a_pair_is_judged_by_its_own_videos(labelled_set):
    features, labelled = case(labelled_set, ["train"] * 80 + ["test"] * 80)
    result = evaluate_pairs(features, labelled, spec=SPEC)
    left, up = result.pairs
    assert (left.first, left.second, left.queries, left.accuracy) == ("left", "right", 40, 1.0)
    assert (up.first, up.second) == ("up", "down") and up.accuracy == pytest.approx(0.5, abs=0.2)
    assert result.accuracy == pytest.approx((left.accuracy + up.accuracy) / 2)
    assert (result.chance, result.derived, result.left_out) == (0.5, True, {})
    assert json.loads(json.dumps(result.to_dict()))["pairs"][0]["accuracy"] == 1.0
    given = evaluate_pairs(features, labelled, spec=SPEC, pairs=[("left", "up")])
    assert [figures.accuracy for figures in given.pairs] == [1.0] and not given.derived


def test_other_classes_do_not_matter(labelled_set):
    features, labelled = case(labelled_set)
    rows = np.flatnonzero(labelled.labels < 2)
    alone = replace(labelled_set(labelled.labels[rows]), classes=("left", "right"))
    wild = np.where(labelled.labels[:, None] > 1, 1e3, features)
    expected = evaluate_pairs(features[rows], alone, spec=SPEC).pairs[0]
    assert evaluate_pairs(wild, labelled, spec=SPEC, pairs=[("left", "right")]).pairs[0] == expected


def test_a_pair_of_unequal_classes_is_still_half_by_chance(labelled_set):
    """Answering with the larger class alone is worth 0.5."""
    labels = np.array([0] * 90 + [1] * 10)
    labelled = replace(labelled_set(labels), classes=("in", "out"))
    assert evaluate_pairs(np.zeros((100, 3)), labelled, spec=SPEC).accuracy == 0.5


def test_pairs_that_cannot_be_measured(labelled_set):
    splits = np.array(["train", "test"] * 80)
    labels = np.arange(160) // 2 % 4
    splits[labels == 3] = "train"
    features = np.random.default_rng(0).normal(size=(160, 3))
    labelled = replace(labelled_set(labels, splits.tolist()), classes=("left", "right", "up", "down"))
    result = evaluate_pairs(features, labelled, spec=SPEC)
    assert [(pair.first, pair.second) for pair in result.pairs] == [("left", "right")]
    assert result.left_out == {"up or down": "of 'up' and 'down' only 'up' has test videos"}
    with pytest.raises(DataError, match="only 'up' has test videos"):
        evaluate_pairs(features, labelled, spec=SPEC, pairs=[("left", "right"), ("up", "down")])


def test_names_that_are_not_there(labelled_set):
    features, labelled = case(labelled_set)
    with pytest.raises(
        ConfigError, match="--pairs names the class 'lefft', which the labels do not have; there is 'left'"
    ):
        evaluate_pairs(features, labelled, pairs=[("lefft", "right")])
    with pytest.raises(ConfigError, match="'up' beside itself"):
        evaluate_pairs(features, labelled, pairs=[("up", "up")])
    with pytest.raises(DataError, match="no two classes have opposite names; give pairs"):
        evaluate_pairs(features, replace(labelled, classes=("a", "b", "c", "d")))
