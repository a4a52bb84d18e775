"""Names and shapes of published state dicts, by the rule of their authors' files, and networks computed from them."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor

Shapes = dict[str, tuple[int, ...]]


def norm(name: str, channels: int) -> Shapes:
    """What a batch norm holds."""
    shapes: Shapes = {f"{name}.{part}": (channels,) for part in ("weight", "bias", "running_mean", "running_var")}
    return {**shapes, f"{name}.num_batches_tracked": ()}


def linear(name: str, inputs: int, outputs: int) -> Shapes:
    return {f"{name}.weight": (outputs, inputs), f"{name}.bias": (outputs,)}


def count(shapes: Shapes) -> int:
    """Parameters among the entries."""
    return sum(math.prod(shape) for name, shape in shapes.items() if "running" not in name and "num_b" not in name)


def random_state(shapes: Shapes) -> dict[str, Tensor]:
    """Weights that keep the size of the signal, and statistics that are not those of a fresh network."""
    generator = torch.Generator().manual_seed(0)
    state = {}
    for name, shape in shapes.items():
        if name.endswith("num_batches_tracked"):
            state[name] = torch.tensor(7)
        elif len(shape) > 1:
            state[name] = torch.randn(shape, generator=generator) / math.prod(shape[1:]) ** 0.5
        else:
            state[name] = 0.5 + torch.rand(shape, generator=generator)
    return state


def slow_norm(x: Tensor, state: Mapping[str, Tensor], name: str, eps: float = 1e-5) -> Tensor:
    """Batch normalisation in evaluation mode, of (B, C, T, H, W)."""
    mean, var, weight, bias = (
        state[f"{name}.{part}"].view(-1, 1, 1, 1) for part in ("running_mean", "running_var", "weight", "bias")
    )
    return (x - mean) / (var + eps).sqrt() * weight + bias


def slow_convolution(x: Tensor, kernel: Tensor, pace: tuple[int, int, int] = (1, 1, 1)) -> Tensor:
    """A convolution that pads half of its kernel; a kernel of one frame may be written without its axis of time."""
    kernel = kernel if kernel.dim() == 5 else kernel.unsqueeze(2)
    return F.conv3d(x, kernel, stride=pace, padding=[side // 2 for side in kernel.shape[2:]])
