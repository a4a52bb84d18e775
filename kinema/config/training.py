"""Settings of a training: what decides it, and how it is carried out."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from kinema.config.methods import HCMLConfig, MaskedConfig, ModelConfig, MSCLConfig, ReadoutConfig, TubeletConfig
from kinema.config.videos import AugmentConfig, ClipConfig, FlowConfig, SamplingConfig

LENGTHS = ("steps", "epochs")
"""The settings that say how long a training is, of which one is given."""


@dataclass(frozen=True)
class OptimizerConfig:
    """Optimisation.

    Attributes:
        name: the optimiser; SGD has a momentum of 0.9.
        lr: largest learning rate, for a batch of ``lr_batch`` clips over all devices.
        lr_batch: the learning rate scales linearly with the batch from here; None to take ``lr`` as it is.
        weight_decay: weight decay; not applied to biases and normalisation.
        warmup_epochs: epochs of linear warm-up before the cosine; at most a tenth of a training that is set in steps.
        drops: epochs after which the rate falls to a tenth, in place of the cosine; none for the cosine. They need a
            training that is set in epochs.
        clip_norm: largest norm of the gradient.
    """

    name: Literal["adamw", "sgd"] = "adamw"
    lr: float = 8e-4
    lr_batch: int | None = None
    weight_decay: float = 1e-4
    warmup_epochs: float = 1.0
    drops: tuple[int, ...] = ()
    clip_norm: float = 40.0


@dataclass(frozen=True)
class TrainerConfig:
    """The run.

    Attributes:
        stop_after: stop after this many steps of the schedule, or epochs where the training is set in epochs, to go on
            another time; None to run to its end.
        batch_size: clip pairs per step on each device.
        accumulate: parts of ``batch_size`` that encoders go through one after another, for devices of little memory.
            Losses, queues and schedules are those of the whole batch, batch statistics those of a part; the encoders'
            forward pass is computed twice.
        workers: processes that decode video, on each device; 0 to decode in the training process.
        hold_mib: memory, in MiB, that each process that decodes video may fill with frames, so that short videos are
            decoded once; with 0 every clip is decoded when it is read.
        threads: threads of each training process on a CPU; None for its share of the cores, less one for each process
            that decodes, and at least one.
        precision: ``bf16`` for autocast, ``32`` for single precision, ``auto`` for what this machine is quick at.
        devices: devices to train on, on each node; None for every GPU, or one CPU process.
        nodes: machines to train on, which share the run's folder and have the same videos; which is which torchrun or
            SLURM say, or MASTER_ADDR, MASTER_PORT and NODE_RANK.
        accelerator: what to train on.
        sync_batchnorm: batch statistics of trained networks are those of all processes, which have to be on GPUs; those
            of key encoders stay each device's own, since keys are shuffled.
        checkpoint_minutes: minutes between checkpoints, each with the encoder as it is then; stopping and the end leave
            one as well.
        keep_every: keep an encoder of every so many steps, or epochs where the training is set in epochs, in the run's
            folder ``encoders``; None for none.
        max_bad_share: stop when more than this share of the videos, from 0 to 1, cannot be read, before the training or
            while it runs; fewer are left out.
    """

    stop_after: int | None = None
    batch_size: int = 32
    accumulate: int = 1
    workers: int = 1
    hold_mib: int = 512
    threads: int | None = None
    precision: Literal["auto", "bf16", "32"] = "auto"
    devices: int | None = None
    nodes: int = 1
    accelerator: Literal["auto", "cpu", "gpu"] = "auto"
    sync_batchnorm: bool = False
    checkpoint_minutes: float = 5.0
    keep_every: int | None = None
    max_bad_share: float = 0.1


@dataclass(frozen=True)
class TrainConfig:
    """What every training is decided by; saved with it.

    The defaults are those of the preset ``tiny``, which the commands train with. How long a training is, ``steps`` or
    ``epochs`` says; learning rate, momentum and phases follow a schedule over all of it.

    Attributes:
        steps: batches that are trained on; a small folder is gone through more often, and more clips of each video are
            drawn at a time.
        epochs: passes over the videos, in place of steps.
        seed: of every random choice.
        clip: the geometry of clips.
        flow: how optical flow is made.
        sampling: which clips are drawn.
        augment: how they are augmented.
        model: the encoders.
        readout: what the trained encoder gives of a clip; it plays no part in the training.
        hcml: the motion hierarchy and the losses of HCML, where they are asked for.
        optimizer: the optimisation.
        trainer: how the run is carried out.
    """

    steps: int | None = None
    epochs: int | None = None
    seed: int = 0
    clip: ClipConfig = field(default_factory=ClipConfig)
    flow: FlowConfig = field(default_factory=FlowConfig)
    sampling: SamplingConfig = field(default_factory=SamplingConfig)
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    model: ModelConfig = field(default_factory=ModelConfig)
    readout: ReadoutConfig = field(default_factory=ReadoutConfig)
    hcml: HCMLConfig = field(default_factory=lambda: HCMLConfig(reduction=2))
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    trainer: TrainerConfig = field(default_factory=TrainerConfig)

    @property
    def length(self) -> int:
        """How long the training is: its epochs if it is set in epochs, otherwise its steps."""
        return (self.steps if self.epochs is None else self.epochs) or 0


@dataclass(frozen=True)
class PretrainConfig(TrainConfig):
    """Everything that decides a pretraining run; 518 steps where nothing says how long it is.

    Attributes:
        mscl: the losses of MSCL, which the methods mscl, moco and mscl+hcml have.
        tubelet: what the method tubelet pastes into clips.
        masked: what the method masked hides of them, and predicts.
        parameters: settings of a method that is not of kinema, by name.
    """

    flow: FlowConfig = field(default_factory=lambda: FlowConfig(parameters={"finest_scale": 1}))
    mscl: MSCLConfig = field(default_factory=MSCLConfig)
    tubelet: TubeletConfig = field(default_factory=TubeletConfig)
    masked: MaskedConfig = field(default_factory=MaskedConfig)
    parameters: dict[str, Any] | None = None

    def __post_init__(self) -> None:
        if self.steps is None and self.epochs is None:
            object.__setattr__(self, "steps", 518)


@dataclass(frozen=True)
class FinetuneConfig(TrainConfig):
    """Everything that decides a training with labels; 30 epochs where nothing says how long it is.

    Attributes:
        dropout: share of the features that are dropped before the classifier while training.
        label_smoothing: share of the target that is spread over all classes.
        clips: clips per test video, at equal distances, whose probabilities are averaged.
    """

    dropout: float = 0.0
    label_smoothing: float = 0.0
    clips: int = 10

    def __post_init__(self) -> None:
        if self.steps is None and self.epochs is None:
            object.__setattr__(self, "epochs", 30)
