from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from kinema.flow import stays_inside, warp

few = settings(max_examples=25, deadline=None)


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def slow_warp(frames: Tensor, flow: Tensor) -> Tensor:
    """Pixel by pixel: the four neighbours of where it went, weighted; places outside are moved to the edge."""
    height, width = flow.shape[-2:]
    result = torch.zeros_like(frames)
    for b in range(frames.shape[0]):
        for t in range(frames.shape[2]):
            for y in range(height):
                for x in range(width):
                    column = min(max(x + float(flow[b, 0, t, y, x]), 0), width - 1)
                    row = min(max(y + float(flow[b, 1, t, y, x]), 0), height - 1)
                    left, top = min(math.floor(column), width - 2), min(math.floor(row), height - 2)
                    across, down = column - left, row - top
                    corners = frames[b, :, t, top : top + 2, left : left + 2]
                    upper, lower = ((1 - across) * corners[:, i, 0] + across * corners[:, i, 1] for i in (0, 1))
                    result[b, :, t, y, x] = (1 - down) * upper + down * lower
    return result


def test_warp_agrees_with_the_slow_loop():
    frames, flow = random(2, 3, 2, 5, 7, seed=1), 2 * random(2, 2, 2, 5, 7, seed=2)
    torch.testing.assert_close(warp(frames, flow), slow_warp(frames, flow))


def test_warp_in_closed_form():
    x = torch.arange(8.0).expand(1, 1, 1, 6, 8)
    flow = torch.tensor([0.5, 0.0]).view(1, 2, 1, 1, 1).expand(1, 2, 1, 6, 8)
    torch.testing.assert_close(warp(x, flow), (x + 0.5).clamp(max=7))  # a ramp, half a pixel on; its edge repeats
    assert torch.equal(warp(x, torch.zeros_like(flow)), x)


@few
@given(st.integers(-2, 2), st.integers(-2, 2), st.integers(0, 99))
def test_an_integer_shift_is_a_roll_inside(u, v, seed):
    frames = random(2, 3, 2, 8, 9, seed=seed)
    flow = torch.tensor([u, v], dtype=torch.float64).view(1, 2, 1, 1, 1).expand(2, 2, 2, 8, 9)
    inside = stays_inside(flow).expand_as(frames)
    rolled = frames.roll((-v, -u), dims=(3, 4))
    torch.testing.assert_close(warp(frames, flow)[inside], rolled[inside])
    assert inside[0, 0, 0].sum() == (8 - abs(v)) * (9 - abs(u))


def test_the_gradient_reaches_frames_and_flow():
    frames, flow = random(1, 2, 1, 4, 5, seed=1), 0.6 * random(1, 2, 1, 4, 5, seed=3)
    assert torch.autograd.gradcheck(warp, (frames.requires_grad_(), flow.requires_grad_()))


@pytest.mark.parametrize("u", [-0.01, 4.01])
def test_what_leaves_the_frame_is_told(u):
    flow = torch.zeros(1, 2, 1, 3, 5)
    flow[0, 0, 0, 1, 0] = u  # the place of column 0, of five
    assert stays_inside(flow).sum() == 14
    assert not stays_inside(flow)[0, 0, 0, 1, 0]


def test_positions_keep_their_precision_in_half_precision():
    frames, flow = torch.rand(1, 3, 1, 40, 300), torch.full((1, 2, 1, 40, 300), 0.5, dtype=torch.bfloat16)
    torch.testing.assert_close(warp(frames, flow), warp(frames, flow.float()))
