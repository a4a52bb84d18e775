from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from known_videos import FPS

from kinema.config import ClipConfig, FlowConfig
from kinema.data.fields import ClipReader, clip_positions
from kinema.data.mds import sample_by_motion, start_scores
from kinema.errors import VideoError
from kinema.flow import motion_differential, set_opencv_threads

CLIP = ClipConfig(frames=4, step=2 / FPS, short_side=32, size=(32, 32))


@pytest.fixture
def reader(folder) -> ClipReader:
    return ClipReader(folder, CLIP, FlowConfig())


def test_the_score_of_a_start_is_the_mean_over_the_fields_of_its_clip(reader, entries):
    entry = entries["back"]
    scores = start_scores(reader, entry, "sobel")
    assert scores.shape == (reader.grid(entry).starts,) == (32,)
    with reader.open(entry) as video:
        for start in (0, 7, 31):
            flow = reader.fields(video, entry, clip_positions(CLIP, start))
            expected = motion_differential(torch.from_numpy(flow), "sobel").mean()
            torch.testing.assert_close(scores[start], expected, rtol=1e-4, atol=1e-5)


def test_change_is_measured_between_fields_that_follow_each_other_in_a_clip(reader, entries):
    entry = entries["back"]
    with reader.open(entry) as video:
        flow = torch.from_numpy(reader.fields(video, entry, np.arange(38)))
    even = motion_differential(flow[::2])  # fields of clips that start at even positions
    scores = start_scores(reader, entry, "vectors")
    for start in (0, 8, 16):
        torch.testing.assert_close(scores[start], even[start // 2 : start // 2 + 4].mean(), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("variant", ["vectors", "wheel"])
def test_clips_around_a_sudden_reversal_are_kept(reader, entries, variant):
    """The video turns back at frame 20; a clip from position s has fields from frames s to s + 6, each to 2 later."""
    scores = start_scores(reader, entries["back"], variant)
    (kept,) = sample_by_motion(reader, [entries["back"]], variant)
    turning = set(range(14, 20))  # some of its fields go right, and some left
    assert turning <= set(kept.tolist())
    assert int(scores.argmax()) in turning
    assert scores[list(turning)].min() > 2 * scores.median()
    assert len(kept) <= 16
    assert kept.tolist() == sorted(kept.tolist())


def test_scores_are_kept_beside_the_flow(folder, entries, tmp_path, monkeypatch):
    """The second time no video is opened; another variant, or another clip, has scores of its own."""
    cached = ClipReader(folder, CLIP, FlowConfig(cache=str(tmp_path)))
    entry = entries["back"]
    first = start_scores(cached, entry, "sobel")
    torch.testing.assert_close(
        first, start_scores(ClipReader(folder, CLIP, FlowConfig()), entry, "sobel"), rtol=2e-3, atol=1e-3
    )
    vectors = start_scores(cached, entry, "vectors")
    longer = start_scores(ClipReader(folder, dataclasses.replace(CLIP, frames=6), cached.flow), entry, "sobel")

    def closed(*_: object) -> None:
        raise AssertionError("a video was opened")

    monkeypatch.setattr(ClipReader, "open", closed)
    assert torch.equal(start_scores(cached, entry, "sobel"), first)
    assert not torch.equal(vectors, first) and len(longer) != len(first)


def test_starts_of_each_video_by_its_own_median(reader, entries):
    videos = [entries["back"], entries["slide"]]
    kept = sample_by_motion(reader, videos, "vectors")
    for video, starts in zip(videos, kept, strict=True):
        scores = start_scores(reader, video, "vectors")
        assert starts.tolist() == [i for i, score in enumerate(scores) if score > scores.median()]


@pytest.mark.timeout(60)
def test_workers_and_the_cache_change_nothing(reader, entries, folder, tmp_path):
    videos = [entries["back"], entries["slide"]]
    set_opencv_threads(2)  # which must not keep the workers waiting
    expected = sample_by_motion(reader, videos, "vectors")
    shared = sample_by_motion(reader, videos, "vectors", workers=2)
    assert all(torch.equal(a, b) for a, b in zip(expected, shared, strict=True))
    cached = ClipReader(folder, CLIP, FlowConfig(cache=str(tmp_path)))
    for _ in range(2):
        found = start_scores(cached, entries["back"], "vectors")
        torch.testing.assert_close(found, start_scores(reader, entries["back"], "vectors"), rtol=1e-2, atol=1e-2)
    assert list(tmp_path.rglob("*.flow"))


@pytest.mark.parametrize("workers", [0, 1])
def test_a_video_that_cannot_be_read_is_named(reader, entries, workers):
    gone = dataclasses.replace(entries["back"], path="gone.mp4")
    with pytest.raises(VideoError, match=r"gone\.mp4"):
        sample_by_motion(reader, [entries["slide"], gone], "vectors", workers)
