from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from known_videos import FPS, frame_numbers, numbered_frames

from kinema.config import ClipConfig, FlowConfig
from kinema.data.clips import usable_part
from kinema.data.fields import SEGMENT, ClipReader, clip_positions, flow_positions
from kinema.errors import VideoError
from kinema.flow.estimators import DIS
from kinema.video import ManifestEntry

CLIP = ClipConfig(frames=4, step=2 / FPS, short_side=64, size=(32, 32))


def read(reader: ClipReader, entry: ManifestEntry, start: int) -> tuple[np.ndarray, np.ndarray]:
    with reader.open(entry) as video:
        return reader.frames_and_flow(video, entry, start)


# the grid


def test_two_starts_to_a_step_from_the_first_frame_to_the_last(folder, entries):
    grid = ClipReader(folder, CLIP, FlowConfig()).grid(entries["count"])
    assert grid.first == pytest.approx(0.5 / FPS)  # the middle of the first frame's time
    assert grid.spacing == pytest.approx(1 / FPS)
    # Four frames of two steps each, and the frame behind the last field: frames 0 to 8, ..., 31 to 39.
    assert grid.starts == 32
    assert grid.times([0, 2, 39]).tolist() == pytest.approx([0.5 / FPS, 2.5 / FPS, 39.5 / FPS])
    assert clip_positions(CLIP, 5).tolist() == [5, 7, 9, 11]
    assert flow_positions(CLIP, 5).tolist() == [5, 9]


@settings(max_examples=60, deadline=None)
@given(
    frames=st.integers(2, 16),
    step=st.floats(0.02, 0.3),
    ratio=st.floats(0.1, 1),
    duration=st.floats(0.1, 10),
    fps=st.floats(10, 60),
)
def test_every_clip_and_its_flow_lie_within_the_video(frames, step, ratio, duration, fps):
    clip = ClipConfig(frames=frames, step=step)
    entry = ManifestEntry("x.mp4", "ok", duration=duration, fps=fps)
    reader = ClipReader(".", clip, FlowConfig(step_ratio=ratio))
    grid, (begin, end) = reader.grid(entry), usable_part(clip, entry)
    assert grid.starts >= 1
    assert grid.times([0])[0] == pytest.approx(begin)
    last = grid.times(clip_positions(clip, grid.starts - 1))[-1] + ratio * step
    if grid.starts > 1:
        assert last <= end + 1e-6
    assert last + grid.spacing > end - 1e-4  # no further start would have fitted


def test_a_video_just_as_long_as_a_clip_has_one_start(make_video, tmp_path):
    entry = make_video("nine.mp4", numbered_frames(9))
    reader = ClipReader(tmp_path, CLIP, FlowConfig())
    assert reader.grid(entry).starts == 1
    assert frame_numbers(read(reader, entry, 0)[0]) == [0, 2, 4, 6]


# frames


@pytest.mark.parametrize("start", [0, 1, 17, 31])
def test_frames_at_their_grid_positions(folder, entries, start):
    reader = ClipReader(folder, CLIP, FlowConfig())
    with reader.open(entries["count"]) as video:
        frames = reader.frames(video, entries["count"], start)
    assert frames.shape == (4, 64, 64, 3)
    assert frame_numbers(frames) == [start, start + 2, start + 4, start + 6]


def test_frames_are_the_same_with_and_without_flow(folder, entries, tmp_path):
    plain, cached = (ClipReader(folder, CLIP, FlowConfig(cache=cache)) for cache in (None, str(tmp_path / "cache")))
    with plain.open(entries["slide"]) as video:
        expected = plain.frames(video, entries["slide"], 3)
    for reader in (plain, cached):
        assert np.array_equal(read(reader, entries["slide"], 3)[0], expected)


@pytest.mark.parametrize("step_frames", [1, 2, 3])
@pytest.mark.parametrize("suffix", ["mp4", "mkv"])  # Matroska rounds times to milliseconds
def test_steps_counted_in_frames_of_the_file(make_video, tmp_path, suffix, step_frames):
    entry = make_video(f"count.{suffix}", numbered_frames(24), fps=30)
    reader = ClipReader(tmp_path, dataclasses.replace(CLIP, step=None, step_frames=step_frames), FlowConfig())
    with reader.open(entry) as video:
        for start in range(reader.grid(entry).starts):
            numbers = frame_numbers(reader.frames(video, entry, start))
            assert np.diff(numbers).tolist() == [step_frames] * 3, start


def test_frames_are_cropped_and_scaled_while_they_are_read(folder, entries):
    clip = dataclasses.replace(CLIP, center_crop=(48, 40), short_side=20)
    frames, flow = read(ClipReader(folder, clip, FlowConfig()), entries["slide"], 0)
    assert (frames.shape, flow.shape) == ((4, 20, 24, 3), (2, 2, 20, 24))
    assert np.median(flow[:, 0]) == pytest.approx(4 / 2, abs=0.15)  # pixels of the scaled frame
    assert np.median(flow[:, 1]) == pytest.approx(-2 / 2, abs=0.15)


# flow


@pytest.mark.parametrize(("ratio", "u", "v"), [(1.0, 4, -2), (0.5, 2, -1)])
@pytest.mark.parametrize("start", [0, 9])
def test_flow_is_the_motion_of_one_flow_step(folder, entries, ratio, u, v, start):
    frames, flow = read(ClipReader(folder, CLIP, FlowConfig(step_ratio=ratio)), entries["slide"], start)
    assert flow.shape == (2, 2, 64, 64)
    assert flow.dtype == np.float32
    assert np.median(flow[:, 0], axis=(1, 2)).tolist() == pytest.approx([u] * 2, abs=0.1)
    assert np.median(flow[:, 1], axis=(1, 2)).tolist() == pytest.approx([v] * 2, abs=0.1)
    assert len(frames) == 4


@pytest.mark.parametrize(("start", "u"), [(16, [4, -4]), (18, [4, -4]), (15, [4, 0]), (19, [0, -4]), (20, [-4, -4])])
def test_fields_lead_on_from_every_second_frame(folder, entries, start, u):
    """The video turns back at frame 20: of frames 16, 18, 20, 22 the first and the third move on right and left."""
    _, flow = read(ClipReader(folder, CLIP, FlowConfig()), entries["back"], start)
    assert np.median(flow[:, 0], axis=(1, 2)).tolist() == pytest.approx(u, abs=0.1)


def test_another_estimator_with_parameters(folder, entries):
    settings = FlowConfig(estimator="farneback", parameters={"window": 15})
    reader = ClipReader(folder, CLIP, settings)
    assert reader.estimator.parameters["window"] == 15
    assert np.median(read(reader, entries["slide"], 0)[1][:, 0]) == pytest.approx(4, abs=0.2)


# the cache


def forbid_estimation(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_):
        raise AssertionError("flow was estimated")

    monkeypatch.setattr(DIS, "_estimate", never)


def test_cached_flow_is_the_same_and_not_estimated_again(folder, entries, tmp_path, monkeypatch):
    plain, cached = (ClipReader(folder, CLIP, FlowConfig(cache=cache)) for cache in (None, str(tmp_path)))
    starts = (0, 27, 31)  # the second spans two segments
    assert 27 < SEGMENT <= clip_positions(CLIP, 27)[-1]
    expected = [read(plain, entries["slide"], start)[1] for start in starts]
    first = [read(cached, entries["slide"], start)[1] for start in starts]
    forbid_estimation(monkeypatch)
    again = [read(ClipReader(folder, CLIP, FlowConfig(cache=str(tmp_path))), entries["slide"], s)[1] for s in starts]
    for known, miss, hit in zip(expected, first, again, strict=True):
        assert np.abs(miss - known).max() <= np.abs(known).max() * 2**-11  # float16
        assert np.array_equal(miss, hit)


def test_fields_at_any_positions(folder, entries, tmp_path):
    positions = np.array([0, 1, 30, 33, 37])
    found = []
    for cache in (None, str(tmp_path)):
        reader = ClipReader(folder, CLIP, FlowConfig(cache=cache))
        with reader.open(entries["back"]) as video:
            found.append(reader.fields(video, entries["back"], positions))
    assert found[0].shape == (5, 2, 64, 64)
    assert np.median(found[0][:, 0], axis=(1, 2)).tolist() == pytest.approx([4, 4, -4, -4, -4], abs=0.1)
    np.testing.assert_allclose(found[1], found[0], rtol=1e-3, atol=1e-3)


def files(path: Path) -> set[str]:
    return {file.name for file in path.rglob("*.flow")}


def test_other_settings_and_other_videos_do_not_share_entries(folder, entries, tmp_path):
    read(ClipReader(folder, CLIP, FlowConfig(cache=str(tmp_path))), entries["slide"], 0)
    assert len(files(tmp_path)) == 1
    for number, (clip, flow, name) in enumerate(
        [
            (CLIP, FlowConfig(), "back"),
            (CLIP, FlowConfig(step_ratio=0.5), "slide"),
            (CLIP, FlowConfig(parameters={"preset": "fast"}), "slide"),
            (dataclasses.replace(CLIP, short_side=32), FlowConfig(), "slide"),
            (dataclasses.replace(CLIP, step=1 / FPS), FlowConfig(), "slide"),
            (dataclasses.replace(CLIP, center_seconds=2.0), FlowConfig(), "slide"),
        ]
    ):
        read(ClipReader(folder, clip, dataclasses.replace(flow, cache=str(tmp_path))), entries[name], 0)
        assert len(files(tmp_path)) == number + 2


@pytest.mark.parametrize(
    ("clip", "change"),
    [
        (dataclasses.replace(CLIP, center_seconds=1.5), {"duration": 2.0}),  # the grid begins elsewhere
        (dataclasses.replace(CLIP, step=None, step_frames=2), {"fps": 15.0}),  # ... and has other steps
        (CLIP, {"fps": 15.0}),
        (CLIP, {"duration": 1.2}),  # the only segment is shorter
    ],
)
def test_what_the_cache_holds_does_not_depend_on_another_manifest(folder, entries, tmp_path, clip, change):
    known = entries["back"]
    told = dataclasses.replace(known, **change)
    for entry in (known, told):
        plain, cached = (ClipReader(folder, clip, FlowConfig(cache=cache)) for cache in (None, str(tmp_path)))
        expected, found = (read(reader, entry, 3)[1] for reader in (plain, cached))
        np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-3)
    read(ClipReader(folder, clip, FlowConfig(cache=str(tmp_path))), known, 3)
    assert len(files(tmp_path)) == 2


def test_a_video_that_is_gone(folder, entries):
    reader = ClipReader(folder, CLIP, FlowConfig())
    gone = dataclasses.replace(entries["slide"], path="gone.mp4")
    with pytest.raises(VideoError, match=r"gone\.mp4"):
        reader.open(gone)
