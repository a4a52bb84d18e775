"""Photometric augmentation of clips, batched in torch; one draw serves all frames of a clip (MSCL, section 4.1).

Geometry is not here: it is cut while clips are loaded, for RGB and flow together (:mod:`kinema.data.pairs`).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from kinema.common.processes import WHOLE, Part
from kinema.config import AugmentConfig

LUMA = (0.299, 0.587, 0.114)


def draw_uniform(
    count: int, low: float, high: float, generator: torch.Generator, like: Tensor, part: Part = WHOLE
) -> Tensor:
    """Numbers (count, 1, 1, 1, 1) on the device of ``like``, drawn on the CPU so that every device gets the same."""
    values = part.of(torch.rand(count * part.count, generator=generator)) * (high - low) + low
    return values.to(like.device).view(-1, 1, 1, 1, 1)


def hue_matrix(turn: Tensor) -> Tensor:
    """Linear maps (B, 3, 3) of RGB that turn the hue, from shares (B,) of the full circle.

    The turn is a rotation about the luma axis in YIQ, which keeps luma; unlike the way through HSV it is one product.
    """
    to_yiq = turn.new_tensor([[0.299, 0.587, 0.114], [0.5959, -0.2746, -0.3213], [0.2115, -0.5227, 0.3112]])
    angle = 2 * math.pi * turn
    cosine, sine, zero, one = angle.cos(), angle.sin(), torch.zeros_like(angle), torch.ones_like(angle)
    rows = torch.stack((one, zero, zero, zero, cosine, -sine, zero, sine, cosine), dim=1)
    return torch.linalg.inv(to_yiq) @ rows.view(-1, 3, 3) @ to_yiq


def color_jitter(clips: Tensor, config: AugmentConfig, generator: torch.Generator, part: Part = WHOLE) -> Tensor:
    """Brightness, contrast, saturation and hue, in this order, for a share ``config.jitter`` of the clips.

    Args:
        clips: (B, 3, T, H, W) from 0 to 1.
        config: strengths and probability.
        generator: source of the draws, on the CPU.
        part: of the batch that the clips are.
    """
    count = len(clips)
    strengths = (config.brightness, config.contrast, config.saturation)
    brightness, contrast, saturation = (draw_uniform(count, 1 - s, 1 + s, generator, clips, part) for s in strengths)
    turn = draw_uniform(count, -config.hue, config.hue, generator, clips, part).flatten()
    chosen = draw_uniform(count, 0, 1, generator, clips, part) < config.jitter

    # The four changes are affine in the colour, so they are one affine map per clip; only the means need the pixels.
    luma = clips.new_tensor(LUMA)
    mean = (clips.mean(dim=(2, 3, 4)) @ luma).view(-1, 1, 1, 1, 1) * brightness
    identity = torch.eye(3, device=clips.device)
    desaturate = saturation.view(-1, 1, 1) * identity + (1 - saturation.view(-1, 1, 1)) * luma.expand(3, 3)
    matrix = hue_matrix(turn) @ desaturate
    offset = (1 - contrast) * mean  # grey, which neither saturation nor hue moves
    matrix = torch.where(chosen.view(-1, 1, 1), matrix * (brightness * contrast).view(-1, 1, 1), identity)
    offset = torch.where(chosen, offset, torch.zeros_like(offset))
    flat = torch.baddbmm(offset.view(-1, 1, 1), matrix, clips.flatten(2))
    return flat.view_as(clips).clamp_(0, 1)


def random_grey_(clips: Tensor, probability: float, generator: torch.Generator, part: Part = WHOLE) -> Tensor:
    """Drop, in place, the colour of a share ``probability`` of the clips (B, 3, T, H, W)."""
    chosen = draw_uniform(len(clips), 0, 1, generator, clips, part).flatten() < probability
    if chosen.any():
        grey = (clips[chosen] * clips.new_tensor(LUMA).view(1, 3, 1, 1, 1)).sum(dim=1, keepdim=True)
        clips[chosen] = grey.expand(-1, 3, -1, -1, -1)
    return clips


def blurring(sigma: Tensor, side: int) -> Tensor:
    """Matrices (B, side, side) that blur columns of pixels with Gaussians of deviations (B,)."""
    positions = torch.arange(side, device=sigma.device, dtype=sigma.dtype)
    exponents = -0.5 * ((positions[:, None] - positions) / sigma.view(-1, 1, 1)) ** 2
    weights = torch.exp(exponents.clamp(min=-30))  # denormal numbers would make the product slow
    return weights / weights.sum(dim=2, keepdim=True)


def random_blur_(clips: Tensor, probability: float, generator: torch.Generator, part: Part = WHOLE) -> Tensor:
    """Blur, in place, a share ``probability`` of the clips (B, 3, T, H, W) with Gaussians of random width.

    Sigma is 0.1 to 2 pixels at a side of 112 pixels, and in proportion at other sides. At a border the kernel is
    normalised over what lies inside. Small frames make two products with a dense matrix quicker than a convolution.
    """
    sigma = draw_uniform(len(clips), 0.1, 2.0, generator, clips, part).flatten() * min(clips.shape[3:]) / 112
    chosen = draw_uniform(len(clips), 0, 1, generator, clips, part).flatten() < probability
    if not chosen.any():
        return clips

    columns, rows = (blurring(sigma[chosen], side)[:, None, None] for side in clips.shape[3:])
    blurred = columns @ clips[chosen] @ rows.transpose(3, 4)
    clips[chosen] = blurred.clamp_(max=1)  # weights may sum up to a little more than 1
    return clips


def augment_colors(clips: Tensor, config: AugmentConfig, generator: torch.Generator, part: Part = WHOLE) -> Tensor:
    """Jitter, grey and blur, in the order of MSCL's recipe.

    Args:
        clips: (B, 3, T, H, W) from 0 to 1.
        config: strengths and probabilities.
        generator: source of the draws, on the CPU, so that every device draws the same.
        part: of the batch that the clips are.

    Returns:
        Clips of the same shape, from 0 to 1.
    """
    if config.jitter:
        clips = color_jitter(clips, config, generator, part)
    elif config.grey or config.blur:
        clips = clips.clone()
    random_grey_(clips, config.grey, generator, part)
    return random_blur_(clips, config.blur, generator, part)
