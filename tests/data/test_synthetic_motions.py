from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import ks_2samp

from kinema.data.synthetic.motions import (
    DIFFICULTIES,
    ORDERED_MOTIONS,
    SINGLE_MOTIONS,
    Trajectory,
    sample_trajectory,
)

TIMES = np.arange(32) / 16
SEEDS = st.integers(0, 2**32)
OPPOSITES = [
    ("translate_left", "translate_right"),
    ("translate_up", "translate_down"),
    ("rotate_cw", "rotate_ccw"),
    ("circle_cw", "circle_ccw"),
    *zip(list(ORDERED_MOTIONS)[::2], list(ORDERED_MOTIONS)[1::2], strict=True),
]


def sample(motion: str, seed: int) -> Trajectory:
    return sample_trajectory({**SINGLE_MOTIONS, **ORDERED_MOTIONS}[motion], TIMES, np.random.default_rng(seed))


def steps(trajectory: Trajectory) -> np.ndarray:
    """What a frame-to-frame flow field shows, (T-1, 4): shift right, shift down, turn, logarithm of growth."""
    logarithm = np.log(trajectory.diameter)[:, None]
    return np.diff(np.hstack([trajectory.centre, trajectory.angle[:, None], logarithm]), axis=0)


@given(seed=SEEDS)
@settings(max_examples=30, deadline=None)
def test_every_motion_does_what_its_name_says(seed: int) -> None:
    axes = {"translate_right": (0, 1), "translate_left": (0, -1), "translate_down": (1, 1), "translate_up": (1, -1),
            "rotate_cw": (2, 1), "rotate_ccw": (2, -1), "zoom_in": (3, 1), "zoom_out": (3, -1)}  # fmt: skip
    for motion, (axis, sign) in axes.items():
        step = steps(sample(motion, seed))
        assert np.all(sign * step[:, axis] > 0)
        np.testing.assert_allclose(np.delete(step, axis, axis=1), 0, atol=1e-9)
    for motion, axis in (("oscillate_horizontal", 0), ("oscillate_vertical", 1)):
        step = steps(sample(motion, seed))
        np.testing.assert_allclose(np.delete(step, axis, axis=1), 0, atol=1e-9)
        for start in range(len(step) - 15):
            assert {-1, 1} <= set(np.sign(step[start : start + 15, axis])), "a second must show it turn round"
    for motion, sign in (("circle_cw", 1), ("circle_ccw", -1)):
        step = steps(sample(motion, seed))
        heading = np.unwrap(np.arctan2(step[:, 1], step[:, 0]))
        assert np.all(sign * np.diff(heading) > 0)
        assert abs(heading[-1] - heading[0]) > 2 * math.pi * 29 / 16 / 1.5
        np.testing.assert_allclose(step[:, 2:], 0, atol=1e-9)


@given(seed=SEEDS)
@settings(max_examples=30, deadline=None)
def test_ordered_motions_change_once_near_the_middle(seed: int) -> None:
    for motion in ORDERED_MOTIONS:
        step = steps(sample(motion, seed))
        if motion.startswith("circle"):
            step = np.diff(np.unwrap(np.arctan2(step[:, 1], step[:, 0])))[:, None]
            step = step[np.abs(step[:, 0]) < 1]  # less the reversal itself
        signature = step @ np.arange(1, step.shape[1] + 1)
        first, last = signature[0], signature[-1]
        assert abs(first - last) > 0.5 * max(abs(first), abs(last))
        change = np.argmax(np.abs(signature - first) > 1e-9)
        assert 0.35 * 31 < change < 0.65 * 31
        np.testing.assert_allclose(signature[change + 2 :], last, atol=1e-9)


@pytest.mark.parametrize(("one", "other"), OPPOSITES)
def test_no_single_frame_tells_opposites_apart(one: str, other: str) -> None:
    """Place in the frame, orientation and size are distributed alike at the start, the middle and the end."""
    features = []
    for motion, first in ((one, 0), (other, 10_000)):
        drawn = [sample(motion, seed) for seed in range(first, first + 400)]
        wrapped = [(t.centre + 0.5) % t.period if t.period else t.centre for t in drawn]
        looks = [np.column_stack([p, t.angle % (2 * np.pi), t.diameter]) for p, t in zip(wrapped, drawn, strict=True)]
        features.append(np.stack(looks)[:, [0, 15, 31]].reshape(400, -1))
    for a, b in zip(features[0].T, features[1].T, strict=True):
        assert ks_2samp(a, b).pvalue > 1e-4


@pytest.mark.parametrize(("one", "other"), OPPOSITES[4:])
def test_no_single_flow_field_tells_the_order(one: str, other: str) -> None:
    """Over the whole video both classes of a pair show the same shifts and turns, only in another order."""
    pools = []
    for motion, first in ((one, 0), (other, 10_000)):
        rng = np.random.default_rng(first)
        drawn = [steps(sample(motion, seed)) for seed in range(first, first + 600)]
        pools.append(np.stack([step[rng.integers(len(step))] for step in drawn]))
    for a, b in zip(pools[0].T[:3], pools[1].T[:3], strict=True):
        assert ks_2samp(np.round(a, 9), np.round(b, 9)).pvalue > 1e-4
    assert ks_2samp(*(np.hypot(p[:, 0], p[:, 1]) for p in pools)).pvalue > 1e-4


def test_the_object_is_faster_than_the_camera_and_stays_in_reach() -> None:
    for difficulty in DIFFICULTIES.values():
        for motion in SINGLE_MOTIONS:
            for seed in range(20):
                trajectory = sample(motion, seed)
                assert trajectory.period or np.abs(trajectory.centre).max() < 0.4
                assert trajectory.diameter.max() < 0.9
                if motion.startswith(("translate", "oscillate", "circle")):
                    fastest = np.linalg.norm(steps(trajectory)[:, :2], axis=1).max() * 16
                    assert fastest > 1.5 * difficulty.drift[1]
