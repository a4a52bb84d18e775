"""Settings of encoders and of the losses that train them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

from kinema.config.videos import ClipConfig

Motion = Literal["none", "hcml"]
EncoderInput = Literal["rgb", "difference", "stabilised", "both"]
POOLED = "pooled"
"""The readout that every encoder has: its last stage averaged over time and place."""


@dataclass(frozen=True)
class ModelConfig:
    """The encoders.

    Attributes:
        backbone: name of the RGB encoder's network, one of ``kinema.models.list_models()``; one of a library, such as
            ``timm:resnet18``, ``torchvision:swin3d_t`` or ``transformers:videomae``; or ``module:function``.
        width: channels of its first stage, 64 as published; None for what was published, whatever the network.
        patch: side of the space-to-depth patches of a quick stem, which r3d_18 and mc3_18 have; None for the published
            stem.
        input: what the RGB encoder looks at: frames, their differences, or both; or differences ``stabilised`` against
            a moving camera.
        flow_width: channels of the flow encoder's first stage.
        flow_patch: as ``patch``, for the flow encoder.
        flow_input: flow as two channels of ``vectors``, or drawn on a colour ``wheel``.
        embedding: dimensions of the contrastive embeddings.
        keep_time: stages 3 and 4 keep the time steps of stage 2, where a published network halves them twice; of
            r3d_18 and r2plus1d_18. Ours.
        pyramid: channels of a temporal pyramid, kept in space, that is part of the encoder and gives it one more stage;
            None for none. Ours.
        colours: the data set whose mean and deviation of colours its frames are normalised by, ``kinetics`` or
            ``imagenet``; an encoder that is loaded keeps its own.
        parameters: further settings of a backbone that is not of kinema, by name, such as ``{"num_hidden_layers": 4}``.
    """

    backbone: str = "r3d_18"
    width: int | None = 16
    patch: int | None = 4
    input: EncoderInput = "both"
    flow_width: int = 8
    flow_patch: int | None = 4
    flow_input: Literal["vectors", "wheel"] = "vectors"
    embedding: int = 128
    keep_time: bool = False
    pyramid: int | None = None
    colours: Literal["kinetics", "imagenet"] = "kinetics"
    parameters: dict[str, Any] | None = None


@dataclass(frozen=True)
class ReadoutConfig:
    """What of a trained network is a clip's feature.

    Attributes:
        stage: ``pooled`` for the last stage averaged over time and place, whatever the settings up to ``moments`` are;
            or the name of a stage of the network, or several joined by ``+``, from low to high (``layer1+layer2``),
            whose features follow one another.
        grid: cells over time, height and width whose averages of the stage are kept; any clip's map is cut into them.
        root: the averages' square roots, with their signs.
        unit: the averages of each ``time``, or the whole ``clip``, are scaled to length 1.
        moments: mean, deviation and skewness over time in place of cells over time, which are blind to its order.
        frames: frames of a clip that is read out, where they are not those of training.
        step: seconds between two of them, where that is not that of training.
        by: what reads a stage: ``cells``, as the settings from ``grid`` to ``moments`` say; or a readout of another
            package, by its name.
    """

    stage: str = POOLED
    grid: tuple[int, int, int] = (1, 1, 1)
    root: bool = False
    unit: Literal["none", "time", "clip"] = "none"
    moments: bool = False
    frames: int | None = None
    step: float | None = None
    by: str = "cells"

    @property
    def stages(self) -> tuple[str, ...]:
        """The names in ``stage``."""
        return tuple(self.stage.split("+"))

    def clip(self, trained: ClipConfig) -> ClipConfig:
        """The geometry of the clips that are read out, of an encoder that was trained on others."""
        clip = trained if self.frames is None else replace(trained, frames=self.frames)
        return clip if self.step is None else replace(clip, step=self.step, step_frames=None)


@dataclass(frozen=True)
class MSCLConfig:
    """Losses of MSCL; every part is a switch, and a weight of zero also saves its cost.

    Without the clip-level losses (rgb, flow, cross, fra_clips) there are no keys: no key clips are read, and there are
    neither key encoders nor queues.

    Attributes:
        rgb: weight of the clip-level loss between RGB clips (MoCo).
        flow: weight of the clip-level loss between flow clips.
        cross: weight of the two clip-level losses across the modalities.
        lmcl: weight of Local Motion Contrastive Learning, the frame-level loss across the modalities.
        fra_negatives: rotated flow gives extra negatives in LMCL (Flow Rotation Augmentation).
        fra_clips: weight of rotated flow as another view of its video at clip level.
        fra_after_enqueue: with ``fra_clips``, a batch's flow keys are in their queue before rotated flow, and RGB, look
            at it, as in the authors' code: what a video's rotated flow, or its RGB, is told from is also its flow as it
            was, and that of the others in the batch. False: no key of the batch is in the queue.
        temperature: temperature of every loss.
        queue: keys of earlier batches kept as negatives, for each modality.
        batch_negatives: the other keys of a batch, over all devices, are negatives too.
        age_decay: the logit of a negative is damped by this number to the power of its age in steps.
        momentum: momentum of the key encoders at the start; it rises to 1 on a cosine.
        shuffle: among which clips a key's clip is put at random before its batch statistics are taken: in ``parts`` of
            its own batch, or over the ``devices`` (MoCo's ShuffleBN). A single device has parts in either case.
        motion: weight of dense motion prediction: at each place and moment of the encoder's pyramid
            (``model.pyramid``), how much moves in which direction. Ours, as is all that follows.
        motion_boundaries: how flow changes from place to place is predicted too, by motion boundary histograms.
        motion_stabilised: the flow's median is taken from the flow before, so that a panning camera is no motion.
        dense_lmcl: weight of dense LMCL: which place and moment's flow belongs to this cell of the encoder's pyramid?
        dense_cells: moving cells of each clip that take part in dense LMCL.
    """

    rgb: float = 0.05
    flow: float = 1.0
    cross: float = 1.0
    lmcl: float = 8.0
    fra_negatives: bool = False
    fra_clips: float = 0.0
    fra_after_enqueue: bool = False
    temperature: float = 0.1
    queue: int = 256
    batch_negatives: bool = True
    age_decay: float = 0.99999
    momentum: float = 0.97
    shuffle: Literal["parts", "devices"] = "parts"
    motion: float = 0.0
    motion_boundaries: bool = False
    motion_stabilised: bool = False
    dense_lmcl: float = 0.0
    dense_cells: int = 48

    @property
    def contrasts_clips(self) -> bool:
        """Whether any loss compares clips with keys."""
        return any((self.rgb, self.flow, self.cross, self.fra_clips))

    @property
    def encodes_flow(self) -> bool:
        """Whether any loss looks at features of optical flow."""
        return any((self.flow, self.cross, self.lmcl, self.fra_clips, self.dense_lmcl))

    @property
    def uses_flow(self) -> bool:
        """Whether any loss looks at optical flow."""
        return self.encodes_flow or self.motion > 0

    @property
    def dense(self) -> bool:
        """Whether any loss looks at the encoder's pyramid."""
        return self.motion > 0 or self.dense_lmcl > 0

    def rgb_only(self) -> MSCLConfig:
        """The same method with all but the RGB loss switched off: MoCo."""
        clips = replace(self, rgb=1.0, flow=0.0, cross=0.0, lmcl=0.0)
        clips = replace(clips, fra_negatives=False, fra_clips=0.0, fra_after_enqueue=False)
        return replace(clips, motion=0.0, motion_boundaries=False, motion_stabilised=False, dense_lmcl=0.0)


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
        shares: of the training for each phase: the prime motion if it is on, the levels in order, all together; None
            for 0.3, 0.3 among the levels, and 0.4 (half and half with the prime motion alone).
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


@dataclass(frozen=True)
class TubeletConfig:
    """Tubelets, which move alike in different clips; temperature, queue and momentum of their contrast are MSCL's.

    Thoker, Doughty and Snoek (ICCV 2023) have them; every number here is our choice.

    Attributes:
        count: tubelets in each clip.
        size: the smallest and the largest side of a tubelet's patch, as shares of the clip's shorter side.
        turns: places that a tubelet goes by on its way; 0 for a straight line.
        scale: the largest factor by which it grows or shrinks.
        angle: degrees by which it is turned to either side at most.
        shear: by which it is slanted to either side at most.
    """

    count: int = 2
    size: tuple[float, float] = (0.2, 0.4)
    turns: int = 1
    scale: float = 1.5
    angle: float = 60.0
    shear: float = 0.3


@dataclass(frozen=True)
class MaskedConfig:
    """Masked motion modelling: the motion of cells that are hidden from the encoder; every number is our choice.

    Attributes:
        share: of a clip's cells that are hidden, above 0 and below 1.
        cells: of a clip in time, height and width.
        boundaries: how flow changes from place to place is predicted too, by motion boundary histograms.
        stabilised: the flow's median is taken from the flow before, so that a panning camera is no motion.
    """

    share: float = 0.5
    cells: tuple[int, int, int] = (2, 6, 6)
    boundaries: bool = False
    stabilised: bool = False
