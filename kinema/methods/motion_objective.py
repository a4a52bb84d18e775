"""What HCML's motion hierarchy learns from; ``kinema/methods/hcml.py`` has the method, and says what is the paper's."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from kinema.config import HCMLConfig
from kinema.errors import ConfigError, refuse
from kinema.methods.base import SETTINGS
from kinema.methods.dense_contrast import dense_info_nce, draw_dense
from kinema.methods.photometric import photometric_loss, smoothness
from kinema.methods.progressive import Phase
from kinema.models.backbone import average_to
from kinema.models.hierarchy import MotionFeatures
from kinema.models.prime_motion import DisplacementHead


class Predictor(nn.Sequential):
    """phi_l: z^l (B, C_l, T, H, W) to the level below at each delta ahead, (B, deltas * C_(l-1), T, H, W)."""

    def __init__(self, width: int, below: int, deltas: int):
        hidden = max(width, below)
        super().__init__(
            nn.Conv3d(width, hidden, 1, bias=False),
            nn.BatchNorm3d(hidden),
            nn.ReLU(inplace=True),
            nn.Conv3d(hidden, deltas * below, 1),
        )


class MotionObjective(nn.Module):
    """What a motion hierarchy learns from: the losses of all levels, and what serves them alone.

    Args:
        widths: channels of the motion features by level, as :class:`~kinema.models.WithMotion` has them.
        config: the losses.

    Attributes:
        displacement: reads a displacement off the prime motion; None without one, or without its loss.
        predictors: by level, for each that has a level below it.

    Raises:
        ConfigError: a setting is out of range.
    """

    def __init__(self, widths: Mapping[int, int], config: HCMLConfig):
        super().__init__()
        checks = {
            "hcml.temperature must be positive": config.temperature > 0,
            "hcml.deltas must be one or several numbers from 1": bool(config.deltas) and min(config.deltas) >= 1,
            "hcml.places must be at least 1 and hcml.others at least 0": config.places >= 1 and config.others >= 0,
            "hcml.photometric, smoothness and contrast must not be negative": (
                min(config.photometric, config.smoothness, config.contrast) >= 0
            ),
        }
        refuse(checks, SETTINGS)
        self.config = config
        self.displacement = DisplacementHead(widths[0]) if 0 in widths and config.photometric else None
        self.predictors = nn.ModuleDict(
            {
                str(level): Predictor(width, widths[level - 1], len(config.deltas))
                for level, width in widths.items()
                if level - 1 in widths and config.contrast
            }
        )

    def forward(
        self, clips: Tensor, motion: MotionFeatures, generator: torch.Generator, phase: Phase | None = None
    ) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """Every loss of one batch.

        Args:
            clips: RGB (B, 3, T, H, W) from 0 to 1.
            motion: the motion features that the encoder found in them.
            generator: of the random choices, on the CPU.
            phase: whose losses count; None for all.

        Returns:
            the weighted terms ``prime``, ``level1``, ``level2`` and so on, and the accuracy of each level's contrast.

        Raises:
            ConfigError: the clips are too short or too small for the hierarchy.
        """
        terms: dict[str, Tensor] = {}
        facts: dict[str, Tensor] = {}

        # Level 0: displacement by which a frame is found again in the next one.
        if self.displacement is not None and (phase is None or 0 in phase.levels):
            terms["prime"] = self.config.photometric * self._reconstruction(clips, motion, self.displacement)

        # Level l: the future of the level below.
        for name, predictor in self.predictors.items():
            level = int(name)
            if phase is not None and level not in phase.levels:
                continue
            try:
                loss, accuracy = self._contrast(motion.levels[level], motion.levels[level - 1], predictor, generator)
            except ConfigError as error:
                raise ConfigError(f"level {level}: {error}") from error
            terms[f"level{level}"] = self.config.contrast * loss
            facts[f"level{level}_accuracy"] = accuracy
        return terms, facts

    def _reconstruction(self, clips: Tensor, motion: MotionFeatures, head: DisplacementHead) -> Tensor:
        """The photometric loss of the displacement, with its smoothness.

        Frames are compared without their colours, as in most estimators of flow, at a third of the cost.
        """
        flow = head(motion.levels[0], (clips.shape[3], clips.shape[4]))
        pace = -(-clips.shape[2] // motion.levels[0].shape[2])  # frames to a step of the first stage
        frames = clips[:, :, ::pace].mean(dim=1, keepdim=True)
        first, second = frames[:, :, : flow.shape[2]], frames[:, :, 1 : 1 + flow.shape[2]]
        return photometric_loss(first, second, flow) + self.config.smoothness * smoothness(flow, first)

    def _contrast(
        self, z: Tensor, below: Tensor, predictor: nn.Module, generator: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        """Loss and accuracy of one level, the means over the deltas, on the coarser of both grids."""
        c = self.config
        coarser = z if z.shape[2:].numel() <= below.shape[2:].numel() else below
        predictions, target = (average_to(features, coarser.shape[2:]) for features in (predictor(z), below.detach()))
        clips, _, steps, height, width = target.shape
        losses, accuracies = [], []
        for delta, prediction in zip(c.deltas, predictions.chunk(len(c.deltas), dim=1), strict=True):
            draws = draw_dense((clips, steps, height, width), c.places, c.others, generator, target.device)
            found = dense_info_nce(
                prediction,
                target,
                draws,
                delta=delta,
                temperature=c.temperature,
                spatial=c.spatial,
                temporal=c.temporal,
                videos=c.videos,
            )
            losses.append(found.loss)
            accuracies.append(found.accuracy)
        return torch.stack(losses).mean(), torch.stack(accuracies).mean()
