"""The duality scheme of TV-L1 optical flow on one scale of the pyramid (Zach, Pock and Bischof, DAGM 2007).

The flow u minimises the sum over all pixels of |grad u1| + |grad u2| + lambda |rho(u)|, where rho is the difference
between the second frame, linearised around where it was last warped to, and the first. An auxiliary v, tied to u by
|u - v|^2 / (2 theta), splits it: v is found pixel by pixel by thresholding, u by Chambolle's iteration on its dual p.

Layout of everything here: the two components come first, pairs second, so that a component is one block of memory:
u ``(2, N, H, W)``; p ``(2, 2, N, H, W)``, direction first (x, y), then component; float32, all contiguous. An iteration
does little arithmetic on much memory, so all steps work in place, and differences of neighbours are taken over the flat
memory, where a shift by 1 or W costs no copy. What a flat shift takes from the next row or pair is wrong only in the
last column and row, and there the gradient is set to zero as it should be: p, too, is zero there, and the divergence
comes out right without a case of its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from kinema.flow.median import median_filter

if TYPE_CHECKING:
    from kinema.flow.tvl1 import TVL1

CHECK_EVERY = 5
"""Iterations between two looks at the change, each of which costs about a tenth of one and waits for the device."""

_FLAT = 1e-6  # squared grey levels per pixel; where the picture is flatter it says nothing about the motion


class DataTerm(NamedTuple):
    """The linearised difference rho of two frames, in the form in which the thresholding step needs it.

    Attributes:
        offset: ``(N, H, W)``.
        slope: ``(2, N, H, W)``; offset + slope . u is -rho(u) / |gradient|^2: how many gradients the flow has to move
            for the frames to agree. Zero where the picture is flat or the flow leaves it, so that the step is zero.
        gradient: ``(2, N, H, W)``, of the picture, grey levels per pixel.
    """

    offset: Tensor
    slope: Tensor
    gradient: Tensor


def linearise(first: Tensor, second: Tensor, u: Tensor) -> DataTerm:
    """Warp the second frame by the flow, bicubically, and linearise its difference to the first around it.

    As Wedel et al. (2009) propose, the gradient is that of both frames, half and half, by a stencil of five pixels.

    Args:
        first: the first frame and its :func:`picture_gradient`: ``(N, 3, H, W)``, grey levels.
        second: the same of the second frame.
        u: ``(2, N, H, W)``, pixels.
    """
    height, width = u.shape[-2:]
    x = u[0] + torch.arange(width, device=u.device)
    y = u[1] + torch.arange(height, device=u.device)[:, None]
    inside = (x >= 0) & (x <= width - 1) & (y >= 0) & (y <= height - 1)
    grid = torch.stack((x * (2 / (width - 1)) - 1, y * (2 / (height - 1)) - 1), dim=-1)
    warped = F.grid_sample(second, grid, mode="bicubic", padding_mode="border", align_corners=True)
    gradient = ((warped[:, 1:] + first[:, 1:]) / 2).transpose(0, 1).contiguous()
    squared = gradient.square().sum(0)
    known = inside & (squared > _FLAT)
    weight = torch.where(known, -1 / squared, 0.0)
    rho = warped[:, 0] - first[:, 0] - (gradient * u).sum(0)
    return DataTerm(torch.where(known, rho * weight, 0.0), torch.where(known, gradient * weight, 0.0), gradient)


def picture_gradient(frames: Tensor) -> Tensor:
    """``(N, 2, H, W)`` derivatives of ``frames (N, H, W)`` in x and y by (1, -8, 0, 8, -1) / 12; edges are repeated."""
    p = F.pad(frames[:, None], (2, 2, 2, 2), mode="replicate")[:, 0]
    rows, columns = p[:, 2:-2], p[:, :, 2:-2]
    x = 8 * (rows[..., 3:-1] - rows[..., 1:-3]) - (rows[..., 4:] - rows[..., :-4])
    y = 8 * (columns[:, 3:-1] - columns[:, 1:-3]) - (columns[:, 4:] - columns[:, :-4])
    return torch.stack((x, y), dim=1) / 12


def threshold(u: Tensor, data: DataTerm, bound: float, scratch: Tensor) -> None:
    """Move u, in place, to the v that minimises bound * |rho(v)| + |u - v|^2 / 2 in each pixel.

    The three cases of the literature (rho beyond the reach of a step to one side, to the other, or within it) are one
    clamped step along the gradient.

    Args:
        u: ``(2, N, H, W)``.
        data: what rho is.
        bound: lambda * theta.
        scratch: ``(N, H, W)``, overwritten.
    """
    torch.addcmul(data.offset, data.slope[0], u[0], out=scratch)
    scratch.addcmul_(data.slope[1], u[1]).clamp_(-bound, bound)
    u.addcmul_(data.gradient, scratch)


def add_divergence(u: Tensor, p: Tensor, factor: float) -> None:
    """Add ``factor`` times the divergence of each component of p to u ``(2, N, H, W)``, in place.

    Args:
        u: changed.
        p: ``(2, 2, N, H, W)``; zero in x in the last column and in y in the last row, like :func:`forward_gradient`.
        factor: theta, in the scheme.
    """
    row, flat, (x, y) = u.shape[-1], u.view(-1), p.flatten(1)
    flat.add_(x, alpha=factor)
    flat[1:].sub_(x[:-1], alpha=factor)
    flat.add_(y, alpha=factor)
    flat[row:].sub_(y[:-row], alpha=factor)


def forward_gradient(u: Tensor, out: Tensor) -> None:
    """Differences of u ``(2, N, H, W)`` to the next column and row, into out ``(2, 2, N, H, W)``; 0 in the last."""
    row, flat, (x, y) = u.shape[-1], u.view(-1), out.flatten(1)
    torch.sub(flat[1:], flat[:-1], out=x[:-1])
    torch.sub(flat[row:], flat[:-row], out=y[:-row])
    out[0, ..., -1] = 0
    out[1, ..., -1, :] = 0


def ascend(p: Tensor, gradient: Tensor, step: float, scratch: Tensor) -> None:
    """Chambolle's semi-implicit step of the dual, in place: p becomes (p + step grad u) / (1 + step |grad u|).

    Args:
        p: ``(2, 2, N, H, W)``, lengths over the two directions of at most 1, which they keep.
        gradient: of u, the same shape.
        step: tau / theta.
        scratch: ``(2, N, H, W)``, overwritten.
    """
    torch.mul(gradient[0], gradient[0], out=scratch)
    scratch.addcmul_(gradient[1], gradient[1]).sqrt_().mul_(step).add_(1)
    p.add_(gradient, alpha=step).div_(scratch)


def iterate(
    u: Tensor, p: Tensor, data: DataTerm, bound: float, theta: float, step: float, gradient: Tensor, scratch: Tensor
) -> None:
    """One iteration on u and p, in place.

    Args:
        u: ``(2, N, H, W)``, pixels.
        p: ``(2, 2, N, H, W)``.
        data: of the last warp.
        bound: lambda * theta.
        theta: see :class:`~kinema.flow.tvl1.TVL1`.
        step: tau / theta.
        gradient: like p, overwritten.
        scratch: like u, overwritten.
    """
    threshold(u, data, bound, scratch[0])
    add_divergence(u, p, theta)
    forward_gradient(u, gradient)
    ascend(p, gradient, step, scratch)


def minimise(u: Tensor, p: Tensor, data: DataTerm, settings: TVL1) -> None:
    """Iterate on u and p, in place, until each pair has converged or the iterations are spent.

    A pair has converged when the root of the mean squared change of its vectors in one iteration is at most epsilon.
    It is set aside then, and the others go on in a smaller batch: taking a pair out costs less than an iteration.

    Args:
        u: ``(2, N, H, W)``, pixels.
        p: ``(2, 2, N, H, W)``.
        data: of the last warp.
        settings: when to stop, and the weights of the terms.
    """
    theta = settings.theta
    bound, step = settings.lambda_ * theta, settings.tau / theta
    active = torch.arange(u.shape[1], device=u.device)
    now_u, now_p = u, p
    gradient, scratch, before = torch.empty_like(p), torch.empty_like(u), torch.empty_like(u)
    for _ in range(settings.outer_iterations):
        now_u = median_filter(now_u, settings.median_filtering)
        for iteration in range(1, settings.inner_iterations + 1):
            look = iteration % CHECK_EVERY == 0 or iteration == settings.inner_iterations
            if look:
                before.copy_(now_u)
            iterate(now_u, now_p, data, bound, theta, step, gradient, scratch)
            if not look:
                continue
            change = torch.linalg.vector_norm(before.sub_(now_u), dim=(0, 2, 3)) / before[0, 0].numel() ** 0.5
            going = change > settings.epsilon
            left = int(going.sum())
            if left == len(active):
                continue
            _put(u, now_u, active)
            _put(p, now_p, active)
            if left == 0:
                return
            active, keep = active[going], going.nonzero()[:, 0]
            now_u, now_p = now_u.index_select(1, keep), now_p.index_select(2, keep)
            data = DataTerm(data.offset[keep], data.slope.index_select(1, keep), data.gradient.index_select(1, keep))
            gradient, scratch, before = torch.empty_like(now_p), torch.empty_like(now_u), torch.empty_like(now_u)
    _put(u, now_u, active)
    _put(p, now_p, active)


def _put(all_pairs: Tensor, some: Tensor, where: Tensor) -> None:
    """Write the pairs of ``some`` to their places."""
    if some is not all_pairs:
        all_pairs.index_copy_(all_pairs.ndim - 3, where, some)
