from __future__ import annotations

import pytest
import torch
from torch import nn

from kinema.models.resnet3d import PatchConv3d


def pair(
    patch: int, frames: int = 3, pace: int = 1, channels: int = 6, bias: bool = False
) -> tuple[nn.Conv3d, nn.Conv3d]:
    """The quick convolution and the one it stands for, with the same weights."""
    torch.manual_seed(0)
    sides = (
        (frames, 2 * patch, 2 * patch),
        (pace, patch, patch),
        (frames // 2, patch // 2, patch // 2),
    )
    quick, plain = (kind(channels, 5, *sides, bias=bias) for kind in (PatchConv3d, nn.Conv3d))
    quick.load_state_dict(plain.state_dict())
    return quick, plain


@pytest.mark.parametrize("patch", [2, 4, 8])
@pytest.mark.parametrize(("frames", "pace", "channels", "bias"), [(3, 1, 6, False), (1, 2, 2, True)])
def test_it_is_the_plain_convolution(patch, frames, pace, channels, bias) -> None:
    quick, plain = pair(patch, frames, pace, channels, bias)
    x = torch.randn(2, channels, 6, 5 * patch, 3 * patch)
    out, expected = quick(x), plain(x)
    torch.testing.assert_close(out, expected, atol=1e-4, rtol=1e-4)
    towards = torch.randn_like(expected)
    grads = [torch.autograd.grad(y, list(c.parameters()), towards) for y, c in ((out, quick), (expected, plain))]
    for mine, theirs in zip(*grads, strict=True):
        torch.testing.assert_close(mine, theirs, atol=1e-3, rtol=1e-3)


def test_it_is_the_plain_convolution_under_autocast() -> None:
    quick, plain = (c.to(memory_format=torch.channels_last_3d) for c in pair(4))
    x = torch.randn(2, 6, 8, 16, 24)
    with torch.autocast("cpu", torch.bfloat16):
        out = quick(x)
    assert out.dtype == torch.bfloat16
    torch.testing.assert_close(out.float(), plain(x), atol=0.03, rtol=0.03)


def test_it_makes_patches_only_where_that_is_right(monkeypatch) -> None:
    quick, plain = pair(4)
    ways = []
    monkeypatch.setattr(
        nn.Conv3d, "forward", lambda self, x: ways.append(x) or self._conv_forward(x, self.weight, None)
    )
    for x, patches in ((torch.randn(1, 6, 4, 16, 16), True), (torch.randn(1, 6, 4, 18, 16), False)):
        ways.clear()
        torch.testing.assert_close(quick(x), plain._conv_forward(x, plain.weight, None), atol=1e-4, rtol=1e-4)
        assert (not ways) == patches
    x = torch.randn(1, 6, 4, 16, 16, requires_grad=True)
    (gradient,) = torch.autograd.grad(quick(x).sum(), x)
    assert gradient.abs().sum() > 0
