"""What the motion hierarchy of HCML costs a network: operations, parameters, and the time of a training step; JSON.

    python benchmarks/motion_hierarchy.py [--threads N] [--repeats N] > motion_hierarchy.json

The network is R3D-18 on clips of 8 x 112 x 112. Operations are those of a forward pass of one clip, as at inference. A
training step is forward and backward of the network's features alone, and of the same with all losses of HCML; the ways
take turns. Times are milliseconds: median, and first to third quartile.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import time
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

import kinema
from kinema.config import HCMLConfig, ModelConfig
from kinema.methods import HCML
from kinema.models import build_encoder

MODEL = ModelConfig(width=64, patch=None, input="rgb")
CONFIGS = {
    "hcml": HCMLConfig(),
    "hcml, pool 2": HCMLConfig(pool=2),
    "hcml, pool 2, prime alone": HCMLConfig(pool=2, levels=0),
}
CLIP = (3, 8, 112, 112)


def operations(encoder: nn.Module) -> float:
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        encoder.eval()(torch.rand(1, *CLIP))
    return counter.get_total_flops() / 1e9


def step(network: nn.Module, clips: torch.Tensor) -> None:
    if isinstance(network, HCML):
        found = network.losses(clips, torch.Generator().manual_seed(0))
        loss = found.stages["layer4"].mean() + torch.stack(list(found.terms.values())).sum()
    else:
        loss = network(clips).mean()
    loss.backward()
    network.zero_grad()


def cpu_name() -> str:
    info = Path("/proc/cpuinfo")
    names = [line.split(":")[1].strip() for line in info.read_text().splitlines() if line.startswith("model name")]
    return names[0] if names else platform.processor()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=5, help="repeats of each step (5)")
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="threads (one for each core)")
    parser.add_argument("--batch", type=int, default=2, help="clips of a step (2)")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    networks: dict[str, nn.Module] = {"plain": build_encoder(MODEL)}
    networks |= {name: HCML(MODEL, config) for name, config in CONFIGS.items()}
    rows: dict[str, dict[str, Any]] = {}
    for name, network in networks.items():
        encoder = network.encoder if isinstance(network, HCML) else network
        rows[name] = {
            "gflops": round(operations(encoder), 2),
            "encoder_parameters": sum(parameter.numel() for parameter in encoder.parameters()),
        }
        network.train()
    clips = torch.rand(options.batch, *CLIP, generator=torch.Generator().manual_seed(0))
    times: dict[str, list[float]] = {name: [] for name in networks}
    for repeat in range(options.repeats + 1):
        for name, network in networks.items():
            start = time.perf_counter()
            step(network, clips)
            if repeat:  # the first warms up
                times[name].append(1e3 * (time.perf_counter() - start))
    for name, taken in times.items():
        low, median, high = statistics.quantiles(taken, n=4)
        rows[name]["step_ms"] = {"median": round(median), "quartiles": [round(low), round(high)]}
        rows[name]["gflops_added"] = round(rows[name]["gflops"] / rows["plain"]["gflops"] - 1, 3)
        ratios = [own / plain for own, plain in zip(taken, times["plain"], strict=True)]
        rows[name]["step_time_added"] = round(statistics.median(ratios) - 1, 3)
    result = {
        "machine": {
            "cpu": cpu_name(),
            "cores": os.cpu_count(),
            "load": os.getloadavg()[0],
            "threads_used": options.threads,
        },
        "versions": {"python": platform.python_version(), "kinema": kinema.__version__, "torch": torch.__version__},
        "repeats": options.repeats,
        "batch": options.batch,
        "networks": rows,
    }
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
