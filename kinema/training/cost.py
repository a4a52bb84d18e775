"""What a training step costs: two real steps, of every phase, on generated clips of the true shapes."""

from __future__ import annotations

import dataclasses
import tempfile
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import lightning as L
import torch
from torch import Tensor
from torch.utils.data import DataLoader
from torch.utils.flop_counter import FlopCounterMode

from kinema.config import TrainConfig
from kinema.data.pairs import Batch
from kinema.data.plan import Plan, make_plan
from kinema.methods.base import Method
from kinema.training.memory import forget_peak, free_memory, peak_memory
from kinema.training.module import TERM, TrainingModule
from kinema.training.run import NOISE, make_trainer, signals_given_back

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


class GeneratedClips(L.LightningDataModule):
    """Two batches of noise in the shapes of a training, in place of :class:`~kinema.data.module.ClipPairsModule`.

    Args:
        config: the run's settings.
        clips: in a batch.
        paired: whether there are keys.
        with_flow: whether they come with flow.
        with_key: whether the method looks at keys at all.
        classes: how many, if the method looks at labels.
    """

    def __init__(
        self, config: TrainConfig, clips: int, paired: bool, with_flow: bool, with_key: bool, classes: int | None
    ):
        super().__init__()
        self.config = config
        self.clips = clips
        self.paired = paired
        self.with_flow = with_flow
        self.with_key = with_key
        self.classes = classes

    def names(self, videos: Tensor) -> list[str]:
        """What stands for the files of a batch."""
        return [f"generated {number}" for number in videos.tolist()]

    def train_dataloader(self) -> DataLoader[Batch]:
        """The batches."""
        generator = torch.Generator().manual_seed(self.config.seed)
        return DataLoader([self._batch(generator) for _ in range(2)], batch_size=None)  # type: ignore[arg-type]

    def _batch(self, generator: torch.Generator) -> Batch:
        clip, count = self.config.clip, self.clips

        def frames() -> Tensor:
            shape = (count, 3, clip.frames, *clip.size)
            return torch.randint(256, shape, dtype=torch.uint8, generator=generator)

        def flow() -> Tensor:
            return torch.randn((count, 2, clip.frames // 2, *clip.size), generator=generator).half()

        batch: Batch = {"video": torch.arange(count), "query": frames()}
        if self.classes is not None:
            batch["label"] = torch.randint(self.classes, (count,), generator=generator)
        if self.paired and self.with_key:
            batch["key"] = frames()
        if self.paired and self.with_flow:
            batch["query_flow"], batch["flow_seconds"] = flow(), torch.full((count,), 1 / 30)
            if self.with_key:
                batch["key_flow"] = flow()
        return batch


class _AtStep(TrainingModule):
    """A training that is in the phase of one step whatever its step."""

    def __init__(self, method: Method, config: TrainConfig, plan: Plan, out: Path, step: int):
        super().__init__(method, config, plan, {}, out)
        self.at = step

    @property
    def _step(self) -> int:
        return self.at


class _Gauge(L.Callback):
    """Counts the operations of the first step, which also warms up, and times the second."""

    def __init__(self) -> None:
        self.counter = FlopCounterMode(display=False)
        self.losses: tuple[str, ...] = ()
        self.seconds = self.processor = 0.0
        self._mark = self._busy = 0.0

    def on_train_batch_start(
        self, trainer: L.Trainer, pl_module: L.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        if batch_idx == 0:
            self.counter.__enter__()
        self._mark, self._busy = _now(pl_module.device), time.process_time()

    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        self.seconds, self.processor = _now(pl_module.device) - self._mark, time.process_time() - self._busy
        assert isinstance(pl_module, TrainingModule)
        self.losses = tuple(sorted(name for name in pl_module.facts if name.startswith(TERM)))
        if batch_idx == 0:
            self.counter.__exit__(None, None, None)


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
    return StepCost(tuple(phases), plan, clips, least.before, least.device, parameters, _share(measured))


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

    @property
    def growth(self) -> float:
        """Bytes a clip, if all that the steps took is clips'; never too little."""
        return max(1.0, (self.peak - self.before) / self.clips)


def _share(steps: Sequence[_Measured]) -> float:
    """Share of the processors' time that steps got; on a GPU 1."""
    if steps[0].device.type == "cuda":
        return 1.0
    whole = sum(step.seconds for step in steps) * torch.get_num_threads()
    return min(1.0, sum(step.processor for step in steps) / whole)


def _affordable(least: _Measured, step_seconds: float, parts: int) -> Sequence[int]:
    """How many clips time and memory allow a measured step of so many parts, :data:`ENOUGH` in each at least."""
    allowed = [int(step_seconds / (least.seconds / least.clips))]
    free = free_memory(least.device)
    if free is not None:
        allowed.append(int(MEMORY_SHARE * free / least.growth))
    return [max(ENOUGH, clips // parts) * parts for clips in allowed]


def _measure(
    make: Callable[[], Method], config: TrainConfig, plan: Plan, clips: int, step: int, classes: int | None
) -> _Measured:
    settings = dataclasses.replace(config.trainer, devices=1, nodes=1, batch_size=clips, accelerator="auto")
    settings = dataclasses.replace(settings, sync_batchnorm=False)  # it takes several devices
    config = dataclasses.replace(config, trainer=settings)
    L.seed_everything(config.seed, verbose=False)
    method = make()
    gauge = _Gauge()
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings(), signals_given_back():
        for message in NOISE:
            warnings.filterwarnings("ignore", message=message)
        module = _AtStep(method, config, plan, Path(folder), step)
        data = GeneratedClips(
            config, clips, step >= method.pairs_from(plan), method.with_flow, method.with_key, classes
        )
        trainer = make_trainer(config, Path(folder), [gauge], [], end=2)
        device = trainer.strategy.root_device
        forget_peak(device)
        before = peak_memory(device)
        trainer.fit(module, data)
        peak = peak_memory(device)
    operations = gauge.counter.get_total_flops()
    return _Measured(clips, gauge.seconds, gauge.processor, operations, before, peak, gauge.losses, device)


def _now(device: torch.device) -> float:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()
