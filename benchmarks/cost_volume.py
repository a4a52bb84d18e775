"""Time the local cost volume beside the obvious ways of making it, and take their peak memory; print JSON.

    python benchmarks/cost_volume.py [--threads N] [--repeats N] > cost_volume.json

Forward and backward together, in single precision. Times are milliseconds: median, least and greatest of the repeats,
in which the three ways take turns. Memory is how far the resident memory of a process of its own grows above what it
had before, with the features already there.

* ``local_cost_volume``: what the package has.
* ``shift_and_stack``: one product with the padded features per displacement, stacked.
* ``unfold``: all windows at once (``F.unfold``), and one product over the channels.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import torch
from common import in_turns, spread, surroundings
from torch import Tensor
from torch.nn import functional as F

from kinema.models import local_cost_volume

SIZES = ((8, 16, 8, 56, 3), (8, 32, 8, 28, 4), (8, 64, 8, 14, 3))
"""Clips, channels, frames, side and radius."""


def shift_and_stack(first: Tensor, second: Tensor, radius: int) -> Tensor:
    first, second = F.normalize(first, dim=1), F.normalize(second, dim=1)
    height, width = first.shape[-2:]
    padded = F.pad(second, (radius,) * 4)
    steps = range(2 * radius + 1)
    return torch.stack([(first * padded[..., v : v + height, u : u + width]).sum(1) for v in steps for u in steps], 1)


def unfold(first: Tensor, second: Tensor, radius: int) -> Tensor:
    side = 2 * radius + 1
    a, b = (F.normalize(x, dim=1).transpose(1, 2).flatten(0, 1) for x in (first, second))
    windows = F.unfold(b, side, padding=radius).view(len(b), b.shape[1], side**2, *b.shape[2:])
    return (a.unsqueeze(2) * windows).sum(1).unflatten(0, (len(first), -1)).transpose(1, 2)


WAYS: dict[str, Callable[[Tensor, Tensor, int], Tensor]] = {
    "local_cost_volume": local_cost_volume,
    "shift_and_stack": shift_and_stack,
    "unfold": unfold,
}


def inputs(clips: int, channels: int, frames: int, side: int, radius: int) -> tuple[list[Tensor], Tensor]:
    draw = torch.Generator().manual_seed(0)
    pair = [torch.randn(clips, channels, frames, side, side, generator=draw).requires_grad_() for _ in range(2)]
    return pair, torch.randn(clips, (2 * radius + 1) ** 2, frames, side, side, generator=draw)


def there_and_back(way: str, pair: list[Tensor], slope: Tensor, radius: int) -> None:
    torch.autograd.grad(WAYS[way](*pair, radius), pair, slope)


def resident(field: str) -> float:
    """MiB of resident memory: ``VmRSS`` now, ``VmHWM`` at most (ru_maxrss would count the parent's)."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(field)) / 1024


def growth(way: str, size: tuple[int, int, int, int, int], threads: int) -> float:
    """MiB that one pass adds to the peak of this process, which must be a new one."""
    torch.set_num_threads(threads)
    pair, slope = inputs(*size)
    there_and_back(way, *inputs(1, 2, 1, 9, size[-1]), size[-1])  # loads what is loaded on first use
    before = resident("VmRSS")
    there_and_back(way, pair, slope, size[-1])
    return resident("VmHWM") - before


def measured(size: tuple[int, int, int, int, int], repeats: int, threads: int) -> dict[str, Any]:
    pair, slope = inputs(*size)
    times = in_turns({way: partial(there_and_back, way, pair, slope, size[-1]) for way in WAYS}, repeats)
    result: dict[str, Any] = dict(zip(("clips", "channels", "frames", "side", "radius"), size, strict=True))
    for way, taken in times.items():
        with get_context("spawn").Pool(1) as child:
            peak = child.apply(partial(growth, way, size, threads))
        result[way] = {
            "ms": spread([1e3 * seconds for seconds in taken], 1),
            "peak_mib": round(peak, 1),
        }
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=7, help="repeats of each measurement (7)")
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="threads (one for each core)")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    result = {
        **surroundings(options.threads),
        "sizes": [measured(size, options.repeats, options.threads) for size in SIZES],
    }
    json.dump(result, sys.stdout, indent=2)
    print()


if __name__ == "__main__":
    main()
