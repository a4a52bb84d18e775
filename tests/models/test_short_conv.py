"""Convolutions over clips that are shorter than their kernels: what PyTorch's give, and right gradients in bfloat16."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.grad import conv3d_weight

from kinema.models import create_model, short_conv
from kinema.models.short_conv import short_convolutions

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # threads would wait for each other, over convolutions as small as these
    yield
    torch.set_num_threads(threads)


def settings() -> Iterator[tuple[tuple[int, int], int, int, int, int]]:
    """Frames and side of a clip, frames and side of a kernel, stride, padding in time."""
    for frames, kernel, (side, square), stride in itertools.product(
        (1, 2, 3, 4), (2, 3, 4), ((1, 3), (2, 3), (2, 7)), (1, 2)
    ):
        for padding in range(kernel):
            if frames + 2 * padding >= kernel:
                yield (frames, side), kernel, square, stride, padding


def convolved(setting: tuple, kind: torch.dtype, short: bool, groups: int = 1) -> list[Tensor]:
    """The output of a convolution and the gradients of its input, weights and bias."""
    (frames, side), kernel, square, stride, padding = setting
    generator = torch.Generator().manual_seed(frames + kernel)
    shapes = ((2, 8, frames, side, side), (8, 8 // groups, kernel, square, square), (8,))
    parts = [torch.randn(shape, generator=generator).bfloat16() for shape in shapes]
    x, weight, bias = (part.to(kind).requires_grad_() for part in parts)
    with short_convolutions(CPU if short else torch.device("meta")):
        out = F.conv3d(x, weight, bias, stride, (padding, square // 2, square // 2), 1, groups)
    towards = torch.randn(out.shape, generator=generator).bfloat16()
    return [out, *torch.autograd.grad(out, (x, weight, bias), towards.to(kind))]


@pytest.mark.parametrize("groups", [1, 8])
@pytest.mark.parametrize(("kind", "rounding"), [(torch.float64, 1e-12), (torch.bfloat16, 0.03)])
def test_outputs_and_gradients_are_those_of_the_plain_convolution(kind, rounding, groups):
    for setting in settings():
        exact, found = convolved(setting, torch.float64, False, groups), convolved(setting, kind, True, groups)
        for name, one, other in zip(("output", "input", "weight", "bias"), exact, found, strict=True):
            assert other.dtype == kind
            assert (one - other).abs().max() < rounding * one.abs().max().clamp(min=1), (setting, name)


def test_plain_arguments_of_every_kind_are_taken():
    x, weight = torch.randn(2, 4, 2, 5, 5), torch.randn(4, 4, 3, 3, 3)
    for how in ({"padding": "same"}, {"padding": 1, "stride": 2}, {"padding": (1, 0, 1), "dilation": (1, 2, 1)}):
        expected = F.conv3d(x, weight, **how)
        with short_convolutions(CPU):
            torch.testing.assert_close(F.conv3d(x, weight, **how), expected, atol=1e-4, rtol=1e-4)
            torch.testing.assert_close(F.conv3d(x[0], weight, **how), expected[0], atol=1e-4, rtol=1e-4)


def test_frozen_parts_get_no_gradient():
    x, weight = torch.randn(2, 4, 2, 5, 5), torch.randn(4, 4, 3, 3, 3)
    for needed in (x, weight):
        others = [part.clone().requires_grad_(part is needed) for part in (x, weight)]
        with short_convolutions(CPU):
            F.conv3d(*others, padding=1).sum().backward()
        assert [part.grad is not None for part in others] == [x is needed, weight is needed]


@pytest.mark.parametrize("frames", [5, 8])
@pytest.mark.parametrize("name", ["mc3_18", "r2plus1d_18", "r3d_18", "s3d", "slowonly_r50"])
def test_gradients_of_every_backbone_are_right_in_bfloat16(name, frames):
    network = create_model(name, width=4).train()
    layers = {path: layer for path, layer in network.named_modules() if isinstance(layer, nn.Conv3d)}
    inputs, slopes = {}, {}

    def keep(layer: nn.Conv3d, given: tuple[Tensor], out: Tensor) -> None:
        inputs[layer] = given[0].detach().float()
        out.register_hook(lambda slope: slopes.update({layer: slope.float()}))

    for layer in layers.values():
        layer.register_forward_hook(keep)
    with short_convolutions(CPU), torch.autocast("cpu", torch.bfloat16):
        out = network(torch.randn(2, 3, frames, 32, 32)).float()
    out.backward(torch.randn_like(out))
    for path, layer in layers.items():
        how = (layer.stride, layer.padding, layer.dilation, layer.groups)
        exact = conv3d_weight(inputs[layer].bfloat16().float(), layer.weight.shape, slopes[layer], *how)
        assert (layer.weight.grad - exact).abs().max() < 0.02 * exact.abs().max(), path


def test_what_is_compiled_or_computed_elsewhere_stays_as_it_is(monkeypatch):
    monkeypatch.setattr(short_conv, "_conv3d", lambda *args: pytest.fail("it is not to be called"))
    x, weight = torch.randn(2, 4, 2, 5, 5), torch.randn(4, 4, 3, 3, 3)
    with short_convolutions(torch.device("cuda")):
        F.conv3d(x, weight, padding=1)
    monkeypatch.setattr(torch.compiler, "is_compiling", lambda: True)
    with short_convolutions(CPU):
        F.conv3d(x, weight, padding=1)
