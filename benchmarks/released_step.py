"""Time a training step of MSCL beside one as the authors' released code takes it, in turns; print JSON.

    python benchmarks/released_step.py [--batch 4] [--threads 2] [--repeats 5] > released_step.json

The released modules need their company's own packages. ``Released`` does what they do in a step (docs/mscl.md has
the facts), written anew in plain PyTorch as such code is usually written: parameters of key encoders follow one by
one, logits are put together with the queue, all levels of the pyramid are computed, every flow field goes through
the network, and SGD and the clipping of gradients are PyTorch's usual ones. It is given flow that is a colour
wheel's picture already, and whose rotation costs nothing; colours are augmented before. Ours is the step that
``kinema pretrain --preset mscl-r3d18-k400`` takes, with drawing that picture and rotating, without and with
colours. Nothing is read; clips are noise of the preset's shapes.

Ways: ``released``, ``ours`` and ``ours with colours`` in single precision, ``ours bfloat16`` under autocast where this
machine trains in it (the released code trains in single precision). Each has a process of its own, whose peak memory is
told, and steps take turns. Ours keeps freed memory, as a training does.
"""

from __future__ import annotations

import argparse
import copy
import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from pathlib import Path

import torch
import torch.nn.functional as F
from common import in_turns, spread, surroundings
from torch import Tensor, nn
from training_step import make_step

from kinema.common.heap import freed_memory_kept
from kinema.models.short_conv import trains_in_bfloat16

WAYS = {
    "released": "",
    "ours": "float32",
    "ours bfloat16": "bfloat16",
    "ours with colours": "float32",
}
QUEUE, EMBEDDING, TEMPERATURE, AGE = 65_536, 128, 0.07, 0.99999


class Block(nn.Module):
    """A residual block of two convolutions of a kernel."""

    def __init__(self, inputs: int, outputs: int, kernel: Sequence[int], stride: Sequence[int]):
        super().__init__()
        padding = [size // 2 for size in kernel]
        self.conv1 = nn.Conv3d(inputs, outputs, kernel, stride, padding, bias=False)
        self.bn1 = nn.BatchNorm3d(outputs)
        self.conv2 = nn.Conv3d(outputs, outputs, kernel, 1, padding, bias=False)
        self.bn2 = nn.BatchNorm3d(outputs)
        self.shortcut = nn.Identity()
        if inputs != outputs:
            self.shortcut = nn.Sequential(nn.Conv3d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm3d(outputs))

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, T, H, W) -> (B, outputs, T', H', W')."""
        out = F.relu(self.bn1(self.conv1(x)))
        return F.relu(self.bn2(self.conv2(out)) + self.shortcut(x))


class Network(nn.Module):
    """An 18-layer residual network and its projector."""

    def __init__(self, width: int, temporal: bool):
        super().__init__()
        time = 3 if temporal else 1
        stem, pace = ((3, 7, 7), (1, 2, 2)) if temporal else ((1, 7, 7), (2, 2, 2))
        self.stem = nn.Sequential(
            nn.Conv3d(3, width, stem, pace, [size // 2 for size in stem], bias=False), nn.BatchNorm3d(width), nn.ReLU()
        )
        stages, inputs = [], width
        for number in range(4):
            outputs, stride = width << number, (2 if temporal else 1, 2, 2) if number else (1, 1, 1)
            kernel = (time, 3, 3)
            stages.append(
                nn.Sequential(Block(inputs, outputs, kernel, stride), Block(outputs, outputs, kernel, (1, 1, 1)))
            )
            inputs = outputs
        self.stages = nn.ModuleList(stages)
        self.projector = nn.Sequential(nn.Linear(inputs, inputs), nn.ReLU(), nn.Linear(inputs, EMBEDDING))

    def forward(self, clips: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Embeddings (B, 128) of length 1, and the stages' outputs."""
        x, outputs = self.stem(clips), []
        for stage in self.stages:
            x = stage(x)
            outputs.append(x)
        return F.normalize(self.projector(x.mean((2, 3, 4))), dim=1), outputs


class Mixing(nn.Module):
    """A pyramid convolution over all levels."""

    def __init__(self, channels: int):
        super().__init__()
        self.same, self.up, self.down = (nn.Conv3d(channels, channels, 3, pace, 1) for pace in (1, 1, 2))

    def forward(self, levels: list[Tensor]) -> list[Tensor]:
        """Levels from fine to coarse -> the same shapes."""
        outputs = []
        for index, level in enumerate(levels):
            total = self.same(level)
            if index:
                total = total + fit(self.down(levels[index - 1]), level)
            if index + 1 < len(levels):
                total = total + fit(self.up(levels[index + 1]), level)
            outputs.append(F.relu(total))
        return outputs


def fit(x: Tensor, like: Tensor) -> Tensor:
    return F.interpolate(x, size=like.shape[2:], mode="trilinear")


class Pyramid(nn.Module):
    """128 channels over stages 2 to 4; (B, T, 128) of the finest."""

    def __init__(self, widths: Sequence[int], channels: int = 128):
        super().__init__()
        self.lateral = nn.ModuleList(nn.Conv3d(width, channels, 1) for width in widths)
        self.smooth = nn.ModuleList(nn.Conv3d(channels, channels, (1, 3, 3), 1, (0, 1, 1)) for _ in widths)
        self.mixing = nn.Sequential(Mixing(channels), Mixing(channels))

    def forward(self, stages: list[Tensor]) -> Tensor:
        """Three stages -> (B, T, 128)."""
        levels = [lateral(stage) for lateral, stage in zip(self.lateral, stages, strict=True)]
        for index in reversed(range(len(levels) - 1)):
            levels[index] = levels[index] + fit(levels[index + 1], levels[index])
        levels = [smooth(level) for smooth, level in zip(self.smooth, levels, strict=True)]
        return self.mixing(levels)[0].mean((3, 4)).transpose(1, 2)


class Keys(nn.Module):
    """A momentum encoder with its queue."""

    def __init__(self, network: Network):
        super().__init__()
        self.network = copy.deepcopy(network).requires_grad_(False)
        self.register_buffer("queue", F.normalize(torch.randn(EMBEDDING, QUEUE), dim=0))
        self.register_buffer("age", torch.zeros(QUEUE))
        self.pointer = 0

    @torch.no_grad()
    def follow(self, network: Network, momentum: float) -> None:
        """Move each parameter towards that of the query encoder."""
        for own, new in zip(self.network.parameters(), network.parameters(), strict=True):
            own.data = own.data * momentum + new.data * (1.0 - momentum)

    @torch.no_grad()
    def encode(self, clips: Tensor) -> Tensor:
        """Keys (B, 128), of a shuffled batch."""
        order = torch.randperm(len(clips))
        return self.network(clips[order])[0][torch.argsort(order)]

    @torch.no_grad()
    def enqueue(self, keys: Tensor) -> None:
        """Let keys take the places of the oldest."""
        self.age += 1
        self.queue[:, self.pointer : self.pointer + len(keys)] = keys.T
        self.age[self.pointer : self.pointer + len(keys)] = 0
        self.pointer = (self.pointer + len(keys)) % QUEUE

    def contrast(self, query: Tensor, key: Tensor) -> Tensor:
        """InfoNCE against the queue."""
        positive = torch.einsum("nc,nc->n", query, key)[:, None]
        negative = torch.einsum("nc,ck->nk", query, self.queue.clone().detach()) * AGE**self.age
        logits = torch.cat([positive, negative], dim=1) / TEMPERATURE
        return F.cross_entropy(logits, torch.zeros(len(logits), dtype=torch.long))


class Released(nn.Module):
    """What the released modules do in a step."""

    def __init__(self) -> None:
        super().__init__()
        self.rgb, self.flow = Network(64, temporal=True), Network(16, temporal=False)
        self.pyramid = Pyramid((128, 256, 512))
        self.rgb_keys, self.flow_keys = Keys(self.rgb), Keys(self.flow)

    def forward(self, query: Tensor, key: Tensor, flows: Sequence[tuple[Tensor, Tensor]]) -> Tensor:
        """The sum of all losses; ``flows`` are query and key as they are, and rotated."""
        self.rgb_keys.follow(self.rgb, 0.994)
        q_rgb, stages = self.rgb(query)
        k_rgb = self.rgb_keys.encode(key)
        loss = self.rgb_keys.contrast(q_rgb, k_rgb)
        local = []
        for number, (query_flow, key_flow) in enumerate(flows):
            self.flow_keys.follow(self.flow, 0.994)
            q_flow, found = self.flow(query_flow)
            k_flow = self.flow_keys.encode(key_flow)
            loss = loss + self.flow_keys.contrast(q_flow, k_flow)
            if not number:
                self.flow_keys.enqueue(k_flow)
            loss = loss + self.flow_keys.contrast(q_rgb, k_flow) + self.rgb_keys.contrast(q_flow, k_rgb)
            local.append(found[-1].mean((3, 4)).transpose(1, 2))
        self.rgb_keys.enqueue(k_rgb)
        moments = F.normalize(self.pyramid(stages[1:]), dim=2)
        flow = F.normalize(torch.cat(local, dim=1), dim=2)
        logits = torch.einsum("bsc,btc->bst", moments, flow) / TEMPERATURE
        labels = torch.arange(logits.shape[1]).repeat(len(logits))
        return loss + F.cross_entropy(logits.flatten(0, 1), labels)


def released_step(batch: int) -> Callable[[], float]:
    """A function that takes one of its steps and gives the loss."""
    torch.manual_seed(0)
    method = Released().train()
    weights = [weight for weight in method.parameters() if weight.requires_grad]
    optimizer = torch.optim.SGD(weights, lr=1e-3, momentum=0.9, weight_decay=1e-4)
    query, key, *flow = (torch.randn(batch, 3, 8, 112, 112) for _ in range(6))

    def step() -> float:
        loss = method(query, key, [(flow[0], flow[1]), (flow[2], flow[3])])
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(weights, 40.0)
        optimizer.step()
        return float(loss.detach())

    return step


def step_of(way: str, batch: int) -> Callable[[], float]:
    """A function that takes one step."""
    if way == "released":
        return released_step(batch)
    options = argparse.Namespace(preset="mscl-r3d18-k400", method="mscl", batch=batch, accumulate=1)
    options.colours = way.endswith("colours")
    return make_step(WAYS[way], options, torch.device("cpu"))


class Taker:
    """A process that takes steps of one way when it is asked to."""

    def __init__(self, way: str, options: argparse.Namespace):
        words = [sys.executable, __file__, "--steps-of", way, "--batch", options.batch, "--threads", options.threads]
        pipe = subprocess.PIPE
        self._process = subprocess.Popen([str(word) for word in words], stdin=pipe, stdout=pipe, text=True)

    def __call__(self) -> float:
        """Let it take a step; MiB that it has held at most so far, above what it had before it began."""
        assert self._process.stdin is not None and self._process.stdout is not None
        print(file=self._process.stdin, flush=True)
        return float(self._process.stdout.readline())

    def end(self) -> None:
        """Let it end."""
        self._process.communicate()


def take_steps(way: str, batch: int) -> None:
    """One step for each line that comes in."""
    before = resident_mib("VmRSS")
    with nullcontext() if way == "released" else freed_memory_kept():
        step = step_of(way, batch)
        for _ in sys.stdin:
            step()
            print(resident_mib("VmHWM") - before, flush=True)


def resident_mib(name: str) -> float:
    (line,) = (line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(name))
    return int(line.split()[1]) / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch", type=int, default=4, help="clips (4)")
    parser.add_argument("--threads", type=int, default=2, help="threads (2)")
    parser.add_argument("--repeats", type=int, default=5, help="steps of each way (5)")
    parser.add_argument("--steps-of", choices=list(WAYS), help=argparse.SUPPRESS)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    if options.steps_of:
        take_steps(options.steps_of, options.batch)
        return
    ways = [way for way in WAYS if way != "ours bfloat16" or trains_in_bfloat16(torch.device("cpu"))]
    takers = {way: Taker(way, options) for way in ways}
    times = in_turns(takers, options.repeats)
    peaks = {way: round(taker()) for way, taker in takers.items()}
    for taker in takers.values():
        taker.end()
    result = surroundings(options.threads) | {
        "batch": options.batch,
        "seconds": {way: spread(found) for way, found in times.items()},
        "times_as_fast_as_released": {
            way: spread([theirs / own for theirs, own in zip(times["released"], times[way], strict=True)])
            for way in ways[1:]
        },
        "peak_mib": peaks,
    }
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
