"""A demo's outcome made up for the report: real little videos, plausible figures, known features."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path

import av
import numpy as np
import pytest

from kinema.config import ReadoutConfig
from kinema.report.demo_content import DemoContent, LabelledVideo, PeopleContent, Query

PATHS = {
    "move_left": lambda t: (0.8 - 0.6 * t, 0.5),
    "move_right": lambda t: (0.2 + 0.6 * t, 0.5),
    "move_up": lambda t: (0.5, 0.8 - 0.6 * t),
    "move_down": lambda t: (0.5, 0.2 + 0.6 * t),
    "oscillate_sideways": lambda t: (0.5 + 0.3 * np.sin(4 * np.pi * t), 0.5),
    "circle_cw": lambda t: (0.5 + 0.25 * np.cos(2 * np.pi * t), 0.5 + 0.25 * np.sin(2 * np.pi * t)),
}
"""Motion to the centre of the moving square at a time in [0, 1), as shares of width and height."""

SCENES = {"bricks": (150, 80, 60), "meadow": (70, 130, 60), "lake": (60, 100, 160), "sand": (190, 170, 120)}


def ways(shown: dict[str, float], pooled: float) -> dict[str, dict[str, float]]:
    """Figures of a method by each way; two have no probe, and the pooled ones find less motion."""
    found = {"readout, whitened": shown, "pooled": {**shown, "motion_r1": pooled}}
    for way in ("readout", "pooled, whitened"):
        found[way] = {name: 0.9 * share for name, share in shown.items() if name != "motion_probe"}
    return found


RESULTS = {
    "methods": {
        "random": ways(
            {"motion_r1": 0.1711, "scene_r1": 0.4044, "shape_r1": 0.2511, "motion_probe": 0.2922}, pooled=0.1278
        ),
        "moco": ways(
            {"motion_r1": 0.3967, "scene_r1": 0.9233, "shape_r1": 0.2644, "motion_probe": 0.6722}, pooled=0.2034
        ),
        "mscl": ways(
            {"motion_r1": 0.8378, "scene_r1": 0.3889, "shape_r1": 0.2711, "motion_probe": 0.8956}, pooled=0.7113
        ),
    },
    "readout": asdict(ReadoutConfig("layer3", (2, 3, 4))),
    "seconds": 431.6,
    "clips_seen": 11200,
    "seeds": [0],
}


def moving_square(motion: str, scene: str, seed: int, frames: int = 16, side: int = 64) -> np.ndarray:
    """Return (T, H, W, 3) uint8 frames of a bright square that moves over a noisy background."""
    generator = np.random.default_rng(seed)
    background = (
        np.clip(generator.normal(SCENES[scene], 18, (side // 4, side // 4, 3)), 0, 255).repeat(4, 0).repeat(4, 1)
    )
    square = np.clip(generator.normal(generator.uniform(90, 250, 3), 30, (16, 16, 3)), 0, 255)
    video = np.repeat(background[None], frames, axis=0)
    for frame, time in zip(video, np.linspace(0, 1, frames, endpoint=False), strict=True):
        x, y = (int(place * side) - 8 for place in PATHS[motion](time))
        frame[y : y + 16, x : x + 16] = square
    return video.astype(np.uint8)


def write_video(path: Path, frames: np.ndarray, fps: int = 8) -> Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=fps, options={"crf": "20"})
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt = "yuv420p"
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode(None))
    return path


def training_rows(names: list[str], steps: int, seed: int = 0) -> list[dict[str, float]]:
    """Return rows of a metrics.csv: losses that fall, an accuracy that rises."""
    generator = np.random.default_rng(seed)
    progress = 1 - np.exp(-np.arange(steps) / (0.3 * steps))
    rows = [{"step": float(step)} for step in range(steps)]
    for i, name in enumerate(names):
        for row, done in zip(rows, progress, strict=True):
            row[name] = float(5.5 - (1 + 0.6 * i) * done + generator.normal(0, 0.12))
    for row, done in zip(rows, progress, strict=True):
        row["loss"] = sum(row[name] for name in names)
        if "loss_lmcl" in names:
            row["lmcl_accuracy"] = float(np.clip(0.12 + 0.7 * done + generator.normal(0, 0.03), 0, 1))
    return rows


def make_content(
    folder: Path, per_pair: int = 2, queries: int = 2, neighbours: int = 3, points: int = 40
) -> DemoContent:
    """Write real videos of every motion in every scene into ``folder`` and make up a demo's outcome on them.

    The features of MoCo cluster by scene and those of MSCL by motion, and the neighbours agree with that.
    """
    generator = np.random.default_rng(0)
    videos = []
    for i, (motion, scene) in enumerate((m, s) for m in PATHS for s in SCENES for _ in range(per_pair)):
        path = write_video(folder / f"{i:03}.mp4", moving_square(motion, scene, i))
        videos.append(LabelledVideo(path, motion, scene, "square"))
    generator.shuffle(videos)  # type: ignore[arg-type]

    def nearest(video: LabelledVideo, aspect: str | None) -> list[LabelledVideo]:
        others = [other for other in videos if other is not video]
        if aspect:
            others.sort(key=lambda other: getattr(other, aspect) != getattr(video, aspect))
        return others[:neighbours]

    def clusters(labels: list[str], spread: float) -> np.ndarray:
        centres = {label: generator.normal(size=16) for label in sorted(set(labels))}
        return np.stack([centres[label] + generator.normal(0, spread, 16) for label in labels])

    aspects = {"random": None, "moco": "scene", "mscl": "motion"}
    shown = [videos[i % len(videos)] for i in range(points)]
    return DemoContent(
        results=RESULTS,
        chance={"motion": 1 / 6, "scene": 1 / 4, "shape": 1 / 4, "lmcl_accuracy": 1 / 8},
        test_videos=450,
        curves={
            "moco": training_rows(["loss_rgb"], 60),
            "mscl": training_rows(["loss_rgb", "loss_flow", "loss_rgb2flow", "loss_flow2rgb", "loss_lmcl"], 60),
        },
        queries=[
            Query(video, {method: nearest(video, aspect) for method, aspect in aspects.items()})
            for video in videos[:queries]
        ],
        drawn_with=4,
        people=PeopleContent(
            methods={
                "random": {
                    "readout, whitened": {"motion_r1": 0.1733, "scene_r1": 0.2042},
                    "readout": {"motion_r1": 0.1429, "scene_r1": 0.2646},
                },
                "motion": {"readout, whitened": {"motion_r1": 0.5132, "scene_r1": 0.1481}},
            },
            chance={"motion": 0.0319, "scene": 0.1222},
            videos=189,
            motions=27,
            queries=[
                Query(videos[-1], {"random": nearest(videos[-1], "scene"), "motion": nearest(videos[-1], "motion")})
            ],
        ),
        features={
            "random": clusters(["" for _ in shown], 1.0),
            "moco": clusters([video.scene for video in shown], 0.6),
            "mscl": clusters([video.motion for video in shown], 0.6),
        },
        points=shown,
        samples=videos[:2],
        commands=["kinema demo --out demo --seed 0"],
        folder="demo",
        environment={"Python": "3.11.2", "torch": "2.13.0", "machine": "2 cores"},
    )


@pytest.fixture(scope="session")
def content(tmp_path_factory: pytest.TempPathFactory) -> DemoContent:
    return make_content(tmp_path_factory.mktemp("videos"))


@pytest.fixture(scope="session")
def disguised(content: DemoContent) -> DemoContent:
    """The same content with labels and texts that would break a page if they were not escaped."""
    nasty = "<script>alert('x')</script> & \"q\""
    video = replace(content.queries[0].video, motion=nasty, scene=nasty)
    return replace(
        content,
        queries=[Query(video, {method: [video] for method in ("random", "moco", "mscl")})],
        samples=[video],
        points=[video, *content.points[1:]],
        commands=[nasty],
        environment={nasty: nasty},
    )
