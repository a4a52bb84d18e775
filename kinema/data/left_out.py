"""Videos that break while they are trained on: tried twice, then left out for the rest of the run, never in silence.

What a step sees is a function of the run's seed, the step and what has been left out up to it (:mod:`.sampler`), and
what was left out is part of the checkpoint, so that a run that goes on does so as if it had never been stopped. Several
processes agree about every step before they take it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from torch import Tensor

from kinema.data.pairs import Batch, ClipPairs, Unread, collate
from kinema.data.sampler import Draw, EpochSampler
from kinema.errors import DataError

PAUSE = 1.0
"""Seconds before what failed is tried once more: some errors pass."""
FEW = 4
"""Videos that may all fail together and yet count as so many broken ones; where more do, it is not they that broke."""


class Broken(DataError):
    """So many videos cannot be read that a training stops; all its processes do, before the same step."""

    shared = True


@dataclass(frozen=True)
class LeftOut:
    """A video that is left out.

    Attributes:
        path: as in the manifest.
        step: of the run, from which on.
        reason: why it could not be read.
    """

    path: str
    step: int
    reason: str

    def __str__(self) -> str:
        return f"{self.path}, from step {self.step} on: {self.reason}"


@dataclass(frozen=True)
class Mender:
    """Makes batches whole: other videos take the places of those that are left out.

    Attributes:
        pairs: makes examples.
        sampler: says which; it learns here what is left out.
        share: of the videos, from 0 to 1, that may be left out.
        agree: from what has failed in this process to what has in any, the same in all: reasons by position of the
            video; asked once in each attempt at a step.
        tell: given each video that is left out.
    """

    pairs: ClipPairs
    sampler: EpochSampler
    share: float
    agree: Callable[[Mapping[int, str]], Mapping[int, str]]
    tell: Callable[[LeftOut], None]

    def mend(self, batch: Batch, step: int) -> Batch:
        """The batch of a step, whole.

        Raises:
            Broken: more videos than may be left out cannot be read, or none at all can.
        """
        while True:
            plan = self.sampler.draws(step)
            broken: dict[int, str] = {}
            if "failed" in batch or batch["video"].tolist() != [draw.video for draw in plan]:
                batch, broken = self._remade(batch, plan)
            failed = self.agree(broken)
            if not failed:
                return batch
            self._refuse_many(failed, step)
            for video, reason in sorted(failed.items()):
                self.sampler.leave_out(video)
                self.tell(LeftOut(self.pairs.entries[video].path, step, reason))

    def _refuse_many(self, failed: Mapping[int, str], step: int) -> None:
        plan, (video, reason) = self.sampler.plan, min(failed.items())
        if len(failed) >= max(FEW, plan.batch_size * plan.processes):
            raise Broken(
                f"no video of step {step} can be read (the first: {reason}); see to the folder of videos, and go on "
                "with --resume"
            )
        out = len(self.sampler.out) + len(failed)
        if out > self.share * plan.videos or plan.videos - out < 2:
            raise Broken(
                f"{out} of {plan.videos} videos can no longer be read, more than the share of {self.share:g} that may "
                f"be left out (now {self.pairs.entries[video].path}: {reason}); mend them, or allow a larger "
                "trainer.max_bad_share, and go on with --resume"
            )

    def _remade(self, batch: Batch, plan: list[Draw]) -> tuple[Batch, dict[int, str]]:
        """The batch as planned, and why what is still missing of it cannot be read, by position of the video."""
        examples, broken, ready = _examples(batch, len(plan)), dict[int, str](), time.monotonic() + PAUSE
        for slot, draw in enumerate(plan):
            example = examples[slot]
            if (example.video if isinstance(example, Unread) else int(example["video"])) != draw.video:
                example = self.pairs[draw]
            if isinstance(example, Unread) and draw.video not in broken:
                if time.monotonic() < ready:
                    time.sleep(ready - time.monotonic())
                example = self.pairs[draw]
            if isinstance(example, Unread):
                broken[draw.video] = example.reason
            examples[slot] = example
        return collate(examples), broken


def _examples(batch: Batch, count: int) -> list[Batch | Unread]:
    """A batch of ``count`` places as its examples."""
    failed = batch.get("failed", {})
    read = iter(range(count - len(failed)))
    tensors = {name: value for name, value in batch.items() if isinstance(value, Tensor)}

    def example(row: int) -> Batch:
        return {name: value[row] for name, value in tensors.items()}  # type: ignore[return-value]

    return [failed[slot] if slot in failed else example(next(read)) for slot in range(count)]
