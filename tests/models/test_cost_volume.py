from __future__ import annotations

import re

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional as F

from kinema.errors import ConfigError
from kinema.models import cost_volume, local_cost_volume

few = settings(max_examples=25, deadline=None)


def features(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype)


def slow_cost_volume(first: Tensor, second: Tensor, radius: int, dilation: int = 1) -> Tensor:
    """Displacement by displacement and place by place."""
    first, second = (x / x.norm(dim=1, keepdim=True) for x in (first.double(), second.double()))
    height, width = first.shape[-2:]
    steps = range(-radius, radius + 1)
    volume = []
    for v in steps:
        for u in steps:
            plane = torch.zeros_like(first[:, 0])
            for y in range(height):
                for x in range(width):
                    row, column = y + v * dilation, x + u * dilation
                    if 0 <= row < height and 0 <= column < width:
                        plane[..., y, x] = (first[..., y, x] * second[..., row, column]).sum(1)
            volume.append(plane)
    return torch.stack(volume, dim=1)


@pytest.mark.parametrize("chunk", [1, 1 << 13], ids=["frame by frame", "together"])
@pytest.mark.parametrize(
    ("shape", "radius", "dilation"),
    [((2, 5, 3, 6, 9), 2, 1), ((1, 1, 1, 4, 4), 3, 1), ((2, 3, 2, 7, 8), 2, 2), ((1, 4, 2, 11, 10), 3, 3)],
)
def test_it_agrees_with_the_slow_loop(monkeypatch, chunk, shape, radius, dilation):
    monkeypatch.setitem(cost_volume.CHUNK, "cpu", chunk)
    first, second = features(*shape, seed=1), features(*shape, seed=2)
    found = local_cost_volume(first, second, radius, dilation)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found.double(), slow_cost_volume(first, second, radius, dilation), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("radius", "dilation"), [(1, 1), (2, 2)])
def test_what_is_exported_is_the_same(monkeypatch, radius, dilation):
    first, second = features(2, 3, 2, 7, 8, seed=1), features(2, 3, 2, 7, 8, seed=2)
    first[0, :, 0, 2, 3] = 0
    found = local_cost_volume(first, second, radius, dilation)
    monkeypatch.setattr(torch.compiler, "is_exporting", lambda: True)
    torch.testing.assert_close(local_cost_volume(first, second, radius, dilation), found)


@pytest.mark.parametrize(("radius", "dilation"), [(1, 1), (3, 1), (1, 2), (2, 2)])
def test_the_gradient_is_that_of_finite_differences(radius, dilation):
    inputs = [features(1, 2, 2, 5, 6, seed=seed, dtype=torch.float64).requires_grad_() for seed in (1, 2)]
    assert torch.autograd.gradcheck(lambda *x: local_cost_volume(*x, radius, dilation), inputs, fast_mode=radius > 1)


def test_the_gradient_of_many_chunks_is_that_of_the_slow_loop(monkeypatch):
    monkeypatch.setitem(cost_volume.CHUNK, "cpu", 100)
    inputs = [features(2, 3, 4, 5, 6, seed=seed, dtype=torch.float64).requires_grad_() for seed in (1, 2)]
    slope = features(2, 25, 4, 5, 6, seed=3, dtype=torch.float64)
    found = torch.autograd.grad(local_cost_volume(*inputs, 2), inputs, slope)
    torch.testing.assert_close(found, torch.autograd.grad(slow_cost_volume(*inputs, 2), inputs, slope))


@few
@given(st.integers(-2, 2), st.integers(-2, 2), st.integers(1, 2), st.integers(0, 99))
def test_a_shift_moves_the_peak_to_its_channel(u, v, dilation, seed):
    picture = features(1, 6, 2, 12, 12, seed=seed)
    moved = picture.roll((v * dilation, u * dilation), dims=(3, 4))
    inside = local_cost_volume(picture, moved, 2, dilation)[..., 4:-4, 4:-4]
    assert (inside.argmax(dim=1) == (v + 2) * 5 + u + 2).all()
    torch.testing.assert_close(inside.amax(dim=1), torch.ones_like(inside[:, 0]))


@few
@given(st.integers(1, 3), st.integers(0, 99))
def test_there_and_back_is_the_same_likeness(radius, seed):
    first, second = features(1, 3, 1, 6, 7, seed=seed), features(1, 3, 1, 6, 7, seed=seed + 1)
    there, back = (local_cost_volume(*pair, radius)[0, :, 0] for pair in ((first, second), (second, first)))
    side = 2 * radius + 1
    for v in range(-radius, radius + 1):
        for u in range(-radius, radius + 1):
            forth = there[(v + radius) * side + u + radius]
            returned = back[(radius - v) * side + radius - u].roll((-v, -u), dims=(0, 1))
            torch.testing.assert_close(forth[_within(v, 6), _within(u, 7)], returned[_within(v, 6), _within(u, 7)])


def _within(shift: int, side: int) -> slice:
    return slice(max(0, -shift), side - max(0, shift))


def test_half_precision_is_close_and_stays_half():
    first, second = (features(2, 16, 2, 8, 8, seed=seed) for seed in (1, 2))
    halves = [x.bfloat16().requires_grad_() for x in (first, second)]
    found = local_cost_volume(*halves, 2)
    assert found.dtype == torch.bfloat16
    torch.testing.assert_close(found.float(), local_cost_volume(first, second, 2), rtol=0, atol=0.02)
    slope = features(*found.shape, seed=3)
    wholes = [x.requires_grad_() for x in (first, second)]
    expected = torch.autograd.grad(local_cost_volume(*wholes, 2), wholes, slope)
    for gradient, whole in zip(torch.autograd.grad(found, halves, slope.bfloat16()), expected, strict=True):
        assert gradient.dtype == torch.bfloat16
        assert F.cosine_similarity(gradient.float().flatten(), whole.flatten(), dim=0) > 0.999


def test_it_keeps_its_precision_under_autocast():
    first, second = (features(1, 16, 2, 8, 8, seed=seed) for seed in (1, 2))
    with torch.autocast("cpu", torch.bfloat16):
        torch.testing.assert_close(local_cost_volume(first, second, 2), slow_cost_volume(first, second, 2).float())


def test_features_without_length_are_like_nothing():
    first = torch.zeros(1, 4, 1, 5, 5, requires_grad=True)
    volume = local_cost_volume(first, features(1, 4, 1, 5, 5), 1)
    assert not volume.any()
    (gradient,) = torch.autograd.grad(volume.sum(), first)
    assert torch.isfinite(gradient).all()


def test_it_is_channels_last_in_memory():
    volume = local_cost_volume(features(2, 4, 3, 6, 5), features(2, 4, 3, 6, 5), 1)
    assert volume.is_contiguous(memory_format=torch.channels_last_3d)


@pytest.mark.parametrize(("radius", "dilation"), [(4, 1), (2, 2), (0, 1), (1, 0)])
def test_a_displacement_that_does_not_fit_is_refused_in_one_sentence(radius, dilation):
    with pytest.raises(ConfigError, match=re.escape(f"radius {radius} with dilation {dilation} does not fit")) as error:
        local_cost_volume(torch.rand(1, 2, 1, 4, 9), torch.rand(1, 2, 1, 4, 9), radius, dilation)
    assert "4 x 9" in str(error.value)
