"""Training 3D convolutions on a CPU where a clip is shorter than their kernels.

On CPUs with AVX512-BF16 but without AMX, oneDNN 3.12 (of PyTorch 2.13) computes wrong gradients of the weights in
bfloat16, and writes where it should not, if a kernel spans more frames than there are and makes several, or is more
than twice as high as the picture (``experiments/bfloat16_convolutions.py`` tells which shapes). In single precision
such gradients are right and several times slower than they could be. Outputs and gradients of inputs are right there;
with AMX, outputs in bfloat16 of pictures less than half as high as the kernel are not.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import cache
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode, _get_current_function_mode_stack

convolution_backward = torch.ops.aten.convolution_backward

SHAPES = (((16, 16, 8, 6, 6), 3, 2), ((16, 16, 2, 4, 4), 3, 1), ((16, 16, 1, 2, 2), 3, 1), ((6, 16, 4, 9, 9), 7, 2))
"""Clips (C, C', T, H, W), kernel and stride of the convolutions that a CPU is tried on; the last is a stem."""
ROUNDING = 0.05
"""Largest error of bfloat16, as a share of the largest value; rounding alone makes 0.005 of it."""


def short_convolutions(device: torch.device) -> AbstractContextManager[Any]:
    """Inside, every 3D convolution of a network on a CPU is computed so that its gradients are right and quick.

    Outputs are those of :func:`torch.nn.functional.conv3d` but for rounding, whatever module asks for them. What is
    compiled or on another device stays as it is.
    """
    return _ShortConvolutions() if device.type == "cpu" else nullcontext()


def present_convolutions() -> Callable[[], AbstractContextManager[Any]]:
    """What makes, when it is called later, convolutions be computed as they are now, for a pass that is done anew."""
    inside = any(isinstance(mode, _ShortConvolutions) for mode in _get_current_function_mode_stack())
    return _ShortConvolutions if inside else nullcontext


@cache
def trains_in_bfloat16(device: torch.device) -> bool:
    """Whether gradients in bfloat16 are right on ``device``, which a CPU is asked by examples, computed as trainings
    compute them."""
    return device.type != "cpu" or all(
        float((coarse - single).abs().max()) < ROUNDING * float(single.abs().max())  # False for NaN, too
        for example in SHAPES
        for single, coarse in zip(*(_example(kind, *example) for kind in (torch.float32, torch.bfloat16)), strict=True)
    )


def _example(kind: torch.dtype, sizes: tuple[int, ...], kernel: int, stride: int) -> list[Tensor]:
    """The output of a convolution, and the gradients of its input and its weights, in single precision."""
    inputs, outputs, *clip = sizes
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(4, inputs, *clip, generator=generator)
    weight = torch.randn(outputs, inputs, 3, kernel, kernel, generator=generator)
    # values that both hold exactly
    x, weight = (tensor.bfloat16().to(kind).requires_grad_() for tensor in (x, weight))
    with short_convolutions(x.device):
        out = F.conv3d(x, weight, None, stride, (1, kernel // 2, kernel // 2))
    towards = torch.randn(out.shape, generator=generator).bfloat16().to(kind)
    return [tensor.detach().float() for tensor in (out, *torch.autograd.grad(out, (x, weight), towards))]


class _ShortConvolutions(TorchFunctionMode):
    """Puts :func:`_conv3d` in the place of PyTorch's."""

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if func is F.conv3d and not torch.compiler.is_compiling():
            func = _conv3d
        return func(*args, **(kwargs or {}))


def _conv3d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: int | tuple[int, ...] = 1,
    padding: int | str | tuple[int, ...] = 0,
    dilation: int | tuple[int, ...] = 1,
    groups: int = 1,
) -> Tensor:
    """As :func:`torch.nn.functional.conv3d`, (B, C, T, H, W) -> (B, C', T', H', W')."""
    if isinstance(padding, str) or input.ndim != 5 or input.device.type != "cpu":
        return F.conv3d(input, weight, bias, stride, padding, dilation, groups)
    stride, padding, dilation = (
        (side,) * 3 if isinstance(side, int) else tuple(side) for side in (stride, padding, dilation)
    )
    frames, kernel = input.shape[2], weight.shape[2]
    steps = (frames + 2 * padding[0] - dilation[0] * (kernel - 1) - 1) // stride[0] + 1
    if steps == 1 and padding[0] and dilation[0] == 1:  # the other taps meet nothing but padding
        weight = _Taps.apply(weight, padding[0], frames)
        padding = (0, *padding[1:])
    in_time = steps > 1 and (frames < weight.shape[2] or 2 * padding[0] >= weight.shape[2])
    if in_time or 2 * input.shape[3] < weight.shape[3]:
        if torch.is_autocast_enabled("cpu"):
            kind = torch.get_autocast_dtype("cpu")
            input, weight, bias = input.to(kind), weight.to(kind), None if bias is None else bias.to(kind)
        return _Short.apply(input, weight, bias, stride, padding, dilation, groups)
    return F.conv3d(input, weight, bias, stride, padding, dilation, groups)


class _Taps(torch.autograd.Function):
    """Some frames of a kernel, whose gradient is laid out as the kernel is: neither what gathers gradients nor what
    takes the step has to copy it then."""

    @staticmethod
    def forward(ctx: Any, weight: Tensor, first: int, count: int) -> Tensor:
        ctx.save_for_backward(weight)
        ctx.taps = first, count
        return weight.narrow(2, first, count)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, towards: Tensor) -> tuple[Tensor, None, None]:
        (weight,) = ctx.saved_tensors
        gradient = torch.zeros_like(weight)
        gradient.narrow(2, *ctx.taps).copy_(towards)
        return gradient, None, None


class _Short(torch.autograd.Function):
    """A convolution whose weights' gradient is computed with the padding as a part of the input."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, *how: Any) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.how = how
        stride, padding, dilation, groups = how
        if 2 * x.shape[3] < weight.shape[3]:  # of which oneDNN gives what was in memory by chance, on CPUs with AMX
            x, padding = _padded(x, padding), (0, 0, 0)
        return F.conv3d(x, weight, bias, stride, padding, dilation, groups)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, towards: Tensor) -> tuple[Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        stride, padding, dilation, groups = ctx.how
        wants_x, wants_weight, wants_bias = ctx.needs_input_grad[:3]

        def gradients(x: Tensor, padding: tuple[int, ...], *wanted: bool) -> tuple[Tensor | None, ...]:
            how = (stride, padding, dilation, False, (0, 0, 0), groups, wanted)
            return convolution_backward(towards, x, weight, None, *how)

        of_x = gradients(x, padding, True, False, False)[0] if wants_x else None
        of_weight = None
        if wants_weight:
            of_weight = gradients(_padded(x, padding), (0, 0, 0), False, True, False)[1]
        of_bias = towards.sum((0, 2, 3, 4)) if wants_bias else None
        return of_x, of_weight, of_bias, None, None, None, None


def _padded(x: Tensor, padding: tuple[int, ...]) -> Tensor:
    """With zeros around it, in time, height and width."""
    time, height, width = padding
    return F.pad(x, (width, width, height, height, time, time))
