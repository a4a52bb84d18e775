"""What every benchmark says of the machine and of its times."""

from __future__ import annotations

import os
import platform
import statistics
from pathlib import Path
from typing import Any

import torch

import kinema


def cpu_name() -> str:
    """The processor's name."""
    info = Path("/proc/cpuinfo")
    names = [line.split(":")[1].strip() for line in info.read_text().splitlines() if line.startswith("model name")]
    return names[0] if names else platform.processor()


def surroundings(threads: int) -> dict[str, Any]:
    """Machine and versions, for the result."""
    return {
        "machine": {"cpu": cpu_name(), "cores": os.cpu_count(), "load": os.getloadavg()[0], "threads_used": threads},
        "versions": {"python": platform.python_version(), "kinema": kinema.__version__, "torch": torch.__version__},
    }


def spread(times: list[float], digits: int) -> dict[str, Any]:
    """Median, and first to third quartile."""
    low, median, high = (round(value, digits) for value in statistics.quantiles(times, n=4))
    return {"median": median, "quartiles": [low, high], "repeats": len(times)}
