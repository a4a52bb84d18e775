"""Differences between frames without what a moving camera adds to them (ours).

A camera that shakes or pans moves all of a picture alike, which hides what moves in it. To first order a frame that is
shifted by (u, v) differs from the one before by -u Ix - v Iy (Lucas and Kanade, 1981), so the shift of the whole frame
is a problem of least squares with two unknowns, and what it explains is subtracted. Strong edges have no more to say
than weak ones, and pixels that the shift does not explain lose weight, so that a body that moves does not count as the
camera.
"""

from __future__ import annotations

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
    change, (across, down) = later - earlier, _differences(earlier + later)
    luma = clips.new_tensor(LUMA).view(1, 3, 1, 1, 1)
    grey, *slopes = ((part[..., ::EVERY, ::EVERY] * luma).sum(1) for part in (change, across, down))
    # differences over two pixels, of twice the mean picture: four times the slopes
    u, v = (shift[:, None, :, None, None] for shift in frame_shift(grey, *(slope / 4 for slope in slopes)))
    return change.addcmul(across, u, value=-0.25).addcmul(down, v, value=-0.25)


def frame_shift(change: Tensor, across: Tensor, down: Tensor) -> tuple[Tensor, Tensor]:
    """The factors (...) of two slopes that explain most of a change, all (..., H, W), by weighted least squares.

    A pixel of slope g of which r is left weighs 1 / (g^2 + m) / (1 + (r / s)^2), with m the mean of g^2 over ten, and s
    twice the square of the mean root of |r|, on which few large ones have little influence.
    """
    slope = across.square() + down.square()
    even = 1 / (slope + slope.mean((-2, -1), keepdim=True) / 10 + 1e-9)
    weight, u, v = even, change.new_zeros(()), change.new_zeros(())
    for turn in range(ROUNDS):
        if turn:
            left = (change - u[..., None, None] * across - v[..., None, None] * down).abs()
            spread = 2 * (left + 1e-9).sqrt().mean((-2, -1), keepdim=True).square() + 1e-3
            weight = even / (1 + (left / spread).square())
        xx, xy, yy, xc, yc = (
            (weight * product).mean((-2, -1))
            for product in (across * across, across * down, down * down, across * change, down * change)
        )
        ridge = 1e-3 * (xx + yy) + 1e-9  # where there is no texture there is no shift to be found
        xx, yy = xx + ridge, yy + ridge
        area = xx * yy - xy * xy
        u, v = (yy * xc - xy * yc) / area, (xx * yc - xy * xc) / area
    return u, v


def _differences(pictures: Tensor) -> tuple[Tensor, Tensor]:
    """Of each pixel's neighbours to the right and left, and below and above, of (..., H, W); the border repeats."""

    def along(axis: int) -> Tensor:
        first, second = pictures.narrow(axis, 0, 1), pictures.narrow(axis, 1, 1)
        length = pictures.shape[axis]
        before, last = pictures.narrow(axis, length - 2, 1), pictures.narrow(axis, length - 1, 1)
        inner = pictures.narrow(axis, 2, length - 2) - pictures.narrow(axis, 0, length - 2)
        return torch.cat((second - first, inner, last - before), axis)

    return along(-1), along(-2)
