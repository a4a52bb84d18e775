"""Time a training step of a preset in several ways, in turns; print JSON.

    python benchmarks/training_step.py [--preset mscl-r3d18-k400] [--method mscl] [--device cuda] [--batch 32]
        [--accumulate 1] [--ways float32 bfloat16 ...] [--repeats 10] > training_step.json

A step is what a run computes: colours are augmented, the key encoders follow, the losses, the gradients and their
clipping, the optimiser, the queues. Clips are noise in the preset's shapes and already on the device, so that no
decoder has a part in it. Each way has a network of its own, with the same weights. ``peak_mib`` is a GPU's memory.
``--ways`` chooses among:

* float32: single precision (on a GPU with convolutions in TF32, PyTorch's default);
* bfloat16: autocast, what ``trainer.precision auto`` takes where it is quick;
* contiguous: bfloat16 with weights and clips not in channels-last order;
* tuned: bfloat16 with cuDNN's search for the quickest algorithms;
* compiled: bfloat16 with the RGB encoder's network through ``torch.compile``.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from contextlib import nullcontext

import torch
from common import in_turns, spread, surroundings
from torch import nn

from kinema.common.device import find_device
from kinema.config import PretrainConfig
from kinema.data.augment import augment_colors
from kinema.data.camera import film, films
from kinema.methods.base import Views, draw
from kinema.methods.registry import create_method
from kinema.models.short_conv import short_convolutions
from kinema.presets import settings_on

WAYS = ("float32", "bfloat16", "contiguous", "tuned", "compiled")


def make_step(name: str, options: argparse.Namespace, device: torch.device) -> Callable[[], float]:
    """A function that takes one step and gives its loss."""
    config = settings_on(options.preset, PretrainConfig, {})
    clip, count = config.clip, options.batch
    torch.manual_seed(0)
    method = create_method(options.method, config).to(device).train()
    if name != "contiguous":
        for module in method.modules():
            if isinstance(module, nn.Conv3d):
                module.to(memory_format=torch.channels_last_3d)
    if name == "compiled":
        method.trained_encoder().backbone.compile()
        backbone = method.trained_encoder().backbone
        backbone.stages = torch.compile(backbone.stages)
    method.parts = options.accumulate
    weights = [parameter for parameter in method.parameters() if parameter.requires_grad]
    optimizer = torch.optim.SGD(weights, lr=1e-3, momentum=0.9, fused=True)
    frames = torch.randint(256, (count, 3, clip.frames, *clip.size), dtype=torch.uint8, device=device)
    flow = torch.randn((count, 2, clip.frames // 2, *clip.size), device=device)
    seconds = torch.full((count,), 1 / 30, device=device)
    bfloat16 = name != "float32"

    def seen(generator: torch.Generator) -> torch.Tensor:
        clips = frames.float().div_(255)
        return augment_colors(clips, config.augment, generator) if options.colours else clips

    def step() -> float:
        torch.backends.cudnn.benchmark = name == "tuned"
        generator = torch.Generator().manual_seed(0)
        if method.momentum is not None:
            method.update_keys(method.momentum)
        query = seen(generator)
        if films(config.augment):
            query = film(query, config.augment, generator, flow, seconds)
        views = {"query": query}
        if method.with_key:
            views["key"] = seen(generator)
        if method.with_flow:
            views |= {"query_flow": flow, "flow_seconds": seconds}
            if method.with_key:
                views["key_flow"] = flow
        autocast = torch.autocast(device.type, torch.bfloat16) if bfloat16 else nullcontext()
        with autocast, short_convolutions(device):
            terms, _, keys = method.losses(Views(**views), draw(count, generator, device))
            loss = torch.stack(list(terms.values())).sum()
        loss.backward()
        if config.optimizer.clip_norm:
            nn.utils.clip_grad_norm_(weights, config.optimizer.clip_norm)
        optimizer.step()
        optimizer.zero_grad()
        method.enqueue(keys)
        return loss.item()  # waits for the device

    return step


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--preset", default="mscl-r3d18-k400")
    parser.add_argument("--method", default="mscl")
    parser.add_argument("--device", default="auto", help="cpu or cuda (a GPU if there is one)")
    parser.add_argument("--batch", type=int, default=32, help="clips (32)")
    parser.add_argument("--accumulate", type=int, default=1, help="parts of a step (1)")
    parser.add_argument("--colours", default=True, action=argparse.BooleanOptionalAction, help="augment them (yes)")
    parser.add_argument("--threads", type=int, default=2, help="threads on a CPU (2)")
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=["float32", "bfloat16"])
    parser.add_argument("--repeats", type=int, default=10, help="steps of each way (10)")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    device = find_device(options.device)
    on_gpu = device.type == "cuda"
    steps = {name: make_step(name, options, device) for name in options.ways}
    peaks, losses = {}, {}
    for name, step in steps.items():  # the first step of each, which also compiles
        if on_gpu:
            torch.cuda.reset_peak_memory_stats(device)
            held = torch.cuda.memory_allocated(device)
        losses[name] = round(step(), 4)
        if on_gpu:
            peaks[name] = round((torch.cuda.max_memory_allocated(device) - held) / 2**20)
    took = in_turns(steps, options.repeats)
    result = {
        **surroundings(options.threads),
        "device": torch.cuda.get_device_name(device) if on_gpu else "cpu",
        "preset": options.preset,
        "method": options.method,
        "batch": options.batch,
        "first_loss": losses,
        "milliseconds": {name: spread([1000 * seconds for seconds in times], 1) for name, times in took.items()},
        "clips_a_second": {name: spread([options.batch / s for s in times], 1) for name, times in took.items()},
    }
    if on_gpu:
        result["peak_mib_of_a_step"] = peaks
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
