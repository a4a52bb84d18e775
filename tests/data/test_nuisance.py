"""Copies of a window that show the same motion otherwise."""

from __future__ import annotations

import math

import numpy as np
import pytest
from known_videos import FPS, frame_numbers, sliding_frames

from kinema.config import ClipConfig
from kinema.data import nuisance
from kinema.data.clips import center_cut, clip_times, clip_view, timeline
from kinema.data.nuisance import Nuisance, draw_nuisance, nuisance_views
from kinema.errors import ConfigError
from kinema.video import Video

CLIP = ClipConfig(frames=6, step=2 / FPS, short_side=48, size=(32, 40))


def views(path, start=0.5, clip=CLIP, copies=4, **settings) -> np.ndarray:
    with Video(path, view=clip_view(clip)) as video:
        return nuisance_views(video, [start], clip, copies, **settings)[0]


@pytest.fixture(scope="module")
def slide(folder):
    return folder / "slide.mp4"


@pytest.mark.parametrize("clip", [CLIP, ClipConfig(frames=4, step=None, step_frames=3, short_side=None, size=(31, 41))])
def test_copies_of_no_strength_are_the_clip(slide, clip):
    with Video(slide, view=clip_view(clip)) as video:
        times = clip_times(clip, 0.4, timeline(video))
        expected = center_cut(video.at_times(times.tolist()).frames, clip.size)
    found = views(slide, 0.4, clip, strength=0)
    assert found.shape == (4, *expected.shape) and found.dtype == np.uint8
    assert all(np.array_equal(copy, expected) for copy in found)


def test_copies_are_a_function_of_the_seed(slide):
    one, same, other = views(slide, seed=(1, 2)), views(slide, seed=(1, 2)), views(slide, seed=(1, 3))
    assert np.array_equal(one, same)
    assert len({copy.tobytes() for copy in (*one, *other)}) == 8
    assert np.array_equal(views(slide, seed=(1, 2), copies=2), one[:2])  # the number of copies changes none of them


def test_the_first_may_be_the_clip_itself(slide):
    clip, others = views(slide, strength=0, copies=1), views(slide)
    found = views(slide, itself=True)
    assert np.array_equal(found[0], clip[0]) and np.array_equal(found[1:], others[1:])
    assert not np.array_equal(found[0], others[0])


def test_windows_of_one_decoding_are_those_of_their_own(slide):
    starts = [0.3, 0.5, 0.55]
    with Video(slide, view=clip_view(CLIP)) as video:
        found = nuisance_views(video, starts, CLIP, 3, (4, 7))
    assert found.shape == (3, 3, 6, 32, 40, 3)
    for number, start in enumerate(starts):
        np.testing.assert_array_equal(found[number], views(slide, start, copies=3, seed=(4, 7 + number)))


def test_draws_lie_within_their_bounds():
    drawn = [draw_nuisance((7, copy)) for copy in range(300)]
    bounds = {name: getattr(nuisance, name.upper()) for name in ("scale", "aspect", "tempo", "start")}
    bounds |= {"gain": nuisance.LIGHT, "contrast": nuisance.LIGHT}
    for name, bound in bounds.items():
        values = np.array([getattr(draw, name) for draw in drawn])
        assert 0.9 * bound < values.max() <= bound and -0.9 * bound > values.min() >= -bound
    shifts = np.array([draw.shift for draw in drawn])
    assert 0.9 * nuisance.SHIFT < np.abs(shifts).max() <= nuisance.SHIFT
    half = draw_nuisance((7, 0), 0.5)
    assert half.scale == drawn[0].scale / 2 and half.shift == tuple(side / 2 for side in drawn[0].shift)


def test_times_turn_about_the_middle_and_stay_in_the_video():
    times = np.linspace(1, 2, 5)
    found = Nuisance(tempo=math.log(1.2), start=0.1).times(times, 0, 3)
    np.testing.assert_allclose(found, 1.6 + 1.2 * (times - 1.5))
    held = Nuisance(tempo=math.log(1.2)).times(times, 1, 1.8)
    np.testing.assert_allclose(held, [1, 1.2, 1.5, 1.8, 1.8])


def test_a_quicker_copy_shows_later_frames(folder, monkeypatch):
    monkeypatch.setattr(nuisance, "draw_nuisance", lambda *_: Nuisance(tempo=math.log(1.5)))
    (found,) = views(folder / "count.mp4", (10.5) / FPS, copies=1)
    expected = 15.5 + 3 * np.arange(-2.5, 3)  # around the middle of frames 10 to 20, three apart in place of two
    assert np.abs(frame_numbers(found) - expected).max() <= 0.5


def test_where_the_video_ends_its_last_frame_is_held(folder, monkeypatch):
    monkeypatch.setattr(nuisance, "draw_nuisance", lambda *_: Nuisance(start=2.0))
    (found,) = views(folder / "count.mp4", 28.5 / FPS, copies=1)
    assert frame_numbers(found)[-1] == 39 == frame_numbers(found)[-2]


def blob(x: float, y: float, size: tuple[int, int] = (60, 80)) -> np.ndarray:
    """One frame (1, H, W, 3) with a round spot of deviation 3 pixels."""
    rows, columns = np.mgrid[: size[0], : size[1]]
    spot = 40 + 200 * np.exp(-((rows - y) ** 2 + (columns - x) ** 2) / 18)
    return np.repeat(np.round(spot).astype(np.uint8)[None, ..., None], 3, axis=3)


def spot(frames: np.ndarray) -> tuple[float, float, float, float]:
    """Where a spot lies and its deviations, to the right and down."""
    weight = frames[0, ..., 0].astype(float) - frames.min()
    weight[weight < 5] = 0
    rows, columns = np.mgrid[: weight.shape[0], : weight.shape[1]]
    x, y = (weight * columns).sum() / weight.sum(), (weight * rows).sum() / weight.sum()
    wide, high = ((weight * (grid - at) ** 2).sum() / weight.sum() for grid, at in ((columns, x), (rows, y)))
    return x, y, wide**0.5, high**0.5


def test_geometry_of_a_copy():
    size = (40, 50)  # of a frame of 60x80: the cut begins at (10, 15)
    frames = blob(44, 27)
    plain = spot(Nuisance().frames(frames, size))
    assert plain[:2] == pytest.approx((44 - 15, 27 - 10), abs=0.05)
    moved = spot(Nuisance(shift=(0.08, -0.05)).frames(frames, size))
    assert moved[:2] == pytest.approx((29 + 4, 17 - 2), abs=0.05)
    larger = spot(Nuisance(scale=math.log(1.2)).frames(frames, size))
    assert larger[:2] == pytest.approx((24.5 + 1.2 * 4.5, 19.5 - 1.2 * 2.5), abs=0.1)
    assert larger[2] / plain[2] == pytest.approx(1.2, abs=0.03)
    wider = spot(Nuisance(aspect=math.log(1.21)).frames(frames, size))
    assert (wider[2] / plain[2], wider[3] / plain[3]) == pytest.approx((1.1, 1 / 1.1), abs=0.03)


def test_beside_the_frame_its_edge_goes_on():
    frames = np.zeros((1, 20, 30, 3), np.uint8)
    frames[:, :, :1] = 90
    found = Nuisance(shift=(0.2, 0.0)).frames(frames, (20, 30))
    assert (found[0, :, :6] == 90).all() and not found[0, :, 8:].any()


def test_light():
    frames = np.array([40, 80], np.uint8)[None, None, :, None].repeat(3, 3)  # one frame of two pixels, 60 on average
    found = Nuisance(gain=math.log(1.1), contrast=math.log(1.5)).frames(frames, (1, 2))
    assert found[0, 0, :, 0].tolist() == [round(1.1 * 30), round(1.1 * 90)]
    assert Nuisance(gain=math.log(4)).frames(frames, (1, 2))[0, 0, :, 0].tolist() == [160, 255]


def test_motion_stays_motion(make_video, tmp_path):
    """The copies of a window are nearer to it than a window of other motion is, once frames are told apart by time."""
    still, moving = (sliding_frames([(3 * t * moves, 0) for t in range(24)]) for moves in (0, 1))
    for name, frames in (("still.mp4", still), ("moving.mp4", moving)):
        make_video(name, frames)
    change = {
        name: np.abs(np.diff(views(tmp_path / name).astype(float), axis=1)).mean((1, 2, 3, 4))
        for name in ("still.mp4", "moving.mp4")
    }
    assert change["still.mp4"].max() < 1 < 5 < change["moving.mp4"].min()


def test_frames_that_are_too_small(slide):
    with pytest.raises(ConfigError, match="smaller than the clip's size 200x40"):
        views(slide, clip=ClipConfig(frames=2, short_side=48, size=(200, 40)))
