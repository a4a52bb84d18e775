from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from kinema.flow import direction_histogram, flow_gradients, rotate_flow, stabilise
from kinema.flow.histogram import DIRECTIONS


def uniform(u: float, v: float, shape: tuple[int, int, int] = (2, 8, 8)) -> Tensor:
    """A field (1, 2, *shape) of one vector."""
    return torch.tensor([float(u), float(v)]).view(1, 2, 1, 1, 1).expand(1, 2, *shape).clone()


def field(seed: int = 0, shape: tuple[int, ...] = (2, 2, 4, 12, 12)) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def boundary_histogram(flow: Tensor, grid: tuple[int, int, int], threshold: float) -> Tensor:
    """Of the gradients of u and of v, (B, 2 * (DIRECTIONS + 1), *grid)."""
    return torch.cat([direction_histogram(part, grid, threshold) for part in flow_gradients(flow).unbind(1)], dim=1)


def slow_histogram(vectors: Tensor, cells: tuple[int, int, int], threshold: float) -> Tensor:
    """Pixel by pixel, where cells divide the field evenly."""
    clips, _, *size = vectors.shape
    sides = [whole // count for whole, count in zip(size, cells, strict=True)]
    out = torch.zeros(clips, DIRECTIONS + 1, *cells)
    for b in range(clips):
        for t in range(size[0]):
            for y in range(size[1]):
                for x in range(size[2]):
                    u, v = vectors[b, :, t, y, x].tolist()
                    cell = (t // sides[0], y // sides[1], x // sides[2])
                    length = math.hypot(u, v)
                    if length < threshold:
                        out[(b, DIRECTIONS, *cell)] += 1
                        continue
                    for direction in range(DIRECTIONS):
                        away = (math.atan2(v, u) - direction * math.pi / 4 + math.pi) % (2 * math.pi) - math.pi
                        out[(b, direction, *cell)] += length * max(0.0, 1 - abs(away) / (math.pi / 4))
    return out / math.prod(sides)


def test_against_pixel_by_pixel():
    vectors = field()
    expected = slow_histogram(vectors, (2, 3, 2), 0.6)
    torch.testing.assert_close(direction_histogram(vectors, (2, 3, 2), 0.6), expected, rtol=1e-4, atol=1e-5)
    assert 0.02 < expected[:, DIRECTIONS].mean() < 0.5


@pytest.mark.parametrize(("u", "v", "direction"), [(2, 0, 0), (2, 2, 1), (0, 2, 2), (-2, 0, 4), (0, -2, 6), (2, -2, 7)])
def test_one_motion_fills_its_own_direction(u, v, direction):
    histogram = direction_histogram(uniform(u, v), (1, 1, 1), 0.25).flatten()
    expected = torch.zeros(DIRECTIONS + 1)
    expected[direction] = math.hypot(u, v)
    torch.testing.assert_close(histogram, expected, rtol=1e-4, atol=1e-5)


def test_between_two_directions_both_take_half():
    angle = math.pi / 8
    histogram = direction_histogram(uniform(math.cos(angle), math.sin(angle)), (1, 1, 1), 0.25).flatten()
    assert histogram[:2].tolist() == pytest.approx([0.5, 0.5], abs=1e-4)
    assert histogram.sum() == pytest.approx(1, abs=1e-4)


def test_what_hardly_moves_is_still():
    histogram = direction_histogram(uniform(0.1, 0.1), (1, 2, 2), 0.25)
    assert torch.equal(histogram[0, DIRECTIONS], torch.ones(1, 2, 2))
    assert not histogram[0, :DIRECTIONS].any()


def test_a_turn_of_all_vectors_turns_the_histogram():
    vectors = field()
    turned = direction_histogram(rotate_flow(vectors, math.pi / 2), (2, 2, 2), 0.3)
    expected = direction_histogram(vectors, (2, 2, 2), 0.3)
    torch.testing.assert_close(turned[:, :DIRECTIONS], expected[:, :DIRECTIONS].roll(2, dims=1), rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(turned[:, DIRECTIONS], expected[:, DIRECTIONS], rtol=1e-3, atol=2e-2)


def test_the_boundaries_of_even_motion_are_none():
    histogram = boundary_histogram(uniform(3, -2), (1, 2, 2), 0.06).unflatten(1, (2, DIRECTIONS + 1))
    assert not histogram[:, :, :DIRECTIONS].any()
    assert bool((histogram[:, :, DIRECTIONS] == 1).all())


def test_the_boundaries_of_a_zoom_by_hand():
    """u grows by 0.1 a pixel rightwards and v by 0.1 downwards: gradients of one length, right for u, down for v."""
    places = torch.arange(16) * 0.1
    flow = torch.stack((places.expand(16, 16), places[:, None].expand(16, 16)))[None, :, None]
    histogram = boundary_histogram(flow, (1, 4, 4), 0.06).unflatten(1, (2, DIRECTIONS + 1))
    middle = histogram[0, :, :, 0, 1:3, 1:3].mean(dim=(2, 3))
    expected = torch.zeros(2, DIRECTIONS + 1)
    expected[0, 0] = expected[1, 2] = 0.1
    torch.testing.assert_close(middle, expected, rtol=1e-3, atol=1e-4)


def test_boundaries_do_not_see_what_all_moves_alike():
    flow = field(shape=(1, 2, 2, 16, 16))
    moved = flow + torch.tensor([2.0, -1.0]).view(1, 2, 1, 1, 1)
    shape = (1, 2, 2)
    torch.testing.assert_close(
        boundary_histogram(moved, shape, 0), boundary_histogram(flow, shape, 0), rtol=1e-3, atol=1e-3
    )


def test_a_pan_is_still_once_stabilised():
    flow = uniform(1.5, -0.5, (2, 10, 10))
    flow[:, :, 1] *= 3  # each field has a pan of its own
    flow[0, 0, :, 2:4, 2:4] += 4.0
    steady = stabilise(flow)
    body = torch.zeros(10, 10)
    body[2:4, 2:4] = 4.0
    torch.testing.assert_close(steady[0, 0], body.expand(2, 10, 10))
    assert not steady[0, 1].any()


def test_gradients_by_hand_of_a_single_step():
    """Smoothing by 1-4-6-4-1 and Sobel's cross-smoothing, pixel by pixel."""
    flow = torch.zeros(1, 2, 1, 9, 9)
    flow[0, 0, 0, :, 5:] = 1.6  # u steps up from column 4 to 5
    histogram = boundary_histogram(flow, (1, 9, 9), 0.0)[0, :DIRECTIONS, 0]  # a cell a pixel
    smooth = torch.tensor([0, 0, 0, 1, 5, 11, 15, 16, 16.0]) / 10
    slope = (torch.cat((smooth[1:], smooth[-1:])) - torch.cat((smooth[:1], smooth[:-1]))) / 2
    torch.testing.assert_close(histogram[0], slope.expand(9, 9), rtol=1e-4, atol=1e-5)
    assert histogram[1:].abs().max() < 1e-5


def test_more_cells_than_moments_repeat_them():
    vectors = field()
    fine, coarse = direction_histogram(vectors, (8, 3, 3), 0.3), direction_histogram(vectors, (4, 3, 3), 0.3)
    assert torch.equal(fine, coarse.repeat_interleave(2, dim=2))


def test_cells_that_do_not_divide_a_field_share_it_out():
    vectors = field(shape=(2, 2, 3, 7, 5))
    histogram = direction_histogram(vectors, (2, 3, 2), 0.0)
    rows, columns, moments = ([0, 3, 5, 7], [0, 3, 5], [0, 2, 3])
    for t in range(2):
        for y in range(3):
            for x in range(2):
                part = vectors[:, :, moments[t] : moments[t + 1], rows[y] : rows[y + 1], columns[x] : columns[x + 1]]
                alone = direction_histogram(part, (1, 1, 1), 0.0)[..., 0, 0, 0]
                torch.testing.assert_close(histogram[:, :, t, y, x], alone, rtol=1e-4, atol=1e-5)
