from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from kinema.errors import ConfigError, DataError
from kinema.flow import (
    clip_scores,
    flow_to_wheel,
    grid_scores,
    kept_starts,
    key_start,
    motion_differential,
    motion_edges,
    rotate_flow,
)

VARIANTS = ("vectors", "wheel", "sobel")
few = settings(max_examples=40, deadline=None)


def object_flow(steps: list[float], height: int = 56, width: int = 84) -> Tensor:
    """A block that moves rightwards by each of ``steps`` pixels over a background that stands still."""
    flow = torch.zeros(len(steps), 2, height, width)
    flow[:, 0, 20:40, 30:60] = torch.tensor(steps)[:, None, None]
    return flow


def random_flow(fields: int = 5, height: int = 50, width: int = 61) -> Tensor:
    return torch.randn(fields, 2, height, width, generator=torch.Generator().manual_seed(0))


def slow_sobel(field: np.ndarray) -> np.ndarray:
    height, width = field.shape[1:]
    out = np.zeros((height, width))
    for i in range(height):
        for j in range(width):
            total = 0.0
            for component in field:

                def at(di, dj, component=component, i=i, j=j):
                    return component[min(max(i + di, 0), height - 1), min(max(j + dj, 0), width - 1)]

                across = sum(w * (at(d, 1) - at(d, -1)) for d, w in [(-1, 1), (0, 2), (1, 1)]) / 8
                down = sum(w * (at(1, d) - at(-1, d)) for d, w in [(-1, 1), (0, 2), (1, 1)]) / 8
                total += across**2 + down**2
            out[i, j] = math.sqrt(total)
    return out


def slow_edges(field: np.ndarray, cell: int) -> np.ndarray:
    """For frames that a whole number of cells covers."""
    sobel = slow_sobel(field)
    rows, columns = sobel.shape[0] // cell, sobel.shape[1] // cell
    coarse = np.array(
        [
            [sobel[r * cell : (r + 1) * cell, c * cell : (c + 1) * cell].mean() for c in range(columns)]
            for r in range(rows)
        ]
    )
    fine = np.zeros_like(sobel)
    for i in range(sobel.shape[0]):
        for j in range(sobel.shape[1]):
            y, x = min(max((i + 0.5) / cell - 0.5, 0), rows - 1), min(max((j + 0.5) / cell - 0.5, 0), columns - 1)
            for r in range(rows):
                for c in range(columns):
                    fine[i, j] += max(0, 1 - abs(y - r)) * max(0, 1 - abs(x - c)) * coarse[r, c]
    return fine / fine.max()


@pytest.mark.parametrize("variant", VARIANTS)
def test_agrees_with_the_slow_reference(variant):
    flow = random_flow(3, 24, 36)
    scores = motion_differential(flow, variant, cell=12)
    if variant == "sobel":
        expected = [slow_sobel(field).mean() for field in flow.numpy()]
    else:
        pictures = flow.numpy() if variant == "vectors" else flow_to_wheel(flow).numpy()
        weighted = [slow_edges(f, 12) * p for f, p in zip(flow.numpy(), pictures, strict=True)]
        changes = [np.sqrt(((b - a) ** 2).sum(axis=0)).mean() for a, b in itertools.pairwise(weighted)]
        expected = [changes[0], *changes]
    assert scores.tolist() == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("variant", ["vectors", "wheel"])
def test_motion_that_goes_on_scores_zero(variant):
    assert motion_differential(object_flow([2.0] * 6), variant).tolist() == [0] * 6
    assert motion_differential(torch.full((4, 2, 40, 40), 0.3), variant).tolist() == [0] * 4


@pytest.mark.parametrize("variant", ["vectors", "wheel"])
def test_a_sudden_reversal_is_the_peak(variant):
    scores = motion_differential(object_flow([2.0, 2.0, 2.0, -2.0, -2.0, -2.0]), variant)
    assert scores.argmax() == 3
    assert scores.nonzero().flatten().tolist() == [3]


def test_reversal_of_everything_closed_form():
    flow = torch.full((4, 2, 40, 40), 3.0)
    flow[2:] *= -1  # without edges all pixels weigh 1, and each vector changes by twice its length
    assert motion_differential(flow).tolist() == pytest.approx([0, 0, 2 * math.hypot(3, 3), 0])


def test_vectors_see_a_change_of_speed_that_the_wheel_cannot():
    faster = object_flow([1.0, 1.0, 3.0, 3.0])
    assert motion_differential(faster, "vectors").argmax() == 2
    assert motion_differential(faster, "wheel").max() < 1e-5


def test_vectors_rank_noise_below_motion_and_the_wheel_does_not():
    noise = 0.01 * random_flow(4, 56, 84)
    motion = object_flow([2.0, 2.5, 2.0, 2.5])
    assert motion_differential(noise).max() < motion_differential(motion)[1:].min()
    assert motion_differential(noise, "wheel").max() > motion_differential(motion, "wheel")[1:].min()


def test_sobel_of_a_ramp_is_its_slope():
    flow = torch.zeros(2, 2, 30, 40)
    flow[1, 0] = 0.25 * torch.arange(40)
    inside = motion_differential(flow[..., :], "sobel")
    assert inside[0] == 0
    assert inside[1] == pytest.approx(0.25 * (38 + 2 * 0.5) / 40)  # the repeated edge halves the outer columns


@pytest.mark.parametrize("variant", ["vectors", "sobel"])
def test_direction_does_not_matter(variant):
    flow = random_flow()
    turned = rotate_flow(flow, 1.1)
    torch.testing.assert_close(motion_differential(turned, variant), motion_differential(flow, variant))


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("size", [(5, 7), (27, 90), (64, 64)])
def test_frames_of_any_size_and_count(variant, size):
    for fields in (1, 2, 4):
        scores = motion_differential(random_flow(fields, *size), variant)
        assert scores.shape == (fields,)
        assert scores.isfinite().all()
        assert (scores >= 0).all()


@pytest.mark.parametrize("phases", [1, 2, 3])
def test_scores_on_a_grid_compare_fields_a_step_apart(phases):
    flow = torch.randn(7, 2, 20, 30, generator=torch.Generator().manual_seed(0))
    scores = grid_scores(flow, phases)
    for n in range(phases, len(flow)):
        pair = motion_differential(flow[[n - phases, n]])
        assert scores[n] == pytest.approx(float(pair[1]), rel=1e-5)
    assert torch.equal(scores[:phases], scores[phases : 2 * phases])


def test_edges_peak_where_the_object_is():
    edges = motion_edges(object_flow([2.0]), cell=14)
    assert edges.shape == (1, 56, 84)
    assert edges.max() == 1
    assert edges[0, 20:40, 30:60].mean() > 3 * edges[0, :, :14].mean()
    assert (motion_edges(object_flow([2.0]), cell=200) == 1).all()  # one cell for all


def test_wrong_settings_are_refused():
    with pytest.raises(ConfigError, match="vectors, wheel, sobel"):
        motion_differential(random_flow(), "colour")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="at least 1 pixel"):
        motion_differential(random_flow(), cell=0)


# starts


def test_clip_scores_average_the_fields_of_the_clip():
    scores = torch.tensor([1.0, 2.0, 4.0, 8.0, 16.0, 32.0])
    assert clip_scores(scores, [0, 2, 4]).tolist() == [7, 14]
    assert clip_scores(scores, [0]).tolist() == scores.tolist()
    assert clip_scores(scores, range(6)).tolist() == [10.5]
    with pytest.raises(DataError, match=r"spans 7 flow fields.*only 6"):
        clip_scores(scores, [0, 6])


def test_kept_starts_are_the_better_half():
    assert kept_starts(torch.tensor([3.0, 1.0, 4.0, 2.0])).tolist() == [0, 2]
    assert kept_starts(torch.tensor([1.0, 5.0, 2.0])).tolist() == [1]
    assert kept_starts(torch.tensor([7.0])).tolist() == [0]
    assert kept_starts(torch.zeros(4)).tolist() == [0, 1, 2, 3]
    assert kept_starts(torch.tensor([0.0, 2.0, 2.0])).tolist() == [1, 2]


@few
@given(st.lists(st.integers(0, 4), min_size=1, max_size=20))
def test_some_start_is_always_kept_and_none_left_out_is_better(values):
    scores = torch.tensor(values, dtype=torch.float32)
    kept = kept_starts(scores)
    assert len(kept) >= 1
    left_out = [score for index, score in enumerate(values) if index not in kept.tolist()]
    assert scores[kept].min() > max(left_out, default=-1)


def test_key_start_is_the_nearest_kept_one():
    kept = torch.tensor([2, 5, 9])
    assert [key_start(5, kept, shift) for shift in (0, 1.9, 2.1, 100, -1.6, -100)] == [5, 5, 9, 9, 2, 2]
    assert key_start(5, kept, 2) == 5  # halfway: the earlier
    assert isinstance(key_start(2, kept, 0), int)


@few
@given(st.sets(st.integers(0, 60), min_size=1), st.integers(0, 60), st.floats(-30, 30))
def test_no_kept_start_is_nearer_than_the_key(kept, query, shift):
    chosen = key_start(query, torch.tensor(sorted(kept)), shift)
    assert chosen in kept
    assert abs(chosen - query - shift) == pytest.approx(min(abs(k - query - shift) for k in kept), abs=1e-4)
