"""Geometry of flow fields and of the frames they belong to, batched.

Flow is ``(B, 2, ..., H, W)`` in pixels, channel 0 rightwards (u) and channel 1 downwards (v). A field is not a picture:
whatever moves its pixels also acts on its vectors. A mirror negates u; a resize multiplies u by the width factor and v
by the height factor. Frames and flow of a clip therefore go through the same functions with the same draw, and still
tell the same story afterwards: a frame warped by its flow gives the next frame, before and after.

All but :func:`scale_flow`'s divisor is differentiable in the field or frames.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

FRA_ANGLES: tuple[float, ...] = tuple(0.2 * math.pi * (k + 1) for k in range(8))
"""The eight angles of MSCL's flow rotation, radians: 0.2 pi to 1.6 pi, all well away from no rotation."""


def per_clip(values: Tensor, like: Tensor) -> Tensor:
    """Reshape ``values (B,)`` so that it broadcasts over ``like (B, ...)``."""
    return values.reshape(-1, *[1] * (like.ndim - 1))


def rotate_flow(flow: Tensor, angle: Tensor | float) -> Tensor:
    """Rotate every vector by ``angle``, leaving all vectors in their place: MSCL's flow rotation augmentation (FRA).

    Args:
        flow: ``(B, 2, ...)``.
        angle: radians, ``(B,)`` or one for all; positive turns u (right) towards v (down): clockwise on the screen.

    Returns:
        The same shape; magnitudes are unchanged.
    """
    angle = torch.as_tensor(angle, dtype=flow.dtype, device=flow.device).reshape(-1)
    cosine, sine = angle.cos(), angle.sin()
    matrix = torch.stack((cosine, -sine, sine, cosine), dim=1).reshape(-1, 2, 2)
    with torch.autocast(flow.device.type, enabled=False):  # which would round the vectors to bfloat16
        return torch.matmul(matrix, flow.flatten(2)).view_as(flow)


def flip_flow(flow: Tensor, mask: Tensor) -> Tensor:
    """Mirror left and right the fields ``(B, 2, ..., H, W)`` where ``mask (B,)`` is true, negating their u."""
    mirrored = _stretch(flow.flip(-1), -1.0, 1.0)
    return torch.where(per_clip(mask, flow), mirrored, flow)


def resize_flow(flow: Tensor, size: tuple[int, int]) -> Tensor:
    """Resample fields ``(B, 2, T, H, W)`` to ``size`` (height, width), and their vectors with them; antialiased."""
    height, width = flow.shape[-2:]
    fields = flow.transpose(1, 2).flatten(0, 1)
    resized = F.interpolate(fields, size=size, mode="bilinear", antialias=True, align_corners=False)
    resized = resized.unflatten(0, (len(flow), -1)).transpose(1, 2)
    return _stretch(resized, size[1] / width, size[0] / height)


def crop_resize(x: Tensor, boxes: Tensor, size: tuple[int, int], flip: Tensor | None = None) -> Tensor:
    """Cut a box out of each clip, scale it to ``size`` and mirror it where asked; one draw for all frames of a clip.

    Bilinear between the four nearest pixels, which follows the mean over the covered area within 5 % of the picture's
    contrast while a side shrinks to no less than half; scale larger frames down while reading them. At training sizes
    it costs less than half of the antialiased ways (two matrix products, or a loop over ``interpolate``: see
    ``benchmarks/flow_ops.py``).

    Args:
        x: ``(B, C, T, H, W)`` floating point; or uint8 0 to 255, which comes back as float32 in [0, 1]. One clip serves
            any number of boxes.
        boxes: ``(B, 4)`` floats: top, left, height, width in pixels, where pixel i covers [i, i + 1]. What lies outside
            the frame repeats its edge.
        size: height and width of the result in pixels.
        flip: ``(B,)`` bool, true to mirror left and right after cutting.

    Returns:
        ``(B, C, T, *size)``.
    """
    pixels = x.dtype == torch.uint8
    frames = x.flatten(1, 2)  # first, since it may have to copy, and bytes are quicker to copy
    frames = (frames.float() if pixels else frames).expand(len(boxes), -1, -1, -1)
    boxes = boxes.to(frames)
    rows = _sampling_positions(boxes[:, 0], boxes[:, 2], x.shape[-2], size[0])
    columns = _sampling_positions(boxes[:, 1], boxes[:, 3], x.shape[-1], size[1])
    if flip is not None:
        columns = torch.where(per_clip(flip.to(x.device), columns), columns.flip(1), columns)
    grid = torch.stack((columns[:, None].expand(-1, size[0], -1), rows[:, :, None].expand(-1, -1, size[1])), dim=-1)
    cut = F.grid_sample(frames, grid, mode="bilinear", padding_mode="border", align_corners=False)
    return (cut.mul_(1 / 255) if pixels else cut).unflatten(1, x.shape[1:3])


def crop_resize_flow(flow: Tensor, boxes: Tensor, size: tuple[int, int], flip: Tensor | None = None) -> Tensor:
    """:func:`crop_resize` for fields ``(B, 2, T, H, W)``: their vectors are scaled and mirrored too."""
    boxes = boxes.to(flow.device, flow.dtype)
    width_factor, height_factor = size[1] / boxes[:, 3], size[0] / boxes[:, 2]
    if flip is not None:
        width_factor = torch.where(flip.to(flow.device), -width_factor, width_factor)
    return _stretch(crop_resize(flow, boxes, size, flip), width_factor, height_factor)


def warp(frames: Tensor, flow: Tensor) -> Tensor:
    """Fetch every pixel from where it went: frames at t+1 warped by the flow from t to t+1 look like the frames at t.

    Bilinear between the four nearest pixels; what lies outside the frame repeats its edge (:func:`stays_inside` tells).

    Args:
        frames: ``(B, C, T, H, W)``.
        flow: ``(B, 2, T, H, W)`` pixels; the gradient goes to it too.

    Returns:
        ``(B, C, T, H, W)``: at x, the frame at x + flow(x).
    """
    height, width = flow.shape[-2:]
    columns, rows = _targets(flow)
    grid = torch.stack(((2 * columns + 1) / width - 1, (2 * rows + 1) / height - 1), dim=-1).flatten(0, 1)
    pictures = frames.transpose(1, 2).flatten(0, 1).to(grid.dtype)
    warped = F.grid_sample(pictures, grid, mode="bilinear", padding_mode="border", align_corners=False)
    return warped.unflatten(0, (len(frames), -1)).transpose(1, 2)


def stays_inside(flow: Tensor) -> Tensor:
    """Where ``flow (B, 2, T, H, W)`` leads to a place between the centres of pixels: ``(B, 1, T, H, W)`` bool."""
    height, width = flow.shape[-2:]
    columns, rows = _targets(flow.detach())
    return ((columns >= 0) & (columns <= width - 1) & (rows >= 0) & (rows <= height - 1)).unsqueeze(1)


def _targets(flow: Tensor) -> tuple[Tensor, Tensor]:
    """Columns and rows ``(B, T, H, W)`` that ``flow (B, 2, T, H, W)`` leads to; integers are centres of pixels."""
    height, width = flow.shape[-2:]
    flow = flow.float() if flow.dtype == torch.bfloat16 else flow
    columns = torch.arange(width, dtype=flow.dtype, device=flow.device)
    rows = torch.arange(height, dtype=flow.dtype, device=flow.device)
    return flow[:, 0] + columns, flow[:, 1] + rows[:, None]


def magnitude(flow: Tensor) -> Tensor:
    """Lengths ``(B, 1, ...)`` of the vectors of ``flow (B, 2, ...)``, pixels; no gradient exists where one is zero."""
    return torch.hypot(flow[:, :1], flow[:, 1:])


def scale_flow(flow: Tensor, quantile: float = 0.95, minimum: float = 0.5) -> Tensor:
    """Divide each clip by a robust measure of its speed, one for all its fields.

    Clips of slow and fast motion come to one range, yet speeding up and slowing down inside a clip stay visible, and a
    few wild vectors do not squash the rest, as they would by dividing each field by its largest magnitude.

    Args:
        flow: ``(B, 2, T, H, W)``.
        quantile: the share of the clip's vectors that comes out no longer than 1.
        minimum: pixels; the least divisor, so that the noise of a still clip stays small.
    """
    lengths = magnitude(flow.detach()[..., ::2, ::2]).flatten(1)  # every fourth vector: a quarter of the time
    rank = max(1, math.ceil(quantile * lengths.shape[1]))
    scale = lengths.kthvalue(rank, dim=1).values.clamp(min=minimum)
    return flow / per_clip(scale, flow)


def _stretch(flow: Tensor, width_factor: Tensor | float, height_factor: Tensor | float) -> Tensor:
    """Multiply u and v of ``(B, 2, ...)`` by a factor each: numbers, or ``(B,)``."""
    factors = [
        torch.as_tensor(f, dtype=flow.dtype, device=flow.device).expand(len(flow))
        for f in (width_factor, height_factor)
    ]
    return flow * torch.stack(factors, dim=1).reshape(len(flow), 2, *[1] * (flow.ndim - 2))


def _sampling_positions(start: Tensor, length: Tensor, pixels: int, samples: int) -> Tensor:
    """Centres ``(B, samples)`` of equal parts of [start, start + length], where [0, pixels] is mapped to [-1, 1]."""
    parts = (torch.arange(samples, dtype=start.dtype, device=start.device) + 0.5) / samples
    return (start[:, None] + length[:, None] * parts) * (2 / pixels) - 1
