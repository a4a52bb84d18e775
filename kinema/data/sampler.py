"""Which video comes when, as a pure function of seed and position, so that a run can stop and go on anywhere."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from torch.utils.data import Sampler

from kinema.errors import DataError


class Draw(NamedTuple):
    """One training example to be made."""

    video: int
    """Position of the video in the data set."""
    seed: tuple[int, int, int]
    """(run's seed, epoch, position in the epoch): seeds every random choice that the example needs."""

    @property
    def epoch(self) -> int:
        """The epoch that it belongs to, from 0."""
        return self.seed[1]


class EpochSampler(Sampler[Draw]):
    """Shuffles anew every epoch, deals the draws out over the processes, and can start in the middle of an epoch.

    Args:
        videos: number of videos.
        clips_per_video: draws of each video per epoch.
        batch_size: draws per step and process; an incomplete last batch is left out.
        seed: the run's seed.
        rank: this process, from 0.
        processes: number of processes.

    Raises:
        DataError: an epoch has not even one batch for each process.
    """

    def __init__(
        self, videos: int, clips_per_video: int, batch_size: int, seed: int, rank: int = 0, processes: int = 1
    ):
        self.videos = videos
        self.clips_per_video = clips_per_video
        self.batch_size = batch_size
        self.seed = seed
        self.rank = rank
        self.processes = processes
        self.step = 0
        if self.steps < 1:
            raise DataError(
                f"an epoch of {videos * clips_per_video} clips is too short for {processes} processes with batches of "
                f"{batch_size}; add videos, raise sampling.clips_per_video or lower trainer.devices"
            )

    @property
    def steps(self) -> int:
        """Batches per epoch on each process."""
        return self.videos * self.clips_per_video // (self.batch_size * self.processes)

    def start_at(self, step: int) -> None:
        """Let the next iteration begin at this step of the run; each iteration ends with its epoch."""
        self.step = step

    def __len__(self) -> int:
        return self.steps * self.batch_size

    def __iter__(self) -> Iterator[Draw]:
        epoch, first = divmod(self.step, self.steps)
        self.step = (epoch + 1) * self.steps
        rng = np.random.default_rng((self.seed, epoch))
        # Rounds over all videos one after the other: a video meets itself as a negative as seldom as possible.
        order = np.concatenate([rng.permutation(self.videos) for _ in range(self.clips_per_video)])
        for step in range(first, self.steps):
            begin = (step * self.processes + self.rank) * self.batch_size
            for position in range(begin, begin + self.batch_size):
                yield Draw(int(order[position]), (self.seed, epoch, position))
