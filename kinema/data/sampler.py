"""Which video comes when, as a pure function of seed and position, so that a run can stop and go on anywhere."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from torch.utils.data import Sampler

from kinema.data.plan import Plan


class Draw(NamedTuple):
    """One training example to be made."""

    video: int
    """Position of the video in the data set."""
    seed: tuple[int, int, int]
    """(run's seed, epoch, position in the epoch): seeds every random choice that the example needs."""
    step: int = 0
    """The step of the run that it belongs to."""


class EpochSampler(Sampler[Draw]):
    """Shuffles anew every epoch, deals the draws out over the processes, and can start in the middle of an epoch.

    Args:
        plan: of the training; an epoch's incomplete last batch is left out.
        seed: the run's seed.
        rank: this process, from 0.
    """

    def __init__(self, plan: Plan, seed: int, rank: int = 0):
        self.plan = plan
        self.seed = seed
        self.rank = rank
        self.step = 0

    def start_at(self, step: int) -> None:
        """Let the next iteration begin at this step of the run; each iteration ends with its epoch."""
        self.step = step

    def __len__(self) -> int:
        return self.plan.steps_per_epoch * self.plan.batch_size

    def __iter__(self) -> Iterator[Draw]:
        plan, steps = self.plan, self.plan.steps_per_epoch
        epoch, first = divmod(self.step, steps)
        self.step = (epoch + 1) * steps
        rng = np.random.default_rng((self.seed, epoch))
        # Rounds over all videos one after the other: a video meets itself as a negative as seldom as possible.
        order = np.concatenate([rng.permutation(plan.videos) for _ in range(plan.clips_per_video)])
        for step in range(first, steps):
            begin = (step * plan.processes + self.rank) * plan.batch_size
            for position in range(begin, begin + plan.batch_size):
                yield Draw(int(order[position]), (self.seed, epoch, position), epoch * steps + step)
