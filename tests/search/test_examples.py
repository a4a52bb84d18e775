"""What intervals teach: which windows are examples of a class, and of none."""

from __future__ import annotations

import pytest

from kinema.annotations import Interval
from kinema.annotations.bouts import BACKGROUND
from kinema.errors import DataError
from kinema.search.examples import examples, labelled_videos


def taught(library, *intervals, background=False):
    """The classes of the first video's two windows, from 0 to 0.5 and from 0.25 to 0.75 seconds."""
    (video,) = labelled_videos(library.path, intervals, background)
    assert [(window.start, window.end) for window in video.windows] == [(0, 0.5), (0.25, 0.75)]
    return video.classes


def test_a_window_is_an_example_of_the_one_class_that_covers_more_than_half(indexed):
    file = "00000.mp4"
    assert taught(indexed, Interval(file, 0, 0.6, "a")) == ("a", "a")
    assert taught(indexed, Interval(file, 0, 0.49, "a")) == ("a", None)
    assert taught(indexed, Interval(file, 0, 0.5, "a")) == ("a", None)  # of the second exactly half
    assert taught(indexed, Interval(file, 0, 0.2, "a"), Interval(file, 0.15, 0.3, "a")) == ("a", None)
    assert taught(indexed, Interval(file, 0, 0.6, "a"), Interval(file, 0.1, 0.4, "b")) == (None, "a")
    assert taught(indexed, Interval(file, 0, 0.2, "a"), background=True) == (None, BACKGROUND)
    assert taught(indexed, Interval(file, 0.7, 0.75, "a"), background=True) == (BACKGROUND, None)
    assert taught(indexed, Interval(file, 0.3, 0.3, "a"), background=True) == (BACKGROUND, BACKGROUND)  # a point


def test_there_is_no_more_background_than_serves(indexed, monkeypatch):
    monkeypatch.setattr("kinema.search.examples.BACKGROUND_LEAST", 2)
    monkeypatch.setattr("kinema.search.examples.BACKGROUND_MOST", 3)
    files = [f"{number:05}" for number in range(12)]
    intervals = [Interval(files[0], 0, 0.5, "a"), *(Interval(file, 0.3, 0.3, "a") for file in files[1:])]
    found = examples(labelled_videos(indexed.path, intervals, True))
    assert sorted(found.values()) == ["a", *[BACKGROUND] * 3]


def test_videos_are_known_by_the_ends_of_their_paths(indexed):
    path = indexed.videos()[3].path
    for file in (path, "00003.mp4", "00003", f"elsewhere/{path.split('/')[-2]}/00003.mp4"):
        assert [video.path for video in labelled_videos(indexed.path, [Interval(file, 0, 0.5, "a")], False)] == [path]


def test_labels_of_what_is_not_in_the_index(indexed):
    for interval, sentence in (
        (Interval("none.mp4", 0, 1, "a"), r"names 1 video \(1 label\) not in the index .*: none\.mp4; correct them or"),
        (Interval("00000.mp4", 9, 10, "a"), r"an interval of 'a' goes to 10\.000 s, and 00000\.mp4 lasts only 0\.750"),
    ):
        with pytest.raises(DataError, match=sentence):
            labelled_videos(indexed.path, [interval], False)
