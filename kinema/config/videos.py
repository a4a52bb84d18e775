"""Settings of what is read of videos: clips, flow, which clips are drawn, how they are augmented."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

BenchmarkName = Literal["ucf101", "hmdb51", "kinetics400", "ssv2", "diving48", "gym99", "jester"]
"""Those of ``kinema.data.benchmarks.BENCHMARKS``."""


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
        squeeze: the whole frame is scaled to ``size``, whatever its proportions, so that nothing is cut off;
            ``short_side`` then plays no part.
        stretch: a video that is shorter than a clip is slowed down to it where features are made of it, each frame a
            mixture of two; otherwise its last frame is held, as it always is in training.
        center_crop: width and height in pixels of a central crop at the file's own scale, before anything else.
        center_seconds: use only the central part of a video of this length.
        crop: each clip is cut around its subject, which then is what the frame is otherwise: "motion" around what
            moves in it, or a file, or folder of files, of boxes or keypoints (:mod:`kinema.boxes`); None for whole
            frames.
    """

    frames: int = 8
    step: float | None = 0.125
    step_frames: int | None = None
    short_side: int | None = 56
    size: tuple[int, int] = (48, 48)
    squeeze: bool = False
    stretch: bool = False
    center_crop: tuple[int, int] | None = None
    center_seconds: float | None = None
    crop: str | None = None


@dataclass(frozen=True)
class FlowConfig:
    """How optical flow is made while clips are loaded.

    Attributes:
        estimator: name of the estimator.
        parameters: settings of the estimator by name; None for its defaults.
        step_ratio: time between the two frames of a flow field, as a share of the clip's step.
        step_frames: frames of the file between the two frames of a flow field, in place of ``step_ratio``; not where
            flow comes from a store. Ours.
        cache: folder of a flow store (`kinema flow extract`), which several runs may share and which is
            completed before training; None to estimate flow anew for every clip.
    """

    estimator: str = "dis"
    parameters: dict[str, int | float | str] | None = None
    step_ratio: float = 1.0
    step_frames: int | None = None
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
        clips_per_video: clip pairs drawn from each video in an epoch; a training that is set in steps draws a multiple
            of them where its epochs would have but a few steps.
        key_shift: the key clip starts at most this many clip lengths before or after the query clip.
        mds: Motion Differential Sampling (MSCL, section 3.4): draw only clips whose motion changes more than the
            video's median, by this score; None for all clips.
        paces: the step between a clip's frames is multiplied by one of these, drawn for each clip among those that fit
            into the video; its flow stays what it is at a pace of 1. Not together with ``mds``. Ours.
    """

    clips_per_video: int = 1
    key_shift: float = 0.0
    mds: Literal["vectors", "wheel", "sobel"] | None = None
    paces: tuple[int, ...] = (1,)


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
        still_texture: what cameras do to the query's frames alone, while flow and key stay clean, each of it to half of
            the clips (ours, as is all that follows): a texture that stays where it is, behind what moves; its largest
            deviation as a share of the full range.
        fading: largest share of contrast, and of brightness, that is lost.
        flicker: largest relative swing of the brightness from frame to frame.
        rolling_light: largest relative swing of the brightness from row to row, in bands that travel.
        shake: largest deviation of shifts from frame to frame, in pixels at a side of 64 pixels.
        sensor_noise: largest deviation of the noise of a pixel, as a share of the full range.
    """

    min_area: float = 0.6
    aspect: float = 1.333
    flip: float = 0.0
    jitter: float = 0.0
    brightness: float = 0.4
    contrast: float = 0.4
    saturation: float = 0.4
    hue: float = 0.1
    grey: float = 0.0
    blur: float = 0.0
    still_texture: float = 0.0
    fading: float = 0.0
    flicker: float = 0.0
    rolling_light: float = 0.0
    shake: float = 0.0
    sensor_noise: float = 0.0
