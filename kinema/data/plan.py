"""How a training goes over its videos: how large its batches are, how many make an epoch, and how many there are."""

from __future__ import annotations

import math
from dataclasses import dataclass

from kinema.config import TrainConfig
from kinema.errors import DataError

EPOCH_STEPS = 30
"""Least steps of an epoch where a training is set in steps: shorter ones would leave out much of the folder each time,
since an incomplete last batch is dropped, and spend their time on beginning."""


@dataclass(frozen=True)
class Plan:
    """The course of a training, a function of the settings, the number of videos and that of processes.

    Attributes:
        videos: how many there are.
        clips_per_video: draws of each video in an epoch.
        batch_size: draws per step and process.
        processes: how many share a step.
        length: of the whole training, in units.
        unit: steps of a unit: those of an epoch if the training is set in epochs, otherwise 1.
    """

    videos: int
    clips_per_video: int
    batch_size: int
    processes: int
    length: int
    unit: int

    @property
    def steps_per_epoch(self) -> int:
        """Whole batches of an epoch, on each process."""
        return self.videos * self.clips_per_video // (self.batch_size * self.processes)

    @property
    def steps(self) -> int:
        """Of the whole training."""
        return self.length * self.unit


def make_plan(config: TrainConfig, videos: int, processes: int = 1) -> Plan:
    """Plan a training.

    Batches are as configured, or smaller where there are fewer videos: in as many parts, of at least 2 clips. In a
    training that is set in epochs, an epoch draws ``sampling.clips_per_video`` clips of each video. In one that is set
    in steps it draws the least multiple of them that gives it :data:`EPOCH_STEPS`, and the last epoch ends where the
    training does.

    Args:
        config: the run's settings.
        videos: how many there are.
        processes: how many share a step.

    Raises:
        DataError: there are too few videos for so many processes, or parts of a batch.
    """
    clips = config.sampling.clips_per_video
    parts = config.trainer.accumulate
    batch = max(2, min(config.trainer.batch_size, videos * clips // processes) // parts) * parts
    together = batch * processes
    if videos * clips < together:
        whose = "one process" if processes == 1 else f"{processes} processes"
        raise DataError(
            f"an epoch of {videos * clips} clips is too short for {whose} with batches of {batch}; "
            "add videos, raise sampling.clips_per_video or lower trainer.devices, trainer.nodes or trainer.accumulate"
        )
    if config.epochs is None:
        clips *= math.ceil(EPOCH_STEPS * together / (videos * clips))
        return Plan(videos, clips, batch, processes, config.length, 1)
    return Plan(videos, clips, batch, processes, config.length, videos * clips // together)
