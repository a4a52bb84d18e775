"""What real cameras do to a clip and a rendered or quiet one lacks, batched in torch (ours).

It is done to the student's frames alone: what it has to tell of them comes from the flow of the clean ones, so that it
learns to see through it. Strengths are drawn for each clip anew, and each of the changes is made to half of the clips.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from kinema.config import AugmentConfig
from kinema.data.augment import blurring, draw_uniform

SHARE = 0.5
"""Of the clips, for each change."""
MOVING = 0.3
"""Pixels in a thirtieth of a second above which something moves, and hides the texture behind it."""


def films(config: AugmentConfig) -> bool:
    """Whether any of the changes is wanted."""
    c = config
    return any((c.still_texture, c.fading, c.flicker, c.rolling_light, c.shake, c.sensor_noise))


def film(
    clips: Tensor,
    config: AugmentConfig,
    generator: torch.Generator,
    flow: Tensor | None = None,
    seconds: Tensor | None = None,
) -> Tensor:
    """The clips as a camera might have shown them: scene, light, lens and sensor, in this order.

    Args:
        clips: (B, 3, T, H, W) from 0 to 1.
        config: strengths.
        generator: source of the draws, on the CPU, so that every device draws the same.
        flow: (B, 2, S, H, W) in pixels, by which the texture is behind what moves; without it, it lies over all.
        seconds: (B,) the time that a field spans; given with ``flow``.

    Returns:
        Clips of the same shape, from 0 to 1.
    """
    clips = clips.clone()
    if config.still_texture:
        behind = 1.0 if flow is None or seconds is None else standing(flow, seconds, clips.shape[2])
        clips += behind * texture(_strength(clips, config.still_texture, generator), clips, generator)
    if config.flicker or config.rolling_light:
        clips *= _light(clips, config, generator)
    if config.fading:
        contrast, brightness = (1 - _strength(clips, config.fading, generator) for _ in range(2))
        offset = clips.mean(dim=(1, 2, 3, 4), keepdim=True) * (brightness - contrast)
        clips.mul_(contrast).add_(offset)
    if config.shake:
        deviation = _strength(clips, config.shake, generator) * min(clips.shape[3:]) / 64
        chosen = deviation.flatten().nonzero()[:, 0]
        clips[chosen] = shake(clips[chosen], deviation[chosen], generator)
    if config.sensor_noise:
        deviation = _strength(clips, config.sensor_noise, generator)
        clips += deviation * _normal((len(clips), 1, *clips.shape[2:]), generator, clips)
    return clips.clamp_(0, 1)


def _light(clips: Tensor, config: AugmentConfig, generator: torch.Generator) -> Tensor:
    """By which flicker and rolling light multiply the clips, (B, 1, T, H or 1, 1)."""
    light = clips.new_ones(len(clips), 1, clips.shape[2], 1, 1)
    for most, bands in ((config.flicker, False), (config.rolling_light, True)):
        if most:
            light = light * (1 + swing(_strength(clips, most, generator), clips, generator, bands))
    return light


def standing(flow: Tensor, seconds: Tensor, frames: int) -> Tensor:
    """Where nothing moves, fading out over a pixel or two before what does: (B, 1, frames, H, W) from 0 to 1.

    Args:
        flow: (B, 2, S, H, W) in pixels, of every (frames / S)-th frame.
        seconds: (B,) the time that a field spans.
        frames: of the clip.
    """
    speed = torch.hypot(flow[:, 0], flow[:, 1]) / (30 * seconds).view(-1, 1, 1, 1)
    rows, columns = (blurring(speed.new_ones(1), side) for side in speed.shape[2:])
    near = rows @ (speed > MOVING).float() @ columns.transpose(1, 2)
    return (1 - 3 * near).clamp(min=0).repeat_interleave(frames // flow.shape[2], dim=1)[:, None]


def texture(deviation: Tensor, like: Tensor, generator: torch.Generator) -> Tensor:
    """Smooth random pictures (B, 1, 1, H, W) of mean 0 and the given deviation (B, 1, 1, 1, 1): noise, blurred by 0.5
    to 2.2 pixels at a side of 64 pixels."""
    height, width = like.shape[3:]
    sigma = draw_uniform(len(like), 0.5, 2.2, generator, like).flatten() * min(height, width) / 64
    noise = _normal((len(like), height, width), generator, like)
    noise = blurring(sigma, height) @ noise @ blurring(sigma, width).transpose(1, 2)
    noise = noise - noise.mean(dim=(1, 2), keepdim=True)
    return deviation * (noise / noise.std(dim=(1, 2), keepdim=True))[:, None, None]


def swing(strength: Tensor, like: Tensor, generator: torch.Generator, bands: bool) -> Tensor:
    """A light's relative swing (B, 1, T, H or 1, 1): a sine over time, or one over the rows that travels, as mains
    light does under a shutter that reads row after row."""
    count, _, frames, height, _ = like.shape
    phase, pace = (draw_uniform(count, low, high, generator, like) for low, high in ((0, 2 * math.pi), (0.2, 1.5)))
    angle = phase + pace * torch.arange(frames, device=like.device).view(-1, 1, 1)
    if bands:
        periods = draw_uniform(count, 0.5, 4, generator, like)
        angle = angle + 2 * math.pi * periods * torch.linspace(0, 1, height, device=like.device).view(-1, 1)
    return strength * angle.sin()


def shake(clips: Tensor, deviation: Tensor, generator: torch.Generator) -> Tensor:
    """Shift every frame by itself, by a normal draw along either axis; what comes into view repeats the edge.

    Args:
        clips: (B, 3, T, H, W).
        deviation: (B, 1, 1, 1, 1) of the shifts, in pixels.
        generator: source of the draws, on the CPU.
    """
    count, _, frames, height, width = clips.shape
    shifts = deviation.view(-1, 1, 1) * _normal((count, frames, 2), generator, clips)
    down, right = shifts[..., 0], shifts[..., 1]
    return shifting(down, height)[:, None] @ clips @ shifting(right, width)[:, None].transpose(3, 4)


def shifting(shift: Tensor, side: int) -> Tensor:
    """Matrices (..., side, side) that shift columns of pixels by ``shift (...)``, bilinear between neighbours."""
    places = torch.arange(side, device=shift.device, dtype=shift.dtype)
    wanted = (places - shift[..., None]).clamp(0, side - 1)
    return (1 - (wanted[..., None] - places).abs()).clamp(min=0)


def _strength(clips: Tensor, most: float, generator: torch.Generator) -> Tensor:
    """(B, 1, 1, 1, 1): 0 for some clips, uniform up to ``most`` for the others."""
    chosen, strength = (draw_uniform(len(clips), 0, 1, generator, clips) for _ in range(2))
    return most * strength * (chosen < SHARE)


def _normal(shape: tuple[int, ...], generator: torch.Generator, like: Tensor) -> Tensor:
    return torch.randn(shape, generator=generator).to(like.device)
