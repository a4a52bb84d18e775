from __future__ import annotations

import dataclasses

import cv2
import numpy as np
import pytest

from kinema.data.synthetic import DIFFICULTIES, SCENES, SHAPES, SynthConfig, VideoSpec, plan, render
from kinema.data.synthetic.appearance import draw_background, draw_object

QUIET = {
    name: dataclasses.replace(difficulty, noise=0.0, exposure=(0.0, 0.0)) for name, difficulty in DIFFICULTIES.items()
}
EVERY_MOTION = [(name, motion) for name in ("easy", "default", "hard") for motion in DIFFICULTIES[name].motions]


def warp_back(picture: np.ndarray, flow: np.ndarray) -> np.ndarray:
    """Picture of frame t+1 (H, W, C) seen where frame t is, by the flow (2, H, W) of field t."""
    y, x = np.mgrid[0 : flow.shape[1], 0 : flow.shape[2]].astype(np.float32)
    return cv2.remap(picture, x + flow[0], y + flow[1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


def inside(flow: np.ndarray) -> np.ndarray:
    """Where the flow (2, H, W) stays at least a pixel within the frame."""
    y, x = np.mgrid[0 : flow.shape[1], 0 : flow.shape[2]]
    size = flow.shape[1]
    return ((x + flow[0]).clip(1, size - 2) == x + flow[0]) & ((y + flow[1]).clip(1, size - 2) == y + flow[1])


@pytest.mark.parametrize(("difficulty", "motion"), EVERY_MOTION)
def test_the_flow_takes_each_frame_to_the_next(difficulty: str, motion: str) -> None:
    scene, shape = list(SCENES)[len(motion) % 8], list(SHAPES)[len(motion) % 7]
    spec = VideoSpec("train", 3, motion, scene, shape)
    video = render(spec, QUIET[difficulty], size=128, frames=12, fps=6)
    errors = []
    for t, flow in enumerate(video.flow):
        cover, next_cover = video.cover[t], warp_back(video.cover[t + 1], flow)
        on_object = (cv2.erode(cover, np.ones((7, 7))) > 0.99) & inside(flow)
        behind = (cv2.dilate(cover, np.ones((5, 5))) < 0.01) & (next_cover < 0.01) & inside(flow)
        assert on_object.sum() == 0 or next_cover[on_object].mean() > 0.97
        shifts = np.array([(0, 0), (0.4, 0), (-0.4, 0), (0, 0.4), (0, -0.4)], np.float32)[:, :, None, None]
        after = [warp_back(video.frames[t + 1].astype(np.float32), flow + shift) for shift in shifts]
        error = np.abs(np.stack(after) - video.frames[t]).mean(axis=3)
        errors.append([error[:, where].sum(axis=1) for where in (on_object, behind)])
    on_object, behind = np.sum(errors, axis=0)
    for exact, *shifted in (on_object, behind):
        assert exact < 0.8 * min(shifted), "the truth explains the frames better than any flow a little beside it"


def test_the_background_flows_with_the_camera_and_not_at_all_in_the_easy_set() -> None:
    spec = VideoSpec("train", 0, "rotate_cw", "dots", "star")
    for name, difficulty in DIFFICULTIES.items():
        if spec.motion not in difficulty.motions:
            continue
        flow = render(spec, difficulty, frames=8).flow
        assert np.ptp(flow[:, :, 0, 0], axis=0).max() < 1e-4
        speed = np.linalg.norm(flow[0, :, 0, 0])
        assert speed == 0 if name == "easy" else 0.2 <= speed <= 0.6


@pytest.mark.parametrize("motion", ["translate_right", "rotate_ccw", "zoom_in", "circle_cw"])
def test_an_optical_flow_estimator_agrees(motion: str) -> None:
    video = render(VideoSpec("test", 1, motion, "clouds", "star"), DIFFICULTIES["default"], size=128, fps=32)
    estimator = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    grey = [cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in video.frames]
    errors, lengths = [], []
    for t in range(10, 20):
        inner = cv2.erode(video.cover[t], np.ones((7, 7))) > 0.99
        estimated = estimator.calc(grey[t], grey[t + 1], None).transpose(2, 0, 1)
        errors.append(np.linalg.norm(estimated - video.flow[t], axis=0)[inner])
        lengths.append(np.linalg.norm(video.flow[t], axis=0)[inner])
    assert np.median(np.concatenate(errors)) < 0.35 * np.median(np.concatenate(lengths))


def test_the_exposure_swings_about_one_and_leaves_the_flow_alone() -> None:
    spec = VideoSpec("train", 0, "rotate_cw", "dots", "star")
    steady, hunting = (
        render(spec, dataclasses.replace(QUIET["default"], exposure=(swing, swing)), frames=64) for swing in (0.0, 0.2)
    )
    usable = (steady.frames > 20) & (steady.frames < 200)  # neither clipped nor mostly rounding
    gains = np.array([np.median(b[i] / a[i]) for a, b, i in zip(steady.frames, hunting.frames, usable, strict=True)])
    assert np.log(gains).max() == pytest.approx(0.2, abs=0.01)
    assert np.log(gains).min() == pytest.approx(-0.2, abs=0.01)
    crossings = np.flatnonzero(np.diff(gains > 1.0))
    assert np.allclose(np.diff(crossings) / 16, np.diff(crossings).mean() / 16, atol=0.07)  # half a period
    assert 0.5 <= np.diff(crossings).mean() / 16 <= 1.5
    np.testing.assert_array_equal(steady.flow, hunting.flow)


def test_the_object_is_always_to_be_seen() -> None:
    for name, motion in EVERY_MOTION:
        for index in range(2):
            cover = render(VideoSpec("train", index, motion, "tiles", "triangle"), DIFFICULTIES[name], size=32).cover
            seen = cover.sum(axis=(1, 2))
            assert seen.min() > (0.2 if motion.startswith("zoom") else 0.5) * np.median(seen)
            assert seen.min() > 15


def test_noise_textures_and_motion_are_drawn_independently() -> None:
    """The same video under another motion shows the same background, object and noise: looks cannot tell motion."""
    flat = dataclasses.replace(DIFFICULTIES["easy"], noise=0.0)
    corner = [
        render(VideoSpec("train", 5, motion, "bricks", "heart"), flat, frames=2, fps=60).frames[0, :6, :6]
        for motion in ("rotate_cw", "zoom_in", "circle_ccw")
    ]
    assert np.array_equal(corner[0], corner[1])
    assert np.array_equal(corner[0], corner[2])


@pytest.fixture(scope="module")
def stills() -> tuple[list[VideoSpec], np.ndarray]:
    """The labels and middle frames (N, H, W, 3) of 384 videos."""
    specs = plan(SynthConfig(videos=384, test_share=0))
    frames = [render(spec, DIFFICULTIES["default"], frames=3, fps=1.5).frames[1] for spec in specs]
    return specs, np.stack(frames)


def neighbour_accuracy(features: np.ndarray, labels: list[str]) -> float:
    """Share of samples whose nearest other sample has the same label."""
    features = (features - features.mean(0)) / (features.std(0) + 1e-6)
    distance = (features**2).sum(1)[:, None] - 2 * features @ features.T + (features**2).sum(1)
    np.fill_diagonal(distance, np.inf)
    names = np.array(labels)
    return float(np.mean(names[distance.argmin(1)] == names))


def test_a_single_frame_tells_the_scene_but_not_the_motion(stills: tuple[list[VideoSpec], np.ndarray]) -> None:
    specs, frames = stills
    statistics = np.hstack([frames.mean(axis=(1, 2)), frames.std(axis=(1, 2))])
    assert neighbour_accuracy(statistics, [spec.scene for spec in specs]) > 0.95
    pixels = np.stack([cv2.resize(frame, (16, 16), interpolation=cv2.INTER_AREA).ravel() for frame in frames])
    for features in (statistics, pixels.astype(np.float32)):
        assert neighbour_accuracy(features, [spec.motion for spec in specs]) < 1 / 12 + 0.06


def test_train_and_test_share_no_texture() -> None:
    for scene in SCENES:
        pictures = {
            split: [draw_background(scene, 64, 64, VideoSpec(split, i, "", scene, "star").rng(1)) for i in range(25)]
            for split in ("train", "test")
        }
        nearest = min(np.abs(a.astype(float) - b).mean() for a in pictures["train"] for b in pictures["test"])
        assert nearest > 5
        train, test = ({(*p.min(axis=(0, 1)), *p.max(axis=(0, 1))) for p in pictures[split]} for split in pictures)
        assert not train & test, "a palette occurs in both"


def test_shapes_have_the_same_area_and_fit_their_picture() -> None:
    for shape in SHAPES:
        for textured in (True, False):
            cover = draw_object(shape, 128, textured, np.random.default_rng(0))[..., 3] / 255.0
            assert cover.sum() == pytest.approx(np.pi * (128 / 3.5) ** 2, rel=0.02)
            edge = np.concatenate([cover[0], cover[-1], cover[:, 0], cover[:, -1]])
            assert edge.max() == 0
