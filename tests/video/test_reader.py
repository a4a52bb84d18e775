from __future__ import annotations

import pickle
import random
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from video_samples import brightness, flat_frames, textured_frames

from kinema.errors import VideoError
from kinema.video import Clip, Video, View

BROKEN = {"made_empty.mp4": "empty", "made_truncated_nasa_13013.mp4": "truncated"}
UNEVEN = [0.0, 0.02, 0.04, 0.5, 0.51, 0.9, 1.5, 1.501, 1.502, 3.0, 3.3, 3.4, 3.45, 5.0, 5.1, 8.0]


def on_screen(whole: Clip, seconds: list[float]) -> list[int]:
    """The slow and obvious way: the last frame whose time is not after the one asked for."""
    chosen = []
    for asked in seconds:
        number = 0
        for candidate, shown in enumerate(whole.timestamps):
            if shown <= asked + 1e-6:
                number = candidate
        chosen.append(number)
    return chosen


def assert_same(clip: Clip, whole: Clip, numbers: list[int]) -> None:
    np.testing.assert_array_equal(clip.timestamps, whole.timestamps[numbers])
    assert (clip.frames == whole.frames[numbers]).all(), f"pixels differ: {clip.path} {numbers}"


# ------------------------------------------------------------------ by time


def test_the_frame_on_screen_is_the_last_that_has_begun(write_video) -> None:
    with Video(write_video(frames=16, times=UNEVEN)) as video:
        clip = video.at_times([0.49, 0.5, 2.9, 0.0, 7.99, 1.5015])
    assert brightness(clip.frames) == [2, 3, 8, 0, 14, 7]
    np.testing.assert_allclose(clip.timestamps, [0.04, 0.5, 1.502, 0.0, 5.1, 1.501], atol=1e-9)
    assert clip.warning == ""


def test_times_outside_the_file_are_clamped(write_video) -> None:
    with Video(write_video(frames=16, times=UNEVEN)) as video:
        assert brightness(video.at_times([-3.0, -0.001, 8.1, 1e6]).frames) == [0, 0, 15, 15]


def test_times_that_rounding_puts_just_before_a_frame_give_that_frame(write_video) -> None:
    with Video(write_video(frames=30)) as video:
        clip = video.at_times(list(np.nextafter(np.arange(30) / 30, 0)))
    assert brightness(clip.frames) == list(range(30))


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "ts", "flv", "avi"])
@pytest.mark.parametrize("offset", [0.0, 5.0])
def test_time_counts_from_the_first_displayed_frame(write_video, suffix: str, offset: float) -> None:
    path = write_video(f"video.{suffix}", 90, times=[offset + i / 30 for i in range(90)])
    with Video(path) as video:
        assert brightness(video.at_times([0.0, 0.5, 2.5]).frames) == [0, 15, 75 % 32]
        if offset and suffix != "avi":  # AVI has no place for it
            assert video.info.start == pytest.approx(offset, abs=0.1)


@pytest.mark.parametrize(
    ("name", "codec", "options"),
    [
        ("b.mp4", "libx264", {"g": "24", "bf": "3"}),
        ("open.mp4", "libx264", {"x264-params": "open-gop=1:keyint=24:bframes=3"}),
        ("open.mkv", "libx265", {"x265-params": "open-gop=1:keyint=24:bframes=3:log-level=none"}),
        ("b.avi", "mpeg4", {"g": "24", "bf": "2"}),
        ("b.ts", "libx264", {"g": "24", "bf": "3"}),
        ("b.mpg", "mpeg2video", {"g": "12", "bf": "2"}),
        ("alt.webm", "libvpx", {"auto-alt-ref": "1", "lag-in-frames": "16", "g": "40", "cpu-used": "8"}),
        ("raw.h264", "libx264", {"g": "24"}),
    ],
)
def test_seeking_gives_what_decoding_from_the_start_gives(write_video, name: str, codec: str, options: dict) -> None:
    rng = random.Random(0)
    path = write_video(name, 100, codec=codec, options=options)
    with Video(path) as video:
        whole = video.read()
    assert len(whole) == 100
    for _ in range(12):
        seconds = [rng.uniform(0, float(whole.timestamps[-1]) + 0.1) for _ in range(rng.choice([1, 3]))]
        with Video(path) as video:
            assert_same(video.at_times(seconds), whole, on_screen(whole, seconds))


def test_only_the_needed_part_is_decoded(write_video, monkeypatch) -> None:
    path = write_video(frames=flat_frames(600), options={"g": "30"})
    decoded = 0
    with Video(path, View(short_side=8), decoder="pyav") as video:
        decode = video._decoder._decode

        def counting(from_start: bool):
            nonlocal decoded
            for shown in decode(from_start):
                decoded += 1
                yield shown

        monkeypatch.setattr(video._decoder, "_decode", counting)
        clip = video.at_times([15.02, 15.3])
    assert clip.timestamps.tolist() == pytest.approx([15.0, 15.3])
    assert 10 <= decoded < 35


def test_one_video_gives_many_clips_in_any_order(write_video) -> None:
    rng = random.Random(1)
    with Video(write_video(frames=150)) as video:
        whole = video.read()
        for _ in range(30):
            seconds = [rng.uniform(-0.1, 5.2) for _ in range(3)]
            assert_same(video.at_times(seconds), whole, on_screen(whole, seconds))
            numbers = [rng.randrange(150) for _ in range(2)]
            assert_same(video.at_indices(numbers), whole, numbers)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    steps=st.lists(st.integers(1, 700), min_size=1, max_size=20),
    asked=st.lists(st.floats(-1, 15), min_size=1, max_size=6),
    name=st.sampled_from(["law.mp4", "law.mkv"]),
)
def test_law_any_times_of_any_variable_rate_file(write_video, steps: list[int], asked: list[float], name: str) -> None:
    path = write_video(name, len(steps), times=np.cumsum(steps) / 1000, options={"g": "4"})
    with Video(path, View(short_side=16)) as video:
        whole = video.read()
    np.testing.assert_allclose(whole.timestamps, (np.cumsum(steps) - steps[0]) / 1000, atol=1e-9)
    with Video(path, View(short_side=16)) as video:
        assert_same(video.at_times(asked), whole, on_screen(whole, asked))


@pytest.mark.parametrize("seconds", [[], [float("nan")], [0.0, float("inf")], [[0.0]]])
def test_times_that_are_none_are_refused(write_video, seconds: list) -> None:
    with Video(write_video(frames=2)) as video, pytest.raises(ValueError, match="finite times"):
        video.at_times(seconds)


# ------------------------------------------------------------------ by number, and all


def test_numbers_after_the_last_frame_give_the_last(write_video) -> None:
    with Video(write_video(frames=10)) as video:
        assert brightness(video.at_indices([12, 3, 3, 0]).frames) == [9, 3, 3, 0]


@pytest.mark.parametrize("indices", [[], [-1], [0.5], [[1]]])
def test_numbers_that_are_none_are_refused(write_video, indices: list) -> None:
    with Video(write_video(frames=2)) as video, pytest.raises(ValueError, match="frame numbers"):
        video.at_indices(indices)


def test_a_video_of_one_frame(write_video) -> None:
    with Video(write_video(frames=1)) as video:
        assert len(video.read()) == 1
        assert brightness(video.at_times([0.0, 4.0]).frames) == [0, 0]
        assert brightness(video.at_indices([0, 4]).frames) == [0, 0]


def test_reading_after_a_clip_still_gives_everything(write_video) -> None:
    with Video(write_video(frames=20)) as video:
        video.at_times([0.4])
        assert brightness(video.read().frames) == list(range(20))


def test_the_header(write_video) -> None:
    path = write_video(frames=45, rotation=(-90, False))
    with Video(path) as video:
        info = video.info
    assert (info.width, info.height, info.rotation) == (48, 64, -90)
    assert (info.frames, info.codec, info.pixel_format, info.start) == (45, "h264", "yuv420p", 0.0)
    assert info.duration == pytest.approx(1.5)
    assert info.fps == pytest.approx(30)
    assert info.path == str(path)


# ------------------------------------------------------------------ damage


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "the file is empty"),
        (b"Dear diary,\n" * 400, "not a video"),
        (b"#EXTM3U\nhttp://localhost/a\n", "not a video"),
    ],
)
def test_what_is_no_video_is_named_with_the_reason(tmp_path: Path, content: bytes, reason: str) -> None:
    path = tmp_path / "thing.mp4"
    path.write_bytes(content)
    with pytest.raises(VideoError, match=reason) as caught:
        Video(path)
    assert str(path) in str(caught.value)
    copy = pickle.loads(pickle.dumps(caught.value))  # as from a worker
    assert (copy.path, copy.reason) == (str(path), caught.value.reason)


def test_missing_files_and_folders_say_so(tmp_path: Path) -> None:
    with pytest.raises(VideoError, match="no such file"):
        Video(tmp_path / "none.mp4")
    with pytest.raises(VideoError, match="it is a folder, but not one of numbered pictures"):
        Video(tmp_path)


def test_sound_alone_is_no_video(tmp_path: Path) -> None:
    path = tmp_path / "sound.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=16000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 16000), np.float32), format="fltp", layout="mono")
        frame.sample_rate = 16000
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    with pytest.raises(VideoError, match="no video stream"):
        Video(path)


def test_an_mp4_without_its_index_is_called_truncated(write_video) -> None:
    path = write_video(frames=60)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(VideoError, match="truncated"):
        Video(path)


def test_a_file_of_damaged_frames_only(write_video) -> None:
    path = write_video(frames=5, container_options={"movflags": "faststart"})
    content = path.read_bytes()
    start = content.index(b"mdat") + 4
    path.write_bytes(content[:start] + bytes(len(content) - start))
    with pytest.raises(VideoError, match="no frame of it can be decoded"):
        Video(path)


@pytest.mark.parametrize("name", ["cut.mp4", "cut.mkv", "cut.avi"])
def test_a_cut_file_gives_what_it_holds_and_says_so(write_video, name: str) -> None:
    front = {"movflags": "faststart"} if name.endswith("mp4") else None
    path = write_video(name, textured_frames(90), container_options=front)
    with Video(path) as video:
        whole = video.read()
    assert whole.warning == ""
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * 0.6)])
    with Video(path) as video:
        part = video.read()
        last = video.at_times([2.9])
    assert 10 < len(part) < 80
    assert ("ends early" in part.warning) or ("corrupt at" in part.warning)
    assert (part.frames[:-2] == whole.frames[: len(part) - 2]).all()
    np.testing.assert_array_equal(last.frames[0], part.frames[-1])


def test_a_file_that_is_damaged_in_the_middle(shared_data) -> None:
    with Video(shared_data / "assets" / "decord_corrupted.mp4", View(short_side=32)) as video:
        whole = video.read()
        beyond = video.at_times([0.5, 9.0])
        numbered = video.at_indices([60, 3])
        before = video.at_times([1.0])
    assert len(whole) == 49  # of 50, as ffmpeg has it
    assert whole.warning.startswith("corrupt at 3.000 s (")
    assert_same(beyond, whole, [5, 48])
    assert_same(numbered, whole, [48, 3])
    assert beyond.warning.startswith("corrupt at 3.000 s (") and beyond.warning.endswith(
        "the last frame stands for the rest"
    )
    assert before.warning == ""


def test_a_stream_that_begins_late_does_not_disturb(write_video, tmp_path: Path) -> None:
    silent, sounding = write_video("silent.ts", flat_frames(900, 16, 16)), tmp_path / "sounding.ts"
    with av.open(str(sounding), "w") as container:
        pictures, sound = container.add_stream("libx264", rate=30), container.add_stream("mp2", rate=48000)
        pictures.width = pictures.height = 16
        for number in range(10):
            container.mux(pictures.encode(av.VideoFrame.from_ndarray(flat_frames(1, 16, 16)[0], format="rgb24")))
            samples = av.AudioFrame.from_ndarray(np.zeros((1, 2304), np.int16), format="s16", layout="stereo")
            samples.sample_rate, samples.pts = 48000, number * 1152
            container.mux(sound.encode(samples))
        container.mux(pictures.encode(None))
        container.mux(sound.encode(None))
    joined = tmp_path / "joined.ts"
    joined.write_bytes(silent.read_bytes() + sounding.read_bytes() + silent.read_bytes())
    with Video(joined, decoder="pyav") as video:
        assert len(video._decoder.container.streams) == 1  # libav has not met the other one yet
        assert len(video.read()) == 900 + 10 + 900


def test_odd_names_and_odd_metadata(write_video, tmp_path: Path) -> None:
    path = write_video("a:b %03d ünï.mp4", 3, metadata={"title": "TITLE"})
    path.write_bytes(path.read_bytes().replace(b"TITLE", b"\xff\xfe\xe9\xe8\xe7"))
    with Video(path) as video:
        assert len(video.read()) == 3


def test_libav_keeps_quiet(shared_data, capfd) -> None:
    for name in ("decord_corrupted.mp4", *BROKEN):
        try:
            with Video(shared_data / "assets" / name) as video:
                video.read()
        except VideoError:
            pass
    assert capfd.readouterr() == ("", "")


# ------------------------------------------------------------------ every asset


def test_every_asset_agrees_with_plain_decoding(shared_data) -> None:
    rng = random.Random(2)
    view = View(size=(18, 24))
    for path in sorted((shared_data / "assets").iterdir()):
        if path.name in BROKEN:
            with pytest.raises(VideoError, match=BROKEN[path.name]):
                Video(path)
            continue
        with Video(path, view) as video:
            whole = video.read()
        assert (np.diff(whole.timestamps) > 0).all()
        for _ in range(2):
            seconds = [rng.uniform(-0.1, float(whole.timestamps[-1]) + 0.2) for _ in range(2)]
            numbers = [rng.randrange(len(whole)) for _ in range(2)]
            with Video(path, view) as video:
                assert_same(video.at_times(seconds), whole, on_screen(whole, seconds))
            with Video(path, view) as video:
                assert_same(video.at_indices(numbers), whole, numbers)


def test_packed_b_frames_in_avi_come_at_a_constant_rate(shared_data) -> None:
    path = shared_data / "actions" / "ut_interaction" / "handshake" / "set1_seq01_4_1_0.avi"
    with Video(path, View(short_side=16)) as video:
        assert video.info.frames == 185
        whole = video.read()
    assert whole.warning == ""
    np.testing.assert_allclose(whole.timestamps, np.arange(183) / 30, atol=1e-9)
