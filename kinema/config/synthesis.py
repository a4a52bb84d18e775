"""Settings of synthetic videos, and of the ladders that are climbed on them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from jsonargparse.typing import NonNegativeInt, PositiveInt

from kinema.errors import refuse

Difficulty = Literal["easy", "default", "hard"]
"""Of moving objects."""

Set = Literal[Difficulty, "figures"]
"""Moving objects in three difficulties, or bodies."""


@dataclass(frozen=True)
class SynthConfig:
    """Everything that decides what synthetic videos show; kept as ``synth.json`` beside them.

    Attributes:
        videos: how many, train and test together.
        seed: of all random draws.
        difficulty: easy has no camera drift and plain objects; the classes of hard differ only in the order of motions;
            figures are people, animals, hands, mouths and things in scenes of all kinds, without true flow.
        size: height and width in pixels, even; of figures the shorter side, upright, square and wide ones mixed.
        frames: frames per video.
        fps: frames per second.
        test_share: share of the videos in the test split, from 0 to 1.
        kinds: of figures those that are seen, such as person or animal; all by default.

    Raises:
        ConfigError: a setting is out of range.
    """

    videos: PositiveInt = 1000
    seed: NonNegativeInt = 0
    difficulty: Set = "default"
    size: PositiveInt = 64
    frames: PositiveInt = 32
    fps: float = 16.0
    test_share: float = 0.2
    kinds: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        sets = get_args(Set)
        refuse(
            {
                f"unknown difficulty {self.difficulty!r}: choose one of {', '.join(sets)}": self.difficulty in sets,
                f"videos must be at least 1, not {self.videos}": self.videos >= 1,
                f"seed must not be negative, not {self.seed}": self.seed >= 0,
                f"size must be even, from 32 to 512, not {self.size}": 32 <= self.size <= 512 and self.size % 2 == 0,
                f"frames must be at least 2, not {self.frames}": self.frames >= 2,
                f"fps must lie between 1 and 120, not {self.fps:g}": 1 <= self.fps <= 120,
                f"test_share must be at least 0 and below 1, not {self.test_share:g}": 0 <= self.test_share < 1,
                f"kinds are of figures, not of {self.difficulty}": not self.kinds or self.difficulty == "figures",
            }
        )


@dataclass(frozen=True)
class ComparisonConfig:
    """On what trainings are compared.

    Attributes:
        videos: number of synthetic videos, a fifth of them for testing.
    """

    videos: PositiveInt = 1500


@dataclass(frozen=True)
class LadderConfig(ComparisonConfig):
    """On what the rungs of MSCL's ladder are trained and compared.

    Attributes:
        difficulty: of the videos.
        seeds: one round of the ladder for each.
        only: names of the rungs wanted; all by default.
    """

    difficulty: Difficulty = "default"
    seeds: tuple[int, ...] = (0, 1, 2)
    only: tuple[str, ...] = ()


@dataclass(frozen=True)
class HCMLLadderConfig(LadderConfig):
    """The same of HCML's, which is one of few labels.

    Attributes:
        per_class: numbers of labelled videos of each class; a ladder for each.
        unlabelled_epochs: of HCML's training without labels on all training videos, in the last rung; methods that see
            two clips of a video have half of them.
    """

    difficulty: Difficulty = "hard"
    per_class: tuple[PositiveInt, ...] = (10, 50)
    unlabelled_epochs: PositiveInt = 28
