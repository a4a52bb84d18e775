"""Which video comes when, as a pure function of seed and position, so that a run can stop and go on anywhere.

So is which video takes the place of one that is left out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
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
        at: says at which step of the run an iteration begins; each ends with its epoch.

    Attributes:
        out: positions of the videos that are left out.
    """

    def __init__(self, plan: Plan, seed: int, rank: int = 0, at: Callable[[], int] = lambda: 0):
        self.plan = plan
        self.seed = seed
        self.rank = rank
        self.at = at
        self.out: set[int] = set()
        self._dealt: tuple[int, np.ndarray] | None = None

    def __len__(self) -> int:
        return self.plan.steps_per_epoch * self.plan.batch_size

    def __iter__(self) -> Iterator[Draw]:
        first, steps = self.at(), self.plan.steps_per_epoch
        for step in range(first, (first // steps + 1) * steps):
            yield from self.draws(step)

    def leave_out(self, video: int) -> None:
        """Draw a video no more; others, which are not in the same step if possible, take its places."""
        self.out.add(video)

    def draws(self, step: int) -> list[Draw]:
        """What this process draws in a step of the run: a function of the step and of what is left out."""
        batch, together = self.plan.batch_size, self.plan.batch_size * self.plan.processes
        epoch, number = divmod(step, self.plan.steps_per_epoch)
        first = number * together
        videos = self._order(epoch)[first : first + together].copy()
        gone = np.isin(videos, list(self.out))
        videos[gone] = -1
        for place in np.flatnonzero(gone):
            videos[place] = self._stand_in((self.seed, epoch, first + int(place)), videos)
        mine = range(self.rank * batch, (self.rank + 1) * batch)
        return [Draw(int(videos[place]), (self.seed, epoch, first + place), step) for place in mine]

    def _order(self, epoch: int) -> np.ndarray:
        if self._dealt is None or self._dealt[0] != epoch:
            rng = np.random.default_rng((self.seed, epoch))
            # Rounds over all videos one after the other: a video meets itself as a negative as seldom as possible.
            order = [rng.permutation(self.plan.videos) for _ in range(self.plan.clips_per_video)]
            self._dealt = epoch, np.concatenate(order)
        return self._dealt[1]

    def _stand_in(self, seed: tuple[int, int, int], taken: np.ndarray) -> int:
        """One of the videos that are left, and not ``taken`` if there is such a one."""
        left = np.ones(self.plan.videos, bool)
        left[list(self.out)] = False
        free = left.copy()
        free[taken[taken >= 0]] = False
        choices = np.flatnonzero(free if free.any() else left)
        return int(np.random.default_rng((*seed, 1)).choice(choices))
