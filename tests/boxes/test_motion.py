from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kinema.boxes.box import Box
from kinema.boxes.motion import motion_box, own_motion, small

HEIGHT, WIDTH = 128, 192


def scene(place=None, seed=0, pan=0):
    """A textured ground, ``pan`` pixels further on, with a brighter square of 24 pixels at ``place`` (x, y)."""
    rng = np.random.default_rng(seed)
    ground = (
        rng.uniform(40, 120, (HEIGHT // 8, 2 * WIDTH // 8)).repeat(8, 0).repeat(8, 1)[:, 40 + pan : 40 + pan + WIDTH]
    )
    frame = np.repeat(ground[..., None], 3, 2)
    if place is not None:
        x, y = place
        frame[y : y + 24, x : x + 24] = rng.uniform(150, 250, (6, 6, 1)).repeat(4, 0).repeat(4, 1)
    return frame.astype(np.uint8)


def found(frames):
    return motion_box(np.mean([own_motion(*pair) for pair in pairwise(map(small, frames))], axis=0))


def holds(box: Box, left, top, right, bottom, slack):
    return (
        box.left * WIDTH <= left + slack
        and box.right * WIDTH >= right - slack
        and box.top * HEIGHT <= top + slack
        and box.bottom * HEIGHT >= bottom - slack
    )


@settings(max_examples=25, deadline=None)
@given(st.integers(10, 130), st.integers(10, 90), st.integers(0, 3))
def test_the_box_holds_what_moves_and_little_else(x, y, seed):
    box = found([scene((x + 3 * n, y), seed) for n in range(6)])
    assert holds(box, x, y, x + 15 + 24, y + 24, slack=4)
    assert box.right - box.left < (15 + 24) / WIDTH + 0.15 and box.bottom - box.top < 24 / HEIGHT + 0.2


def test_nothing_moves():
    assert found([scene((50, 50))] * 5) is None
    noisy = [scene().astype(int) + np.random.default_rng(n).integers(-2, 3, (HEIGHT, WIDTH, 1)) for n in range(5)]
    assert found([frame.clip(0, 255).astype(np.uint8) for frame in noisy]) is None


@pytest.mark.parametrize("pan", [2, 4, -6])
def test_a_camera_that_turns_is_no_motion_of_its_own(pan):
    assert found([scene(pan=pan * n) for n in range(5)]) is None
    box = found([scene((60 + 4 * n - pan * n, 40), pan=pan * n) for n in range(5)])
    assert box is not None and box.right - box.left < 0.5 and box.bottom - box.top < 0.5


def test_a_body_that_stirs_belongs_to_the_limb_that_moves():
    motion = np.zeros((64, 96), np.float32)
    motion[20:24, 30:34], motion[20:50, 34:40], motion[5:9, 80:90] = 1.0, 0.06, 0.04
    box = motion_box(motion)
    assert box.bottom * 64 > 45 and box.right * 96 < 50


@given(st.integers(0, 40), st.integers(0, 70))
def test_what_moves_elsewhere_has_its_box_elsewhere(y, x):
    motion = np.zeros((64, 96), np.float32)
    motion[y + 4 : y + 12, x + 6 : x + 18] = 0.5
    box = motion_box(motion)
    assert box.left * 96 <= x + 6 and box.right * 96 >= x + 18 and box.top * 64 <= y + 4 and box.bottom * 64 >= y + 12


def test_how_much_moves_does_not_matter():
    motion = np.zeros((64, 96), np.float32)
    motion[10:30, 20:40] = 1.0
    assert motion_box(motion) == motion_box(3 * motion)


def test_frames_are_small_and_keep_their_proportions():
    assert small(np.zeros((1080, 1920, 3), np.uint8)).shape == (64, 114)
    assert small(np.zeros((20, 4000, 3), np.uint8)).shape == (64, 256)
