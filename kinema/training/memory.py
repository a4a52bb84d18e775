"""How much memory there is, and how much a piece of work takes at its peak."""

from __future__ import annotations

import contextlib
import gc
import sys
from pathlib import Path

import torch

from kinema.errors import ConfigError

try:
    import resource
except ImportError:  # Windows
    resource = None  # type: ignore[assignment]

STATUS, FORGET = Path("/proc/self/status"), Path("/proc/self/clear_refs")


def free_memory(device: torch.device) -> int | None:
    """Bytes that this process could still take on ``device``; None if the system does not say."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    with contextlib.suppress(OSError):
        return _kibibytes(Path("/proc/meminfo"), "MemAvailable")
    return None


def forget_peak(device: torch.device) -> None:
    """Let :func:`peak_memory` count from here, where the system allows it."""
    gc.collect()
    if device.type == "cuda":
        torch.cuda.init()  # before it nothing is counted, and there is nothing to reset
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(device)
    else:
        with contextlib.suppress(OSError):
            FORGET.write_text("5")  # Linux: the largest resident size becomes the present one


def peak_memory(device: torch.device) -> int:
    """Bytes at the peak: of tensors on a GPU, of the whole process on a CPU.

    Raises:
        ConfigError: the system does not say.
    """
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    with contextlib.suppress(OSError):
        return _kibibytes(STATUS, "VmHWM")
    if resource is None:
        raise ConfigError("this system does not say what memory a process takes: leave out --dry-run, or use a GPU")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak << 10


def _kibibytes(path: Path, name: str) -> int:
    lines = dict(line.split(":", 1) for line in path.read_text().splitlines() if ":" in line)
    return int(lines[name].split()[0]) << 10
