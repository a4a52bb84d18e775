"""Encoders: a backbone together with what it does to its input."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn

from kinema.config import POOLED, EncoderInput, HCMLConfig, ModelConfig, ReadoutConfig
from kinema.flow import flow_to_wheel, scale_flow
from kinema.models.backbone import Backbone
from kinema.models.hierarchy import MotionFeatures, WithMotion, add_motion_hierarchy
from kinema.models.normalise import KINETICS, Colours, colours_of
from kinema.models.published import WeightsReport
from kinema.models.pyramid import TemporalPyramid
from kinema.models.readout import check_readout, create_readout
from kinema.models.registry import create_model
from kinema.models.resnet3d import VideoResNet, flow_resnet18
from kinema.models.stabilise import stabilised_difference

USUAL = ReadoutConfig()
"""Pooled features of the clips of training."""

PYRAMID = "pyramid"
"""The name of the pyramid among an encoder's stages."""


class VideoEncoder(nn.Module):
    """Clips with values from 0 to 1 to features.

    Args:
        backbone: a network over normalised clips, with a motion hierarchy or without.
        input: what the backbone sees: normalised ``rgb`` frames, the ``difference`` of each frame to the next,
            the same ``stabilised`` against a moving camera, or ``both`` frames and differences as six channels.
        colours: mean and deviation of the frames that the backbone was trained with.
        readout: what of the backbone is a clip's feature.
        pyramid: a temporal pyramid over the backbone's stages, which adds the stage ``pyramid``; None for none.

    Attributes:
        features: length of what it gives.
        reader: the module that makes features of a stage; None where they are pooled.
        card: facts about a loaded encoder: the settings, data and versions it was made with.
        report: what became of the file's weights where they were published ones; None otherwise.

    Raises:
        ValueError: unknown ``input``.
        ConfigError: the backbone has not got what the readout wants.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        backbone: Backbone | WithMotion,
        input: EncoderInput = "rgb",
        colours: Colours = KINETICS,
        readout: ReadoutConfig = USUAL,
        pyramid: TemporalPyramid | None = None,
    ):
        super().__init__()
        if input not in get_args(EncoderInput):
            raise ValueError(f"unknown input {input!r}: choose one of {', '.join(get_args(EncoderInput))}")
        self.backbone = backbone
        self.pyramid = pyramid
        self.input = input
        self.colours = colours
        self.card: dict[str, Any] = {}
        self.report: WeightsReport | None = None
        self._read(readout)
        self.register_buffer("mean", torch.tensor(colours.mean).view(1, 3, 1, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(colours.std).view(1, 3, 1, 1, 1), persistent=False)

    @property
    def hierarchical(self) -> bool:
        """Whether there is a motion hierarchy in the backbone."""
        return isinstance(self.backbone, WithMotion)

    @property
    def stage_widths(self) -> dict[str, int]:
        """Channels of what :meth:`stages` gives, by name."""
        widths = dict(self.backbone.stage_widths)
        return widths if self.pyramid is None else widths | {PYRAMID: self.pyramid.channels}

    def read_by(self, readout: ReadoutConfig) -> VideoEncoder:
        """Give another readout's features from now on, and say so in the card.

        Raises:
            ConfigError: the backbone has not got what the readout wants.
        """
        self._read(readout)
        self.card = {**self.card, "readout": asdict(readout)}
        return self

    def _read(self, readout: ReadoutConfig) -> None:
        check_readout(readout, self.stage_widths)
        self.readout = readout
        self.reader = None if readout.stage == POOLED else create_readout(readout, self.stage_widths)
        self.features = self.backbone.features if self.reader is None else self.reader.features

    def features_by(self, readout: ReadoutConfig) -> int:
        """How many features a readout would give.

        Raises:
            ConfigError: the backbone has not got what the readout wants.
        """
        check_readout(readout, self.stage_widths)
        return (
            self.backbone.features if readout.stage == POOLED else create_readout(readout, self.stage_widths).features
        )

    def normalise(self, clips: Tensor) -> Tensor:
        """(B, 3, T, H, W) from 0 to 1 -> what the backbone sees, of the same shape but for the channels."""
        parts = 2 if self.input == "both" else 1
        batch, channels, *size = clips.shape
        seen = clips.new_empty((batch, parts * channels, *size))  # written in place: copies would cost half of the time
        if self.input in ("rgb", "both"):
            self._appearance(clips, seen[:, :channels])
        if self.input != "rgb":
            self._motion(clips, seen[:, -channels:])
        return seen

    def _appearance(self, clips: Tensor, out: Tensor) -> None:
        out.copy_(clips).sub_(self.mean).div_(self.std)

    def _motion(self, clips: Tensor, out: Tensor) -> None:
        """Each frame's difference to the next, the last one twice, in units of the clip's typical difference.

        A clip's contrast says nothing of its motion; the constant keeps the compression noise of a still clip small.
        The gradient takes the unit for a constant.
        """
        if self.input == "stabilised":
            out[:, :, :-1] = stabilised_difference(clips)
        else:
            out[:, :, :-1] = clips[:, :, 1:]
            out[:, :, :-1] -= clips[:, :, :-1]
        out[:, :, -1] = out[:, :, -2]
        spread = torch.linalg.vector_norm(out.detach(), dim=(1, 2, 3, 4)) / out[0].numel() ** 0.5
        out.div_((spread + 0.01).view(-1, 1, 1, 1, 1))

    def stages(self, clips: Tensor, upto: str | None = None, motion: MotionFeatures | None = None) -> dict[str, Tensor]:
        """(B, 3, T, H, W) from 0 to 1 -> the outputs of the backbone's stages by name, each (B, C, T', H', W'), and the
        ``pyramid``, if there is one, on the grid of its finest stage.

        Nothing above the stage ``upto`` is computed, unless that is None. ``motion`` is where the motion features of a
        backbone with a hierarchy go; None if nobody wants them.
        """
        part = upto if self.pyramid is None or upto != PYRAMID else None
        wanted = {} if motion is None else {"motion": motion}
        stages: dict[str, Tensor] = self.backbone.stages(self.normalise(clips), part, **wanted)  # type: ignore[arg-type]
        if self.pyramid is None or part is not None:
            return stages
        return stages | {PYRAMID: self.pyramid.map(stages)}

    def pooled(self, clips: Tensor, motion: MotionFeatures | None = None) -> Tensor:
        """(B, 3, T, H, W) from 0 to 1 -> the pooled last stage (B, ``backbone.features``), whatever the readout is;
        ``motion`` as of :meth:`stages`."""
        features: Tensor = self.backbone(self.normalise(clips), *(() if motion is None else (motion,)))
        return features

    def forward(self, clips: Tensor) -> Tensor:
        """(B, 3, T, H, W) from 0 to 1 -> features (B, ``features``): the readout's.

        Raises:
            ConfigError: the readout's grid has more cells than its stage has places in such clips.
        """
        if self.reader is None:
            return self.pooled(clips)
        features: Tensor = self.reader(self.stages(clips, self.readout.stages[-1]))
        return features

    def both(self, clips: Tensor) -> dict[str, Tensor]:
        """``readout``, as of :meth:`forward`, and ``pooled``, as of :meth:`pooled`, from one pass.

        Raises:
            ConfigError: as of :meth:`forward`.
        """
        if self.reader is None:
            return dict.fromkeys(("readout", POOLED), self.pooled(clips))
        stages = self.stages(clips)
        last = list(self.backbone.stage_widths)[-1]
        return {"readout": self.reader(stages), POOLED: self.backbone.head(stages[last])}


class FlowEncoder(nn.Module):
    """Optical flow to features, one per field.

    Args:
        backbone: a network over flow that sees one field at a time.
        input: ``vectors`` divides each clip by its own robust largest magnitude, so that speeding up inside a clip
            stays visible; ``wheel`` draws each field, divided by its largest magnitude, on the Middlebury colour wheel.
    """

    def __init__(self, backbone: VideoResNet, input: Literal["vectors", "wheel"] = "vectors"):
        super().__init__()
        self.backbone = backbone
        self.input = input
        self.features = backbone.features

    def stages(self, flow: Tensor) -> dict[str, Tensor]:
        """(B, 2, S, H, W) in pixels -> the outputs (B, C, S, H', W') of the backbone's stages by name."""
        return self.backbone.stages(scale_flow(flow) if self.input == "vectors" else flow_to_wheel(flow))

    def pool(self, stages: dict[str, Tensor]) -> Tensor:
        """Stage outputs -> local features (B, S, features); their mean is the clip's feature."""
        return stages["layer4"].mean(dim=(3, 4)).transpose(1, 2)

    def forward(self, flow: Tensor) -> Tensor:
        """(B, 2, S, H, W) in pixels -> local features (B, S, features)."""
        return self.pool(self.stages(flow))


def build_encoder(
    config: ModelConfig,
    hcml: HCMLConfig | None = None,
    colours: Colours | None = None,
    readout: ReadoutConfig = USUAL,
) -> VideoEncoder:
    """An untrained RGB encoder.

    Args:
        config: its settings; those of flow play no part.
        hcml: the motion hierarchy inside it; None for none.
        colours: mean and deviation of its frames; None for those that ``config`` names.
        readout: what of the network is a clip's feature.

    Raises:
        ConfigError: the backbone or one of its settings is unknown; a setting of the hierarchy or of the readout is out
            of range.
    """
    asked = {"width": config.width, "patch": config.patch, "keep_time": config.keep_time or None}
    settings: dict[str, Any] = {name: value for name, value in asked.items() if value is not None}
    settings |= config.parameters or {}
    backbone = create_model(config.backbone, channels=6 if config.input == "both" else 3, **settings)
    pyramid = None if config.pyramid is None else TemporalPyramid(backbone.stage_widths, config.pyramid)
    network = backbone if hcml is None else add_motion_hierarchy(backbone, hcml)
    return VideoEncoder(network, config.input, colours or colours_of(config.colours), readout, pyramid)


def build_flow_encoder(config: ModelConfig) -> FlowEncoder:
    """An untrained flow encoder."""
    channels = 2 if config.flow_input == "vectors" else 3
    return FlowEncoder(flow_resnet18(config.flow_width, channels, config.flow_patch), config.flow_input)


def random_encoder(
    config: ModelConfig | None = None,
    seed: int = 0,
    hcml: HCMLConfig | None = None,
    readout: ReadoutConfig = USUAL,
) -> VideoEncoder:
    """An untrained encoder in evaluation mode, the same for the same seed; arguments as of :func:`build_encoder`."""
    config = config or ModelConfig()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        encoder = build_encoder(config, hcml, readout=readout).eval()
    encoder.card = {"name": "random", "model": asdict(config), "seed": seed, "readout": asdict(readout)}
    if hcml is not None:
        encoder.card["hcml"] = asdict(hcml)
    return encoder
