"""Ways to look at a video: which clips of it an encoder is shown, and what is done to them first.

What a look draws at random is a function of its seed and of what the video's file holds, so that features may be kept
and videos may come in any order.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

import cv2
import numpy as np

from kinema.config import ClipConfig
from kinema.data.clips import (
    MISSING,
    Timeline,
    center_cut,
    clips_of,
    uniform_times,
    usable_part,
)
from kinema.data.nuisance import Nuisance, draw_nuisance
from kinema.errors import ConfigError

Draw = tuple[int, ...]
"""Whole numbers from which a look draws what is random for one video."""


@dataclass(frozen=True)
class Look(ABC):
    """A way to look at a video.

    Attributes:
        averaged: whether the features of the clips are averaged, so that clips of the same frames may be shown once.
    """

    averaged: ClassVar[bool] = True

    @property
    def variants(self) -> int:
        """Features of a video."""
        return 1

    def spec(self) -> dict[str, Any]:
        """All that decides what is shown, as plain values."""
        return {"look": type(self).__name__.lower(), **asdict(self)}

    @abstractmethod
    def times(self, clip: ClipConfig, found: Timeline, draw: Draw) -> np.ndarray:
        """(n, T) float64: the times in seconds of the frames of the clips."""

    @abstractmethod
    def show(self, frames: np.ndarray, rows: np.ndarray, size: tuple[int, int], draw: Draw) -> np.ndarray:
        """What is shown, (variants, n, T, *size, 3) uint8.

        Args:
            frames: (F, H, W, 3) uint8, scaled but not cut.
            rows: (n, T) the frames of each clip, as of :func:`~kinema.data.clips.clips_of`.
            size: height and width of what the encoder sees.
            draw: the same as for the times.

        Raises:
            ConfigError: the frames are smaller than ``size``.
        """


@dataclass(frozen=True)
class Uniform(Look):
    """Clips at equal distances, from the first possible to the last, as they are; the features are averaged.

    Attributes:
        clips: how many.

    Raises:
        ConfigError: there is none.
    """

    clips: int = 10

    def __post_init__(self) -> None:
        if self.clips < 1:
            raise ConfigError(f"features need at least one clip a video, not {self.clips}; ten are usual")

    def times(self, clip: ClipConfig, found: Timeline, draw: Draw) -> np.ndarray:
        """(clips, T) float64 seconds."""
        return uniform_times(clip, found, self.clips)

    def show(self, frames: np.ndarray, rows: np.ndarray, size: tuple[int, int], draw: Draw) -> np.ndarray:
        """The central part, (1, n, T, *size, 3)."""
        return clips_of(center_cut(frames, size), rows)[None]


@dataclass(frozen=True)
class Jittered(Uniform):
    """The same clips seen through shifted crops, one shift for all clips of a video in a round.

    A shift is uniform in both directions, in whole pixels, so that nothing is resampled; beyond the scaled frame its
    border is repeated.

    Attributes:
        rounds: how many times, each a variant of its own.
        share: the largest shift as a share of the side of what the encoder sees.
        seed: of the shifts.

    Raises:
        ConfigError: there is no round.
    """

    rounds: int = 8
    share: float = 0.08
    seed: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.rounds < 1:
            raise ConfigError(f"jittered crops need at least one round, not {self.rounds}; eight are usual")

    @property
    def variants(self) -> int:
        """Features of a video."""
        return self.rounds

    def show(self, frames: np.ndarray, rows: np.ndarray, size: tuple[int, int], draw: Draw) -> np.ndarray:
        """The shifted crops, (rounds, n, T, *size, 3)."""
        rng = np.random.default_rng(draw)
        shifts = (rng.uniform(-self.share, self.share, (self.rounds, 2)) * size).round().astype(int)
        margin = np.abs(shifts).max(0)
        padded = np.pad(frames, ((0, 0), *((m, m) for m in margin), (0, 0)), mode="edge")
        height, width = frames.shape[1:3]
        cut = [
            clips_of(center_cut(padded[:, top : top + height, left : left + width], size), rows)
            for top, left in (margin + shifts).tolist()
        ]
        return np.stack(cut)


@dataclass(frozen=True)
class Shaken(Uniform):
    """The same clips as a hand that is not quite still would have filmed them.

    Each frame is shifted on its own, bilinearly, with repeated borders. A still texture is added to the whole frame
    before, since a shake of something flat cannot be seen.

    Attributes:
        pixels: standard deviation of the shift in either direction, in pixels of what the encoder sees.
        texture: standard deviation of the texture in levels of 255.
        grain: the texture is noise under a Gaussian of so many pixels.
        seed: of the texture and of the shifts.

    Raises:
        ConfigError: the shift is negative or no number.
    """

    pixels: float = 0.3
    texture: float = 12.0
    grain: float = 1.0
    seed: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.pixels < float("inf"):
            raise ConfigError(f"a shake must be a number of pixels, not {self.pixels:g}; 0.3 is usual")

    def show(self, frames: np.ndarray, rows: np.ndarray, size: tuple[int, int], draw: Draw) -> np.ndarray:
        """The shaken clips, (1, n, T, *size, 3)."""
        rng = np.random.default_rng(draw)
        height, width = frames.shape[1:3]
        grain = cv2.GaussianBlur(rng.normal(size=(height, width)), (0, 0), self.grain)
        grain = grain * (self.texture / max(float(grain.std()), 1e-6))
        textured = (frames + grain[:, :, None]).round().clip(0, 255).astype(np.uint8)
        shaken = np.empty((rows.size, height, width, 3), np.uint8)
        for number, (row, shift) in enumerate(zip(rows.flat, rng.normal(0, self.pixels, (rows.size, 2)), strict=True)):
            moved = np.hstack([np.eye(2), shift[:, None]])
            shaken[number] = cv2.warpAffine(
                textured[row], moved, (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
            )
        own = np.where(rows == MISSING, MISSING, np.arange(rows.size).reshape(rows.shape))
        return clips_of(center_cut(shaken, size), own)[None]


@dataclass(frozen=True)
class Copies(Look):
    """Copies of windows at equal distances, as a whitening is fitted to, each with a feature of its own.

    Attributes:
        copies: of each window, as :func:`~kinema.data.nuisance.draw_nuisance` draws them.
        windows: of a video; the copies of one follow one another.
        seed: of the draws.
    """

    averaged: ClassVar[bool] = False

    copies: int = 6
    windows: int = 1
    seed: int = 0

    @property
    def variants(self) -> int:
        """Features of a video."""
        return self.windows * self.copies

    def times(self, clip: ClipConfig, found: Timeline, draw: Draw) -> np.ndarray:
        """(windows * copies, T) float64 seconds."""
        begin, end = usable_part(clip, found)
        windows = uniform_times(clip, found, self.windows)
        return np.stack(
            [
                nuisance.times(windows[number // self.copies], begin, end)
                for number, nuisance in enumerate(self._nuisances(draw))
            ]
        )

    def show(self, frames: np.ndarray, rows: np.ndarray, size: tuple[int, int], draw: Draw) -> np.ndarray:
        """(1, windows * copies, T, *size, 3)."""
        center_cut(frames[:1], size)  # refuses frames that are too small
        shown = zip(clips_of(frames, rows), self._nuisances(draw), strict=True)
        return np.stack([nuisance.frames(part, size) for part, nuisance in shown])[None]

    def _nuisances(self, draw: Draw) -> list[Nuisance]:
        return [draw_nuisance((*draw, number)) for number in range(self.variants)]
