"""A folder of synthetic videos with labels and true flow."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import cv2

from kinema.common.files import make_folder, write_csv, write_json
from kinema.common.progress import track
from kinema.common.provenance import differing
from kinema.config import overlaid
from kinema.config.synthesis import SynthConfig
from kinema.data.synthetic.figures.render import FigureSpec, render_figures
from kinema.data.synthetic.files import write_true_flow, write_video
from kinema.data.synthetic.motions import DIFFICULTIES
from kinema.data.synthetic.plans import Spec, plan
from kinema.data.synthetic.render import render
from kinema.errors import ConfigError, OutputError
from kinema.flow import set_opencv_threads

GENERATOR_VERSION = 5
"""Counts up whenever the same parameters would give other pixels or labels."""


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
    out: str | Path, config: SynthConfig | None = None, *, workers: int = 1, **settings: Any
) -> SynthSummary:
    """Write videos in which motion and appearance are independent.

    The folder then holds ``train/*.mp4`` and ``test/*.mp4``; ``labels.csv`` with the columns file, split and those of
    the labels (motion, scene, shape, or of "figures" kind, motion, scene, palette, camera); the true flow of
    ``train/00012.mp4`` in ``flow/train/00012.npz`` (see :func:`load_true_flow`; not of "figures"); and ``synth.json``.
    What an interrupted run with the same parameters left there is kept, and only the rest is made. The same parameters
    always give the same pixels and labels, whatever the number of workers.

    Args:
        out: the folder to write; must be new, empty, or made with the same parameters.
        config: what they show; None for the defaults.
        workers: processes that share the work.
        settings: fields of :class:`~kinema.config.synthesis.SynthConfig` by name, in place of those of ``config``.

    Raises:
        ConfigError: a parameter is out of range.
        OutputError: ``out`` cannot be written or holds something else.
    """
    config = overlaid("synthesise", config or SynthConfig(), settings)
    if workers < 1:
        raise ConfigError(f"workers must be at least 1, not {workers}")
    start = time.perf_counter()
    specs = plan(config)
    folder = _claim(Path(out), config)
    for split in ("train", "test"):
        make_folder(folder / split)
    missing = [spec for spec in specs if not all(path.exists() for path in _paths(folder, spec))]
    for _ in track(_make_all(folder, missing, config, workers), "synthesising", len(missing)):
        pass
    rows = ((f"{spec.name}.mp4", spec.split, *spec.labels.values()) for spec in specs)
    write_csv(folder / "labels.csv", [("file", "split", *specs[0].labels), *rows])
    test = sum(spec.split == "test" for spec in specs)
    return SynthSummary(str(folder), len(specs) - test, test, len(missing), time.perf_counter() - start)


def _claim(folder: Path, config: SynthConfig) -> Path:
    """Make ``folder`` ours: new, empty, or begun with the same parameters."""
    wanted = {"generator": GENERATOR_VERSION, **asdict(config), "kinds": list(config.kinds)}
    if not config.kinds:
        del wanted["kinds"]  # so that older folders are known again
    if not folder.is_dir() or not any(folder.iterdir()):
        make_folder(folder)
        write_json(folder / "synth.json", wanted)
        return folder
    try:
        found = json.loads((folder / "synth.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        found = None
    if not isinstance(found, dict):
        raise OutputError(f"{folder} is not empty and holds no synthetic videos; choose a new folder")
    if changed := differing(found, wanted, words="{} {} there, {} asked"):
        raise OutputError(
            f"{folder} holds synthetic videos made with other parameters ({'; '.join(changed)}); "
            "choose a new folder or delete this one"
        )
    return make_folder(folder)


def _paths(folder: Path, spec: Spec) -> tuple[Path, ...]:
    """The files of a video: itself, and where it is known the true flow."""
    video = folder / f"{spec.name}.mp4"
    return (video,) if isinstance(spec, FigureSpec) else (video, folder / "flow" / f"{spec.name}.npz")


def _make(spec: Spec, folder: Path, config: SynthConfig) -> None:
    video, *flow = _paths(folder, spec)
    if isinstance(spec, FigureSpec):
        frames = render_figures(spec, config.size, config.frames, config.fps)
    else:
        rendered = render(spec, DIFFICULTIES[config.difficulty], config.size, config.frames, config.fps)
        write_true_flow(flow[0], rendered.flow)
        frames = rendered.frames
    write_video(video, frames, config.fps)


def _make_all(folder: Path, specs: Sequence[Spec], config: SynthConfig, workers: int) -> Iterator[None]:
    make = partial(_make, folder=folder, config=config)
    if workers == 1 or len(specs) < 2:
        before = cv2.getNumThreads()
        cv2.setNumThreads(1)  # pictures are too small to be shared by several
        try:
            yield from map(make, specs)
        finally:
            cv2.setNumThreads(before)
        return
    with ProcessPoolExecutor(workers, get_context("spawn"), initializer=set_opencv_threads) as pool:
        yield from pool.map(make, specs, chunksize=8)
