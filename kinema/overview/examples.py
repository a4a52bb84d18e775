"""Which labels of a class stand for it, and the moving frames of each."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest

import numpy as np

from kinema.annotations.interval import Interval, by_file
from kinema.config.requests import ExamplesConfig, Order
from kinema.errors import KinemaError
from kinema.overview.labelled import LabelledFiles
from kinema.report.pages import LONGEST_SHOWN, read_part

SHORTEST_SHOWN = 0.5
"""Seconds that are shown of a label that is shorter, or a point in time."""


@dataclass(frozen=True)
class Example:
    """A label that stands for its class.

    Attributes:
        interval: the label.
        path: of its video.
        frames: (T, H, W, 3) uint8, :data:`~kinema.report.pages.FPS` a second, of the middle of the label.
    """

    interval: Interval
    path: str
    frames: np.ndarray


class Examples:
    """Chooses labels of each class, spread over its videos, and reads them; a video that cannot be read is left out.

    Args:
        labelled: the labels.
        config: how many of a class, at most, and in which order. Labels without a confidence, as people give them, come
            before all others; those that are as confident are in random order.
        short_side: pixels of frames.

    Attributes:
        broken: what was wrong with each video that could not be read, by path.
    """

    def __init__(self, labelled: LabelledFiles, config: ExamplesConfig, short_side: int):
        self._labelled, self._config, self._short_side = labelled, config, short_side
        self.broken: dict[str, str] = {}

    def of(self, label: str) -> list[Example]:
        """Those of a class."""
        found: list[Example] = []
        for one in spread(self._labelled.of(label), self._config.order, self._config.seed):
            path = self._labelled.paths[one.file]
            if len(found) == self._config.count:
                break
            if path in self.broken:
                continue
            try:
                found.append(Example(one, path, read_part(path, *part_shown(one), self._short_side)))
            except KinemaError as error:
                self.broken[path] = str(error)
        return found


def spread(intervals: Sequence[Interval], order: Order, seed: int) -> Iterator[Interval]:
    """Labels in the order in which they are shown: one of each video, then another of each, and so on."""
    mixed = random.Random(seed).sample(list(intervals), len(intervals))
    if order == "confident":
        mixed.sort(key=lambda one: 1.0 if one.confidence is None else one.confidence, reverse=True)
    rounds = zip_longest(*by_file(mixed).values())
    return (one for some in rounds for one in some if one is not None)


def part_shown(one: Interval, most: float = LONGEST_SHOWN) -> tuple[float, float]:
    """Start and end in seconds of what is shown of a label: its middle, not too little and at most ``most``."""
    middle, length = (one.start + one.end) / 2, one.end - one.start
    half = min(max(length, SHORTEST_SHOWN), most) / 2
    start = max(0.0, middle - half)
    return start, start + 2 * half
