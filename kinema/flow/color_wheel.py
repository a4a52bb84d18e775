"""The Middlebury colour wheel: flow as a picture whose hue is the direction and whose saturation is the speed.

After Baker et al., A Database and Evaluation Methodology for Optical Flow (IJCV 2011). Rightward motion is red,
downward yellow, leftward cyan-blue and upward purple; stillness is white. One difference: their last hue does not meet
the first, so that the smallest noise in v makes rightward motion jump between two reds. Here the ring is closed.
"""

from __future__ import annotations

import functools
import math

import torch
from torch import Tensor

from kinema.flow.ops import magnitude

HUE_STEPS = (15, 6, 4, 11, 13, 6)
"""Hues from red to yellow, to green, to cyan, to blue, to magenta and back to red, as the eye can tell them apart."""

_FINENESS = 32  # table entries between two hues; the nearest entry is within 1/256 of the interpolated colour


def flow_to_wheel(flow: Tensor, max_magnitude: float | Tensor | None = None) -> Tensor:
    """Render fields as colours.

    Args:
        flow: ``(B, 2, T, H, W)`` or ``(B, 2, H, W)``, pixels.
        max_magnitude: the speed in pixels that gets full saturation: a number, or a tensor that broadcasts over
            ``(B, 1, T, H, W)``. Faster vectors are darkened to three quarters. None: the largest of each field, as
            the released MSCL code feeds its flow encoder; it hides how fast one field is beside the next.

    Returns:
        ``(B, 3, T, H, W)`` or ``(B, 3, H, W)`` RGB in [0, 1].
    """
    speed = magnitude(flow)
    longest = speed.amax(dim=(-2, -1), keepdim=True) if max_magnitude is None else torch.as_tensor(max_magnitude)
    speed = speed / longest.to(flow).clamp(min=torch.finfo(flow.dtype).tiny)

    tints = _tints(flow.device, flow.dtype)
    entries = tints.shape[1] - 1
    turn = torch.atan2(flow[:, 1], flow[:, 0]).mul_(entries / (2 * math.pi)).add_(entries / 2)
    index = turn.round_().int().flatten()
    picture = torch.stack([tint.index_select(0, index).view_as(turn) for tint in tints], dim=1)
    picture.mul_(speed.clamp(max=1)).add_(1)
    if max_magnitude is not None:
        picture.mul_(torch.where(speed > 1, 0.75, 1.0))
    return picture


def wheel_legend(side: int = 151) -> Tensor:
    """The key to the colours, ``(3, side, side)`` RGB: each point is coloured as motion from the centre towards it."""
    axis = torch.linspace(-1, 1, side)
    v, u = torch.meshgrid(axis, axis, indexing="ij")
    flow = torch.stack((u, v))[None]
    inside = magnitude(flow)[0] <= 1
    return torch.where(inside, flow_to_wheel(flow, max_magnitude=1.0)[0], 1.0)


@functools.lru_cache(maxsize=4)
def _tints(device: torch.device, dtype: torch.dtype) -> Tensor:
    """Hues less white, ``(3, entries + 1)``, of equally spaced directions from -pi to pi inclusive."""
    corners = torch.tensor([[1, 0, 0], [1, 1, 0], [0, 1, 0], [0, 1, 1], [0, 0, 1], [1, 0, 1], [1, 0, 0]])
    ramps = []
    for start, end, steps in zip(corners[:-1], corners[1:], HUE_STEPS, strict=True):
        share = torch.arange(steps * _FINENESS)[:, None] / (steps * _FINENESS)
        ramps.append(start + share * (end - start))
    hues = torch.cat(ramps)  # from rightward (angle 0) by way of downward
    hues = hues.roll(len(hues) // 2, dims=0)
    return (torch.cat((hues, hues[:1])).T - 1).contiguous().to(device, dtype)
