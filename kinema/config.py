"""Typed settings: every field is a command-line option and a YAML key.

This module imports nothing heavy, so that ``kinema --help`` stays quick.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

Settings = TypeVar("Settings")


def from_plain(kind: Callable[..., Settings], values: Mapping[str, Any]) -> Settings:
    """Settings of a ``kind`` from plain values by name, as JSON holds them: lists become tuples.

    Raises:
        TypeError: the kind has no such setting.
    """
    return kind(**{name: tuple(value) if isinstance(value, list) else value for name, value in values.items()})


@dataclass(frozen=True)
class ClipConfig:
    """The geometry of a clip: which frames of a video an encoder sees, and at what size.

    Attributes:
        frames: frames per clip, T.
        step: seconds between two frames of a clip; None to count in frames instead.
        step_frames: frames of the file between two frames of a clip, for protocols that are written that way.
        short_side: frames are scaled so that their shorter side has this many pixels, after ``center_crop``; None
            leaves them as they are.
        size: height and width in pixels of what the encoder sees, cut from the scaled frame.
        center_crop: width and height in pixels of a central crop at the file's own scale, before anything else.
        center_seconds: use only the central part of a video of this length.
    """

    frames: int = 8
    step: float | None = 0.125
    step_frames: int | None = None
    short_side: int | None = 64
    size: tuple[int, int] = (48, 48)
    center_crop: tuple[int, int] | None = None
    center_seconds: float | None = None


@dataclass(frozen=True)
class FlowConfig:
    """How optical flow is made while clips are loaded.

    Attributes:
        estimator: name of the estimator.
        parameters: settings of the estimator by name; None for its defaults.
        step_ratio: time between the two frames of a flow field, as a share of the clip's step.
        cache: folder of a flow store (`kinema flow extract`), which several runs may share and which is
            completed before training; None to estimate flow anew for every clip.
    """

    estimator: str = "dis"
    parameters: dict[str, int | float | str] | None = None
    step_ratio: float = 1.0
    cache: str | None = None


@dataclass(frozen=True)
class ExtractConfig:
    """How the flow of whole videos is made for a store.

    Attributes:
        estimator: one of those that `kinema flow --list` shows.
        parameters: settings of the estimator by name; None for its defaults.
        step_frames: frames of the file that a step spans; there is a field for each frame. 1 if step is not given.
        step: seconds that a step spans, instead; there are two fields to a step.
        step_ratio: time between the two frames of a field, as a share of the step.
        short_side: frames are scaled so that their shorter side has this many pixels; None leaves them as they are.
        center_crop: width and height in pixels of a central crop, taken before.
        center_seconds: only the central part of each video, of this length.
    """

    estimator: str = "tvl1"
    parameters: dict[str, int | float | str] | None = None
    step_frames: int | None = None
    step: float | None = None
    step_ratio: float = 1.0
    short_side: int | None = 256
    center_crop: tuple[int, int] | None = None
    center_seconds: float | None = None


@dataclass(frozen=True)
class SamplingConfig:
    """Which clips of a video are drawn.

    Attributes:
        clips_per_video: clip pairs drawn from each video in an epoch.
        key_shift: the key clip starts at most this many clip lengths before or after the query clip.
        mds: Motion Differential Sampling (MSCL, section 3.4): draw only clips whose motion changes more than the
            video's median, by this score; None for all clips.
    """

    clips_per_video: int = 1
    key_shift: float = 0.0
    mds: Literal["vectors", "wheel", "sobel"] | None = None


@dataclass(frozen=True)
class AugmentConfig:
    """Augmentation of a clip; one draw serves all its frames, and its flow where geometry is concerned.

    Attributes:
        min_area: smallest area of the random crop, as a share of the frame.
        aspect: largest ratio of the crop's aspect to the output's, and of its inverse.
        flip: probability of a horizontal flip, from 0 to 1; it also negates rightward flow.
        jitter: probability of colour jitter.
        brightness: largest relative change of brightness.
        contrast: largest relative change of contrast.
        saturation: largest relative change of saturation.
        hue: largest turn of hue, as a share of the full circle.
        grey: probability of dropping colour.
        blur: probability of a Gaussian blur with a sigma of 0.1 to 2 pixels at a side of 112 pixels.
    """

    min_area: float = 0.6
    aspect: float = 1.333
    flip: float = 0.0
    jitter: float = 0.8
    brightness: float = 0.4
    contrast: float = 0.4
    saturation: float = 0.4
    hue: float = 0.1
    grey: float = 0.2
    blur: float = 0.5


EncoderInput = Literal["rgb", "difference", "both"]


@dataclass(frozen=True)
class ModelConfig:
    """The encoders.

    Attributes:
        backbone: name of the RGB encoder's network, one of ``kinema.models.list_models()``.
        width: channels of its first stage, 64 as published; None for what was published, whatever the network.
        patch: side of the space-to-depth patches of a quick stem, which r3d_18 and mc3_18 have; None for the published
            stem.
        input: what the RGB encoder looks at: frames, or their differences.
        flow_width: channels of the flow encoder's first stage.
        flow_patch: as ``patch``, for the flow encoder.
        flow_input: flow as two channels of ``vectors``, or drawn on a colour ``wheel``.
        embedding: dimensions of the contrastive embeddings.
    """

    backbone: str = "r3d_18"
    width: int | None = 16
    patch: int | None = 4
    input: EncoderInput = "difference"
    flow_width: int = 8
    flow_patch: int | None = 4
    flow_input: Literal["vectors", "wheel"] = "vectors"
    embedding: int = 128


@dataclass(frozen=True)
class MSCLConfig:
    """Losses of MSCL; every part is a switch, and a weight of zero also saves its cost.

    Attributes:
        rgb: weight of the clip-level loss between RGB clips (MoCo).
        flow: weight of the clip-level loss between flow clips.
        cross: weight of the two clip-level losses across the modalities.
        lmcl: weight of Local Motion Contrastive Learning, the frame-level loss across the modalities.
        fra_negatives: rotated flow gives extra negatives in LMCL (Flow Rotation Augmentation).
        fra_clips: weight of rotated flow as another view of its video at clip level.
        temperature: temperature of every loss.
        queue: keys of earlier batches kept as negatives, for each modality.
        batch_negatives: the other keys of a batch are negatives too.
        age_decay: the logit of a negative is damped by this number to the power of its age in steps.
        momentum: momentum of the key encoders at the start; it rises to 1 on a cosine.
    """

    rgb: float = 0.5
    flow: float = 1.0
    cross: float = 1.0
    lmcl: float = 3.0
    fra_negatives: bool = False
    fra_clips: float = 0.0
    temperature: float = 0.1
    queue: int = 256
    batch_negatives: bool = True
    age_decay: float = 0.99999
    momentum: float = 0.97

    @property
    def uses_flow(self) -> bool:
        """Whether any loss looks at optical flow."""
        return any((self.flow, self.cross, self.lmcl, self.fra_clips))

    def rgb_only(self) -> MSCLConfig:
        """The same method with all but the RGB loss switched off: MoCo."""
        return dataclasses.replace(self, rgb=1.0, flow=0.0, cross=0.0, lmcl=0.0, fra_clips=0.0, fra_negatives=False)


@dataclass(frozen=True)
class HCMLConfig:
    """The motion hierarchy of HCML and its losses; every part is a switch, and a weight of zero also saves its cost.

    What is marked (paper) its abstract states: a lowest level that learns by reconstructing frames, levels that learn
    by predicting the future of the level below, one after another, and their fusion with the appearance. All else,
    every number among it, is our choice.

    Attributes:
        levels: levels above the prime motion; level 1 sits on the backbone's first stage, level 2 on its second (paper:
            several levels).
        prime: the prime motion block, on the first stage (paper).
        fusion: motion features are added to the output of their stage (paper: they are fused).
        chain: a level also sees the level below it, not only the features of its stage.
        reduction: a level has the channels of its stage divided by this.
        radius: the largest displacement in the prime block's cost volume, in places of its grid.
        dilation: places between two displacements of the cost volume.
        pool: places of the first stage, along either axis, that are averaged to one of the prime block's grid; 2 halves
            the cost of the hierarchy where the first stage has half of the frame's resolution, as in R3D-18.
        deltas: how many steps of a level its predictions reach ahead.
        temperature: of the contrast.
        spatial: other places at the same time are negatives.
        temporal: other times at the same place are negatives.
        videos: places of other videos are negatives.
        places: places of each clip that take part in a step's contrast, drawn at random.
        others: places of the whole batch that serve as negatives of other videos, drawn at random.
        photometric: weight of the prime motion's reconstruction of frames. Its loss is a hundredth of a level's
            contrast; with a weight like that one's, the levels unmake the prime motion once all learn at once.
        smoothness: weight of the displacement's smoothness, within the photometric loss.
        contrast: weight of each level's contrast.
        progressive: levels learn one after another, and all of them in the end (paper); False for all at once.
        shares: of the epochs for each phase: the prime motion if it is on, the levels in order, all together; None for
            0.3, 0.3 among the levels, and 0.4 (half and half with the prime motion alone).
    """

    levels: int = 3
    prime: bool = True
    fusion: bool = True
    chain: bool = True
    reduction: int = 4
    radius: int = 3
    dilation: int = 1
    pool: int = 1
    deltas: tuple[int, ...] = (1,)
    temperature: float = 0.1
    spatial: bool = True
    temporal: bool = True
    videos: bool = True
    places: int = 32
    others: int = 256
    photometric: float = 100.0
    smoothness: float = 0.02
    contrast: float = 1.0
    progressive: bool = True
    shares: tuple[float, ...] | None = None


MethodName = Literal["mscl", "moco", "hcml", "mscl+hcml"]
Motion = Literal["none", "hcml"]
BenchmarkName = Literal["ucf101", "hmdb51", "kinetics400", "ssv2", "diving48", "gym99", "jester"]
"""Those of ``kinema.data.benchmarks.BENCHMARKS``."""


@dataclass(frozen=True)
class OptimizerConfig:
    """Optimisation.

    Attributes:
        name: the optimiser; SGD has a momentum of 0.9.
        lr: largest learning rate, for a batch of ``lr_batch`` clips over all devices.
        lr_batch: the learning rate scales linearly with the batch from here; None to take ``lr`` as it is.
        weight_decay: weight decay; not applied to biases and normalisation.
        warmup_epochs: epochs of linear warm-up before the cosine.
        drops: epochs after which the rate falls to a tenth, in place of the cosine; none for the cosine.
        clip_norm: largest norm of the gradient.
    """

    name: Literal["adamw", "sgd"] = "adamw"
    lr: float = 2e-3
    lr_batch: int | None = None
    weight_decay: float = 1e-4
    warmup_epochs: float = 1.0
    drops: tuple[int, ...] = ()
    clip_norm: float = 40.0


@dataclass(frozen=True)
class TrainerConfig:
    """The run.

    Attributes:
        stop_after: stop after this many epochs of the schedule, to go on another time; None to run to its end.
        batch_size: clip pairs per step on each device.
        workers: processes that decode video, on each device; 0 to decode in the training process.
        hold_mib: memory, in MiB, that each process that decodes video may fill with frames, so that short videos are
            decoded once; with 0 every clip is decoded when it is read.
        threads: threads of the training process on a CPU; None for one less than there are cores, but at least one.
        precision: ``bf16`` for autocast, ``32`` for single precision, ``auto`` for what this machine is quick at.
        devices: devices to train on; None for every GPU, or one CPU process.
        accelerator: what to train on.
        checkpoint_minutes: minutes between checkpoints inside an epoch; every epoch ends with one as well.
        max_bad_share: stop when more than this share of the videos, from 0 to 1, cannot be read.
    """

    stop_after: int | None = None
    batch_size: int = 64
    workers: int = 1
    hold_mib: int = 0
    threads: int | None = None
    precision: Literal["auto", "bf16", "32"] = "auto"
    devices: int | None = None
    accelerator: Literal["auto", "cpu", "gpu"] = "auto"
    checkpoint_minutes: float = 10.0
    max_bad_share: float = 0.1


@dataclass(frozen=True)
class TrainConfig:
    """What every training is decided by; saved with it.

    Attributes:
        epochs: passes over the videos; the learning rate follows a schedule over all of them.
        seed: of every random choice.
        clip: the geometry of clips.
        flow: how optical flow is made.
        sampling: which clips are drawn.
        augment: how they are augmented.
        model: the encoders.
        hcml: the motion hierarchy and the losses of HCML, where they are asked for.
        optimizer: the optimisation.
        trainer: how the run is carried out.
    """

    epochs: int = 20
    seed: int = 0
    clip: ClipConfig = field(default_factory=ClipConfig)
    flow: FlowConfig = field(default_factory=FlowConfig)
    sampling: SamplingConfig = field(default_factory=SamplingConfig)
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    model: ModelConfig = field(default_factory=ModelConfig)
    hcml: HCMLConfig = field(default_factory=HCMLConfig)
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    trainer: TrainerConfig = field(default_factory=TrainerConfig)


@dataclass(frozen=True)
class PretrainConfig(TrainConfig):
    """Everything that decides a pretraining run.

    Attributes:
        mscl: the losses of MSCL, which the methods mscl, moco and mscl+hcml have.
    """

    mscl: MSCLConfig = field(default_factory=MSCLConfig)


@dataclass(frozen=True)
class FinetuneConfig(TrainConfig):
    """Everything that decides a training with labels.

    Attributes:
        dropout: share of the features that are dropped before the classifier while training.
        label_smoothing: share of the target that is spread over all classes.
        clips: clips per test video, at equal distances, whose probabilities are averaged.
    """

    dropout: float = 0.0
    label_smoothing: float = 0.0
    clips: int = 10
