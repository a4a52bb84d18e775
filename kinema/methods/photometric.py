"""Learning displacement without labels: a frame must be found again in the next one (HCML, the prime motion).

Everything is about pairs of frames (B, C, T, H, W) from 0 to 1 and the displacement (B, 2, T, H, W) in pixels that
takes the first of a pair to the second. The head gives one field per pair, so there is none to check it against: what
is masked is what leaves the frame. What another object hides stays in the loss, which the Charbonnier function keeps
from dominating it; a check of forward against backward flow would double the cost of the block.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from kinema.flow import stays_inside, warp

SSIM_SHARE = 0.85
"""Weight of SSIM beside the Charbonnier difference, as is usual for the reconstruction of frames."""
EDGE = 10.0
"""How fast the cost of a jump in the flow falls with the contrast of the picture there."""


def photometric_loss(first: Tensor, second: Tensor, flow: Tensor) -> Tensor:
    """How badly ``second``, warped by ``flow``, reconstructs ``first``: a scalar, in single precision.

    The mean over all pixels that stay inside the frame, with no gradient through which of them do; zero if none does.

    Args:
        first: frames (B, C, T, H, W) from 0 to 1.
        second: the frames after them.
        flow: (B, 2, T, H, W) pixels.
    """
    with torch.autocast(first.device.type, enabled=False):
        first, second, inside = first.float(), second.float(), stays_inside(flow).float()
        warped = warp(second, flow)
        difference = masked_mean(charbonnier(warped - first), inside)
        whole_windows = -F.max_pool2d(-inside.flatten(1, 2), 3, stride=1).unsqueeze(1)
        return (1 - SSIM_SHARE) * difference + SSIM_SHARE * masked_mean(dissimilarity(warped, first), whole_windows)


def masked_mean(values: Tensor, mask: Tensor) -> Tensor:
    """Mean of ``values`` (B, C, T, H, W) where ``mask`` (B, 1, T, H, W) is 1 and not 0; zero if that is nowhere."""
    return (values * mask).sum() / (mask.sum() * values.shape[1]).clamp(min=1)


def charbonnier(difference: Tensor, softness: float = 1e-3) -> Tensor:
    """The absolute value, made smooth at zero: sqrt(d^2 + s^2) - s."""
    return (difference.square() + softness**2).sqrt() - softness


def dissimilarity(a: Tensor, b: Tensor) -> Tensor:
    """(1 - SSIM) / 2 in windows of 3 x 3 pixels, from 0 to 1.

    Args:
        a: frames (B, C, T, H, W) from 0 to 1.
        b: frames of the same shape.

    Returns:
        (B, C, T, H - 2, W - 2), one value for each window that lies inside.
    """
    shape = a.shape[1:3]
    a, b = a.flatten(1, 2), b.flatten(1, 2)

    def mean(x: Tensor) -> Tensor:  # of every window; avg_pool2d takes three times as long on a CPU
        x = x[..., :-2] + x[..., 1:-1] + x[..., 2:]
        return (x[..., :-2, :] + x[..., 1:-1, :] + x[..., 2:, :]) / 9

    mean_a, mean_b = mean(a), mean(b)
    product, squares = mean_a * mean_b, mean_a.square() + mean_b.square()
    covariance, variances = mean(a * b) - product, mean(a.square() + b.square()) - squares
    luminance, contrast = 0.01**2, 0.03**2  # constants of Wang et al., 2004, for values from 0 to 1
    ssim = (2 * product + luminance) * (2 * covariance + contrast)
    ssim = ssim / ((squares + luminance) * (variances + contrast))
    return ((1 - ssim) / 2).clamp(0, 1).unflatten(1, shape)


def smoothness(flow: Tensor, frames: Tensor) -> Tensor:
    """First-order smoothness of ``flow``, which may jump where the picture does: a scalar.

    The mean over both axes of the absolute difference between neighbours (Charbonnier), times exp(-10 times the
    absolute difference of the picture there, averaged over its channels).

    Args:
        flow: (B, 2, T, H, W).
        frames: the frames (B, C, T, H, W) that it starts from, from 0 to 1.
    """
    flow, frames = flow.float(), frames.float()
    costs = []
    for axis in (3, 4):
        edges = frames.diff(dim=axis).abs().mean(dim=1, keepdim=True)
        costs.append((charbonnier(flow.diff(dim=axis)) * torch.exp(-EDGE * edges)).mean())
    return (costs[0] + costs[1]) / 2
