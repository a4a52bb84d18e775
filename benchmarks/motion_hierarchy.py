"""What the motion hierarchy of HCML costs a network: operations, parameters, and the time of a training step; JSON.

    python benchmarks/motion_hierarchy.py [--threads N] [--repeats N] > motion_hierarchy.json

The network is R3D-18 on clips of 8 x 112 x 112. Operations are those of a forward pass of one clip, as at inference. A
training step is forward and backward of the network's features alone, and of the same with all losses of HCML; the ways
take turns. Times are milliseconds of processor time over all threads, which other work on the machine disturbs less
than the clock: median, least and greatest of the repeats.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from functools import partial
from typing import Any

import torch
from common import in_turns, spread, surroundings
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

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
        with network.motion.recording() as motion:
            features = network.encoder(clips)
        terms, _ = network.objective(clips, motion, torch.Generator().manual_seed(0))
        loss = features.mean() + torch.stack(list(terms.values())).sum()
    else:
        loss = network(clips).mean()
    loss.backward()
    network.zero_grad()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=5, help="repeats of each step (5)")
    parser.add_argument("--threads", type=int, default=1, help="threads (1)")
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
    steps = {name: partial(step, network, clips) for name, network in networks.items()}
    times = in_turns(steps, options.repeats, time.process_time)
    for name, taken in times.items():
        rows[name]["step_ms"] = spread([1e3 * seconds for seconds in taken], 0)
        rows[name]["gflops_added"] = round(rows[name]["gflops"] / rows["plain"]["gflops"] - 1, 3)
        ratios = [own / plain for own, plain in zip(taken, times["plain"], strict=True)]
        rows[name]["step_time_added"] = round(statistics.median(ratios) - 1, 3)
    result = {
        **surroundings(options.threads),
        "batch": options.batch,
        "networks": rows,
    }
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
