"""Where bfloat16 helps."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch


def quick_bfloat16(device: torch.device) -> bool:
    """Whether convolutions are clearly quicker in bfloat16 than in single precision on ``device``."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    # A CPU without instructions for it (AMX, AVX512-BF16) converts back and forth and gains nothing.
    return device.type == "cpu" and (torch.cpu._is_amx_tile_supported() or torch.cpu._is_avx512_bf16_supported())


def autocast_for(device: torch.device) -> AbstractContextManager[Any]:
    """Autocast to bfloat16 where that helps on ``device``; otherwise nothing."""
    return torch.autocast(device.type, torch.bfloat16) if quick_bfloat16(device) else nullcontext()
