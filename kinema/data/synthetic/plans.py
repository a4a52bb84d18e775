"""What the videos of a set are to show: the labels that are dealt out to them."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from kinema.config.synthesis import SynthConfig
from kinema.data.synthetic.appearance import SCENES, SHAPES
from kinema.data.synthetic.figures.camera import CAMERAS
from kinema.data.synthetic.figures.cast import dealt_motions
from kinema.data.synthetic.figures.palettes import PALETTES
from kinema.data.synthetic.figures.render import FigureSpec
from kinema.data.synthetic.figures.scenery import SCENES as SCENERIES
from kinema.data.synthetic.motions import DIFFICULTIES
from kinema.data.synthetic.render import VideoSpec

Spec = VideoSpec | FigureSpec
"""One video to make."""


def plan(config: SynthConfig) -> list[Spec]:
    """The labels of all videos: in each split, motion and scene crossed evenly, all else dealt out evenly at random.

    Raises:
        ConfigError: there are no figures of a kind that is asked for.
    """
    test = round(config.videos * config.test_share)
    specs: list[Spec] = []
    for split, count in (("train", config.videos - test), ("test", test)):
        specs += _specs(config, split, count, np.random.default_rng([config.seed, split == "test"]))
    return specs


def _specs(config: SynthConfig, split: str, count: int, rng: np.random.Generator) -> list[Spec]:
    figures = config.difficulty == "figures"
    make: Callable[..., Spec] = FigureSpec if figures else VideoSpec
    motions = dealt_motions(config.kinds) if figures else list(DIFFICULTIES[config.difficulty].motions)
    scenes = list(SCENERIES if figures else SCENES)
    looks = (PALETTES, CAMERAS) if figures else (SHAPES,)
    order = rng.permutation(count)
    pairs = _crossed(rng.permutation(motions).tolist(), rng.permutation(scenes).tolist(), count)
    dealt = [_dealt(list(look), count, rng) for look in looks]
    return [make(split, i, *pairs[k], *(look[i] for look in dealt), seed=config.seed) for i, k in enumerate(order)]


def _dealt(values: list[str], count: int, rng: np.random.Generator) -> list[str]:
    """``count`` of the values, each equally often, in random order."""
    dealt: list[str] = rng.permutation(np.resize(rng.permutation(values), count)).tolist()
    return dealt


def _crossed(first: list[str], second: list[str], count: int) -> list[tuple[str, str]]:
    """``count`` pairs in which either member occurs equally often, and all pairs do after a full round."""
    cycle = math.lcm(len(first), len(second))
    return [(first[i % len(first)], second[(i + i // cycle) % len(second)]) for i in range(count)]
