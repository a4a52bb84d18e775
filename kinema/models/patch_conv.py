"""A convolution that is quick on a CPU although it has few input channels, large kernels and large strides."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

WORDS = {4: torch.int32, 8: torch.int64, 16: torch.complex128}
"""A type of so many bytes: the pixels of one row of a patch are moved as one number, several times faster."""


class PatchConv3d(nn.Conv3d):
    """A 3D convolution whose kernel spans two by two of the patches that its stride goes by.

    Parameters and results are those of :class:`torch.nn.Conv3d` with a spatial kernel of twice the stride and a padding
    of half of it. On a CPU the pixels of a patch become channels first: for the few channels of a picture a
    convolution's fixed costs are most of its time.
    """

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, T, H, W) -> (B, C', T', H / stride, W / stride)."""
        (pace, _, patch), (margin, _, pad) = self.stride, (int(side) for side in self.padding)
        dtype = torch.get_autocast_dtype("cpu") if torch.is_autocast_enabled("cpu") else x.dtype
        word = WORDS.get(patch * dtype.itemsize)
        elsewhere = x.device.type != "cpu" or torch.compiler.is_compiling()  # what is exported may run anywhere
        if elsewhere or x.requires_grad or word is None or x.shape[3] % patch or x.shape[4] % patch:
            return super().forward(x)
        batch, channels, frames, height, width = x.shape
        padded = torch.zeros(batch, channels, frames, height + patch, width + patch, dtype=dtype)
        padded[..., pad : pad + height, pad : pad + width] = x
        rows = padded.view(word).unflatten(3, (-1, patch))  # (B, C, T, h, patch, w)
        patches = rows.permute(0, 2, 3, 5, 1, 4).contiguous().view(dtype).flatten(4).permute(0, 4, 1, 2, 3)
        kernel = self.weight.unflatten(4, (2, patch)).unflatten(3, (2, patch))  # (C', C, t, 2, patch, 2, patch)
        kernel = kernel.permute(0, 1, 4, 6, 2, 3, 5).flatten(1, 3)
        return F.conv3d(patches, kernel, self.bias, (pace, 1, 1), (margin, 0, 0))
