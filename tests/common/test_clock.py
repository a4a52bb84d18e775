"""Times as people write them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kinema.common.clock import clock, seconds_of


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0:00.0"),
        (5.04, "0:05.0"),
        (59.96, "1:00.0"),
        (83.25, "1:23.2"),
        (3599.96, "1:00:00.0"),
        (7384.5, "2:03:04.5"),
    ],
)
def test_times_in_words(seconds, words):
    assert clock(seconds) == words
    assert seconds_of(words) == pytest.approx(seconds, abs=0.051)


@given(st.floats(0, 1e6))
def test_law_what_is_printed_can_be_typed_in(seconds):
    assert seconds_of(clock(seconds)) == pytest.approx(seconds, abs=0.051)
    assert clock(seconds_of(clock(seconds))) == clock(seconds)


def test_other_ways_to_write_them():
    assert [seconds_of(text) for text in ("90", "90.5", ".5", "1:30.", "0:01:30.5", " 12 ")] == [
        90,
        90.5,
        0.5,
        90,
        90.5,
        12,
    ]
    for text in ("", "one", "1:5", "1:2:3", "-1", "1:60:00:00", "nan", "inf", "1e3"):
        with pytest.raises(ValueError, match="is no time; write seconds"):
            seconds_of(text)
