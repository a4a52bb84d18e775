from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from PIL import Image

from kinema.boxes.box import Box
from kinema.data.synthetic.files import write_video
from kinema.errors import VideoError
from kinema.serve import media
from kinema.video import Video


@pytest.fixture(scope="module")
def ramp(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two seconds at 12 frames per second, 64x48; each frame is brighter than the one before by 10."""
    path = tmp_path_factory.mktemp("ramp") / "ramp.mp4"
    write_video(path, [np.full((48, 64, 3), 10 * n, np.uint8) for n in range(24)], fps=12.0)
    return path


def frames_of(picture: bytes) -> list[np.ndarray]:
    image = Image.open(io.BytesIO(picture))
    frames = []
    for number in range(getattr(image, "n_frames", 1)):
        image.seek(number)
        frames.append(np.asarray(image.convert("RGB")))
    return frames


def test_a_moving_picture_shows_the_part(ramp: Path) -> None:
    frames = frames_of(media.moving(ramp, 0.5, 1.5))
    assert len(frames) == 12
    assert frames[0].shape == (192, 256, 3), "small frames are enlarged"
    brightness = [frame.mean() for frame in frames]
    np.testing.assert_allclose(brightness, 10 * np.arange(6, 18), atol=4)


def test_what_was_cut_is_outlined(ramp: Path) -> None:
    box = Box(0.25, 0.25, 0.75, 0.75)
    plain, drawn = (frames_of(media.moving(ramp, 0.5, 1.5, box=shown)) for shown in (None, box))
    differs = np.abs(plain[0].astype(int) - drawn[0]).max(2) > 60
    rows, columns = np.nonzero(differs)
    assert (rows.min(), rows.max()) == pytest.approx((48, 144), abs=9)
    assert (columns.min(), columns.max()) == pytest.approx((64, 192), abs=9)
    assert not differs[80:110, 100:150].any()


def test_a_still_is_outlined_where_it_was_cut(ramp: Path) -> None:
    buffer = io.BytesIO()
    Image.new("RGB", (64, 48), (90, 90, 90)).save(buffer, format="JPEG")
    whole = buffer.getvalue()
    assert media.still(whole, None) == media.still(whole, Box()) == whole
    (drawn,) = frames_of(media.still(whole, Box(0.5, 0.0, 1.0, 1.0)))
    assert drawn.shape == (48, 64, 3) and np.abs(drawn[:, 32].astype(int) - 90).mean() > 30
    assert np.abs(drawn[:, :24].astype(int) - 90).max() < 20


def test_a_moving_picture_has_an_end(ramp: Path) -> None:
    image = Image.open(io.BytesIO(media.moving(ramp, 0.0, 1e6)))
    seconds = 0.0
    for number in range(image.n_frames):
        image.seek(number)
        image.load()  # only then is its duration known
        seconds += image.info["duration"] / 1000
    assert seconds == pytest.approx(media.LONGEST, abs=0.2)


def test_flow_is_coloured_where_something_moves(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)  # texture everywhere: where there is none, flow spreads
    background = cv2.resize(rng.integers(0, 255, (16, 24, 3), np.uint8), (96, 64), interpolation=cv2.INTER_CUBIC)
    texture = cv2.resize(rng.integers(0, 255, (6, 6, 3), np.uint8), (24, 24), interpolation=cv2.INTER_CUBIC)
    shown = []
    for number in range(12):
        frame = background.copy()
        frame[20:44, 10 + 3 * number : 34 + 3 * number] = texture
        shown.append(frame)
    write_video(tmp_path / "box.mp4", shown, fps=12.0)
    colours = [
        np.ptp(frame.astype(int), axis=2) for frame in frames_of(media.moving(tmp_path / "box.mp4", 0.0, 0.9, "flow"))
    ]
    moving, still = np.mean([c[60:88, 60:100].mean() for c in colours]), np.mean([c[:30].mean() for c in colours])
    assert moving > 3 * still + 20


def test_a_strip_goes_from_beginning_to_end(ramp: Path) -> None:
    (strip,) = frames_of(media.strip(ramp))
    assert strip.shape == (72, media.STRIP_FRAMES * 96, 3)
    brightness = strip.reshape(72, media.STRIP_FRAMES, 96, 3).mean((0, 2, 3))
    expected = 10 * np.floor((np.arange(media.STRIP_FRAMES) + 0.5) * 24 / media.STRIP_FRAMES)
    np.testing.assert_allclose(brightness, expected, atol=5)


def test_a_cut_clip_is_a_video_of_the_part(ramp: Path, tmp_path: Path) -> None:
    (tmp_path / "cut.mp4").write_bytes(media.cut(ramp, 0.5, 1.5))
    with Video(tmp_path / "cut.mp4") as video:
        clip = video.read()
    assert clip.frames.shape == (12, 48, 64, 3)
    np.testing.assert_allclose(clip.frames.mean((1, 2, 3)), 10 * np.arange(6, 18), atol=4)


def test_odd_sides_can_be_cut(tmp_path: Path) -> None:
    with av.open(str(tmp_path / "odd.mkv"), "w") as container:
        stream = container.add_stream("ffv1", rate=10)
        stream.width, stream.height, stream.pix_fmt = 33, 25, "bgr0"
        for number in range(5):
            frame = av.VideoFrame.from_ndarray(np.full((25, 33, 3), 40 * number, np.uint8), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    (tmp_path / "cut.mp4").write_bytes(media.cut(tmp_path / "odd.mkv", 0.0, 0.5))
    assert media.footage(tmp_path / "cut.mp4").width == 32
    assert frames_of(media.moving(tmp_path / "odd.mkv", 0.0, 0.5))[0].shape[:2] == (25 * 7, 33 * 7)


@pytest.mark.parametrize("make", [media.strip, media.footage, lambda path: media.moving(path, 0, 1)])
def test_what_is_no_video_is_named(make: Callable[[Path], object], tmp_path: Path) -> None:
    (tmp_path / "text.mp4").write_text("text")
    with pytest.raises(VideoError, match=r"text\.mp4: it is not a video"):
        make(tmp_path / "text.mp4")


def test_a_video_too_narrow_for_flow_is_named_and_shown_without() -> None:
    path = Path(__file__).parents[1] / "faults" / "extreme_aspect" / "wide.mp4"
    assert frames_of(media.moving(path, 0.0, 0.5))
    with pytest.raises(VideoError, match=r"wide\.mp4: its frames are too narrow for optical flow"):
        media.moving(path, 0.0, 0.5, "flow")
