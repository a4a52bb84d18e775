from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from kinema.flow import flow_to_wheel, rotate_flow, wheel_legend


def slow_colour(u: float, v: float, longest: float) -> list[float]:
    """One vector by the definition: 55 hues on a ring, linear between neighbours, bleached by slowness."""
    ring = []
    for steps, ramp in [
        (15, lambda s: (1, s, 0)),
        (6, lambda s: (1 - s, 1, 0)),
        (4, lambda s: (0, 1, s)),
        (11, lambda s: (0, 1 - s, 1)),
        (13, lambda s: (s, 0, 1)),
        (6, lambda s: (1, 0, 1 - s)),
    ]:
        ring += [ramp(i / steps) for i in range(steps)]
    position = (math.atan2(v, u) / (2 * math.pi) % 1) * 55
    low = int(position) % 55
    share = position - int(position)
    hue = [(1 - share) * ring[low][c] + share * ring[(low + 1) % 55][c] for c in range(3)]
    speed = math.hypot(u, v) / longest
    return [1 - speed * (1 - h) if speed <= 1 else 0.75 * h for h in hue]


def one(u: float, v: float, **options) -> Tensor:
    return flow_to_wheel(torch.tensor([u, v], dtype=torch.float32).reshape(1, 2, 1, 1), **options).flatten()


def random_flow() -> Tensor:
    return 3 * torch.randn(2, 2, 3, 7, 9, generator=torch.Generator().manual_seed(0))


def test_agrees_with_the_slow_reference_for_each_field():
    flow = random_flow()
    picture = flow_to_wheel(flow)
    assert picture.shape == (2, 3, 3, 7, 9)
    for b in range(2):
        for t in range(3):
            longest = flow[b, :, t].norm(dim=0).max().item()
            for i in range(7):
                for j in range(9):
                    u, v = flow[b, :, t, i, j].tolist()
                    expected = slow_colour(u, v, longest * (1 + 1e-6))
                    assert picture[b, :, t, i, j].tolist() == pytest.approx(expected, abs=1 / 255)


def test_agrees_with_the_slow_reference_at_a_given_speed():
    flow = random_flow()[:, :, 0]
    picture = flow_to_wheel(flow, max_magnitude=2.5)
    assert picture.shape == (2, 3, 7, 9)
    darkened = (flow.norm(dim=1) > 2.5).float().mean()
    assert 0.1 < darkened < 0.9  # both kinds are seen
    for b in range(2):
        for i in range(7):
            for j in range(9):
                u, v = flow[b, :, i, j].tolist()
                assert picture[b, :, i, j].tolist() == pytest.approx(slow_colour(u, v, 2.5), abs=1 / 255)


def test_known_colours():
    assert one(2, 0).tolist() == pytest.approx([1, 0, 0], abs=0.005)  # rightward is red
    assert one(1, 0, max_magnitude=2.0).tolist() == pytest.approx([1, 0.5, 0.5], abs=0.005)
    assert one(0, 0).tolist() == [1, 1, 1]
    red, green, blue = one(0, 1).tolist()  # downward is yellow
    assert (red, blue) == pytest.approx((1, 0), abs=0.005)
    assert green > 0.9
    assert one(-1, 0)[0] < 0.01  # leftward is between cyan and blue
    assert one(-1, 0)[2] > 0.99


def test_the_ring_is_closed():
    for u in (1.0, -1.0):
        above, below = one(u, 1e-4), one(u, -1e-4)
        assert (above - below).abs().max() < 0.02
        assert torch.equal(one(u, 0.0), one(u, -0.0)) or (one(u, 0.0) - one(u, -0.0)).abs().max() < 0.02


def test_speed_of_fields_shows_only_against_a_common_maximum():
    flow = random_flow()[:1]
    faster = flow * torch.tensor([1.0, 2.0, 4.0]).reshape(1, 1, 3, 1, 1)
    torch.testing.assert_close(flow_to_wheel(faster), flow_to_wheel(flow))
    common = flow_to_wheel(faster, max_magnitude=50.0)
    whiteness = common.mean(dim=(0, 1, 3, 4))
    assert whiteness[0] > whiteness[1] > whiteness[2]


def test_a_maximum_per_clip_broadcasts():
    flow = random_flow()
    limits = torch.tensor([4.0, 8.0]).reshape(2, 1, 1, 1, 1)
    picture = flow_to_wheel(flow, max_magnitude=limits)
    torch.testing.assert_close(picture[1:], flow_to_wheel(flow[1:], max_magnitude=8.0))


def test_hue_turns_but_whiteness_stays_under_rotation():
    flow = random_flow()
    before, after = flow_to_wheel(flow), flow_to_wheel(rotate_flow(flow, math.pi))
    assert (before - after).abs().mean() > 0.2
    torch.testing.assert_close(before.amax(dim=1), after.amax(dim=1), atol=0.01, rtol=0)


def test_values_stay_in_the_unit_interval():
    for maximum in (None, 1.0, 100.0):
        picture = flow_to_wheel(random_flow(), max_magnitude=maximum)
        assert 0 <= picture.min() <= picture.max() <= 1


def test_legend_shows_each_direction_where_it_points():
    legend = wheel_legend(101)
    assert legend.shape == (3, 101, 101)
    assert legend[:, 0, 0].tolist() == [1, 1, 1]
    assert legend[:, 50, 50].tolist() == pytest.approx([1, 1, 1], abs=0.01)
    for (row, column), (u, v) in {(50, 98): (1, 0), (98, 50): (0, 1), (50, 2): (-1, 0), (2, 50): (0, -1)}.items():
        assert legend[:, row, column].tolist() == pytest.approx(one(u, v).tolist(), abs=0.08)
