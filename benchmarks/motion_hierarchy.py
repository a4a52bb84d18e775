"""What the motion hierarchy of HCML costs each network: operations, parameters, and the time of a training step; JSON.

    python benchmarks/motion_hierarchy.py [--backbones NAME ...] [--threads N] [--repeats N] [--markdown]

Clips are of 8 x 112 x 112. Operations are those of a forward pass of one clip, as at inference. A training step is
forward and backward of the network's features alone, and of the same with all losses of HCML; the ways take turns.
Times are milliseconds of processor time over all threads, which other work on the machine disturbs less than the clock:
median, least and greatest of the repeats. ``--markdown`` prints a table instead.
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
from kinema.models import MotionFeatures, build_encoder, list_models

CONFIGS = {"pool 1": HCMLConfig(), "pool 2": HCMLConfig(pool=2)}
CLIP = (3, 8, 112, 112)


def operations(encoder: nn.Module) -> float:
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        encoder.eval()(torch.rand(1, *CLIP))
    return counter.get_total_flops() / 1e9


def step(network: nn.Module, clips: torch.Tensor) -> None:
    if isinstance(network, HCML):
        motion = MotionFeatures()
        features = network.encoder.pooled(clips, motion)
        terms, _ = network.objective(clips, motion, torch.Generator().manual_seed(0))
        loss = features.mean() + torch.stack(list(terms.values())).sum()
    else:
        loss = network(clips).mean()
    loss.backward()
    network.zero_grad()


def measure(backbone: str, clips: torch.Tensor, repeats: int) -> dict[str, dict[str, Any]]:
    """By way, "plain" or the hierarchy's settings: operations, parameters, the step's time, and what is added."""
    model = ModelConfig(backbone=backbone, width=None, patch=None, input="rgb")
    networks: dict[str, nn.Module] = {"plain": build_encoder(model)}
    networks |= {name: HCML(model, config) for name, config in CONFIGS.items()}
    rows: dict[str, dict[str, Any]] = {}
    for name, network in networks.items():
        encoder = network.encoder if isinstance(network, HCML) else network
        rows[name] = {
            "gflops": round(operations(encoder), 2),
            "encoder_parameters": sum(parameter.numel() for parameter in encoder.parameters()),
        }
        network.train()
    times = in_turns({name: partial(step, net, clips) for name, net in networks.items()}, repeats, time.process_time)
    plain = rows["plain"]
    for name, taken in times.items():
        row = rows[name]
        row["step_ms"] = spread([1e3 * seconds for seconds in taken], 0)
        if row is not plain:
            row["gflops_added"] = round(row["gflops"] / plain["gflops"] - 1, 3)
            row["parameters_added"] = round(row["encoder_parameters"] / plain["encoder_parameters"] - 1, 4)
            ratios = [own / bare for own, bare in zip(taken, times["plain"], strict=True)]
            row["step_time_added"] = round(statistics.median(ratios) - 1, 3)
    return rows


def markdown(found: dict[str, dict[str, dict[str, Any]]]) -> str:
    lines = [
        "| network | hierarchy | GFLOPs | parameters | step | added: GFLOPs | parameters | step |",
        "|---" * 8 + "|",
    ]
    for backbone, rows in found.items():
        for name, row in rows.items():
            cells = [f"{row['gflops']:.1f}", f"{row['encoder_parameters']:,}", f"{row['step_ms']['median']:,.0f} ms"]
            added = ("gflops_added", "parameters_added", "step_time_added")
            cells += [f"{row[key]:.1%}" if key in row else "" for key in added]
            lines.append(f"| {backbone} | {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--backbones", nargs="+", default=list_models(), choices=list_models(), help="which (all)")
    parser.add_argument("--repeats", type=int, default=5, help="repeats of each step (5)")
    parser.add_argument("--threads", type=int, default=1, help="threads (1)")
    parser.add_argument("--batch", type=int, default=2, help="clips of a step (2)")
    parser.add_argument("--markdown", action="store_true", help="print a table instead of JSON")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    clips = torch.rand(options.batch, *CLIP, generator=torch.Generator().manual_seed(0))
    found = {backbone: measure(backbone, clips, options.repeats) for backbone in options.backbones}
    result = {**surroundings(options.threads), "batch": options.batch, "networks": found}
    print(markdown(found) if options.markdown else json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
