"""Which shapes of 3D convolutions this machine's PyTorch gets wrong in bfloat16; print a table.

    python experiments/bfloat16_convolutions.py

Output, gradient of the input and gradient of the weights are compared with single precision, of the same numbers (all
exact in bfloat16): plain, and as trainings compute them (``kinema/models/short_conv.py``). Every convolution has a
process of its own, since the wrong ones write where they should not. A row is a kind of convolution that is wrong for
some number of frames, a column such a number: ``.`` right, ``o``, ``i`` or ``w`` wrong in that of the three, ``X`` a
crash or no end, ``-`` a clip too short for it.
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
import os
import signal
from collections import Counter
from collections.abc import Iterator
from contextlib import nullcontext
from typing import NamedTuple

import torch
from torch.nn import functional as F

from kinema.models.short_conv import ROUNDING, short_convolutions

FRAMES = range(1, 9)


class Kind(NamedTuple):
    """A convolution; kernel, stride and padding by time and space."""

    channels: tuple[int, int] = (16, 16)
    groups: int = 1
    side: int = 7
    kernel: tuple[int, int] = (3, 3)
    stride: tuple[int, int] = (1, 1)
    padding: int = 1
    dilation: int = 1
    channels_last: bool = False

    def __str__(self) -> str:
        order = "last" if self.channels_last else "first"
        return (
            f"{self.kernel[0]}x{self.kernel[1]}x{self.kernel[1]} stride {self.stride[0]},{self.stride[1]} padding "
            f"{self.padding} dilation {self.dilation} {self.channels[0]}>{self.channels[1]}/{self.groups} "
            f"{self.side}px {order}"
        )


def kinds() -> Iterator[Kind]:
    """All that are tried."""
    for time, square, stride, side in itertools.product((1, 2, 3, 4), (1, 3, 7), ((1, 1), (2, 2)), (1, 2, 7)):
        for padding in sorted({time // 2, time - 1}):
            yield Kind(side=side, kernel=(time, square), stride=stride, padding=padding)
    for channels, dilation, last in itertools.product(((3, 16), (45, 64), (64, 64)), (1, 2), (False, True)):
        yield Kind(channels, dilation=dilation, channels_last=last)
    for groups in (2, 16):
        yield Kind(groups=groups)
    for stride in ((1, 2), (2, 1)):
        yield Kind(stride=stride)


def errors(kind: Kind, frames: int, short: bool) -> list[float]:
    """Of output, gradient of the input and gradient of the weights, as shares of the largest value."""
    generator = torch.Generator().manual_seed(0)
    inputs, outputs = kind.channels
    time, square = kind.kernel
    shape = (outputs, inputs // kind.groups, time, square, square)
    parts = (
        torch.randn(3, inputs, frames, kind.side, kind.side, generator=generator),
        torch.randn(shape, generator=generator) / math.sqrt(math.prod(shape[1:])),
    )
    order = torch.channels_last_3d if kind.channels_last else torch.contiguous_format
    found = []
    for number in (torch.float32, torch.bfloat16):
        x, weight = (p.bfloat16().to(number).contiguous(memory_format=order).requires_grad_() for p in parts)
        pace, step = kind.stride
        spans = ((pace, step, step), (kind.padding, square // 2, square // 2), (kind.dilation, 1, 1), kind.groups)
        with short_convolutions(x.device) if short else nullcontext():
            out = F.conv3d(x, weight, None, *spans)
        towards = torch.randn(out.shape, generator=torch.Generator().manual_seed(1)).bfloat16().to(number)
        slopes = torch.autograd.grad(out, (x, weight), towards.contiguous(memory_format=order))
        found.append([tensor.detach().float() for tensor in (out, *slopes)])
    return [float((b - a).abs().max() / a.abs().max().clamp(min=1e-9)) for a, b in zip(*found, strict=True)]


def verdict(kind: Kind, frames: int, short: bool) -> str:
    """A word for the table."""
    if frames + 2 * kind.padding <= kind.dilation * (kind.kernel[0] - 1):
        return "-"
    reading, writing = os.pipe()
    if not os.fork():
        signal.alarm(30)  # some never end
        try:
            os.write(writing, json.dumps(errors(kind, frames, short)).encode())
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        said = pipe.read()
    os.wait()
    if not said:
        return "X"
    wrong = [name for name, error in zip("oiw", json.loads(said), strict=True) if not error < ROUNDING]
    return "".join(wrong) or "."


def main() -> None:
    """Try them all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.parse_args()
    torch.set_num_threads(2)
    counts: dict[bool, Counter[str]] = {False: Counter(), True: Counter()}
    print(f"PyTorch {torch.__version__}; frames:", *FRAMES)
    for kind in kinds():
        for short in (False, True):
            row = [verdict(kind, frames, short) for frames in FRAMES]
            counts[short].update(row)
            if any(word not in ".-" for word in row):
                print(*row, "as trained " if short else "plain      ", kind, flush=True)
    for short, name in ((False, "plain"), (True, "as trained")):
        right = counts[short]["."]
        print(f"{name}: {right} right, {counts[short].total() - right - counts[short]['-']} wrong")


if __name__ == "__main__":
    main()
