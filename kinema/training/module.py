"""The training step: what is made of a batch, and the optimiser that follows it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from kinema.common.files import write_json
from kinema.common.processes import Part, gather, rank_and_count
from kinema.config import OptimizerConfig, TrainConfig
from kinema.data.augment import augment_colors
from kinema.data.camera import film, films
from kinema.data.pairs import Batch
from kinema.data.plan import Plan
from kinema.errors import ConfigError, TrainingError
from kinema.methods.base import Losses, Method, Views, draw, step_generator
from kinema.methods.momentum import cosine_momentum
from kinema.methods.progressive import Phase
from kinema.models.short_conv import short_convolutions


def learning_rate(config: OptimizerConfig, batch: int) -> float:
    """The largest learning rate for ``batch`` clips over all devices."""
    return config.lr if config.lr_batch is None else config.lr * batch / config.lr_batch


def warmup_steps(config: TrainConfig, plan: Plan) -> int:
    """Steps of linear warm-up; at most a tenth of a training that is set in steps, however long its epochs are."""
    steps = math.ceil(config.optimizer.warmup_epochs * plan.steps_per_epoch)
    return steps if config.epochs is not None else min(steps, plan.steps // 10)


def warmup_cosine(step: int, warmup: int, steps: int) -> float:
    """Share of the largest learning rate at ``step``: a linear rise over ``warmup`` steps, then a half cosine to 0."""
    if step < warmup:
        return (step + 1) / warmup
    return 0.5 * (1 + math.cos(math.pi * min(1.0, (step - warmup) / max(1, steps - warmup))))


def warmup_drops(step: int, warmup: int, drops: Sequence[int]) -> float:
    """Share of the largest learning rate at ``step``: a linear rise over ``warmup`` steps; each drop leaves a tenth."""
    rise = min(1.0, (step + 1) / warmup) if warmup else 1.0
    return rise * 0.1 ** sum(step >= drop for drop in drops)


TERM = "loss_"
"""Before the name of a term among the facts of a step."""


class _Found:
    """Numbers that a step has found, by name, on their way from the device; and the videos of its batch."""

    def __init__(self, values: Mapping[str, Tensor], videos: Tensor):
        self.videos, self._names = videos, list(values)
        self.numbers = torch.stack([value.detach().float() for value in values.values()])
        self._arrived, self._here = None, self.numbers
        if self.numbers.is_cuda:
            self._here = torch.empty(self.numbers.shape, pin_memory=True).copy_(self.numbers, non_blocking=True)
            self._arrived = torch.cuda.Event()
            self._arrived.record()

    def read(self) -> dict[str, float]:
        """Wait for them alone."""
        if self._arrived is not None:
            self._arrived.synchronize()
        return dict(zip(self._names, self._here.tolist(), strict=True))


class TrainingModule(nn.Module):
    """A method with its augmentation, its optimiser and its phases.

    Every random choice of a step is a function of the run's seed, the step and the place in the batch alone (and of the
    process, where whole features or frames are drawn for), so a run that was stopped goes on as if it never had been.

    Args:
        method: what is trained.
        config: the run's settings.
        plan: how the training goes over its videos.
        identity: what, beside the settings, must be the same when the run goes on: plain values by name.
        out: where to leave word of a batch that broke the training.
    """

    def __init__(self, method: Method, config: TrainConfig, plan: Plan, identity: dict[str, str], out: Path):
        super().__init__()
        self.method = method
        method.parts = config.trainer.accumulate
        self.config = config
        self.plan = plan
        self.identity = identity
        self.out = out
        for module in self.method.modules():
            if isinstance(module, nn.Conv3d):
                module.to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload]
        self.schedule = self.method.schedule(plan)
        self.phase: Phase | None = None
        self.facts: dict[str, float] = {}

    def make_optimizer(self) -> tuple[torch.optim.Optimizer, torch.optim.lr_scheduler.LRScheduler]:
        """AdamW or SGD, with linear warm-up and a cosine or drops; no decay on biases and normalisation."""
        config = self.config.optimizer
        trained = [p for p in self.method.parameters() if p.requires_grad]
        groups = [
            {"params": [p for p in trained if p.ndim > 1], "weight_decay": config.weight_decay},
            {"params": [p for p in trained if p.ndim <= 1], "weight_decay": 0.0},
        ]
        plan = self.plan
        rate = learning_rate(config, plan.batch_size * plan.processes)
        optimizer: torch.optim.Optimizer
        if config.name == "sgd":
            fused = self.schedule is None  # fused, it cannot take up weights later than others
            optimizer = torch.optim.SGD(groups, lr=rate, momentum=0.9, fused=fused)
        else:
            optimizer = torch.optim.AdamW(groups, lr=rate, fused=True)
        warmup = warmup_steps(self.config, plan)
        drops = [epoch * plan.steps_per_epoch for epoch in config.drops]

        def share(step: int) -> float:
            return warmup_drops(step, warmup, drops) if drops else warmup_cosine(step, warmup, plan.steps)

        return optimizer, torch.optim.lr_scheduler.LambdaLR(optimizer, share)

    def enter(self, step: int) -> None:
        """Enter the phase of a step, if the method has phases; a run may go on in the middle of any."""
        if self.schedule is None:
            return
        phase = self.schedule.phases[self.schedule.number(step)]
        if phase != self.phase:
            self.method.enter(phase)
            self.phase = phase

    def forward(self, batch: Batch, step: int) -> Tensor:
        """The loss of the batch of a step."""
        part, device = Part(rank_and_count()[0], self.plan.processes), batch["query"].device
        generator = step_generator(self.config.seed, step, 0)
        own = generator if part.rank == 0 else step_generator(self.config.seed, step, part.rank)
        shared = step_generator(self.config.seed, step) if self.method.shuffles_devices else None
        torch.manual_seed(own.initial_seed() ^ 1)  # of what networks draw by themselves, as dropout does
        self.facts = self._follow(step)
        draws = draw(len(batch["video"]), generator, device, shared, part, own)
        with short_convolutions(device):
            losses = self.method.losses(self._views(batch, generator, own, part), draws, self.phase)
        if not isinstance(losses, Losses):
            kind = type(self.method).__name__
            raise ConfigError(f"losses of the method {kind} gave a {type(losses).__name__}: let it give Losses")
        terms, found, keys = losses
        loss = torch.stack(list(terms.values())).sum()
        values = {"loss": loss, **{f"{TERM}{name}": value for name, value in terms.items()}, **found}
        self._found = _Found(values, batch["video"])
        self._keys = {name: gather(value) for name, value in keys.items()}
        return loss

    def conclude(self, step: int, names: Callable[[Tensor], list[str]]) -> None:
        """Enqueue the step's keys, now that its gradient no longer needs the queue as it was; look at what it has
        found, and let no weight follow a loss that is not finite.

        A GPU is busy with the gradients meanwhile, which were asked for before.

        Raises:
            TrainingError: the loss is not finite; ``nonfinite.json`` has the ``names`` of the batch's videos.
        """
        self.method.enqueue(self._keys)
        found = self._found.read()
        if not math.isfinite(found["loss"]):
            self._explain(step, names(self._found.videos), found)
        if self.plan.processes > 1:  # each knows the means over its own part of the batch
            told = gather(self._found.numbers[None]).mean(dim=0).tolist()
            found = dict(zip(found, told, strict=True))
        self.facts |= found

    def _follow(self, step: int) -> dict[str, float]:
        """Let the key encoders, if there are any, follow those that are trained, and say how and in which phase."""
        facts = {}
        if self.method.momentum is not None:
            facts["momentum"] = cosine_momentum(step, self.plan.steps, self.method.momentum)
            self.method.update_keys(facts["momentum"])
        if self.schedule is not None:
            facts["phase"] = float(self.schedule.number(step))
        return facts

    def _views(self, batch: Batch, generator: torch.Generator, own: torch.Generator, part: Part) -> Views:
        """Pixels to floating point and colours augmented, on the device."""
        views = {name: value for name, value in batch.items() if isinstance(value, Tensor) and name != "video"}
        views |= {name: value.float() for name, value in views.items() if name != "label"}
        with torch.autocast(views["query"].device.type, enabled=False):
            for name in ("query", "key"):
                if name in views:
                    views[name] = augment_colors(views[name].div_(255), self.config.augment, generator, part)
            if films(self.config.augment):
                flow, seconds = views.get("query_flow"), views.get("flow_seconds")
                views["query"] = film(views["query"], self.config.augment, own, flow, seconds)
        return Views(**views)

    def _explain(self, step: int, files: list[str], found: Mapping[str, float]) -> None:
        path = self.out / "nonfinite.json"
        losses = {name.removeprefix(TERM): str(value) for name, value in found.items() if name.startswith(TERM)}
        write_json(path, {"step": step, "losses": losses, "files": files})
        raise TrainingError(
            f"the loss is not finite at step {step}; {path} names the batch's files: "
            "look at them, or lower the learning rate"
        )
