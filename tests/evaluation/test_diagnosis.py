from __future__ import annotations

import json
import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kinema.errors import DataError
from kinema.evaluation import DiagnosisSpec, ProbeSpec, evaluate_diagnosis, evaluate_retrieval
from kinema.evaluation.diagnosis import motion_share
from kinema.evaluation.shortcuts import NORMAL, ORDERS

SPEC = DiagnosisSpec(probe=ProbeSpec(strengths=(0.1, 1.0)))
VIDEOS = 120


@pytest.fixture
def tables(labelled_set):
    """Three motions and four appearances, crossed; the last forty for testing."""
    splits = ["train"] * 80 + ["test"] * 40
    rng = np.random.default_rng(0)
    return labelled_set(rng.permutation(np.arange(VIDEOS) % 3), splits), labelled_set(
        rng.permutation(np.arange(VIDEOS) % 4), splits
    )


def seen(motion, appearance, strength, seed=0):
    """Features that hold both codes, each as strong as asked, and noise; disorder takes the code of motion away."""
    rng = np.random.default_rng(seed)
    codes = np.hstack([strength[0] * np.eye(3)[motion.labels], strength[1] * np.eye(4)[appearance.labels]])
    normal = codes + 0.1 * rng.normal(size=codes.shape)
    without = normal.copy()
    without[:, :3] = 0.1 * rng.normal(size=(VIDEOS, 3))
    return {NORMAL: normal} | dict.fromkeys(ORDERS, without)


def test_who_sees_motion_alone_and_who_appearance_alone(tables):
    mover = evaluate_diagnosis(seen(*tables, (3, 0)), *tables, spec=SPEC)
    assert (mover.motion.r1, mover.motion_share) == (1.0, pytest.approx(1.0, abs=0.2))
    assert mover.motion.probe[NORMAL] == 1.0
    assert all(mover.motion.drop[order] > 0.4 for order in ORDERS)
    assert mover.similarity.motion_first > 0.95 > 0.3 > mover.similarity.same_appearance
    looker = evaluate_diagnosis(seen(*tables, (0, 3)), *tables, spec=SPEC)
    assert looker.appearance.r1 == 1.0 and looker.motion_share < 0.2
    assert all(looker.appearance.drop[order] == 0 for order in ORDERS)
    assert looker.similarity.motion_first < 0.05


def test_figures_in_closed_form(tables):
    features = seen(*tables, (2, 1))
    result = evaluate_diagnosis(features, *tables, spec=SPEC)
    lifts = []
    for table, sight in zip(tables, (result.motion, result.appearance), strict=True):
        found = evaluate_retrieval(features[NORMAL], table)
        assert (sight.r1, sight.chance) == (found.plain.recall[1], found.chance)
        assert sight.lift == pytest.approx(sight.r1 - sight.chance)
        assert sight.drop == {order: pytest.approx(sight.probe[NORMAL] - sight.probe[order]) for order in ORDERS}
        lifts.append(max(sight.lift, 0))
    assert result.motion_share == pytest.approx(lifts[0] / sum(lifts))
    assert json.loads(json.dumps(result.to_dict()))["motion_share"] == result.motion_share
    assert f"motion share {result.motion_share:.3f}" in result.summary()
    assert f"the probe is right in {result.motion.probe[NORMAL]:.3f} and loses with frames" in result.summary()


def test_similarities_against_the_slow_reference(labelled_set):
    rng = np.random.default_rng(1)
    motion, appearance = labelled_set(np.arange(24) % 3, groups="abcdef" * 4), labelled_set(np.arange(24) // 6 % 2)
    appearance = type(appearance)(
        motion.folder, motion.files, appearance.labels, appearance.classes, None, motion.groups
    )
    features = rng.normal(size=(24, 5)) + 2
    result = evaluate_diagnosis(dict.fromkeys((NORMAL, *ORDERS), features), motion, appearance, spec=SPEC)
    centred = features - features.mean(0)
    kinds = {(True, False): [], (False, True): [], (False, False): [], (True, True): []}
    for i in range(24):
        for j in range(i):
            if motion.groups[i] == motion.groups[j]:
                continue
            cosine = sum(centred[i] * centred[j]) / math.dist(centred[i], [0] * 5) / math.dist(centred[j], [0] * 5)
            alike = motion.labels[i] == motion.labels[j], appearance.labels[i] == appearance.labels[j]
            kinds[tuple(map(bool, alike))].append(cosine)
    found = result.similarity
    assert found.same_motion == pytest.approx(np.mean(kinds[True, False]))
    assert found.same_appearance == pytest.approx(np.mean(kinds[False, True]))
    assert found.neither == pytest.approx(np.mean(kinds[False, False]))
    wins = [(a > b) + 0.5 * (a == b) for a in kinds[True, False] for b in kinds[False, True]]
    assert found.motion_first == pytest.approx(np.mean(wins))


def test_a_collapsed_encoder_prefers_nothing(tables):
    result = evaluate_diagnosis(dict.fromkeys((NORMAL, *ORDERS), np.ones((VIDEOS, 4))), *tables, spec=SPEC)
    assert result.similarity.motion_first == 0.5
    assert set(result.motion.drop.values()) == {0.0}


@given(st.floats(-1, 1), st.floats(-1, 1))
def test_the_share_of_any_two_lifts(motion, appearance):
    share = motion_share(motion, appearance)
    if motion <= 0 and appearance <= 0:
        assert share is None
    elif appearance <= 0:
        assert share == 1
    elif motion <= 0:
        assert share == 0
    else:
        assert share == pytest.approx(1 / (1 + appearance / motion))


def test_without_labels_of_appearance_the_rest_is_measured(tables):
    result = evaluate_diagnosis(seen(*tables, (3, 1)), tables[0], spec=SPEC)
    assert (result.appearance, result.motion_share, result.similarity) == (None, None, None)
    assert result.motion == evaluate_diagnosis(seen(*tables, (3, 1)), *tables, spec=SPEC).motion
    assert "motion share" not in result.summary() and "motion share" not in [f.name for f in result.figures()]


def test_a_share_of_nothing_is_said(tables):
    result = evaluate_diagnosis(seen(*tables, (3, 1)), *tables, spec=SPEC)
    assert "motion share undefined" in replace(result, motion_share=None).summary()


def test_many_queries_are_sampled_by_the_seed(tables):
    features = seen(*tables, (1, 1))
    few = [
        evaluate_diagnosis(features, *tables, spec=DiagnosisSpec(probe=SPEC.probe, pair_videos=n, seed=s)).similarity
        for n, s in ((20, 0), (20, 0), (20, 1), (1000, 1))
    ]
    assert few[0] == few[1] != few[2]
    assert few[3] == evaluate_diagnosis(features, *tables, spec=SPEC).similarity


def test_what_is_wrong_is_named(tables, labelled_set):
    features = seen(*tables, (1, 1))
    features["frozen"] = np.full((VIDEOS, 7), np.nan)
    with pytest.raises(DataError, match="not finite"):
        evaluate_diagnosis(features, *tables, spec=SPEC)
    with pytest.raises(ValueError, match="same videos"):
        evaluate_diagnosis(features, tables[0], labelled_set(np.arange(10) % 2))
