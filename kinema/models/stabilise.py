"""Differences between frames without what a moving camera adds to them (ours).

A camera that shakes or pans moves all of a picture alike, which hides what moves in it. To first order a frame that is
shifted by (u, v) differs from the one before by -u Ix - v Iy (Lucas and Kanade, 1981), so the shift of the whole frame
is a problem of least squares with two unknowns, and what it explains is subtracted. Strong edges have no more to say
than weak ones, and pixels that the shift does not explain lose weight, so that a body that moves does not count as the
camera.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

LUMA = (0.299, 0.587, 0.114)
ROUNDS = 3
"""Of least squares; from the second on, pixels lose weight by what is left of them."""
EVERY = 2
"""Every second row and column is enough to find a shift."""


def stabilised_difference(clips: Tensor) -> Tensor:
    """Each frame's difference to the next, less what a shift of the whole frame explains.

    Args:
        clips: (B, 3, T, H, W) from 0 to 1.

    Returns:
        (B, 3, T - 1, H, W); zeros where a picture as a whole moves by a fraction of a pixel, for shifts of more than
        about two pixels hardly less than the plain difference.
    """
    earlier, later = clips[:, :, :-1], clips[:, :, 1:]
    change, pictures = later - earlier, earlier + later
    grey = _grey(pictures)
    across = torch.cat([part for _, part in _differences(grey[..., ::EVERY, :], -1)], -1)[..., ::EVERY]
    down = torch.cat([part for _, part in _differences(grey[..., ::EVERY], -2)], -2)[..., ::EVERY, :]
    # differences over two pixels, of twice the mean picture: four times the slopes
    shifts = frame_shift(_grey(change[..., ::EVERY, ::EVERY]), across / 4, down / 4)
    for axis, shift in zip((-1, -2), shifts, strict=True):
        factor = shift[:, None, :, None, None] / -4
        for place, difference in _differences(pictures, axis):
            change.narrow(axis, place, difference.shape[axis]).addcmul_(difference, factor)
    return change


def frame_shift(change: Tensor, across: Tensor, down: Tensor) -> tuple[Tensor, Tensor]:
    """The factors (...) of two slopes that explain most of a change, all (..., H, W), by weighted least squares.

    A pixel of slope g of which r is left weighs 1 / (g^2 + m) / (1 + (r / s)^2), with m the mean of g^2 over ten, and s
    twice the square of the mean root of |r|, on which few large ones have little influence.
    """
    change, across, down = (part.flatten(-2) for part in (change, across, down))
    products = torch.stack((across * across, across * down, down * down, across * change, down * change), -2)
    slope = products[..., 0, :] + products[..., 2, :]
    weight = even = 1 / (slope + slope.mean(-1, keepdim=True) / 10 + 1e-9)
    u = v = change.new_zeros(())
    for turn in range(ROUNDS):
        if turn:
            left = (change - u[..., None] * across - v[..., None] * down).abs()
            spread = 2 * (left + 1e-9).sqrt().mean(-1, keepdim=True).square() + 1e-3
            weight = even / (1 + (left / spread).square())
        xx, xy, yy, xc, yc = (products @ weight[..., None] / weight.shape[-1]).squeeze(-1).unbind(-1)
        ridge = 1e-3 * (xx + yy) + 1e-9  # where there is no texture there is no shift to be found
        xx, yy = xx + ridge, yy + ridge
        area = xx * yy - xy * xy
        u, v = (yy * xc - xy * yc) / area, (xx * yc - xy * xc) / area
    return u, v


def _grey(pictures: Tensor) -> Tensor:
    """(B, 3, ...) -> (B, ...); a sum over the channels of a product takes several times as long."""
    red, green, blue = pictures.unbind(1)
    return (red * LUMA[0]).add_(green, alpha=LUMA[1]).add_(blue, alpha=LUMA[2])


def _differences(pictures: Tensor, axis: int) -> Iterator[tuple[int, Tensor]]:
    """Of each pixel's neighbours after and before it along an axis, where the border repeats: of the first pixel, the
    inner ones and the last, each with the place where they begin."""
    length = pictures.shape[axis]
    for place, count, after, before in (0, 1, 1, 0), (1, length - 2, 2, 0), (length - 1, 1, length - 1, length - 2):
        yield place, pictures.narrow(axis, after, count) - pictures.narrow(axis, before, count)
