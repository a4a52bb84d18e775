"""What commands and functions are asked that cut videos into windows and embed them: each field is an option."""

from __future__ import annotations

from dataclasses import dataclass

from jsonargparse.typing import PositiveFloat, PositiveInt

from kinema.errors import ConfigError


@dataclass(frozen=True)
class Windowing:
    """How videos are cut into windows.

    A window that is longer than a clip holds several of them, end to end, whose features are averaged: a clip is never
    slowed down or sped up. Both numbers are rounded to whole steps of the clip.

    Attributes:
        length: seconds of a window; what the encoder's clip spans by default.
        stride: seconds from one window to the next; half a window by default.

    Raises:
        ConfigError: a number is not positive.
    """

    length: PositiveFloat | None = None
    stride: PositiveFloat | None = None

    def __post_init__(self) -> None:
        for name, value in (("length", self.length), ("stride", self.stride)):
            if value is not None and not 0 < value < float("inf"):
                raise ConfigError(f"the {name} of windows must be a positive number of seconds, not {value:g}")


@dataclass(frozen=True)
class DeviceConfig:
    """Where an encoder computes.

    Attributes:
        device: auto (every GPU there is), cpu, cuda:1, several with commas between them, ...
    """

    device: str = "auto"


@dataclass(frozen=True)
class KnownEncoderConfig(DeviceConfig):
    """The encoder of an index that there is.

    Attributes:
        encoder: the index's encoder, where it lies elsewhere than when the index was made.
    """

    encoder: str | None = None


@dataclass(frozen=True)
class EmbeddingConfig:
    """How the windows of many videos are computed.

    Attributes:
        batch_size: windows per forward pass.
        workers: threads that decode; as many as there are cores by default.
    """

    batch_size: PositiveInt = 64
    workers: PositiveInt | None = None


@dataclass(frozen=True)
class AddingConfig(EmbeddingConfig):
    """How a folder's videos are added to an index.

    Attributes:
        cluster: let a Ray cluster decode and embed: auto (that of this machine), an address, or local.
    """

    cluster: str | None = None


@dataclass(frozen=True)
class SubjectConfig:
    """What is looked at of the frames.

    Attributes:
        crop: cut windows around their subject: motion (what moves), or a file or folder of boxes or keypoints, of
            DeepLabCut, SLEAP, COCO or a table; as in the encoder's training by default, mostly whole frames.
    """

    crop: str | None = None


@dataclass(frozen=True)
class IndexConfig(DeviceConfig, AddingConfig, SubjectConfig, Windowing):
    """How an index is made."""


@dataclass(frozen=True)
class PredictionConfig(DeviceConfig, EmbeddingConfig, SubjectConfig, Windowing):
    """How a network is shown videos."""
