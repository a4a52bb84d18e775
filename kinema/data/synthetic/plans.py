"""What the videos of a set are to show: its parameters, and the labels that are dealt out to its videos."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from kinema.data.synthetic.appearance import SCENES, SHAPES
from kinema.data.synthetic.figures import CAMERAS, KINDS, PALETTES, FigureSpec, dealt_motions
from kinema.data.synthetic.figures import SCENES as SCENERIES
from kinema.data.synthetic.motions import DIFFICULTIES
from kinema.data.synthetic.render import VideoSpec
from kinema.errors import ConfigError

Spec = VideoSpec | FigureSpec
"""One video to make."""

FIGURES = "figures"
SETS = (*DIFFICULTIES, FIGURES)
"""What ``difficulty`` may be: moving objects in three difficulties, or bodies."""


@dataclass(frozen=True)
class SynthConfig:
    """Everything that decides what the videos show; kept as ``synth.json`` beside them.

    Attributes:
        videos: how many, train and test together.
        seed: of all random draws.
        difficulty: "easy", "default", "hard" or "figures".
        size: height and width in pixels; of "figures" the shorter of them.
        frames: per video.
        fps: frames a second.
        test_share: share of the videos in the test split.
        kinds: of "figures" those that are seen; none for all.
    """

    videos: int = 1000
    seed: int = 0
    difficulty: str = "default"
    size: int = 64
    frames: int = 32
    fps: float = 16.0
    test_share: float = 0.2
    kinds: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.difficulty not in SETS:
            raise ConfigError(f"unknown difficulty {self.difficulty!r}: choose one of {', '.join(SETS)}")
        unknown = next((kind for kind in self.kinds if kind not in KINDS), None)
        for ok, problem in (
            (self.videos >= 1, f"videos must be at least 1, not {self.videos}"),
            (self.seed >= 0, f"seed must not be negative, not {self.seed}"),
            (32 <= self.size <= 512 and self.size % 2 == 0, f"size must be even, from 32 to 512, not {self.size}"),
            (self.frames >= 2, f"frames must be at least 2, not {self.frames}"),
            (1 <= self.fps <= 120, f"fps must lie between 1 and 120, not {self.fps:g}"),
            (0 <= self.test_share < 1, f"test_share must be at least 0 and below 1, not {self.test_share:g}"),
            (unknown is None, f"unknown kind {unknown!r}: choose from {', '.join(KINDS)}"),
            (
                not self.kinds or self.difficulty == FIGURES,
                f"kinds are of figures, not of {self.difficulty}",
            ),
        ):
            if not ok:
                raise ConfigError(problem)


def plan(config: SynthConfig) -> list[Spec]:
    """The labels of all videos: in each split, motion and scene crossed evenly, all else dealt out evenly at random."""
    test = round(config.videos * config.test_share)
    deal = _figures if config.difficulty == FIGURES else _objects
    specs: list[Spec] = []
    for split, count in (("train", config.videos - test), ("test", test)):
        specs += deal(config, split, count, np.random.default_rng([config.seed, split == "test"]))
    return specs


def _objects(config: SynthConfig, split: str, count: int, rng: np.random.Generator) -> list[VideoSpec]:
    order = rng.permutation(count)
    motions = list(DIFFICULTIES[config.difficulty].motions)
    pairs = _crossed(rng.permutation(motions).tolist(), rng.permutation(list(SCENES)).tolist(), count)
    shapes = _dealt(list(SHAPES), count, rng)
    return [VideoSpec(split, i, pairs[k][0], pairs[k][1], shapes[i], config.seed) for i, k in enumerate(order)]


def _figures(config: SynthConfig, split: str, count: int, rng: np.random.Generator) -> list[FigureSpec]:
    order = rng.permutation(count)
    pairs = _crossed(
        rng.permutation(dealt_motions(config.kinds)).tolist(), rng.permutation(list(SCENERIES)).tolist(), count
    )
    palettes, cameras = _dealt(list(PALETTES), count, rng), _dealt(list(CAMERAS), count, rng)
    return [
        FigureSpec(split, i, pairs[k][0], pairs[k][1], palettes[i], cameras[i], config.seed)
        for i, k in enumerate(order)
    ]


def _dealt(values: list[str], count: int, rng: np.random.Generator) -> list[str]:
    """``count`` of the values, each equally often, in random order."""
    dealt: list[str] = rng.permutation(np.resize(rng.permutation(values), count)).tolist()
    return dealt


def _crossed(first: list[str], second: list[str], count: int) -> list[tuple[str, str]]:
    """``count`` pairs in which either member occurs equally often, and all pairs do after a full round."""
    cycle = math.lcm(len(first), len(second))
    return [(first[i % len(first)], second[(i + i // cycle) % len(second)]) for i in range(count)]
