from __future__ import annotations

from dataclasses import replace
from itertools import count, islice

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kinema.config import ClipConfig
from kinema.config.windows import Windowing
from kinema.data.synthetic.files import write_video
from kinema.errors import ConfigError
from kinema.search.windows import Layout, WindowReader
from kinema.video import Video, View
from kinema.video.screen import on_screen

CLIP = ClipConfig(frames=4, step=0.125, short_side=32, size=(32, 32))


def grey_video(path, frames, fps=16.0):
    """Frame n is of the even grey 8 n."""
    write_video(path, (np.full((32, 48, 3), 8 * n % 256, np.uint8) for n in range(frames)), fps)
    return path


# following a video


def test_following_gives_what_asking_for_times_gives_and_ends_with_the_video(tmp_path):
    path = grey_video(tmp_path / "v.mp4", 24)
    times = [0.0, 0.05, 0.3, 0.3, 0.7, 1.1, 1.49]
    with Video(path) as video, Video(path) as other:
        followed = list(video.follow(t for t in [*times, 1.51, 9.0]))
        asked = other.at_times(times)
    assert [time for time, _ in followed] == asked.timestamps.tolist()
    np.testing.assert_array_equal(np.stack([frame for _, frame in followed]), asked.frames)


def test_following_without_end_ends_with_the_video(tmp_path):
    path = grey_video(tmp_path / "v.mp4", 24)
    with Video(path) as video:
        assert len(list(video.follow(0.1 * n for n in count()))) == 15
        assert list(video.follow([])) == []


def test_following_seeks_to_where_it_begins(tmp_path):
    path = grey_video(tmp_path / "v.mp4", 200)
    with Video(path) as video:
        ((time, frame),) = video.follow([10.01])
    assert time == pytest.approx(10.0) and abs(int(frame[0, 0, 0]) - 8 * 160 % 256) < 6


@given(
    st.lists(st.floats(0.01, 2), min_size=1, max_size=8),
    st.lists(st.floats(0, 9), min_size=1, max_size=12).map(sorted),
)
def test_what_is_on_screen_is_the_last_frame_that_came(gaps, times):
    came = np.cumsum(gaps)
    found = [when for when, _ in on_screen(((t, t) for t in came), times, lambda frame: frame, end=lambda: 99.0)]
    assert found == [came[max(0, np.searchsorted(came, t + 1e-6, side="right") - 1)] for t in times]


# the grid


@pytest.mark.parametrize(
    ("windowing", "frames", "stride", "clips"),
    [
        (Windowing(), 4, 2, [[0, 1, 2, 3]]),
        (Windowing(1.0), 8, 4, [[0, 1, 2, 3], [4, 5, 6, 7]]),
        (Windowing(0.8, 0.8), 6, 6, [[1, 2, 3, 4]]),
        (Windowing(stride=0.01), 4, 1, [[0, 1, 2, 3]]),
    ],
)
def test_windows_are_whole_steps_and_hold_whole_clips(windowing, frames, stride, clips):
    layout = Layout.of(CLIP, windowing, 25.0)
    if windowing.length == 0.8:
        clips = [[0, 1, 2, 3]]
    assert (layout.frames, layout.stride, layout.clips.tolist()) == (frames, stride, clips)


def test_a_window_is_no_shorter_than_a_clip():
    with pytest.raises(ConfigError, match=r"windows of 0\.3 s are shorter than .* spans 0\.5 s: raise the length"):
        Layout.of(CLIP, Windowing(0.3), 25.0)
    with pytest.raises(ConfigError, match="must be a positive number of seconds, not -1"):
        Windowing(stride=-1)


# windows of a video


@pytest.mark.parametrize(("frames", "starts"), [(40, [0, 0.25, 0.5, 0.75, 1, 1.25, 1.5, 1.75, 2]), (12, [0, 0.25])])
def test_windows_hold_the_frames_of_their_times(tmp_path, frames, starts):
    path = grey_video(tmp_path / "v.mp4", frames)
    windows = list(WindowReader(CLIP, Windowing()).read(path))
    assert [window.start for window in windows] == starts
    assert [window.end for window in windows] == [start + 0.5 for start in starts]
    with Video(path, View(short_side=32)) as video:
        for window in windows:
            expected = video.at_times([window.start + 0.03125 + 0.125 * n for n in range(4)]).frames[:, :, 8:-8]
            np.testing.assert_array_equal(window.clips[0], expected)
            np.testing.assert_array_equal(window.middle, expected[2])
    assert not any(window.short for window in windows)


def test_the_end_of_a_video_belongs_to_a_window(tmp_path):
    path = grey_video(tmp_path / "v.mp4", 26)  # 1.625 s: a step and a half beyond the last whole stride
    windows = list(WindowReader(CLIP, Windowing(stride=0.5)).read(path))
    assert [window.start for window in windows] == [0, 0.5, 1.0]
    windows = list(WindowReader(CLIP, Windowing(stride=1.0)).read(grey_video(tmp_path / "w.mp4", 38)))
    assert [window.start for window in windows] == [0, 1.0, 1.875]


def test_a_clip_shorter_than_a_window_holds_its_last_frame(tmp_path):
    (window,) = WindowReader(CLIP, Windowing()).read(grey_video(tmp_path / "v.mp4", 5))
    assert window.short and (window.start, window.end) == (0, 0.375)
    np.testing.assert_array_equal(window.clips[0][2], window.clips[0][3])


def test_a_clip_shorter_than_a_window_is_slowed_down_where_the_encoder_wants_it(tmp_path):
    path = grey_video(tmp_path / "v.mp4", 3)  # at a clip's step: frames 0 and 2, of greys 0 and 16
    (window,) = WindowReader(replace(CLIP, stretch=True), Windowing()).read(path)
    assert window.short and (window.start, window.end) == (0, 0.25)
    np.testing.assert_allclose(window.clips[0].mean((1, 2, 3)), [0, 16 / 3, 32 / 3, 16], atol=1.5)


def test_part_of_a_video(tmp_path):
    path = grey_video(tmp_path / "v.mp4", 64)
    whole = {window.start: window for window in WindowReader(CLIP, Windowing()).read(path)}
    part = list(WindowReader(CLIP, Windowing()).read(path, 1.0, 2.0))
    assert [window.start for window in part] == [1.0, 1.25, 1.5]
    for window in part:
        np.testing.assert_array_equal(window.clips, whole[window.start].clips)


def test_windows_come_while_a_video_is_read(tmp_path, monkeypatch):
    path = grey_video(tmp_path / "v.mp4", 2000)
    seen = []
    following = Video.follow

    def counted(self, times):
        for shown in following(self, times):
            seen.append(shown[0])
            yield shown

    monkeypatch.setattr(Video, "follow", counted)
    assert len(list(islice(WindowReader(CLIP, Windowing()).read(path), 3))) == 3
    assert seen[-1] < 1.1


@pytest.mark.slow
def test_the_memory_of_a_video_of_four_hours_is_bounded(tmp_path):
    path = tmp_path / "long.mp4"
    picture = np.random.default_rng(0).integers(0, 255, (32, 48, 3), np.uint8)
    write_video(path, (np.roll(picture, n, 1) for n in range(4 * 3600)), 1.0)
    psutil = pytest.importorskip("psutil")
    process, sizes = psutil.Process(), []
    windows = WindowReader(CLIP, Windowing()).read(path)
    last = None
    for number, window in enumerate(windows):
        last = window
        if number % 1000 == 0:
            sizes.append(process.memory_info().rss)
    assert last is not None and last.end == pytest.approx(4 * 3600, abs=0.2)
    assert max(sizes) - sizes[1] < 30e6


# motion strength


def test_the_strength_is_the_speed_in_widths_per_second(tmp_path, moving_texture):
    for speed in (0.1, 0.3):
        windows = list(WindowReader(CLIP, Windowing()).read(moving_texture(tmp_path / "v.mp4", speed)))
        assert np.mean([window.strength for window in windows]) == pytest.approx(speed, rel=0.15)


def test_the_strength_depends_on_neither_resolution_nor_frame_rate(tmp_path, moving_texture):
    strengths = []
    for number, (size, fps) in enumerate([((64, 96), 16.0), ((128, 192), 16.0), ((64, 96), 30.0)]):
        path = moving_texture(tmp_path / f"{number}.mp4", 0.2, size, fps)
        strengths.append(np.mean([window.strength for window in WindowReader(CLIP, Windowing()).read(path)]))
    assert max(strengths) / min(strengths) < 1.15


def test_what_stands_still_has_no_strength(tmp_path, moving_texture):
    windows = list(WindowReader(CLIP, Windowing()).read(moving_texture(tmp_path / "v.mp4", 0.0)))
    assert max(window.strength for window in windows) < 0.005


def test_the_thumbnail_is_the_middle_frame(tmp_path):
    import cv2

    window = next(WindowReader(CLIP, Windowing()).read(grey_video(tmp_path / "v.mp4", 20)))
    picture = cv2.imdecode(np.frombuffer(window.thumbnail, np.uint8), cv2.IMREAD_COLOR)
    assert picture.shape == (32, 48, 3) and abs(int(picture.mean()) - int(window.middle.mean())) < 3


def test_thumbnails_of_squeezed_frames_have_the_videos_proportions(tmp_path, moving_texture):
    path = moving_texture(tmp_path / "wide.mp4", 0.2, size=(48, 96))
    clip = ClipConfig(frames=4, step=0.125, squeeze=True, size=(32, 32))
    window = next(WindowReader(clip, Windowing()).read(path))
    assert window.clips.shape[-3:] == (32, 32, 3)
    picture = cv2.imdecode(np.frombuffer(window.thumbnail, np.uint8), cv2.IMREAD_COLOR)
    assert picture.shape == (32, 64, 3)


def test_thumbnails_of_frames_far_wider_than_high_are_no_flatter_than_jpeg_takes():
    reader = WindowReader(ClipConfig(frames=4, step=0.125, squeeze=True, size=(80, 80)), Windowing())
    (window,) = reader.cut([np.zeros((80, 80, 3), np.uint8)] * 4, reader.layout(25.0), shape=(4, 8192))
    picture = cv2.imdecode(np.frombuffer(window.thumbnail, np.uint8), cv2.IMREAD_COLOR)
    assert picture.shape == (80, 1280, 3)
