from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kinema.boxes.box import WHOLE, Box, cut, framed
from kinema.errors import DataError

SHARES = st.floats(0, 1)
SHAPES = st.tuples(st.integers(16, 400), st.integers(16, 400))


@st.composite
def boxes(draw):
    left, top = draw(st.floats(0, 0.98)), draw(st.floats(0, 0.98))
    return Box(left, top, draw(st.floats(left + 0.01, 1)), draw(st.floats(top + 0.01, 1)))


def sides(box, shape):
    return (box.right - box.left) * shape[1], (box.bottom - box.top) * shape[0]


@given(boxes(), SHAPES, st.floats(0.5, 2), st.booleans(), st.floats(0, 1), st.floats(0.1, 1))
def test_what_is_cut_lies_within_the_picture_and_is_no_smaller_than_the_least(
    box, shape, aspect, squeeze, margin, least
):
    found = framed(box, shape, aspect, squeeze, margin, least)
    assert 0 <= found.left < found.right <= 1 and 0 <= found.top < found.bottom <= 1
    if squeeze:
        assert min(sides(found, shape)) >= least * min(shape) - 1e-6


@given(boxes(), SHAPES, st.floats(0.5, 2), st.floats(0, 1), st.floats(0.1, 1))
def test_what_may_be_squeezed_is_cut_with_all_of_the_subject(box, shape, aspect, margin, least):
    found = framed(box, shape, aspect, True, margin, least)
    assert found.left <= box.left + 1e-9 and found.right >= box.right - 1e-9
    assert found.top <= box.top + 1e-9 and found.bottom >= box.bottom - 1e-9


@given(boxes(), SHAPES, st.floats(0.5, 2))
def test_what_may_not_be_squeezed_keeps_the_proportions(box, shape, aspect):
    across, down = sides(framed(box, shape, aspect, False), shape)
    assert across / down == pytest.approx(aspect, rel=1e-6)


@given(st.floats(0.3, 0.5), st.floats(0.3, 0.5), st.floats(-0.1, 0.1))
def test_a_subject_elsewhere_is_cut_alike(left, top, shift):
    box, other = Box(left, top, left + 0.1, top + 0.1), Box(left + shift, top, left + shift + 0.1, top + 0.1)
    one, two = (framed(each, (100, 200), 1.0, True) for each in (box, other))
    assert two.left - one.left == pytest.approx(shift, abs=1e-9)
    assert sides(one, (100, 200)) == pytest.approx(sides(two, (100, 200)))


def test_a_subject_at_the_border_is_cut_up_to_it():
    found = framed(Box(0.0, 0.9, 0.1, 1.0), (100, 100), 1.0, True, margin=0.0, least=0.4)
    assert (found.left, found.bottom) == (0.0, 1.0) and found.right == pytest.approx(0.4)


def test_cutting_shows_what_lies_in_the_box():
    frames = np.zeros((2, 40, 80, 3), np.uint8)
    frames[:, 10:20, 60:80] = 200
    seen = cut(frames, Box(0.75, 0.25, 1.0, 0.5), (5, 10))
    assert seen.shape == (2, 5, 10, 3) and (seen == 200).all()
    assert cut(frames, WHOLE, (40, 80)) is not None and np.array_equal(cut(frames, WHOLE, (40, 80)), frames)


def test_a_box_of_less_than_a_pixel_is_one_pixel():
    frames = np.arange(16, dtype=np.uint8).reshape(1, 4, 4, 1).repeat(3, 3)
    assert (cut(frames, Box(0.99, 0.99, 1.0, 1.0), (2, 2)) == 15).all()


@pytest.mark.parametrize("wrong", [(0.5, 0, 0.5, 1), (-0.1, 0, 1, 1), (0, 0, 1, 1.1), (0.6, 0, 0.4, 1)])
def test_what_is_no_part_of_the_picture_is_refused(wrong):
    with pytest.raises(DataError, match="no part"):
        Box(*wrong)
