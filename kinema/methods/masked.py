"""Masked motion modelling: the motion of what is hidden.

MotionMAE (Yang et al., 2022), MME (Sun et al., CVPR 2023) and MGMAE (Huang et al., ICCV 2023) hide cells of a clip from
a transformer and let it predict their motion. In our form any network will do: hidden cells are grey, and the encoder's
pyramid predicts the histograms of flow that dense motion prediction has, where the clip was hidden and there alone.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor
from torch.nn import functional as F

from kinema.config import MaskedConfig, ModelConfig, PretrainConfig
from kinema.errors import ConfigError, refuse
from kinema.methods.base import SETTINGS, Draws, Losses, Method, Views
from kinema.methods.dense_motion import MotionPrediction
from kinema.methods.parts import in_parts
from kinema.methods.progressive import Phase
from kinema.models.encoder import PYRAMID, VideoEncoder, build_encoder

PYRAMID_CHANNELS = 64
"""Of the encoder's pyramid, unless ``model.pyramid`` says otherwise."""


def draw_hidden(clips: int, config: MaskedConfig, generator: torch.Generator) -> Tensor:
    """Which cells of each clip are hidden: (B, time, height, width), 1 or 0, as many in each; drawn on the CPU.

    At least one is, and one is not, if there are two.
    """
    cells = torch.Size(config.cells).numel()
    count = min(max(1, round(config.share * cells)), max(1, cells - 1))
    order = torch.rand(clips, cells, generator=generator).argsort(dim=1)
    return (order < count).float().unflatten(1, config.cells)


def hide(clips: Tensor, hidden: Tensor, colour: Tensor) -> Tensor:
    """Clips (B, 3, T, H, W) whose hidden cells (B, time, height, width) have a ``colour`` (1, 3, 1, 1, 1)."""
    return torch.where(F.interpolate(hidden[:, None], clips.shape[2:], mode="nearest") > 0, colour, clips)


class MaskedMotion(Method):
    """The method: an encoder with a pyramid, and the head that predicts motion from it.

    Args:
        model: the encoder; its flow settings play no part.
        config: what is hidden, and what is predicted.
        encoder: to begin with, of this architecture; None for an untrained one.

    Raises:
        ConfigError: the encoder has no pyramid.
    """

    with_flow = True
    with_key = False

    def __init__(self, model: ModelConfig, config: MaskedConfig, encoder: VideoEncoder | None = None):
        super().__init__()
        if model.pyramid is None:
            raise ConfigError("masked motion modelling looks at the encoder's pyramid: set model.pyramid")
        self.config = config
        self.encoder = encoder or build_encoder(model)
        self.prediction = MotionPrediction(model.pyramid, config.boundaries, config.stabilised)

    @classmethod
    def begin(cls, config: PretrainConfig, encoder: VideoEncoder | None = None) -> MaskedMotion:
        """Of the settings under ``model`` and ``masked``."""
        return cls(config.model, config.masked, encoder)

    @classmethod
    def settings(cls, config: PretrainConfig) -> PretrainConfig:
        """With a pyramid."""
        return replace(config, model=replace(config.model, pyramid=config.model.pyramid or PYRAMID_CHANNELS))

    @classmethod
    def check(cls, config: PretrainConfig) -> None:
        """See to the settings under ``masked``, for clips of that geometry."""
        masked, clip = config.masked, config.clip
        most = (clip.frames, *clip.size)
        fits = len(masked.cells) == 3 and all(
            1 <= cells <= side for cells, side in zip(masked.cells, most, strict=True)
        )
        checks = {
            "masked.share must lie above 0 and below 1": 0 < masked.share < 1,
            f"masked.cells must be three numbers (time, height, width) from 1 to {most}, not {masked.cells}": fits,
        }
        refuse(checks, SETTINGS)

    def losses(self, views: Views, draws: Draws, phase: Phase | None = None) -> Losses:
        """The error of the motion that is predicted of hidden cells; there are no keys."""
        assert draws.generator is not None and views.query_flow is not None and views.flow_seconds is not None
        hidden = draw_hidden(len(views.query), self.config, draws.generator).to(views.query.device)
        clips = hide(views.query, hidden, self.encoder.mean)
        pyramid = in_parts(self.encoder, self._look, clips, self.parts)[PYRAMID]
        return Losses({"masked": self.prediction(pyramid, views.query_flow, views.flow_seconds, hidden)}, {}, {})

    def _look(self, clips: Tensor) -> dict[str, Tensor]:
        return {PYRAMID: self.encoder.stages(clips)[PYRAMID]}
