"""Where bfloat16 helps."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch


def quick_bfloat16(device: torch.device) -> bool:
    """Whether a network is clearly quicker in bfloat16 than in single precision on ``device``."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    # Without instructions for it a CPU converts back and forth and gains nothing.
    return device.type == "cpu" and (torch.cpu._is_amx_tile_supported() or torch.cpu._is_avx512_bf16_supported())


def autocast_for(device: torch.device) -> AbstractContextManager[Any]:
    """For inference: autocast to bfloat16 where that helps on ``device``; otherwise nothing."""
    return torch.autocast(device.type, torch.bfloat16) if quick_bfloat16(device) else nullcontext()
