"""Where bfloat16 helps."""

from __future__ import annotations

import platform
from contextlib import AbstractContextManager, nullcontext
from functools import cache
from pathlib import Path
from typing import Any

import torch

PROCESSORS = Path("/proc/cpuinfo")
"""Where Linux says whose they are."""


def quick_bfloat16(device: torch.device) -> bool:
    """Whether a network is clearly quicker in bfloat16 than in single precision on ``device``.

    A CPU without instructions for it converts back and forth and gains nothing. One with AMX is several times as quick.
    With AVX512-BF16 alone AMD's are nearly twice as quick; Intel's multiply no more numbers at a time than in single
    precision, and convert besides: what kinema does takes them a quarter longer. That is told by the maker and not by
    a clock, so that trainings go on as they began.
    """
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if device.type != "cpu":
        return False
    return torch.cpu._is_amx_tile_supported() or (torch.cpu._is_avx512_bf16_supported() and _by_amd())


@cache
def _by_amd() -> bool:
    """Whether this machine's processor is one of AMD's."""
    try:
        said = PROCESSORS.read_text(errors="replace")
    except OSError:  # not Linux; Windows has it in the name
        said = platform.processor()
    return "AuthenticAMD" in said


def autocast_for(device: torch.device) -> AbstractContextManager[Any]:
    """For inference: autocast to bfloat16 where that helps on ``device``; otherwise nothing."""
    return torch.autocast(device.type, torch.bfloat16) if quick_bfloat16(device) else nullcontext()
