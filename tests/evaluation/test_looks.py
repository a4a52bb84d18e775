from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from kinema.config import ClipConfig
from kinema.errors import ConfigError
from kinema.evaluation import extract_features
from kinema.evaluation.looks import Jittered, Shaken, Uniform
from kinema.evaluation.table import Seen

CLIP = ClipConfig(frames=4, step=0.1, short_side=None, size=(20, 30))
QUICK = {"workers": 0, "precision": "32"}


class Pixels(nn.Module):
    """Grey levels (0 to 255) of all pixels of a clip."""

    def __init__(self):
        super().__init__()
        self.seen = 0

    def forward(self, clips):
        self.seen += len(clips)
        return (clips.mean(1) * 255).flatten(1)


@pytest.fixture(scope="module")
def ramps(tmp_path_factory, write_video):
    """Three still videos of a ramp: column x has the grey 2 x, row y adds 7 y."""
    folder = tmp_path_factory.mktemp("ramps")
    grey = 2 * np.arange(32) + 7 * np.arange(24)[:, None]
    paths = []
    for number in range(3):
        frames = np.broadcast_to((grey + number)[None, :, :, None], (12, 24, 32, 3)).astype(np.uint8)
        paths.append(write_video(folder / f"{number}.mp4", frames))
    return paths


def seen(paths, look, cache=None, only=None, encoder=None):
    module = encoder or Pixels()
    return extract_features({"a": Seen(module, look, only)}, paths, CLIP, clips=2, cache=cache, **QUICK)["a"]


def pictures(features):
    return features.unflatten(-1, (4, 20, 30)).numpy()


def test_a_jittered_clip_is_the_clip_through_a_shifted_crop(ramps):
    found = pictures(seen(ramps, Jittered(2, rounds=5, share=0.1)))
    assert found.shape == (3, 5, 4, 20, 30)
    padded = np.pad(2.0 * np.arange(32) + 7 * np.arange(24)[:, None], 8, mode="edge")
    shifts = set()
    for number, rounds in enumerate(found):
        for clip in rounds:
            assert (clip == clip[0]).all(), "one shift for all frames"
            fits = [
                (down, across)
                for down in range(-2, 3)
                for across in range(-3, 4)
                if np.abs(padded[10 + down :, 9 + across :][:20, :30] + number - clip[0]).max() < 0.6
            ]
            assert len(fits) == 1
            shifts.add((number, *fits[0]))
    assert len(shifts) > 10, "each video and round has a shift of its own"


def test_shake_moves_every_frame_and_a_texture_makes_it_visible(ramps, tmp_path, write_video):
    flat = write_video(tmp_path / "flat.mp4", np.full((12, 24, 32, 3), 120, np.uint8))
    still = pictures(seen([flat], Shaken(1, pixels=0.0)))[0]
    assert (still == still[0]).all() and 9 < still.std() < 15
    assert abs(still.mean() - 120) < 3
    shaken = pictures(seen([flat], Shaken(1)))[0]
    changes = np.abs(np.diff(shaken, axis=0)).mean((1, 2))
    assert (changes > 0.5).all()
    far = pictures(seen([flat], Shaken(1, pixels=1.0)))[0]
    assert np.abs(np.diff(far, axis=0)).mean() > 1.5 * changes.mean()
    # on a ramp without texture the shift itself can be read off
    ramp = pictures(seen(ramps[:1], Shaken(1, pixels=0.3, texture=0.0)))[0]
    moved = (ramp - ramp.mean(0)).mean((1, 2))
    assert moved.std() == pytest.approx(0.3 * np.hypot(2, 7), rel=0.8)


def test_what_is_drawn_belongs_to_look_and_file(ramps, tmp_path):
    look = Jittered(2, rounds=3)
    there = seen(ramps, look)
    assert torch.equal(seen(ramps[::-1], look).flip(0), there)
    assert torch.equal(seen(ramps, look, tmp_path), there) and torch.equal(seen(ramps, look, tmp_path), there)
    assert not torch.equal(seen(ramps, Jittered(2, rounds=3, seed=1)), there)
    assert not torch.equal(seen(ramps, Shaken(2)), seen(ramps, Shaken(2, seed=1)))


def test_looks_have_rows_of_their_own_in_the_store(ramps, tmp_path):
    def read(**encoders):
        return extract_features(encoders, ramps, CLIP, clips=2, cache=tmp_path, **QUICK).read

    encoder = Pixels()
    usual, jittered = Seen(encoder, Uniform(2)), Seen(encoder, Jittered(2, rounds=2))
    assert read(a=usual) == 3
    assert read(a=encoder) == 0, "a bare encoder looks in the usual way"
    assert read(a=usual, b=jittered) == 3
    assert read(a=usual, b=jittered) == 0
    assert read(c=Seen(encoder, Shaken(2), (1,))) == 1
    assert read(c=Seen(encoder, Shaken(2), (0, 1))) == 1


def test_some_of_the_videos_can_be_looked_at(ramps):
    everything, some = seen(ramps, Jittered(2, rounds=2)), seen(ramps, Jittered(2, rounds=2), only=(0, 2))
    assert torch.equal(everything[[0, 2]], some)


def test_clips_of_the_same_frames_are_computed_once(tmp_path, counting_video):
    """Nine frames hold six clips of four; ten clips at equal distances, of which some are equal, keep their weights."""
    path = counting_video(tmp_path / "a.mp4", 9, size=(20, 30))
    encoder = Pixels()
    found = seen([path], Uniform(10), encoder=encoder)[0]
    starts = [int(0.5 + 1e-6 + 5 * share) for share in np.linspace(0, 1, 10)]
    assert encoder.seen == 6 == len(set(starts))
    expected = np.mean([[start + frame for frame in range(4)] for start in starts], 0)
    assert found.unflatten(0, (4, -1)).mean(1).tolist() == pytest.approx(expected.tolist(), abs=0.01)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Uniform(0), "at least one clip"),
        (lambda: Jittered(rounds=0), "at least one round"),
        (lambda: Shaken(pixels=-0.1), "number of pixels, not -0.1"),
    ],
)
def test_looks_that_make_no_sense(make, words):
    with pytest.raises(ConfigError, match=words):
        make()


def test_a_video_that_is_too_short_is_slowed_down_in_every_look(tmp_path, write_video):
    """Two frames at a clip's step, of greys 40 and 100, make four."""
    frames = np.stack([np.full((24, 32, 3), grey, np.uint8) for grey in (40, 100)])
    path = write_video(tmp_path / "short.mp4", frames)
    looks = {"plain": Uniform(1), "jittered": Jittered(1, rounds=2), "shaken": Shaken(1, 0.3, texture=0)}
    for stretch, expected in ((True, [40, 60, 80, 100]), (False, [40, 100, 100, 100])):
        clip = replace(CLIP, stretch=stretch)
        asked = {name: Seen(Pixels(), look) for name, look in looks.items()}
        found = extract_features(asked, [path], clip, clips=1, **QUICK)
        assert found.short == (0,)
        for name in looks:
            shown = pictures(found[name].flatten(0, -2)).mean((-1, -2))
            np.testing.assert_allclose(shown, np.broadcast_to(expected, shown.shape), atol=2, err_msg=name)
