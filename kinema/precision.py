"""Where bfloat16 helps."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from functools import cache
from typing import Any

import torch
from torch.nn.grad import conv3d_weight


def quick_bfloat16(device: torch.device) -> bool:
    """Whether a network is clearly quicker in bfloat16 than in single precision on ``device``."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    # Without instructions for it a CPU converts back and forth and gains nothing.
    return device.type == "cpu" and (torch.cpu._is_amx_tile_supported() or torch.cpu._is_avx512_bf16_supported())


def trains_in_bfloat16(device: torch.device) -> bool:
    """Whether gradients in bfloat16 are right on ``device``, which a CPU is asked by an example.

    On CPUs with AVX512-BF16 but without AMX, oneDNN 3.12 (of PyTorch 2.13) gives convolutions that span three frames
    where there are two gradients of their weights that are noise or not finite. Outputs are right.
    """
    return device.type != "cpu" or _right_gradients()


def autocast_for(device: torch.device) -> AbstractContextManager[Any]:
    """For inference: autocast to bfloat16 where that helps on ``device``; otherwise nothing."""
    return torch.autocast(device.type, torch.bfloat16) if quick_bfloat16(device) else nullcontext()


@cache
def _right_gradients() -> bool:
    generator = torch.Generator().manual_seed(0)
    x, towards = (torch.randn(4, 16, 2, 4, 4, generator=generator) for _ in range(2))
    single, coarse = (
        conv3d_weight(x.to(kind), [16, 16, 3, 3, 3], towards.to(kind), padding=1).float()
        for kind in (torch.float32, torch.bfloat16)
    )
    return bool((coarse - single).abs().max() < 0.05 * single.abs().max())
