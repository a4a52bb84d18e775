"""What every benchmark says of the machine and of its times."""

from __future__ import annotations

import os
import platform
import statistics
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch

import kinema


def cpu_name() -> str:
    """The processor's name."""
    info = Path("/proc/cpuinfo")
    names = [line.split(":")[1].strip() for line in info.read_text().splitlines() if line.startswith("model name")]
    return names[0] if names else platform.processor()


def surroundings(threads: int, **versions: str) -> dict[str, Any]:
    """Machine and versions, for the result."""
    return {
        "machine": {"cpu": cpu_name(), "cores": os.cpu_count(), "load": os.getloadavg()[0], "threads_used": threads},
        "versions": {"python": platform.python_version(), "kinema": kinema.__version__, "torch": torch.__version__}
        | versions,
    }


def spread(values: list[float], digits: int = 3) -> dict[str, Any]:
    """Median, and the least and greatest of the repeats."""
    found = {"median": statistics.median(values), "least": min(values), "greatest": max(values)}
    return {name: round(value, digits) for name, value in found.items()} | {"repeats": len(values)}


def in_turns(
    works: Mapping[str, Callable[[], object]], repeats: int, clock: Callable[[], float] = time.perf_counter
) -> dict[str, list[float]]:
    """Seconds of each work; they take turns, so that whatever else runs slows all of them. A first round warms up."""
    times: dict[str, list[float]] = {name: [] for name in works}
    for repeat in range(repeats + 1):
        for name, work in works.items():
            start = clock()
            work()
            if repeat:
                times[name].append(clock() - start)
    return times
