"""A folder of synthetic videos with labels and true flow."""

from __future__ import annotations

import csv
import io
import json
import math
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from kinema.data.synthetic.appearance import SCENES, SHAPES
from kinema.data.synthetic.files import write_true_flow, write_video
from kinema.data.synthetic.motions import DIFFICULTIES
from kinema.data.synthetic.render import VideoSpec, render
from kinema.errors import ConfigError, OutputError
from kinema.files import make_folder, write_json, write_text
from kinema.flow import set_opencv_threads
from kinema.progress import track

LABEL_COLUMNS = ("file", "split", "motion", "scene", "shape")
GENERATOR_VERSION = 5
"""Counts up whenever the same parameters would give other pixels or labels."""


@dataclass(frozen=True)
class SynthConfig:
    """Everything that decides what the videos show; kept as ``synth.json`` beside them.

    Attributes:
        videos: how many, train and test together.
        seed: of all random draws.
        difficulty: "easy", "default" or "hard".
        size: height and width in pixels.
        frames: per video.
        fps: frames a second.
        test_share: share of the videos in the test split.
    """

    videos: int = 1000
    seed: int = 0
    difficulty: str = "default"
    size: int = 64
    frames: int = 32
    fps: float = 16.0
    test_share: float = 0.2

    def __post_init__(self) -> None:
        if self.difficulty not in DIFFICULTIES:
            raise ConfigError(f"unknown difficulty {self.difficulty!r}: choose one of {', '.join(DIFFICULTIES)}")
        for ok, problem in (
            (self.videos >= 1, f"videos must be at least 1, not {self.videos}"),
            (self.seed >= 0, f"seed must not be negative, not {self.seed}"),
            (32 <= self.size <= 512 and self.size % 2 == 0, f"size must be even, from 32 to 512, not {self.size}"),
            (self.frames >= 2, f"frames must be at least 2, not {self.frames}"),
            (1 <= self.fps <= 120, f"fps must lie between 1 and 120, not {self.fps:g}"),
            (0 <= self.test_share < 1, f"test_share must be at least 0 and below 1, not {self.test_share:g}"),
        ):
            if not ok:
                raise ConfigError(problem)


@dataclass(frozen=True)
class SynthSummary:
    """What :func:`synthesise` left in the folder.

    Attributes:
        out: the folder.
        train: number of training videos.
        test: number of test videos.
        made: how many of them were made now; the others were there already.
        seconds: wall-clock time.
    """

    out: str
    train: int
    test: int
    made: int
    seconds: float

    def __str__(self) -> str:
        return (
            f"{self.out}: {self.train} training and {self.test} test videos, {self.made} of them made now "
            f"in {self.seconds:.1f} s"
        )


def synthesise(
    out: str | Path,
    videos: int = 1000,
    seed: int = 0,
    difficulty: str = "default",
    size: int = 64,
    frames: int = 32,
    fps: float = 16.0,
    test_share: float = 0.2,
    workers: int = 1,
) -> SynthSummary:
    """Write videos in which motion and appearance are independent.

    The folder then holds ``train/*.mp4`` and ``test/*.mp4``; ``labels.csv`` with the columns of ``LABEL_COLUMNS``; the
    true flow of ``train/00012.mp4`` in ``flow/train/00012.npz`` (see :func:`load_true_flow`); and ``synth.json``. What
    an interrupted run with the same parameters left there is kept, and only the rest is made. The same parameters
    always give the same pixels and labels, whatever the number of workers.

    Args:
        out: the folder to write; must be new, empty, or made with the same parameters.
        videos: how many, train and test together.
        seed: of all random draws.
        difficulty: "easy" (no camera drift, plain objects, faster), "default", or "hard" (classes differ only in the
            order of two motions).
        size: height and width in pixels; even.
        frames: per video.
        fps: frames a second.
        test_share: share of the videos in the test split, whose textures and colours never occur in training.
        workers: processes that share the work.

    Raises:
        ConfigError: a parameter is out of range.
        OutputError: ``out`` cannot be written or holds something else.
    """
    config = SynthConfig(videos, seed, difficulty, size, frames, fps, test_share)
    if workers < 1:
        raise ConfigError(f"workers must be at least 1, not {workers}")
    start = time.perf_counter()
    folder = _claim(Path(out), config)
    for split in ("train", "test"):
        make_folder(folder / split)
    specs = plan(config)
    missing = [spec for spec in specs if not all(path.exists() for path in _paths(folder, spec))]
    for _ in track(_make_all(folder, missing, config, workers), "synthesising", len(missing)):
        pass
    write_text(folder / "labels.csv", _labels(specs))
    test = sum(spec.split == "test" for spec in specs)
    return SynthSummary(str(folder), len(specs) - test, test, len(missing), time.perf_counter() - start)


def plan(config: SynthConfig) -> list[VideoSpec]:
    """The labels of all videos: in each split, motion and scene crossed evenly, shapes dealt out evenly at random."""
    test = round(config.videos * config.test_share)
    motions = DIFFICULTIES[config.difficulty].motions
    specs = []
    for split, count in (("train", config.videos - test), ("test", test)):
        rng = np.random.default_rng([config.seed, split == "test"])
        order = rng.permutation(count)
        pairs = _crossed(rng.permutation(list(motions)).tolist(), rng.permutation(list(SCENES)).tolist(), count)
        shapes = rng.permutation(np.resize(rng.permutation(list(SHAPES)), count))
        specs += [
            VideoSpec(split, i, pairs[k][0], pairs[k][1], str(shape), config.seed)
            for i, (k, shape) in enumerate(zip(order, shapes, strict=True))
        ]
    return specs


def _crossed(first: list[str], second: list[str], count: int) -> list[tuple[str, str]]:
    """``count`` pairs in which either member occurs equally often, and all pairs do after a full round."""
    cycle = math.lcm(len(first), len(second))
    return [(first[i % len(first)], second[(i + i // cycle) % len(second)]) for i in range(count)]


def _claim(folder: Path, config: SynthConfig) -> Path:
    """Make ``folder`` ours: new, empty, or begun with the same parameters."""
    wanted = {"generator": GENERATOR_VERSION, **asdict(config)}
    if not folder.is_dir() or not any(folder.iterdir()):
        make_folder(folder)
        write_json(folder / "synth.json", wanted)
        return folder
    found = _read_parameters(folder)
    if found is None:
        raise OutputError(f"{folder} is not empty and holds no synthetic videos; choose a new folder")
    differing = [
        f"{key} {found.get(key)} there, {value} asked" for key, value in wanted.items() if found.get(key) != value
    ]
    if differing:
        raise OutputError(
            f"{folder} holds synthetic videos made with other parameters ({'; '.join(differing)}); "
            "choose a new folder or delete this one"
        )
    return make_folder(folder)


def _read_parameters(folder: Path) -> dict[str, Any] | None:
    try:
        found = json.loads((folder / "synth.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def _paths(folder: Path, spec: VideoSpec) -> tuple[Path, Path]:
    return folder / f"{spec.name}.mp4", folder / "flow" / f"{spec.name}.npz"


def _labels(specs: Sequence[VideoSpec]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(LABEL_COLUMNS)
    for spec in specs:
        writer.writerow((f"{spec.name}.mp4", spec.split, spec.motion, spec.scene, spec.shape))
    return text.getvalue()


def _make(spec: VideoSpec, folder: Path, config: SynthConfig) -> None:
    rendered = render(spec, DIFFICULTIES[config.difficulty], config.size, config.frames, config.fps)
    video, flow = _paths(folder, spec)
    write_true_flow(flow, rendered.flow)
    write_video(video, rendered.frames, config.fps)


def _make_all(folder: Path, specs: Sequence[VideoSpec], config: SynthConfig, workers: int) -> Iterator[None]:
    make = partial(_make, folder=folder, config=config)
    if workers == 1 or len(specs) < 2:
        with _one_thread():
            yield from map(make, specs)
        return
    with ProcessPoolExecutor(workers, get_context("spawn"), initializer=set_opencv_threads) as pool:
        yield from pool.map(make, specs, chunksize=8)


@contextmanager
def _one_thread() -> Iterator[None]:
    """Keep OpenCV from starting threads for pictures that are too small to share."""
    before = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        yield
    finally:
        cv2.setNumThreads(before)
