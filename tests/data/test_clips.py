from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kinema.config import ClipConfig, FlowConfig
from kinema.data.clips import (
    MISSING,
    Timeline,
    center_cut,
    clip_times,
    clip_view,
    clips_of,
    is_short,
    mark_missing,
    span,
    start_range,
    stretched,
    timeline,
    uniform_starts,
    usable_part,
)
from kinema.data.fields import ClipReader
from kinema.errors import ConfigError

SECOND = Timeline(duration=1.0, fps=10.0)  # frames 0 to 9


def shown(times: np.ndarray, video: Timeline) -> list[int]:
    """The frames on screen at ``times``."""
    return np.floor(times * video.fps + 1e-9).astype(int).tolist()


def test_clips_spread_from_the_first_frame_to_the_last():
    config = ClipConfig(frames=4, step=0.1)
    starts = uniform_starts(config, SECOND, 3)
    assert [shown(clip_times(config, start, SECOND), SECOND) for start in starts] == [
        [0, 1, 2, 3],
        [3, 4, 5, 6],
        [6, 7, 8, 9],
    ]


def test_one_clip_is_the_middle_one():
    config = ClipConfig(frames=2, step=0.1)
    (start,) = uniform_starts(config, SECOND, 1)
    assert shown(clip_times(config, start, SECOND), SECOND) == [4, 5]


def test_the_central_part_alone_is_shown():
    config = ClipConfig(frames=4, step=0.1, center_seconds=0.4)
    assert usable_part(config, SECOND) == pytest.approx((0.35, 0.65))
    for start in uniform_starts(config, SECOND, 5):
        assert shown(clip_times(config, start, SECOND), SECOND) == [3, 4, 5, 6]


def test_steps_in_frames_of_the_file():
    config = ClipConfig(frames=3, step=None, step_frames=2)
    assert span(config, 10.0) == pytest.approx(0.4)
    for start in (0.2, 0.25, 0.2999):
        assert shown(clip_times(config, start, SECOND), SECOND) == [2, 4, 6]


def test_a_short_video_holds_its_last_frame():
    config = ClipConfig(frames=6, step=0.2)
    assert is_short(config, SECOND)
    assert uniform_starts(config, SECOND, 4).tolist() == pytest.approx([0.05] * 4)
    assert shown(clip_times(config, 0.05, SECOND), SECOND) == [0, 2, 4, 6, 8, 9]
    assert not is_short(ClipConfig(frames=10, step=0.1), SECOND)
    assert is_short(ClipConfig(frames=11, step=0.1), SECOND)


def test_a_video_of_one_frame():
    config, still = ClipConfig(frames=8), Timeline(0.04, 25.0)
    (start,) = uniform_starts(config, still, 1)
    assert shown(clip_times(config, start, still), still) == [0] * 8


@settings(max_examples=100, deadline=None)
@given(
    frames=st.integers(1, 16),
    step=st.floats(0.01, 0.5),
    duration=st.floats(0.05, 20),
    fps=st.floats(5, 60),
    central=st.none() | st.floats(0.1, 5),
)
def test_times_stay_inside_the_usable_part(frames, step, duration, fps, central):
    config, video = ClipConfig(frames=frames, step=step, center_seconds=central), Timeline(duration, fps)
    begin, end = usable_part(config, video)
    assert 0 <= begin <= end <= max(duration, 0.5 / fps + 1e-9)
    earliest, latest = start_range(config, video)
    for start in np.linspace(earliest, latest, 4):
        times = clip_times(config, start, video)
        assert len(times) == frames
        assert begin - 1e-9 <= times[0]
        assert times[-1] <= end + 1e-9
        if not is_short(config, video):
            assert times == pytest.approx(times[0] + step * np.arange(frames), abs=0.5 / fps + 1e-9)


def test_settings_that_contradict_each_other():
    with pytest.raises(ConfigError, match="not both or neither"):
        span(ClipConfig(step=None), 25.0)
    with pytest.raises(ConfigError, match="not both or neither"):
        span(ClipConfig(step=0.1, step_frames=2), 25.0)
    with pytest.raises(ConfigError, match="positive"):
        span(ClipConfig(step=0.0), 25.0)


def test_the_view_and_the_cut():
    view = clip_view(ClipConfig(short_side=64, center_crop=(128, 212)))
    assert (view.crop, view.short_side, view.size) == ((128, 212), 64, None)
    frames = np.arange(6 * 8).reshape(1, 6, 8, 1).repeat(3, -1)
    assert center_cut(frames, (2, 4))[0, :, :, 0].tolist() == [[18, 19, 20, 21], [26, 27, 28, 29]]
    assert center_cut(frames, (6, 8)).shape == frames.shape
    with pytest.raises(ConfigError, match=r"6x8 is smaller than the clip's size 7x4"):
        center_cut(frames, (7, 4))


def test_a_squeezed_frame_is_all_there(folder, entries):
    config = ClipConfig(frames=2, step=0.125, short_side=16, size=(24, 40), squeeze=True)
    reader = ClipReader(folder, config, FlowConfig())
    with reader.open(entries["slide"]) as video:
        frames, flow = reader.frames_and_flow(video, entries["slide"], 0)
    assert frames.shape[1:3] == flow.shape[2:] == (24, 40)
    assert np.array_equal(center_cut(frames, config.size), frames)
    middle = flow[:, :, 6:-6, 6:-6].mean(axis=(0, 2, 3))  # 64 x 64 pixels and two frames a step of (2, -1) pixels
    assert middle == pytest.approx([4 * 40 / 64, -2 * 24 / 64], abs=0.2)


def test_the_view_of_squeezed_frames_follows_a_central_crop():
    view = clip_view(ClipConfig(size=(24, 40), squeeze=True, center_crop=(30, 20)))
    assert (view.crop, view.short_side, view.size) == ((30, 20), None, (24, 40))


@dataclass
class Header:
    duration: float
    fps: float


class Film:
    """An open video of ten frames at 10 per second, whatever its header says."""

    def __init__(self, duration: float, fps: float, steady: bool = True):
        self.info, self.steady = Header(duration, fps), steady

    def at_times(self, seconds):
        assert seconds[0] > 1000
        return type("Clip", (), {"timestamps": np.array([0.9])})


def test_the_length_is_found_out_where_the_header_is_silent():
    assert timeline(Film(1.2, 10.0)) == Timeline(1.2, 10.0)
    assert timeline(Film(0.0, 10.0)) == Timeline(1.0, 10.0)
    assert timeline(Film(5001.0, 10.0, steady=False)) == Timeline(1.0, 10.0)
    assert timeline(Film(0.0, 0.0)) == Timeline(pytest.approx(0.94), 25.0)
    assert timeline(Film(5.0, 10.0), shown=0.4) == Timeline(0.5, 10.0)


@given(st.integers(1, 9), st.integers(1, 30))
def test_frames_of_even_change_change_evenly_when_they_are_stretched(frames, count):
    ramp = np.linspace(0, 240, frames).repeat(6).reshape(frames, 2, 3).astype(np.uint8)
    found = stretched(ramp, count)
    assert found.shape == (count, 2, 3) and found.dtype == np.uint8
    last = 240 if frames > 1 and count > 1 else 0
    np.testing.assert_allclose(found[:, 0, 0], np.linspace(0, last, count), atol=1.5)


def test_what_a_clip_misses_is_made_of_the_frames_that_there_are():
    times = np.array([[0.1, 0.1, 0.3, 0.5, 0.5], [0.1, 0.2, 0.3, 0.4, 0.5]])
    rows = mark_missing(np.array([[0, 0, 2, 4, 4], [0, 1, 2, 3, 4]]), times)
    assert rows.tolist() == [[0, MISSING, 2, 4, MISSING], [0, 1, 2, 3, 4]]
    frames = np.array([0, 10, 20, 30, 40], np.uint8)[:, None]
    assert clips_of(frames, rows)[..., 0].tolist() == [[0, 10, 20, 30, 40], [0, 10, 20, 30, 40]]
    assert clips_of(frames, np.array([[1, MISSING, MISSING]]))[..., 0].tolist() == [[10, 10, 10]]


def test_two_times_of_one_frame_are_no_missing_frames():
    assert mark_missing(np.array([[0, 0, 1]]), np.array([[0.0, 0.1, 0.2]])).tolist() == [[0, 0, 1]]
