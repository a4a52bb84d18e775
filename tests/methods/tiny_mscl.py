"""MSCL on clips of a few pixels."""

from __future__ import annotations

import dataclasses

import torch

from kinema.config import ModelConfig, MSCLConfig
from kinema.methods import MSCL, Draws, Views

MODEL = ModelConfig(width=4, flow_width=4, embedding=8)
PAPER = ModelConfig("r3d_18", 4, None, "rgb", 4, None, "wheel", 8)
NOTHING = MSCLConfig(rgb=0, flow=0, cross=0, lmcl=0, fra_clips=0, fra_negatives=False, queue=6)
RGB = dataclasses.replace(NOTHING, rgb=1.0)
EVERYTHING = MSCLConfig(
    rgb=0.5,
    flow=2.0,
    cross=0.7,
    lmcl=3.0,
    fra_negatives=True,
    fra_clips=1.5,
    temperature=0.2,
    queue=6,
    age_decay=0.9,
)
CROSS_TERMS, FRA_TERMS = {"rgb2flow", "flow2rgb"}, {"fra_flow", "fra_rgb2flow", "fra_flow2rgb"}
DRAWS = Draws(torch.tensor([2, 0, 1]), torch.tensor([0.5, 2.0, 4.0]))


def method(config: MSCLConfig, model: ModelConfig = MODEL) -> MSCL:
    torch.manual_seed(0)
    return MSCL(dataclasses.replace(model, pyramid=8) if config.dense else model, config)


def draws() -> Draws:
    """With a generator, for losses that draw when the features are there."""
    return DRAWS._replace(generator=torch.Generator().manual_seed(0))


def views(clips: int = 3, frames: int = 4, size: int = 16, seed: int = 1) -> Views:
    generator = torch.Generator().manual_seed(seed)
    rgb = [torch.rand(clips, 3, frames, size, size, generator=generator) for _ in range(2)]
    flow = [2 * torch.randn(clips, 2, frames // 2, size, size, generator=generator) for _ in range(2)]
    return Views(*rgb, *flow, torch.full((clips,), 1 / 30))
