"""What intervals teach: which windows are examples of a class, and of none."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kinema.annotations import Interval
from kinema.annotations.bouts import BACKGROUND
from kinema.errors import DataError
from kinema.search.connection import snapshot
from kinema.search.examples import covered, examples, labelled_videos

SPANS = st.lists(st.tuples(st.integers(0, 60), st.integers(0, 60)).map(sorted), max_size=8)


@settings(max_examples=60, deadline=None)
@given(SPANS, SPANS)
def test_what_is_covered_is_the_union(windows, spans):
    seconds = covered(np.array(windows, float).reshape(-1, 2), np.array(spans, float).reshape(-1, 2))
    inside = {second for start, end in spans for second in range(start, end)}
    assert seconds.tolist() == [len(inside & set(range(start, end))) for start, end in windows]


def taught(library, *intervals, background=False):
    """The classes of the first video's two windows, from 0 to 0.5 and from 0.25 to 0.75 seconds."""
    with snapshot(library.path) as db:
        (video,) = labelled_videos(db, intervals, background)
    assert [(window.start, window.end) for window in video.windows] == [(0, 0.5), (0.25, 0.75)]
    return video.classes


def test_a_window_is_an_example_of_the_one_class_that_covers_half_of_it(indexed):
    file = "00000.mp4"
    assert taught(indexed, Interval(file, 0, 0.5, "a")) == ("a", "a")  # of the second exactly half
    assert taught(indexed, Interval(file, 0, 0.45, "a")) == ("a", None)
    assert taught(indexed, Interval(file, 0, 0.2, "a"), Interval(file, 0.15, 0.3, "a")) == ("a", None)
    assert taught(indexed, Interval(file, 0, 0.5, "a"), Interval(file, 0.1, 0.4, "b")) == (None, "a")
    assert taught(indexed, Interval(file, 0, 0.2, "a"), background=True) == (None, BACKGROUND)
    assert taught(indexed, Interval(file, 0.7, 0.75, "a"), background=True) == (BACKGROUND, None)
    assert taught(indexed, Interval(file, 0.3, 0.3, "a"), background=True) == (BACKGROUND, BACKGROUND)  # a point


def test_there_is_no_more_background_than_serves(indexed, monkeypatch):
    monkeypatch.setattr("kinema.search.examples.BACKGROUND_LEAST", 2)
    monkeypatch.setattr("kinema.search.examples.BACKGROUND_MOST", 3)
    files = [f"{number:05}" for number in range(12)]
    intervals = [Interval(files[0], 0, 0.5, "a"), *(Interval(file, 0.3, 0.3, "a") for file in files[1:])]
    with snapshot(indexed.path) as db:
        found = examples(labelled_videos(db, intervals, True))
    assert sorted(found.values()) == ["a"] * 2 + [BACKGROUND] * 6


def test_videos_are_known_by_the_ends_of_their_paths(indexed):
    path = indexed.videos()[3].path
    for file in (path, "00003.mp4", "00003", f"elsewhere/{path.split('/')[-2]}/00003.mp4"):
        with snapshot(indexed.path) as db:
            assert [video.path for video in labelled_videos(db, [Interval(file, 0, 0.5, "a")], False)] == [path]


def test_labels_of_what_is_not_in_the_index(indexed):
    with snapshot(indexed.path) as db:
        for interval, sentence in (
            (Interval("none.mp4", 0, 1, "a"), r"videos that are not in the index: none\.mp4; index them, or take"),
            (Interval("00000.mp4", 9, 10, "a"), r"an interval of 'a' begins at 9\.000 s, and .* ends at 0\.750 s"),
        ):
            with pytest.raises(DataError, match=sentence):
                labelled_videos(db, [interval], False)
