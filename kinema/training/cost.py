"""What a training step costs: two real steps, of every phase, on generated clips of the true shapes."""

from __future__ import annotations

import dataclasses
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from kinema.config import TrainConfig
from kinema.data.pairs import Batch
from kinema.data.plan import Plan, make_plan
from kinema.methods.base import Method
from kinema.training.coordination import Together
from kinema.training.hardware import choose_device, choose_precision, forget_peak, free_memory, peak_memory
from kinema.training.module import TERM, TrainingModule
from kinema.training.trainer import Trainer, seed_everything

STEP_SECONDS = 10.0
"""Longest that a measured step may take; where it would take longer, it has fewer clips."""
MEMORY_SHARE = 0.8
"""Of the free memory, what a measured step may take."""
FEWEST, ENOUGH = 2, 4
"""Clips in each part of the smallest step that can be trained on, and of the smallest from which memory can be scaled
up."""


@dataclass(frozen=True)
class PhaseCost:
    """What a whole step of a phase costs on one device.

    Attributes:
        name: of the phase; empty where there is but one.
        steps: that it takes.
        seconds: of a step on this machine, without reading its clips.
        flops: floating point operations of its convolutions and matrix products, forwards and backwards and of the
            augmentation of colours; a multiplication and an addition count as two.
        peak: bytes of memory.
        losses: the terms of the loss that were computed.
    """

    name: str
    steps: int
    seconds: float
    flops: float
    peak: float
    losses: tuple[str, ...]


@dataclass(frozen=True)
class StepCost:
    """What the steps of a training cost.

    Attributes:
        phases: in their order.
        plan: of the training.
        measured: clips of the steps that were measured; the costs of fewer than a batch are scaled up.
        before: bytes of memory before the first step.
        device: what was measured on.
        parameters: how many numbers are trained.
        share: of the processors' time that the measured steps got, from 0 to 1; on a GPU 1.
    """

    phases: tuple[PhaseCost, ...]
    plan: Plan
    measured: int
    before: int
    device: torch.device
    parameters: int
    share: float

    @property
    def peak(self) -> float:
        """Bytes of memory that the greediest phase takes."""
        return max(phase.peak for phase in self.phases)


def _generated(config: TrainConfig, clips: int, method: Method, paired: bool, classes: int | None) -> Iterator[Batch]:
    """Batches of noise in the shapes of a training, with keys and flow where they are looked at."""
    generator, clip = torch.Generator().manual_seed(config.seed), config.clip

    def frames() -> Tensor:
        return torch.randint(256, (clips, 3, clip.frames, *clip.size), dtype=torch.uint8, generator=generator)

    def flow() -> Tensor:
        return torch.randn((clips, 2, clip.frames // 2, *clip.size), generator=generator).half()

    while True:
        batch: Batch = {"video": torch.arange(clips), "query": frames()}
        if classes is not None:
            batch["label"] = torch.randint(classes, (clips,), generator=generator)
        if paired and method.with_key:
            batch["key"] = frames()
        if paired and method.with_flow:
            batch["query_flow"], batch["flow_seconds"] = flow(), torch.full((clips,), 1 / 30)
            if method.with_key:
                batch["key_flow"] = flow()
        yield batch


def measure(
    make: Callable[[], Method],
    config: TrainConfig,
    videos: int,
    classes: int | None = None,
    step_seconds: float = STEP_SECONDS,
) -> StepCost:
    """Build a training and take two steps of each of its phases on one device; nothing is written.

    Where a whole step would take too long or not fit into memory, steps of fewer clips are measured and scaled up:
    operations and time in proportion, memory along the line through two measurements.

    Args:
        make: makes the untrained method.
        config: all settings; of several devices one is measured.
        videos: how many the training has.
        classes: how many, if the method looks at labels.
        step_seconds: longest that a step may take.

    Raises:
        KinemaError: the settings are at fault, there are too few videos, or the loss is not finite.
    """
    plan = make_plan(config, videos, (config.trainer.devices or 1) * config.trainer.nodes)
    batch = plan.batch_size
    method = make()
    parameters = sum(parameter.numel() for parameter in method.parameters() if parameter.requires_grad)
    schedule = method.schedule(plan)
    parts = [(p.name, p.steps) for p in schedule.phases] if schedule is not None else [("", range(plan.steps))]
    del method

    @cache
    def step(clips: int, steps: range) -> _Measured:
        return _measure(make, config, plan, clips, steps[-1], classes)

    pieces = config.trainer.accumulate
    fewest = FEWEST * pieces
    least = step(fewest, parts[-1][1])
    clips = min(batch, *_affordable(least, step_seconds, pieces))
    phases, measured = [], []
    for name, steps in parts:
        many = step(clips, steps)
        few = step(fewest, steps) if clips < batch else many
        measured.append(many)
        growth = max(0.0, many.peak - few.peak) / max(1, clips - fewest)
        scale, peak = batch / clips, many.peak + growth * (batch - clips)
        phases.append(PhaseCost(name, len(steps), many.seconds * scale, many.flops * scale, peak, many.losses))
    before = min(each.before for each in (least, *measured))  # what was freed before may have gone back since
    whole = sum(each.seconds for each in measured) * torch.get_num_threads()
    share = 1.0 if least.device.type == "cuda" else min(1.0, sum(each.processor for each in measured) / whole)
    return StepCost(tuple(phases), plan, clips, before, least.device, parameters, share)


@dataclass(frozen=True)
class _Measured:
    """Two steps of so many clips."""

    clips: int
    seconds: float
    processor: float
    flops: int
    before: int
    peak: int
    losses: tuple[str, ...]
    device: torch.device


def _affordable(least: _Measured, step_seconds: float, parts: int) -> Sequence[int]:
    """How many clips time and memory allow a measured step of so many parts, :data:`ENOUGH` in each at least."""
    allowed = [int(step_seconds / (least.seconds / least.clips))]
    free = free_memory(least.device)
    if free is not None:
        growth = max(1.0, (least.peak - least.before) / least.clips)  # as if all were clips': never too little
        allowed.append(int(MEMORY_SHARE * free / growth))
    return [max(ENOUGH, clips // parts) * parts for clips in allowed]


def _measure(
    make: Callable[[], Method], config: TrainConfig, plan: Plan, clips: int, step: int, classes: int | None
) -> _Measured:
    settings = dataclasses.replace(config.trainer, devices=1, nodes=1, batch_size=clips, accelerator="auto")
    settings = dataclasses.replace(settings, sync_batchnorm=False)  # it takes several devices
    config = dataclasses.replace(config, trainer=settings)
    seed_everything(config.seed)
    method = make()
    device = choose_device(settings)
    with tempfile.TemporaryDirectory() as folder:
        module = TrainingModule(method, config, plan, {}, Path(folder))
        batches = _generated(config, clips, method, step >= method.pairs_from(plan), classes)
        trainer = Trainer(module, Together(), device, choose_precision(settings, device))
        forget_peak(device)
        before = peak_memory(device)
        with trainer.ready():
            module.enter(step)
            with FlopCounterMode(display=False) as counter:  # of a step that also warms up
                trainer.take(next(batches), lambda videos: [])
            batch = next(batches)
            began, busy = _now(device), time.process_time()
            trainer.take(batch, lambda videos: [])
            seconds, processor = _now(device) - began, time.process_time() - busy
        peak = peak_memory(device)
    losses = tuple(sorted(name for name in module.facts if name.startswith(TERM)))
    return _Measured(clips, seconds, processor, counter.get_total_flops(), before, peak, losses, device)


def _now(device: torch.device) -> float:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()
