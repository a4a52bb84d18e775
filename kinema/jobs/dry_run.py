"""What a training would take, before there are videos or a GPU: two steps of it, and sums."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from kinema.common.processes import available_cores
from kinema.common.storage import is_folder
from kinema.config import FinetuneConfig, PretrainConfig, TrainConfig
from kinema.config.requests import FinetuneTask
from kinema.data.benchmarks import get_benchmark, read_labels
from kinema.errors import ConfigError
from kinema.evaluation.few_label import check_few
from kinema.evaluation.folds import training_folds
from kinema.methods.beginning import begin_pretraining, network_settings, new_network
from kinema.training.checks import check_finetuning, check_pretraining, too_short
from kinema.training.cost import StepCost, measure
from kinema.training.hardware import use_threads
from kinema.video import find_videos, read_manifest

GPUS = {"V100": 125, "A100": 312, "H100": 989, "RTX 4090": 165}
"""The peak that makers' data sheets state for dense 16-bit matrix arithmetic, in TFLOP/s (RTX 4090: accumulating in
single precision; H100: the SXM module)."""
UTILISATION = 0.2
"""Share of that peak that a training is taken to reach: an assumption, not a measurement."""
CLASSES = 100
"""Where nothing says how many there are: their number hardly plays a part."""


@dataclass(frozen=True)
class DryRun:
    """The cost of a training.

    Attributes:
        what: the training, in words.
        config: its settings.
        videos: that each round trains on.
        source: where their number comes from.
        rounds: how many trainings there are.
        cost: of a step.
        warning: what the user should know of it; an empty word for nothing.
    """

    what: str
    config: TrainConfig
    videos: int
    source: str
    rounds: int
    cost: StepCost
    warning: str = ""

    @property
    def devices(self) -> int:
        """Those that the settings ask for, on all nodes."""
        return (self.config.trainer.devices or 1) * self.config.trainer.nodes

    @property
    def steps(self) -> int:
        """Steps of all rounds, on each device."""
        return self.cost.plan.steps * self.rounds

    @property
    def flops(self) -> float:
        """Operations of all steps, rounds and devices."""
        return sum(phase.flops * phase.steps for phase in self.cost.phases) * self.rounds * self.devices

    @property
    def hours_here(self) -> float:
        """Of computing all steps with one device of this machine."""
        return sum(phase.seconds * phase.steps for phase in self.cost.phases) * self.rounds * self.devices / 3600

    def hours_on(self, gpu: str, count: int = 1) -> float:
        """An estimate for one of :data:`GPUS`, at :data:`UTILISATION` of its peak."""
        return self.flops / (GPUS[gpu] * 1e12 * UTILISATION * count) / 3600

    def summary(self) -> str:
        """All of it in a screen of text."""
        config, cost, plan = self.config, self.cost, self.cost.plan
        clip = config.clip
        epochs = "" if config.epochs is None else f", {config.epochs} epochs"
        each = f" each of {self.rounds} rounds" if self.rounds > 1 else ""
        lines = [
            f"dry run of {self.what}: two steps on generated clips; nothing is written",
            f"network: {config.model.backbone}, {cost.parameters / 1e6:.2f} million numbers are trained; "
            f"clips of {clip.frames} x {clip.size[0]} x {clip.size[1]}",
            f"steps: {self.videos} videos{each} ({self.source}), {plan.batch_size} clips a step on "
            f"{_devices(self.devices)}{self._parts()}; {plan.steps_per_epoch} an epoch{epochs}, {self.steps} in all",
            *filter(None, [self.warning]),
            *self._phases(),
            *self._memory(),
            f"this machine ({self._machine()}): {_hours(self.hours_here)} for all steps, as measured",
            f"named GPUs: an ESTIMATE from the operations, if {UTILISATION:.0%} of the peak of 16-bit arithmetic is "
            "reached (an assumption), videos are read quickly enough and several GPUs share the work without loss:",
        ]
        for gpu, peak in GPUS.items():
            one, eight = self.hours_on(gpu), self.hours_on(gpu, 8)
            lines.append(f"  {gpu:9}{peak:4} TFLOP/s: {_hours(one):>12} on one, {_hours(eight):>12} on eight")
        lines.append("not counted: reading videos, optical flow, motion scores, tests and checkpoints")
        return "\n".join(lines)

    def _parts(self) -> str:
        parts = self.config.trainer.accumulate
        return f", {self.cost.plan.batch_size // parts} at a time" if parts > 1 else ""

    def _phases(self) -> list[str]:
        lines = []
        for phase in self.cost.phases:
            name = f"phase {phase.name!r}, {phase.steps} steps" if phase.name else "a step"
            terms = ", ".join(loss.removeprefix("loss_") for loss in phase.losses)
            lines.append(f"{name}: {phase.flops / 1e12:.3g} TFLOP, {phase.seconds:.3g} s here; losses: {terms}")
        return lines

    def _memory(self) -> list[str]:
        cost = self.cost
        kind = "of the GPU" if cost.device.type == "cuda" else "of this process"
        lines = [
            f"memory {kind}: {_gib(cost.peak)} at the peak of a step, {_gib(cost.before)} of it before the first step"
        ]
        if cost.measured < cost.plan.batch_size:
            lines.append(
                f"measured with {cost.measured} of the {cost.plan.batch_size} clips of a step, since more would take "
                "too long or too much memory here; figures of whole steps are scaled up from there"
            )
        if cost.share < 0.7:
            lines.append(
                f"other work on this machine left this process {cost.share:.0%} of its processors' time; with all of "
                f"it the steps would take about {_hours(self.hours_here * cost.share)}"
            )
        return lines

    def _machine(self) -> str:
        import torch

        if self.cost.device.type == "cuda":
            return f"one {torch.cuda.get_device_name(self.cost.device)}"
        return f"CPU, {torch.get_num_threads()} of {available_cores()} cores"


def dry_pretrain(
    videos: str | Path,
    config: PretrainConfig,
    *,
    method: str = "mscl",
    weights: str | Path | None = None,
    manifest: str | Path | None = None,
    count: int | None = None,
) -> DryRun:
    """What a pretraining would cost; see :func:`kinema.training.pretrain` for the arguments.

    Args:
        videos: the folder, whose videos are counted and not opened; it need not be there if ``count`` is given.
        config: all settings.
        method: name of the method.
        weights: what the encoder begins with; None for an untrained one.
        manifest: what ``kinema scan`` wrote of the folder.
        count: number of videos; None to count those of the manifest or the folder.

    Raises:
        KinemaError: the settings are at fault, or nothing says how many videos there are.
    """
    config, make = begin_pretraining(method, config, weights)
    check_pretraining(config, method)
    number, source = _count(videos, manifest, count)
    use_threads(config.trainer)
    cost = measure(make, config, number)
    return DryRun(method, config, number, source, 1, cost, too_short(cost.plan.steps) if weights is None else "")


def dry_finetune(videos: str | Path, config: FinetuneConfig, task: FinetuneTask, *, count: int | None = None) -> DryRun:
    """What a training with labels would cost; see :func:`kinema.jobs.finetuning.finetune` for the arguments.

    Args:
        videos: the folder; it need not be there if ``count`` is given, or the task is that of a standard benchmark.
        config: all settings.
        task: what the network is to recognise.
        count: number of videos to train on; None for those of the labels, or of the benchmark as published.

    Raises:
        KinemaError: the settings, labels or weights are at fault, or nothing says how many videos there are.
    """
    config = network_settings(config, task.motion, task.weights)
    check_finetuning(config, task.motion)
    check_few(task.per_class, task.samples)
    rounds = 1
    if task.benchmark is not None:
        known = get_benchmark(task.benchmark)
        known.check_fold(task.fold)
        number, classes = known.counts[task.fold - 1][0], known.classes
        source = f"as published of {known.title}"
    elif count is None:
        labelled = read_labels(videos, task)
        folds = training_folds(labelled, task.split, config.seed)
        rounds, classes = len(folds), len(labelled.classes)
        number, source = max(len(fold.gallery) for fold in folds.folds), "counted by the labels"
    else:
        number, classes, source = count, CLASSES, ""
    about = f"{classes} classes" if source else f"{classes} classes (assumed)"
    if count is not None:
        number, source = _count(videos, None, count)
    elif task.per_class is not None:
        number, source = min(number, task.per_class * classes), f"{task.per_class} of each class at most"
    elif task.samples is not None:
        number, source = min(number, task.samples), f"{task.samples} at most"
    use_threads(config.trainer)
    cost = measure(lambda: new_network(config, classes, task.motion, task.weights), config, number, classes)
    return DryRun(f"recognition of {about}, motion {task.motion}", config, number, source, rounds, cost)


def _count(videos: str | Path, manifest: str | Path | None, count: int | None) -> tuple[int, str]:
    """How many videos there are, and where the number comes from."""
    if count is not None:
        number, source = count, "given with --count"
    elif manifest is not None:
        number, source = len(read_manifest(manifest)), f"by {manifest}"
    elif is_folder(videos):
        number, source = len(find_videos(videos)[0]), f"counted in {videos}"
    else:
        raise ConfigError(
            f"there is no folder {videos} to count the videos of; say with --count how many there will be"
        )
    if number < 2:
        raise ConfigError(f"training needs at least 2 videos, not {number} ({source}); say with --count how many")
    return number, source


def _hours(hours: float) -> str:
    return f"{hours:,.0f} h" if hours >= 10 else f"{hours:.2g} h" if hours >= 0.1 else f"{hours * 60:.2g} min"


def _devices(count: int) -> str:
    return "one device" if count == 1 else f"each of {count} devices"


def _gib(size: float) -> str:
    return f"{size / 2**30:.1f} GiB"
