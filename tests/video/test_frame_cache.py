from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from video_samples import flat_frames, textured_frames

from kinema.errors import VideoError
from kinema.video import HeldVideo, Shelf, Video, View

UNEVEN = [0.0, 0.02, 0.04, 0.5, 0.51, 0.9, 1.5, 1.501, 1.502, 3.0, 3.3, 3.4, 3.45, 5.0, 5.1, 8.0]


TIMES = st.floats(-2, 10) | st.sampled_from([t + 5e-7 * d for t in UNEVEN for d in (-1, 0, 1, 3)])


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seconds=st.lists(TIMES, min_size=1, max_size=8))
def test_it_gives_what_the_file_gives(write_video, seconds):
    path = write_video("uneven.mp4", textured_frames(16), times=UNEVEN)
    with Video(path, View(short_side=24)) as video:
        expected, whole = video.at_times(seconds), video.read()
    with HeldVideo(whole) as held:
        found = held.at_times(seconds)
    np.testing.assert_array_equal(found.timestamps, expected.timestamps)
    np.testing.assert_array_equal(found.frames, expected.frames)
    assert found.path == expected.path


@pytest.mark.parametrize("seconds", [[], [0.1, float("nan")], [[0.1]]])
def test_times_must_be_finite_and_some(write_video, seconds):
    with Video(write_video("clip.mp4", flat_frames(4))) as video:
        held = HeldVideo(video.read())
    with pytest.raises(ValueError, match="finite times"):
        held.at_times(seconds)


def test_a_shelf_holds_what_fits(write_video):
    view = View(size=(256, 512))  # 384 KiB a frame
    paths = [write_video(f"{name}.mp4", flat_frames(count)) for name, count in (("a", 2), ("b", 4), ("c", 1))]
    shelf = Shelf(1)
    for _ in range(2):
        kinds = []
        for path, count in zip(paths, (2, 4, 1), strict=True):
            with shelf.open(path, view, count) as video:
                kinds.append(type(video))
                assert video.at_times([0.0]).frames.shape == (1, 256, 512, 3)
        assert kinds == [HeldVideo, Video, Video]  # 768 KiB, 1.5 MiB, 384 KiB of what is left
    assert shelf.room == (1 << 20) - 2 * 256 * 512 * 3
    assert shelf.open(paths[0], view, 2) is shelf.open(paths[0], view, 2)
    with shelf.open(paths[2], View(size=(64, 64)), 1) as other:
        assert other.at_times([0.0]).frames.shape == (1, 64, 64, 3)


def test_without_room_nothing_is_held(write_video):
    path = write_video("clip.mp4", flat_frames(4))
    with Shelf(0).open(path, View(), 4) as video:
        assert isinstance(video, Video)
    with pytest.raises(VideoError, match=r"gone\.mp4"):
        Shelf(1).open(path.with_name("gone.mp4"), View(), 4)
