"""A video beside its flow: the files decode to what they should show, and what cannot be shown is refused."""

from __future__ import annotations

import itertools
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image, ImageSequence

from kinema.cli import main
from kinema.data.synthetic.files import write_video
from kinema.errors import ConfigError, OutputError, VideoError
from kinema.report.flow_pictures import FPS, MOMENTS, STEP, Board, show_flow
from kinema.video import Video


@pytest.fixture(scope="module")
def video(tmp_path_factory) -> Path:
    """1.5 seconds of a texture that slides to the right by 2 pixels a frame, 48 x 64, 16 frames a second."""
    noise = cv2.GaussianBlur(np.random.default_rng(0).random((48, 112, 3)), (0, 0), 2)
    texture = cv2.normalize(noise, None, 0, 255, cv2.NORM_MINMAX).astype(np.uint8)
    path = tmp_path_factory.mktemp("video") / "slide.mp4"
    write_video(path, (texture[:, 48 - 2 * t : 112 - 2 * t] for t in range(24)), 16)
    return path


def saturated(picture: np.ndarray) -> np.ndarray:
    """How far a picture (H, W, 3) is from grey."""
    return picture.max(-1).astype(int) - picture.min(-1)


@pytest.fixture
def board() -> Board:
    """20 grey frames of 40 x 60 whose left half moves to the right by 4 pixels, from the tenth field on upwards."""
    flow = np.zeros((20, 2, 40, 60), np.float32)
    flow[:10, 0, :, :30] = 4
    flow[10:, 1, :, :30] = -4
    return Board(np.arange(21) / FPS, np.full((21, 40, 60, 3), 100, np.uint8), flow)


def test_panels_show_the_frame_the_colours_and_the_arrows(board):
    shown = board.picture([5])
    assert shown.dtype == np.uint8 and not any(side % 2 for side in shown.shape[:2])
    panels = [shown[24:64, left : left + 60] for left in (8, 76, 144)]
    assert (panels[0][25:] == 100).all(), "below the time it is the frame"
    colours = panels[1].astype(int)
    assert (colours[5:35, 5:25, 0] > colours[5:35, 5:25, 2] + 150).all(), "rightwards is red"
    assert (colours[:10, 35:] == 255).all(), "stillness is white"
    arrows = panels[2] != 128 + 100 // 2
    assert arrows[:, :30].any() and not arrows[:, 35:].any()
    upwards = board.picture([15])[24:64, 76:136].astype(int)
    assert (upwards[5:35, 5:25, 2] > upwards[5:35, 5:25, 1] + 100).all(), "upwards is purple"


def test_the_cursor_moves_over_a_curve_that_stays(board):
    strips = [board.picture([moment])[24 + 40 + 8 :] for moment in range(len(board))]
    still = np.median(strips, axis=0)
    columns = []
    for strip in strips:
        changed = np.argwhere((strip != still).any(-1))
        assert len(changed) and np.ptp(changed[:, 1]) == 0, "one column changes"
        columns.append(changed[0, 1])
    steps = np.diff(columns)
    assert steps.min() > 0 and np.ptp(steps) <= 1, "time runs evenly"


def test_dots_stand_at_the_starts_whose_clips_change_more(board):
    strip = board.picture([0])[24 + 40 + 8 :].astype(int)
    red = (strip[..., 0] > 180) & (strip[..., 1] < 90)
    assert red.any()
    short = Board(board.times[:6], board.frames[:6], board.flow[:6]).picture([0])[24 + 40 + 8 :].astype(int)
    assert not ((short[..., 0] > 180) & (short[..., 1] < 90)).any(), "no clip fits in"


def test_mp4_and_gif_hold_each_moment_for_its_time(video, tmp_path):
    mp4, gif = (show_flow(video, tmp_path / f"new/flow.{kind}", seconds=0.75, size=64) for kind in ("mp4", "gif"))
    with Video(mp4) as shown:
        clip, info = shown.read(), shown.info
    assert (len(clip), info.fps) == (12, FPS)
    with Image.open(gif) as picture:
        pages = [np.asarray(page.convert("RGB")) for page in ImageSequence.Iterator(picture)]
        assert picture.info["duration"] == pytest.approx(1000 / FPS, abs=10)
    assert len(pages) == 12 and pages[0].shape == clip.frames[0].shape
    for page, frame in zip(pages, clip.frames, strict=True):
        assert np.abs(page.astype(int) - frame).mean() < 6
        flow = page[24 : 24 + 64, 8 + 85 + 8 : 8 + 85 + 8 + 40]
        assert np.median(flow[..., 0].astype(int) - flow[..., 2]) > 80, "rightwards is red"
    assert sorted(path.name for path in mp4.parent.iterdir()) == ["flow.gif", "flow.mp4"]


def test_a_sheet_shows_some_moments(video, tmp_path):
    one, sheet = (
        np.asarray(Image.open(show_flow(video, tmp_path / f"{seconds}.png", seconds=seconds, size=64)))
        for seconds in (0.05, 9)
    )
    assert sheet.shape[1] == one.shape[1]
    assert sheet.shape[0] - one.shape[0] == (MOMENTS - 1) * (64 + 8)
    rows = [sheet[24 + 72 * row :][:64, 8:93] for row in range(MOMENTS)]
    assert all(np.abs(a.astype(int) - b).mean() > 5 for a, b in itertools.pairwise(rows))


def test_the_command_starts_where_it_is_told(video, tmp_path, capsys):
    words = ["flow", "show", video, "--size", 48, "--start", 0.5, "--seconds", 0.25, "--estimator", "dis:preset=fast"]
    assert main([str(word) for word in (*words, "--out", tmp_path / "a.png")]) == 0
    assert capsys.readouterr().out == f"{tmp_path / 'a.png'}\n"
    first = np.asarray(Image.open(tmp_path / "a.png"))[24:72, 8:72]
    with Video(video) as source:
        expected = source.at_times([0.53]).frames[0]
    np.testing.assert_array_equal(first[24:], expected[24:])


def test_what_cannot_be_shown_is_refused_and_the_old_file_stays(video, tmp_path):
    still = tmp_path / "still.mp4"
    write_video(still, np.zeros((1, 32, 32, 3), np.uint8), 16)
    (tmp_path / "noise.mp4").write_bytes(b"noise")
    out = tmp_path / "out.png"
    out.write_text("earlier picture")
    for path, target, how, kind, said in [
        (video, tmp_path / "out.webm", {}, ConfigError, r"end in \.mp4, \.gif or \.png"),
        (video, out, {"start": 1.6}, ConfigError, "ends at 1.50 s: start before that, not at 1.6 s"),
        (video, out, {"start": -1}, ConfigError, "at least 0 s, got -1"),
        (video, out, {"estimator": "horn"}, ConfigError, "unknown flow estimator"),
        (video, out, {"size": 8}, ConfigError, "dis needs frames of at least 12 x 12"),
        (video, out, {"start": 1.45}, VideoError, f"no second picture {STEP} s later"),
        (still, out, {}, VideoError, "from 0 s on it shows no second picture"),
        (tmp_path / "noise.mp4", out, {}, VideoError, "not a video"),
        (tmp_path / "gone.mp4", out, {}, VideoError, "no such file"),
        (video, tmp_path / "noise.mp4" / "a.png", {}, OutputError, "cannot write"),
    ]:
        with pytest.raises(kind, match=said):
            show_flow(path, target, **how)
    assert out.read_text() == "earlier picture"
    assert not (tmp_path / "out.webm").exists()
