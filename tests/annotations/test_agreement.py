"""Agreement of two sets of intervals, against closed forms and scikit-learn."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kinema.annotations import Interval
from kinema.annotations.agreement import cohens_kappa, compare, confusion, found_bouts
from kinema.errors import ConfigError


def intervals(codes, step=1.0, file="v.mp4"):
    """An interval for each run of a code but 0."""
    edges = np.flatnonzero(np.diff(codes, prepend=-1, append=-1))
    return [
        Interval(file, first * step, stop * step, "nabcdef"[codes[first]])
        for first, stop in pairwise(edges)
        if codes[first]
    ]


CODES = st.lists(st.integers(0, 3), min_size=1, max_size=60)


@settings(max_examples=60, deadline=None)
@given(CODES, CODES, st.sampled_from([1.0, 0.04, 1 / 30]))
def test_figures_by_frame_are_those_of_scikit_learn(a, b, step):
    from sklearn.metrics import cohen_kappa_score, f1_score

    length = min(len(a), len(b))
    a, b = np.array(a[:length]), np.array(b[:length])
    found = compare(intervals(a, step), intervals(b, step), {"v.mp4": length * step}, step)
    assert found.seconds == pytest.approx(length * step) and found.left_out == 0
    if len({*a, *b}) > 1:
        assert found.kappa == pytest.approx(cohen_kappa_score(a, b))
        assert found.frame_accuracy == pytest.approx((a == b).mean())
    else:
        assert found.kappa is None
    for one in found.classes:
        code = "nabcdef".index(one.label)
        assert one.frame_f1 == pytest.approx(f1_score(a == code, b == code))
        assert one.seconds == pytest.approx(((a == code).sum() * step, (b == code).sum() * step))


@settings(max_examples=60, deadline=None)
@given(CODES)
def test_who_agrees_with_oneself_agrees_in_full(codes):
    own = intervals(np.array(codes))
    found = compare(own, own)
    for one in found.classes:
        assert (one.precision, one.recall, one.frame_f1, one.bout_f1) == (1, 1, 1, 1)
        assert one.bouts[0] == one.bouts[1]
    assert found.bout_f1 == (1 if own else None)


def test_kappa_of_the_textbook():
    assert cohens_kappa(np.array([[20, 5], [10, 15]])) == pytest.approx(0.4)
    assert cohens_kappa(np.array([[9, 0], [0, 0]])) is None
    np.testing.assert_array_equal(confusion(np.array([0, 1, 1]), np.array([1, 1, 0]), 2), [[0, 1], [1, 1]])


def test_a_bout_is_found_by_half_of_the_union_and_only_once():
    assert found_bouts([(0, 10)], [(0, 5)]) == 1  # IoU 0.5
    assert found_bouts([(0, 10)], [(0, 4.9)]) == 0
    assert found_bouts([(0, 10)], [(0, 5), (5, 10)]) == 1  # in pieces: one is right, one is wrong
    assert found_bouts([(0, 2), (2, 4)], [(0, 4)]) == 1
    assert found_bouts([(0, 10)], [(0, 5)], overlap=0.6) == 0
    assert found_bouts([(3, 3)], [(3, 3)]) == 1 and found_bouts([(3, 3)], [(3, 4)]) == 0
    a = [Interval("v", 0, 10, "x"), Interval("v", 20, 30, "x"), Interval("w", 0, 1, "y")]
    b = [Interval("v", 1, 9, "x"), Interval("v", 40, 41, "x"), Interval("w", 0, 1, "x")]
    found = compare(a, b)
    by_name = {one.label: one for one in found.classes}
    assert by_name["x"].bouts == (2, 3) and by_name["x"].bout_f1 == pytest.approx(2 / 5)
    assert by_name["y"].bout_f1 == 0 and found.bout_f1 == pytest.approx(2 / 6) and found.videos == 2


def test_frames_with_several_classes_count_by_class_and_not_for_kappa():
    a = [Interval("v", 0, 10, "x"), Interval("v", 5, 10, "y")]
    found = compare(a, a, step=1.0)
    assert found.left_out == 0.5 and found.kappa is None and found.frame_f1 == 1


def test_what_cannot_be_compared():
    with pytest.raises(ConfigError, match=r"frames of 0 s and an overlap of 0\.5 will not do"):
        compare([], [], step=0)
    with pytest.raises(ConfigError, match=r"too many frames of 0\.04 s; give a larger --step"):
        compare([Interval("v", 0, 1e10, "x")], [])
    assert compare([], []).kappa is None
