"""Small files of the kinds that people's own folders hold and that broke readers: each is read, or named."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import av
import numpy as np
import pytest
from video_samples import brightness, flat_frames, textured_frames

from kinema.config import ClipConfig
from kinema.config.windows import Windowing
from kinema.data.clips import timeline
from kinema.errors import VideoError
from kinema.search.windows import WindowReader
from kinema.video import Video, View, scan_folder
from kinema.video.scan import scan_file

FAULTS = Path(__file__).parents[1] / "faults"


def row(path: Path):
    return scan_file(path, path.parent)


def windows(path: Path) -> int:
    clip = ClipConfig(frames=4, step=0.125, short_side=32, size=(32, 32))
    return sum(1 for _ in WindowReader(clip, Windowing(length=1.0, stride=0.5)).read(path))


def assert_one_clock(path: Path) -> None:
    """Whatever is asked for, of a file just opened or one that was read before, comes from one row of frames."""
    with Video(path) as video:
        whole = video.read()
        for time in np.linspace(0, float(whole.timestamps[-1]) + 0.3, 23):
            expected = max(0, int(np.searchsorted(whole.timestamps, time + 1e-6, side="right")) - 1)
            with Video(path) as fresh:
                for reader in (video, fresh):
                    clip = reader.at_times([time])
                    assert clip.timestamps[0] == whole.timestamps[expected]
                    np.testing.assert_array_equal(clip.frames[0], whole.frames[expected])


# ------------------------------------------------------------------ interlaced


def test_interlaced_video_is_read_as_whole_frames() -> None:
    path = FAULTS / "interlaced" / "inter.mp4"
    with av.open(str(path)) as container:
        plain = list(container.decode(video=0))
    assert all(frame.interlaced_frame for frame in plain)
    entry = row(path)
    assert (entry.status, entry.frames, entry.error) == ("ok", 50, "")
    with Video(path) as video:
        frames = video.read().frames
    for shown, stored in zip(frames[::7], plain[::7], strict=True):
        luma = stored.to_ndarray()[:64].astype(float)
        assert np.median(np.abs(shown @ [0.299, 0.587, 0.114] - (luma - 16) * 255 / 219)) < 2
    assert windows(path) == 3


def test_of_what_moves_between_two_fields_no_comb_is_left_when_scaled_down(write_video) -> None:
    """Rows of a result that alternate would be the fields, each scaled by itself."""
    still = np.zeros((20, 96, 128, 3), np.uint8)
    for number, frame in enumerate(still):
        for field in (0, 1):
            left = 8 + 4 * (2 * number + field)
            frame[field::2, left : left + 24] = 255
    path = write_video("moving.mp4", still, options={"flags": "+ildct+ilme", "x264-params": "tff=1", "crf": "1"})
    with av.open(str(path)) as container:
        assert next(container.decode(video=0)).interlaced_frame
    with Video(path, View(short_side=24)) as video:
        frames = video.read().frames.astype(int)
    assert np.abs(np.diff(frames[:, 2:-2], axis=1)).max() < 24
    assert np.abs(np.diff(frames, axis=2)).max() > 80


def test_dv_is_read(tmp_path: Path) -> None:
    path = tmp_path / "tape.avi"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("dvvideo", rate=25)
        stream.width, stream.height, stream.pix_fmt = 720, 576, "yuv420p"
        for pixels in flat_frames(6, 576, 720):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(stream.encode(None))
    assert row(path).status == "ok"
    with Video(path, View(short_side=36)) as video:
        assert brightness(video.read().frames) == list(range(6))


def test_interlaced_pictures_are_read() -> None:
    path = FAULTS / "interlaced" / "adam7"
    assert (row(path).status, row(path).frames) == ("ok", 10)
    with Video(path, View(short_side=8)) as video:
        assert video.read().frames.shape == (10, 8, 11, 3)


# ------------------------------------------------------------------ clocks


def test_a_clock_that_jumps_ahead() -> None:
    path = FAULTS / "clock_jump" / "jump.ts"
    entry = row(path)
    assert (entry.status, entry.frames, entry.duration) == ("partial", 20, 2.0)
    assert entry.error == "its clock jumps 4999.100 s ahead at 1.000 s, which is repaired"
    assert windows(path) == 3
    assert_one_clock(path)
    with Video(path) as video:
        assert timeline(video).duration == pytest.approx(2.0)


@pytest.mark.parametrize("name", ["joined.ts", "joined.mkv", "joined.webm", "joined.ogv"])
def test_a_clock_that_begins_anew(write_video, tmp_path: Path, name: str) -> None:
    codec = {"webm": "libvpx", "ogv": "libtheora"}.get(name.split(".")[1], "libx264")
    if codec == "libtheora" and codec not in av.codecs_available:
        pytest.skip("this libav cannot write Theora")
    part = write_video(f"part.{name.split('.')[1]}", 60, codec=codec, options={"g": "12"})
    both = tmp_path / name
    both.write_bytes(part.read_bytes() * 2)
    with Video(both) as video:
        whole = video.read()
    assert brightness(whole.frames) == [n % 32 for n in range(60)] * 2
    assert np.diff(whole.timestamps) == pytest.approx(1 / 30, abs=2e-3)
    assert "back at 2.0" in whole.warning
    assert_one_clock(both)


def test_the_header_of_a_second_ogg_is_no_damage(write_video, tmp_path: Path) -> None:
    if "libtheora" not in av.codecs_available:
        pytest.skip("this libav cannot write Theora")
    both = tmp_path / "both.ogv"
    both.write_bytes(write_video("part.ogv", 20, codec="libtheora").read_bytes() * 2)
    assert row(both).frames == 40
    assert "corrupt" not in row(both).error


def test_two_files_joined_to_one_webm() -> None:
    path = FAULTS / "clock_restart" / "cat_webm.webm"
    with Video(path) as video:
        whole = video.read()
    assert len(whole) == 60
    with Video(path) as video:
        clip = video.at_times([4.9])
    assert clip.timestamps[0] == whole.timestamps[49]
    np.testing.assert_array_equal(clip.frames[0], whole.frames[49])
    assert_one_clock(path)


@pytest.mark.parametrize("name", ["back.ts", "ahead.ts", "ahead.mkv", "ahead.mp4"])
def test_clocks_that_are_set(write_video, name: str) -> None:
    """The second half of a recording on another clock; no muxer writes times that fall, so there it is joined."""
    seconds, way = np.arange(64) / 32, name.partition(".")[0]
    options = {"g": "16", "bf": "0"}
    if way == "ahead":
        path = write_video(name, 64, times=seconds + 3000 * (seconds >= 1), options=options)
    else:
        first, second = (
            write_video(part, flat_frames(64)[half], times=seconds[half] + start, options=options)
            for part, half, start in (("a.ts", slice(32), 50), ("b.ts", slice(32, 64), 10))
        )
        path = first.with_name(name)
        path.write_bytes(first.read_bytes() + second.read_bytes())
    entry = row(path)
    assert (entry.frames, entry.status) == (64, "partial")
    assert entry.duration == pytest.approx(2, abs=0.02)
    assert f"s {way} at 1.0" in entry.error
    with Video(path) as video:
        assert brightness(video.read().frames) == [n % 32 for n in range(64)]
    assert_one_clock(path)


def test_a_picture_that_stays_for_long_is_no_jump_and_gives_no_thousands_of_windows(write_video) -> None:
    path = write_video("slides.mkv", 3, times=[0.0, 0.5, 500.0])
    entry = row(path)
    assert (entry.status, entry.frames) == ("ok", 3)
    assert entry.duration > 500
    assert windows(path) == 22  # ten seconds of the second picture


# ------------------------------------------------------------------ damage


def test_a_damaged_packet_costs_its_own_frames(tmp_path: Path) -> None:
    path = tmp_path / "damaged.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height = 64, 48
        stream.options = {"g": "25", "preset": "ultrafast"}
        for pixels in textured_frames(300):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24")))
        container.mux(stream.encode(None))
    with av.open(str(path)) as container:
        at = [packet.pos for packet in container.demux(video=0) if packet.size][130]
    with Video(path) as video:
        sound = video.read()
    content = bytearray(path.read_bytes())
    content[at : at + 4] = b"\xff\xff\xff\xff"
    path.write_bytes(content)
    entry = row(path)
    assert (entry.status, entry.frames, entry.duration) == ("partial", 299, 12.0)
    assert entry.error.startswith("corrupt at 5.200 s (Invalid data found")
    with Video(path) as video:
        whole = video.read()
        assert video.at_times([1.0, 2.0]).warning == ""
        assert video.at_times([5.2]).warning.startswith("corrupt at 5.200 s")
        assert video.at_times([10.0]).warning == ""
    untouched = np.r_[0:130, 150:300]  # the key frame at 6.0 s ends what it did
    shown = np.searchsorted(whole.timestamps, sound.timestamps[untouched] - 1e-6)
    np.testing.assert_array_equal(whole.frames[shown], sound.frames[untouched])
    assert windows(path) == 23


def test_damaged_packets_at_the_start_do_not_hide_the_rest(tmp_path: Path, write_video) -> None:
    path = write_video("late.mp4", textured_frames(60), options={"g": "12", "bf": "0", "sc_threshold": "0"})
    with av.open(str(path)) as container:
        places = [(packet.pos, packet.size) for packet in container.demux(video=0) if packet.size]
    content = bytearray(path.read_bytes())
    for at, size in places[:12]:
        content[at : at + size] = b"\xff" * size
    path.write_bytes(content)
    entry = row(path)
    assert (entry.status, entry.frames) == ("partial", 48)
    assert "corrupt at 0.000 s and in 11 more places" in entry.error


def test_an_empty_packet_is_the_same_frame_again() -> None:
    path = FAULTS / "theora_empty_packets" / "still.ogv"
    entry = row(path)
    assert (entry.status, entry.frames, entry.duration, entry.fps) == ("ok", 97, 3.88, 25.0)
    assert_one_clock(path)


# ------------------------------------------------------------------ which stream


@pytest.mark.parametrize("name", ["preview_first.mp4", "thumb_first.mkv"])
def test_the_stream_is_the_one_that_ffmpeg_takes(name: str) -> None:
    path = FAULTS / "stream_choice" / name
    entry = row(path)
    assert (entry.status, entry.frames, entry.width, entry.height, entry.codec) == ("ok", 30, 96, 64, "h264")
    with Video(path) as video:
        assert (video.info.width, video.info.height) == (96, 64)
    assert_one_clock(path)


# ------------------------------------------------------------------ what is no file


def test_pipes_sockets_and_devices_are_named_and_not_waited_for(tmp_path: Path, write_video) -> None:
    good = write_video("folder/good.mp4", 3)
    os.mkfifo(good.parent / "pipe.mp4")
    (good.parent / "device.mp4").symlink_to("/dev/zero")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(good.parent / "socket.mp4"))
        found = {entry.path: entry for entry in scan_folder(good.parent, progress=False)}
    reasons = {"pipe.mp4": "a named pipe", "device.mp4": "a device", "socket.mp4": "a socket"}
    for name, kind in reasons.items():
        assert (found[name].status, found[name].error) == ("unreadable", f"it is {kind}, not a file; move it away")
        with pytest.raises(VideoError, match="not a file"):
            Video(good.parent / name)
    assert found["good.mp4"].status == "ok"


# ------------------------------------------------------------------ proportions


def test_frames_far_wider_than_high_are_scanned_and_named_where_they_cannot_be_scaled() -> None:
    path = FAULTS / "extreme_aspect" / "wide.mp4"
    entry = row(path)
    assert (entry.status, entry.frames, entry.width, entry.height) == ("ok", 10, 8192, 4)
    with pytest.raises(VideoError, match=r"wide\.mp4: its frames of 8192x4 pixels would be scaled to 65536x32"):
        Video(path, View(short_side=32))
    with Video(path, View(crop=(64, 4), short_side=32)) as video:
        assert video.read().frames.shape == (10, 32, 512, 3)


def test_frames_that_would_take_all_memory_are_refused(write_video) -> None:
    path = write_video("huge.gif", 2, codec="gif", pixel_format="rgb8", options={})
    content = bytearray(path.read_bytes())
    content[6:10] = (15000).to_bytes(2, "little") * 2
    path.write_bytes(content)
    assert row(path).error.startswith("no frame of it can be decoded (")
    assert row(path).error.endswith("; frames larger than 8K are not read")


def test_times_beyond_all_clocks_give_the_last_frame() -> None:
    with Video(FAULTS / "interlaced" / "inter.mp4") as video:
        assert video.at_times([1e15, 1e300]).timestamps.tolist() == [1.96, 1.96]
