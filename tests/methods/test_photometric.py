from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from kinema.methods.photometric import charbonnier, dissimilarity, masked_mean, photometric_loss, smoothness

few = settings(max_examples=20, deadline=None)


def pictures(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def still(*shape: int) -> Tensor:
    return torch.zeros(shape, dtype=torch.float64)


def slow_dissimilarity(a: Tensor, b: Tensor) -> Tensor:
    """SSIM window by window, by its definition."""
    batch, channels, frames, height, width = a.shape
    result = a.new_zeros(batch, channels, frames, height - 2, width - 2)
    for y in range(height - 2):
        for x in range(width - 2):
            p, q = (z[..., y : y + 3, x : x + 3].flatten(-2) for z in (a, b))
            mean_p, mean_q = p.mean(-1), q.mean(-1)
            covariance = ((p - mean_p[..., None]) * (q - mean_q[..., None])).mean(-1)
            luminance = (2 * mean_p * mean_q + 0.0001) / (mean_p**2 + mean_q**2 + 0.0001)
            contrast = (2 * covariance + 0.0009) / (p.var(-1, unbiased=False) + q.var(-1, unbiased=False) + 0.0009)
            result[..., y, x] = ((1 - luminance * contrast) / 2).clamp(0, 1)
    return result


def slow_smoothness(flow: Tensor, frames: Tensor) -> float:
    batch, _, steps, height, width = flow.shape
    totals = []
    for down, right in ((1, 0), (0, 1)):
        costs = []
        for b in range(batch):
            for t in range(steps):
                for y in range(height - down):
                    for x in range(width - right):
                        edge = (frames[b, :, t, y + down, x + right] - frames[b, :, t, y, x]).abs().mean()
                        jump = flow[b, :, t, y + down, x + right] - flow[b, :, t, y, x]
                        costs += [(math.hypot(float(j), 1e-3) - 1e-3) * math.exp(-10 * float(edge)) for j in jump]
        totals.append(sum(costs) / len(costs))
    return sum(totals) / 2


# parts


def test_charbonnier_in_closed_form():
    found = charbonnier(torch.tensor([0.0, 3e-3, -4.0], dtype=torch.float64), softness=4e-3)
    torch.testing.assert_close(found, torch.tensor([0.0, 1e-3, 4.0 + 2e-6 - 4e-3], dtype=torch.float64))
    assert torch.autograd.gradcheck(charbonnier, still(3).requires_grad_())  # smooth even at zero


def test_dissimilarity_agrees_with_the_slow_loop():
    a, b = pictures(2, 3, 2, 5, 6, seed=1), pictures(2, 3, 2, 5, 6, seed=2)
    torch.testing.assert_close(dissimilarity(a, b), slow_dissimilarity(a, b))
    torch.testing.assert_close(dissimilarity(a, a / 2 + b / 9), slow_dissimilarity(a, a / 2 + b / 9))


@few
@given(st.integers(0, 99), st.floats(0.05, 0.95), st.floats(0.05, 0.95))
def test_dissimilarity_knows_itself_and_compares_flat_pictures_by_brightness(seed, p, q):
    a, b = pictures(1, 1, 1, 5, 5, seed=seed), pictures(1, 1, 1, 5, 5, seed=seed + 1)
    torch.testing.assert_close(dissimilarity(a, a), still(1, 1, 1, 3, 3))
    torch.testing.assert_close(dissimilarity(a, b), dissimilarity(b, a))
    flat = dissimilarity(torch.full_like(a, p), torch.full_like(a, q))
    expected = (1 - (2 * p * q + 0.0001) / (p * p + q * q + 0.0001)) / 2
    torch.testing.assert_close(flat, torch.full_like(flat, expected), rtol=0, atol=1e-9)


def test_dissimilarity_has_the_gradient_of_finite_differences():
    pair = [pictures(1, 1, 1, 4, 4, seed=seed).requires_grad_() for seed in (1, 2)]
    assert torch.autograd.gradcheck(dissimilarity, pair)


def test_masked_mean_counts_what_the_mask_keeps():
    values, mask = still(1, 2, 1, 1, 3), still(1, 1, 1, 1, 3)
    values[0, 0, 0, 0], values[0, 1, 0, 0] = torch.tensor([1.0, 2.0, 9.0]), torch.tensor([3.0, 4.0, 9.0])
    mask[..., :2] = 1
    assert masked_mean(values, mask) == 2.5
    assert masked_mean(values, still(1, 1, 1, 1, 3)) == 0


# smoothness


def test_smoothness_agrees_with_the_slow_loop():
    flow, frames = pictures(2, 2, 2, 4, 5, seed=1), pictures(2, 3, 2, 4, 5, seed=2)
    assert smoothness(flow, frames).item() == pytest.approx(slow_smoothness(flow, frames), rel=1e-4)


def test_smoothness_in_closed_form_and_its_gradient():
    ramp = torch.arange(6.0).expand(1, 2, 1, 6, 6).clone().requires_grad_()
    flat = torch.zeros(1, 3, 1, 6, 6)
    loss = smoothness(ramp, flat)
    assert loss.item() == pytest.approx(0.5 * (math.hypot(1, 1e-3) - 1e-3))  # one of the two axes
    (gradient,) = torch.autograd.grad(loss, ramp)
    assert gradient[..., 1:-1].abs().max() < 1e-7
    torch.testing.assert_close(gradient[..., -1], torch.full((1, 2, 1, 6), 0.5 / 60), rtol=1e-4, atol=0)
    assert smoothness(torch.ones(1, 2, 1, 6, 6), pictures(1, 3, 1, 6, 6)) == 0


def test_flow_may_jump_where_the_picture_does():
    flow, frames = torch.zeros(1, 2, 1, 4, 6), torch.zeros(1, 3, 1, 4, 6)
    flow[..., 3:] = 2
    blind = smoothness(flow, frames)
    frames[..., 3:] = 0.5
    assert smoothness(flow, frames).item() == pytest.approx(blind.item() * math.exp(-5), rel=1e-5)


# the loss


def constant(u: float, v: float, like: Tensor) -> Tensor:
    batch, _, frames, height, width = like.shape
    return torch.tensor([float(u), float(v)]).view(1, 2, 1, 1, 1).repeat(batch, 1, frames, height, width)


@few
@given(st.integers(-2, 2), st.integers(-2, 2), st.integers(0, 99))
def test_the_true_shift_costs_nothing_and_others_do(u, v, seed):
    first = pictures(1, 3, 2, 9, 10, seed=seed).float()
    second = first.roll((v, u), dims=(3, 4))
    assert photometric_loss(first, second, constant(u, v, first)).item() == pytest.approx(0, abs=1e-4)
    assert photometric_loss(first, second, constant(u + 1, v, first)) > 0.1
    assert photometric_loss(first, second, constant(u, v - 1, first)) > 0.1


def test_it_is_the_weighted_sum_of_both_parts_where_nothing_moves():
    first, second = pictures(1, 3, 2, 6, 7, seed=1).float(), pictures(1, 3, 2, 6, 7, seed=2).float()
    expected = 0.15 * charbonnier(second - first).mean() + 0.85 * dissimilarity(second, first).mean()
    torch.testing.assert_close(photometric_loss(first, second, constant(0, 0, first)), expected)


def test_what_leaves_the_frame_does_not_count():
    first = pictures(1, 3, 1, 8, 9, seed=1).float()
    second, other = first.roll(2, dims=4), first.roll(2, dims=4)
    first[..., -2:] = 0.9  # moved out of the frame: nothing to be found again
    other[..., :2] = 0.1  # moved into it: never fetched
    found = [photometric_loss(first, x, constant(2, 0, first)).item() for x in (second, other)]
    assert found == pytest.approx([0, 0], abs=1e-4)


def test_a_flow_that_leaves_everywhere_gives_no_loss_and_no_gradient():
    first = pictures(1, 3, 1, 6, 6).float()
    flow = constant(50, 0, first).requires_grad_()
    loss = photometric_loss(first, first, flow)
    loss.backward()
    assert loss == 0
    assert not flow.grad.any()


def test_the_loss_falls_along_its_gradient_towards_the_true_shift():
    wave = torch.linspace(0, 6, 24)
    first = (0.5 + 0.25 * (wave.sin() + wave[:, None].cos())).expand(1, 3, 1, 24, 24)
    second = (0.5 + 0.25 * ((wave - 0.26).sin() + wave[:, None].cos())).expand(1, 3, 1, 24, 24)  # one pixel right
    shift = torch.tensor(0.0, requires_grad=True)
    for _ in range(60):
        flow = constant(1, 0, first) * shift
        (slope,) = torch.autograd.grad(photometric_loss(first, second, flow), shift)
        shift = (shift - 0.05 * slope.sign()).detach().requires_grad_()
    assert shift.item() == pytest.approx(1.0, abs=0.15)


def test_it_keeps_its_precision_under_autocast():
    first, second = pictures(1, 3, 2, 8, 8, seed=1).float(), pictures(1, 3, 2, 8, 8, seed=2).float()
    flow = constant(0.3, 0.7, first)
    with torch.autocast("cpu", torch.bfloat16):
        found = photometric_loss(first, second, flow), smoothness(flow * first[:, :2], first)
    torch.testing.assert_close(found[0], photometric_loss(first, second, flow))
    torch.testing.assert_close(found[1], smoothness(flow * first[:, :2], first))
