from __future__ import annotations

import dataclasses
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from known_videos import FPS, frame_numbers, numbered_frames

from kinema.config import ClipConfig, FlowConfig
from kinema.data.clips import span, usable_part
from kinema.data.extraction import extract_flow
from kinema.data.fields import ClipReader, clip_positions, flow_positions
from kinema.errors import ConfigError, DataError, VideoError
from kinema.flow.quantise import pack_field
from kinema.video import ManifestEntry

CLIP = ClipConfig(frames=4, step=2 / FPS, short_side=64, size=(32, 32))


def read(reader: ClipReader, entry: ManifestEntry, start: int) -> tuple[np.ndarray, np.ndarray]:
    with reader.open(entry) as video:
        return reader.frames_and_flow(video, entry, start)


# the grid


def test_two_starts_to_a_step_from_the_first_frame_to_the_last(folder, entries):
    reader = ClipReader(folder, CLIP, FlowConfig())
    grid = reader.grid(entries["count"])
    assert grid.first == pytest.approx(0.5 / FPS)  # the middle of the first frame's time
    assert grid.spacing == pytest.approx(1 / FPS)
    # Four frames of two steps each, and the frame behind the last field: frames 0 to 8, ..., 31 to 39.
    assert reader.starts(entries["count"]) == 32
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
    assert reader.starts(entry) >= 1
    assert grid.times([0])[0] == pytest.approx(begin)
    last = grid.times(clip_positions(clip, reader.starts(entry) - 1))[-1] + ratio * step
    if reader.starts(entry) > 1:
        assert last <= end + 1e-6
    assert last + grid.spacing > end - 1e-4  # no further start would have fitted


def test_a_video_just_as_long_as_a_clip_has_one_start(make_video, tmp_path):
    entry = make_video("nine.mp4", numbered_frames(9))
    reader = ClipReader(tmp_path, CLIP, FlowConfig())
    assert reader.starts(entry) == 1
    assert frame_numbers(read(reader, entry, 0)[0]) == [0, 2, 4, 6]


# frames


@pytest.mark.parametrize("start", [0, 1, 17, 31])
def test_frames_at_their_grid_positions(folder, entries, start):
    reader = ClipReader(folder, CLIP, FlowConfig())
    with reader.open(entries["count"]) as video:
        frames = reader.frames(video, entries["count"], start)
    assert frames.shape == (4, 64, 64, 3)
    assert frame_numbers(frames) == [start, start + 2, start + 4, start + 6]


@pytest.mark.parametrize("step_frames", [1, 2, 3])
@pytest.mark.parametrize("suffix", ["mp4", "mkv"])  # Matroska rounds times to milliseconds
def test_steps_counted_in_frames_of_the_file(make_video, tmp_path, suffix, step_frames):
    entry = make_video(f"count.{suffix}", numbered_frames(24), fps=30)
    reader = ClipReader(tmp_path, dataclasses.replace(CLIP, step=None, step_frames=step_frames), FlowConfig())
    with reader.open(entry) as video:
        for start in range(reader.starts(entry)):
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


# from a store


@pytest.fixture
def stored(folder, entries, tmp_path):
    """Make a reader whose store holds the flow of these videos."""

    def make(clip: ClipConfig = CLIP, names: tuple[str, ...] = ("slide", "back"), **flow) -> ClipReader:
        reader = ClipReader(folder, clip, FlowConfig(cache=str(tmp_path / "store"), **flow))
        assert extract_flow(reader, [entries[name] for name in names]).failures == []
        return reader

    return make


def plain(reader: ClipReader) -> ClipReader:
    """A reader that estimates what the other one looks up."""
    return ClipReader(reader.folder, reader.clip, dataclasses.replace(reader.flow, cache=None))


def assert_same_flow(found: np.ndarray, expected: np.ndarray) -> None:
    for one, other in zip(found, expected, strict=True):
        assert np.abs(one - other).max() <= 0.5 * pack_field(other)[1] * (1 + 1e-5)


@pytest.mark.parametrize(
    ("clip", "flow"),
    [
        (CLIP, {}),
        (CLIP, {"step_ratio": 0.5}),
        (CLIP, {"step_ratio": 0.7}),
        (dataclasses.replace(CLIP, step=0.1), {"estimator": "farneback"}),  # not a whole number of frames
        (dataclasses.replace(CLIP, step=None, step_frames=3), {"parameters": {"preset": "fast"}}),
        (dataclasses.replace(CLIP, center_seconds=2.0, center_crop=(48, 40), short_side=32), {}),
    ],
)
def test_a_stored_clip_is_what_would_be_estimated(stored, entries, clip, flow, monkeypatch):
    reader, entry = stored(clip, **flow), entries["back"]
    starts = range(0, reader.starts(entry), 7)
    expected = [read(plain(reader), entry, start) for start in starts]

    def never(*_):
        raise AssertionError("flow was estimated")

    monkeypatch.setattr(type(reader.estimator), "_estimate", never)
    for start, (frames, fields) in zip(starts, expected, strict=True):
        found = read(reader, entry, start)
        assert np.array_equal(found[0], frames)
        assert_same_flow(found[1], fields)


def test_stored_fields_at_any_positions(stored, entries):
    reader = stored()
    positions = np.array([37, 0, 1, 30, 33])
    found, expected = (r.fields(entries["back"], positions) for r in (reader, plain(reader)))
    assert found.shape == (5, 2, 64, 64)
    assert np.median(found[:, 0], axis=(1, 2)).tolist() == pytest.approx([-4, 4, 4, -4, -4], abs=0.1)
    assert_same_flow(found, expected)


@settings(max_examples=60, deadline=None)
@given(
    frames=st.integers(2, 16),
    step=st.one_of(st.floats(0.02, 0.3), st.integers(1, 9)),
    ratio=st.floats(0.1, 1),
    seconds=st.none() | st.floats(0.1, 3),
    duration=st.floats(0.1, 10),
    fps=st.floats(10, 60),
)
def test_the_fields_of_a_video_are_those_of_all_its_clips(frames, step, ratio, seconds, duration, fps):
    counted = isinstance(step, int)
    clip = ClipConfig(
        frames=frames, step=None if counted else step, step_frames=step if counted else None, center_seconds=seconds
    )
    entry = ManifestEntry("x.mp4", "ok", duration=duration, fps=fps)
    reader = ClipReader(".", clip, FlowConfig(step_ratio=ratio))
    grid, count, (begin, end) = reader.grid(entry), reader.field_count(entry), usable_part(clip, entry)
    assert np.all(np.diff(grid.times(np.arange(count))) > 0)
    if count:
        assert grid.times([count - 1])[0] + reader.flow_seconds(entry) <= end + (1.01 if counted else 0.51) / fps
    if end - begin >= span(clip, fps, ratio) - 0.5 / fps:
        assert count > clip_positions(clip, reader.starts(entry) - 1)[-1]


@pytest.mark.parametrize("fps", [16.0, 25.0, 30.0, 60.0])
@pytest.mark.parametrize("pace", [1, 2, 3])
def test_clips_of_all_paces_and_their_flow_lie_within_the_video(fps, pace):
    clip = ClipConfig(frames=8, step=1 / 15)
    reader = ClipReader(".", clip, FlowConfig(step_frames=1))
    entry = ManifestEntry("x.mp4", "ok", duration=2.0, fps=fps)
    assert reader.flow_seconds(entry) == pytest.approx(1 / fps)
    count, grid, end = reader.starts(entry, pace), reader.grid(entry), usable_part(clip, entry)[1]
    positions = clip_positions(clip, count - 1, pace)
    assert np.diff(grid.times(positions)) == pytest.approx(np.full(7, pace / 15))
    assert grid.times(positions)[-1] <= end + 1e-6
    assert grid.times(clip_positions(clip, count, pace))[-1] + grid.spacing > end - 1 / fps
    assert reader.starts(ManifestEntry("x.mp4", "ok", duration=0.6, fps=fps), 3) < 1


DIFFERING = [
    (CLIP, {"step_ratio": 0.5}, r"step_ratio was 1\.0, is 0\.5"),
    (CLIP, {"parameters": {"preset": "fast"}}, "parameters.preset was 'ultrafast', is 'fast'"),
    (CLIP, {"estimator": "farneback"}, "estimator was 'dis', is 'farneback'"),
    (dataclasses.replace(CLIP, short_side=32), {}, "short_side was 64, is 32"),
    (dataclasses.replace(CLIP, step=1 / FPS), {}, r"step was 0\.125, is 0\.0625"),
    (dataclasses.replace(CLIP, step=None, step_frames=2), {}, r"step was 0\.125, is None; step_frames was None, is 2"),
    (dataclasses.replace(CLIP, center_seconds=2.0), {}, r"center_seconds was None, is 2\.0"),
    (dataclasses.replace(CLIP, center_crop=(40, 30)), {}, r"center_crop was None, is \[40, 30\]"),
]


@pytest.mark.parametrize(("clip", "flow", "difference"), DIFFERING)
def test_a_store_made_with_other_settings_is_refused_by_name(stored, clip, flow, difference):
    reader = stored(names=("slide",))
    before = contents(reader.store.folder)
    with pytest.raises(ConfigError, match=f"was made otherwise .*{difference}.*; use the same settings, or another"):
        ClipReader(reader.folder, clip, FlowConfig(cache=str(reader.store.folder), **flow))
    assert contents(reader.store.folder) == before


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_other_clips_of_the_same_frames_share_a_store(stored, entries):
    reader = stored()
    longer = ClipReader(reader.folder, dataclasses.replace(CLIP, frames=8, size=(48, 48)), reader.flow)
    assert_same_flow(read(longer, entries["slide"], 3)[1], read(plain(longer), entries["slide"], 3)[1])


def test_fields_that_another_manifest_asks_for(stored, entries):
    told = dataclasses.replace(entries["slide"], fps=15.0)
    with pytest.raises(
        DataError, match=r"slide\.mp4\.flow holds no flow field at 0\.\d+ s: it was extracted with another"
    ):
        stored().fields(told, np.arange(2))


def test_fields_of_another_size_than_the_frames(stored, entries, folder):
    reader = stored(names=())
    small = np.zeros((2, 32, 48), np.float32)
    times = reader.grid(entries["slide"]).times(np.arange(38))
    reader.store.write("slide.mp4", reader.fingerprint(entries["slide"]), ((time, small) for time in times))
    with pytest.raises(DataError, match=r"flow of slide\.mp4 in .* is 48 x 32 pixels, its frames are 64 x 64"):
        read(reader, entries["slide"], 0)


def test_a_video_without_flow_and_one_that_has_changed(stored, entries, folder, tmp_path):
    reader = stored(names=("slide",))
    with pytest.raises(DataError, match=r"there is no flow at .*back\.mp4\.flow; make it with `kinema flow extract`"):
        reader.fields(entries["back"], np.arange(2))
    moved = ClipReader(tmp_path, CLIP, reader.flow)
    data = bytearray((folder / "slide.mp4").read_bytes())
    (tmp_path / "slide.mp4").write_bytes(data)
    assert len(moved.fields(entries["slide"], np.arange(2))) == 2
    data[-1] ^= 1
    (tmp_path / "slide.mp4").write_bytes(data)
    os.utime(tmp_path / "slide.mp4", (0, 0))  # clocks of files may be coarse
    with pytest.raises(DataError, match=r"slide\.mp4\.flow holds the flow of an earlier slide\.mp4, which has changed"):
        moved.fields(entries["slide"], np.arange(2))


# what cannot be read


def test_a_video_that_is_gone(folder, entries):
    reader = ClipReader(folder, CLIP, FlowConfig())
    gone = dataclasses.replace(entries["slide"], path="gone.mp4")
    with pytest.raises(VideoError, match=r"gone\.mp4"):
        reader.open(gone)
