"""Tubelet contrast, after Thoker, Doughty and Snoek: Tubelet-Contrastive Self-Supervision for Video-Efficient
Generalization (ICCV 2023).

Patches that move, turn and change their size are pasted into two clips of different videos. What the two have in common
is how their tubelets move, and nothing else: in our form the patches of either are cut out anew. Which two belong to
each other is then what MoCo asks, with its queue and momentum encoder.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from kinema.config import PretrainConfig, TubeletConfig
from kinema.data.plan import Plan
from kinema.errors import ConfigError, refuse
from kinema.methods.base import SETTINGS, Draws, Losses, Views
from kinema.methods.mscl import MoCo
from kinema.methods.progressive import Phase
from kinema.models.encoder import VideoEncoder

REACH = 0.8
"""How far from the middle of a frame the centres of tubelets come, as a share of the way to its edge."""


class Tubelets(NamedTuple):
    """How the tubelets of a batch move, of M in each clip."""

    centre: Tensor
    """(B, M, T, 2) x and y in pixels from the middle of the frame."""
    shape: Tensor
    """(B, M, T, 2, 2) from places in a patch, whose edges are at -1 and 1, to pixels from the centre."""
    half: Tensor
    """(B, M) half of a side of the patch where it is cut out, in pixels."""


def draw_tubelets(
    clips: int, frames: int, size: tuple[int, int], config: TubeletConfig, g: torch.Generator
) -> Tubelets:
    """How tubelets move in so many clips of so many frames of a size (height, width): drawn on the CPU from ``g``.

    Size, angle and slant change evenly from a beginning to an end; the way goes straight from place to place, and no
    corner is sharp.
    """

    def uniform(low: float, high: float, *shape: int) -> Tensor:
        return low + (high - low) * torch.rand(clips, config.count, *shape, generator=g)

    def evenly(ends: Tensor) -> Tensor:  # (B, M, K) -> (B, M, T)
        return F.interpolate(ends, frames, mode="linear", align_corners=True)

    way = evenly(uniform(-REACH, REACH, 2, config.turns + 2).flatten(1, 2)).unflatten(1, (config.count, 2))
    if config.turns:
        way = F.avg_pool1d(F.pad(way.flatten(1, 2), (1, 1), mode="replicate"), 3, 1).view_as(way)
    half = uniform(*config.size) * min(size) / 2
    scale = evenly(uniform(-math.log(config.scale), math.log(config.scale), 2)).exp()
    angle, shear = (evenly(uniform(-most, most, 2)) for most in (math.radians(config.angle), config.shear))
    turn = torch.stack((angle.cos(), -angle.sin(), angle.sin(), angle.cos()), dim=-1).unflatten(-1, (2, 2))
    slant = torch.eye(2).expand_as(turn).clone()
    slant[..., 0, 1] = shear
    shape = turn @ slant * (scale * half.unsqueeze(-1))[..., None, None]
    return Tubelets(way.transpose(2, 3) * torch.tensor([size[1], size[0]]) / 2, shape, half)


def paste(clips: Tensor, tubelets: Tubelets, g: torch.Generator) -> Tensor:
    """Clips with a patch along each tubelet, later ones over earlier ones.

    A patch is cut out of a frame of any clip of the batch, at any place; its edges are one pixel soft.

    Args:
        clips: (B, 3, T, H, W) from 0 to 1.
        tubelets: of as many clips and frames.
        g: on the CPU, of what is cut out.

    Returns:
        (B, 3, T, H, W).
    """
    batch, _, frames, height, width = clips.shape
    size = torch.tensor([width, height], device=clips.device)
    y, x = (torch.arange(side, device=clips.device) - (side - 1) / 2 for side in (height, width))
    pixels = torch.stack(torch.broadcast_tensors(x, y[:, None]), dim=-1)  # (H, W, 2) from the middle
    for number in range(tubelets.half.shape[1]):
        centre, shape, half = (part[:, number].to(clips.device) for part in tubelets)
        clip, frame = (torch.randint(most, (batch,), generator=g) for most in (batch, frames))
        free = (torch.rand(batch, 2, generator=g) - 0.5).to(clips.device)
        source = clips[clip.to(clips.device), :, frame.to(clips.device)]
        cut = free * (size - 2 * half[:, None]).clamp(min=0)  # the middle of the patch in its frame
        apart = pixels - centre[:, :, None, None]
        within = torch.einsum("btij,bthwj->bthwi", torch.linalg.inv(shape), apart)  # from -1 to 1 in the patch
        grid = (cut[:, None, None, None] + within * half.view(-1, 1, 1, 1, 1)) * 2 / size
        patch = F.grid_sample(source, grid.flatten(1, 2), padding_mode="border", align_corners=False)
        side = torch.linalg.vector_norm(shape, dim=-2)  # (B, T, 2) pixels from the centre to either edge
        inside = ((1 - within.abs()) * side[:, :, None, None] + 0.5).clamp(0, 1).amin(dim=-1).unsqueeze(1)
        clips = clips + inside * (patch.unflatten(2, (frames, height)) - clips)
    return clips


class TubeletContrast(MoCo):
    """The method: MoCo, whose query is a clip with tubelets and whose key another video's clip with the same.

    Among its negatives is the query's own clip with other tubelets. Settings under ``tubelet``, and what concerns MoCo
    under ``mscl``.
    """

    tubelets: TubeletConfig

    @classmethod
    def begin(cls, config: PretrainConfig, encoder: VideoEncoder | None = None) -> TubeletContrast:
        """Of the settings under ``model``, ``mscl`` and ``tubelet``."""
        made = cls(config.model, config.mscl, encoder=encoder)
        made.tubelets, made.with_key = config.tubelet, False
        return made

    @classmethod
    def check(cls, config: PretrainConfig) -> None:
        """See to the settings under ``tubelet`` and ``mscl``."""
        super().check(config)
        tubelet, (smallest, largest) = config.tubelet, config.tubelet.size
        checks = {
            "tubelet.count must be at least 1 and tubelet.turns at least 0": tubelet.count >= 1 and tubelet.turns >= 0,
            "tubelet.size must be two shares above 0 and not above 1, the smaller first": 0 < smallest <= largest <= 1,
            "tubelet.scale must be at least 1": tubelet.scale >= 1,
            "tubelet.angle and tubelet.shear must not be negative": min(tubelet.angle, tubelet.shear) >= 0,
        }
        refuse(checks, SETTINGS)

    def losses(self, views: Views, draws: Draws, phase: Phase | None = None) -> Losses:
        """MoCo's loss of the query clips, twice with tubelets.

        Raises:
            ConfigError: there is one clip alone.
        """
        g, clips = draws.generator, views.query
        assert g is not None
        if len(clips) < 2:
            raise ConfigError("tubelets are pasted into two clips: set trainer.batch_size to 2 or more")
        with torch.no_grad(), torch.autocast(clips.device.type, enabled=False):
            tubelets = draw_tubelets(len(clips), clips.shape[2], (clips.shape[3], clips.shape[4]), self.tubelets, g)
            others = clips.roll(int(torch.randint(1, len(clips), (), generator=g)), 0)
            query, key = (paste(shown, tubelets, g) for shown in (clips, others))
        found = super().losses(Views(query, key), draws, phase)
        return found._replace(terms={"tubelet": found.terms["rgb"]})

    def pairs_from(self, plan: Plan) -> int:
        """None: query clips are all that is looked at."""
        return plan.steps
