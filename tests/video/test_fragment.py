"""Parts of videos, named as addresses name them."""

from __future__ import annotations

from itertools import count
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from video_samples import brightness

from kinema.errors import VideoError
from kinema.video import Video
from kinema.video.fragment import Fragment, fragment_of, named_part, whole_of
from kinema.video.frame_cache import Shelf
from kinema.video.identity import content_sha256, quick_content_sha256, size_and_time
from kinema.video.view import View


@pytest.fixture
def second(write_video):
    return write_video(frames=30)


@pytest.mark.parametrize(
    ("start", "end", "first", "stop"),
    [(2 / 3, 5 / 6, 20, 25), (0, 0.06, 0, 2), (0.225, 0.28, 6, 9), (0.87, 90, 26, 30)],
)
def test_a_part_is_the_frames_between_its_times(second, start, end, first, stop):
    with Video(str(Fragment(str(second), start, end))) as video:
        whole = video.read()
        assert brightness(whole.frames) == list(range(first, stop))
        np.testing.assert_allclose(whole.timestamps, np.maximum(0, np.arange(first, stop) / 30 - start), atol=1e-6)
        assert video.info.duration == pytest.approx(min(end, 1) - start, abs=1e-5)
        assert brightness(video.at_indices([0, 1, 999]).frames) == [first, first + 1, stop - 1]
        assert brightness(video.at_times([-5, 0, 1e9]).frames) == [first, first, stop - 1]
        followed = list(video.follow(n / 60 for n in count()))
        assert brightness(np.stack([pixels for _, pixels in followed]))[0] == first
        assert len(followed) == int(np.ceil(60 * (min(end, 1) - start) - 1e-3))
        assert max(brightness(np.stack([pixels for _, pixels in followed]))) == stop - 1


@settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(start=st.floats(0, 0.9), length=st.floats(0.04, 3), asked=st.lists(st.floats(0, 4), min_size=1, max_size=5))
def test_times_of_a_part_are_times_of_the_whole_moved(second, start, length, asked):
    part = Fragment(str(second), round(start, 3), round(start + length, 3))
    with Video(second) as whole, Video(str(part)) as video:
        last = part.end - part.start - 1e-3
        expected = whole.at_times([part.start + min(time, last) for time in asked])
        found = video.at_times(asked)
    assert np.array_equal(found.frames, expected.frames)
    assert found.timestamps == pytest.approx(np.maximum(0, expected.timestamps - part.start), abs=1e-9)


def test_a_part_that_is_held_in_memory_is_the_same(second):
    path, view = f"{second}#t=0.2,0.9", View(short_side=16)
    with Shelf(64).open(path, view, 14) as held, Video(path, view) as video:
        for times in ([0.0, 0.5, 0.69], [0.33, 100.0]):
            a, b = held.at_times(times), video.at_times(times)
            assert np.array_equal(a.frames, b.frames) and np.allclose(a.timestamps, b.timestamps)


def test_names_go_to_and_fro(tmp_path):
    part = Fragment("a b/c#d.mp4", 1.5, 3.25)
    assert str(part) == "a b/c#d.mp4#t=1.5,3.25" and named_part(str(part)) == part
    for name in ("a.mp4", "a.mp4#t=1", "a.mp4#t=3,2", "a.mp4#t=1,1", "a.mp4#t=-1,2", "#t=1,2", "a.mp4#t=1,2.mp4"):
        assert named_part(name) is None
    odd = tmp_path / "clip#t=1,2"
    odd.write_bytes(b"")
    assert fragment_of(odd) is None and whole_of(odd) == str(odd)
    odd.unlink()
    assert fragment_of(odd) == Fragment(str(tmp_path / "clip"), 1, 2)


def test_parts_have_fingerprints_of_their_own_and_the_files_size(second):
    names = [second, f"{second}#t=1,2", f"{second}#t=1,3"]
    assert len({content_sha256(name) for name in names}) == len({quick_content_sha256(name) for name in names}) == 3
    assert len({size_and_time(name) for name in names}) == 1


def test_a_part_that_is_not_two_times_says_how_to_write_one(second):
    for times in ("1", "3,1", "0:01,0:02", ""):
        with pytest.raises(VideoError, match="two times in seconds, the earlier first"):
            Video(f"{second}#t={times}")


def test_a_part_that_begins_behind_the_end_is_refused(second):
    with pytest.raises(VideoError, match=r"#t=31,32: the part begins at 31 s, after the video's end at 1 s"):
        Video(f"{second}#t=31,32")
    with pytest.raises(VideoError, match="no such file"):
        Video(f"{second}.mp4#t=1,2")


@pytest.mark.parametrize("fault", ["clock_jump/jump.ts", "clock_restart/cat_webm.webm"])
def test_a_part_behind_the_end_is_refused_where_the_header_knows_no_end(fault):
    path = Path(__file__).parents[1] / "faults" / fault
    with Video(path) as whole:
        end = whole.read().timestamps[-1]
    ways = [
        lambda video: video.read(),
        lambda video: video.at_times([0.0]),
        lambda video: video.at_indices([0]),
        lambda video: list(video.follow([0.0])),
    ]
    for way in ways:
        with Video(f"{path}#t={end + 1},{end + 2}") as video, pytest.raises(VideoError, match="after the video's end"):
            way(video)


@pytest.mark.parametrize("times", ["2,1", "1,1", "-1,2", "nan,2", "1e3,2000", "3", ",3", "0," + "9" * 400])
def test_how_a_part_is_written_is_said_where_it_is_none(second, times):
    with pytest.raises(VideoError, match="a part is two times in seconds, the earlier first"):
        Video(f"{second}#t={times}")
