from __future__ import annotations

import itertools

import pytest
import torch
from torch.nn import functional as F

from kinema.errors import ConfigError
from kinema.precision import autocast_for, quick_bfloat16, trains_in_bfloat16
from kinema.training import run
from kinema.training.run import make_trainer

CPU = torch.device("cpu")


def convolved(kind: torch.dtype, channels: int, frames: int, side: int, kernel: int) -> list[torch.Tensor]:
    """The output of a convolution and the gradients of its input and weights, in single precision."""
    generator = torch.Generator().manual_seed(channels + frames)
    clips = torch.randn(3, channels, frames, side, side, generator=generator)
    weight = torch.randn(16, channels, kernel, kernel, kernel, generator=generator)
    clips, weight = (tensor.to(kind).requires_grad_() for tensor in (clips, weight))
    out = F.conv3d(clips, weight, padding=kernel // 2)
    towards = torch.randn(out.shape, generator=generator).to(kind)
    return [tensor.detach().float() for tensor in (out, *torch.autograd.grad(out, (clips, weight), towards))]


def worst_errors() -> list[float]:
    """Of output, gradient of the input and gradient of the weights in bfloat16, over some shapes of an R3D-18."""
    worst = [0.0, 0.0, 0.0]
    for channels, (frames, side), kernel in itertools.product((6, 16, 32), ((8, 14), (4, 7), (2, 4), (1, 2)), (1, 3)):
        exact, found = (convolved(kind, channels, frames, side, kernel) for kind in (torch.float32, torch.bfloat16))
        for index, (one, other) in enumerate(zip(exact, found, strict=True)):
            error = float((one - other).abs().max() / one.abs().max())
            worst[index] = max(worst[index], error if error < float("inf") else float("inf"))  # NaN is the worst too
    return worst


def test_the_example_tells_whether_gradients_are_right():
    out, inputs, weights = worst_errors()
    assert max(out, inputs) < 0.05
    assert (weights < 0.05) == trains_in_bfloat16(CPU)


def test_autocast_is_used_where_bfloat16_is_quick():
    with autocast_for(CPU):
        assert torch.is_autocast_enabled("cpu") == quick_bfloat16(CPU)
    assert not torch.is_autocast_enabled("cpu")


@pytest.mark.parametrize("right", [True, False])
def test_training_is_in_bfloat16_only_where_its_gradients_are_right(right, tiny, tmp_path, monkeypatch):
    monkeypatch.setattr(run, "trains_in_bfloat16", lambda device: right)
    monkeypatch.setattr(run, "quick_bfloat16", lambda device: True)
    config = tiny({"trainer.precision": "auto"})
    assert make_trainer(config, tmp_path, [], [], True).precision == ("bf16-mixed" if right else "32-true")
    config = tiny({"trainer.precision": "bf16"})
    if right:
        assert make_trainer(config, tmp_path, [], [], True).precision == "bf16-mixed"
    else:
        with pytest.raises(ConfigError, match=r"wrong gradients on this processor; use 32 or auto"):
            make_trainer(config, tmp_path, [], [], True)
