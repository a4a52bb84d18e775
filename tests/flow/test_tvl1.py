from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from kinema.errors import ConfigError
from kinema.flow import create_estimator
from kinema.flow import duality as scheme
from kinema.flow.median import median_filter
from kinema.flow.tvl1 import CHUNK_PIXELS, TVL1

SCENES = [
    "FlyingChairs_0",
    "FlyingChairs_crop50",
    "RubberWhale_gray",
    "Urban3",
    "sintel_alley_1_clean",
    "sintel_alley_1_final",
    "sintel_cave_2_clean",
    "sintel_cave_2_final",
]
SETTINGS = {"tau": 0.25, "lambda_": 0.15, "theta": 0.3, "epsilon": 0.01, "inner_iterations": 12, "outer_iterations": 3}


def tvl1(first, second, **parameters):
    """Flow of grey tensors with levels from 0 to 255."""
    return TVL1.create(**parameters).pairs(first / 255, second / 255)


@pytest.fixture
def textures(sliding_clip):
    """Two stacks of grey frames ``(N, H, W)``, one pair for each motion."""

    def make(motions, height=40, width=52):
        clips = [sliding_clip(2, height, width, u, v, seed)[..., 0] for seed, (u, v) in enumerate(motions)]
        return tuple(torch.from_numpy(np.stack(part)).float() for part in zip(*clips, strict=True))

    return make


def random_state(pairs=3, height=17, width=23, seed=0):
    """A flow, a dual that obeys the constraints, and a data term with flat and outside pixels."""
    draw = torch.Generator().manual_seed(seed)
    first, second = (255 * torch.rand(pairs, height, width, generator=draw) for _ in range(2))
    first[:, 3:9, 3:9] = second[:, 3:9, 3:9] = 100
    u = 2 * torch.randn(2, pairs, height, width, generator=draw)
    u *= torch.tensor([1e-3, 0.3, 1.0])[:pairs, None, None]  # so that the pairs need different numbers of iterations
    stacks = [torch.cat((frames[:, None], scheme.picture_gradient(frames)), 1) for frames in (first, second)]
    return u, torch.zeros(2, *u.shape), scheme.linearise(*stacks, u)


def slow_minimise(u, p, data, *, tau, lambda_, theta, epsilon, inner_iterations, outer_iterations, median_filtering):
    """One pair, float64, straight from the paper: u (2, H, W), p (component, direction, H, W)."""
    (height, width), (c, b, gradient) = u.shape[1:], data
    half = median_filtering // 2
    for _ in range(outer_iterations):
        filtered = np.empty_like(u)
        for component, y, x in np.ndindex(u.shape):
            rows = np.clip(np.arange(y - half, y + half + 1), 0, height - 1)
            columns = np.clip(np.arange(x - half, x + half + 1), 0, width - 1)
            filtered[component, y, x] = np.median(u[component][np.ix_(rows, columns)])
        u = filtered
        for iteration in range(1, inner_iterations + 1):
            old, v = u, u.copy()
            for y, x in np.ndindex(height, width):
                g = gradient[:, y, x]
                if not b[:, y, x].any():
                    continue  # flat, or out of the frame
                squared = g @ g
                rho = -squared * (c[y, x] + b[:, y, x] @ u[:, y, x])
                if rho < -lambda_ * theta * squared:
                    v[:, y, x] += lambda_ * theta * g
                elif rho > lambda_ * theta * squared:
                    v[:, y, x] -= lambda_ * theta * g
                else:
                    v[:, y, x] -= rho * g / squared
            u = np.stack([v[k] + theta * slow_divergence(*p[k]) for k in (0, 1)])
            slopes = np.stack([slow_gradient(u[k]) for k in (0, 1)])
            p = (p + tau / theta * slopes) / (1 + tau / theta * np.sqrt((slopes**2).sum(1, keepdims=True)))
            looked = iteration % scheme.CHECK_EVERY == 0 or iteration == inner_iterations
            if looked and np.sqrt(((u - old) ** 2).sum(0).mean()) <= epsilon:
                return u, p
    return u, p


def slow_gradient(u):
    x, y = np.zeros_like(u), np.zeros_like(u)
    x[:, :-1], y[:-1] = u[:, 1:] - u[:, :-1], u[1:] - u[:-1]
    return np.stack([x, y])


def slow_divergence(x, y):
    out = np.zeros_like(x)
    for i, j in np.ndindex(x.shape):
        out[i, j] = x[i, j] - (x[i, j - 1] if j else 0) + y[i, j] - (y[i - 1, j] if i else 0)
    return out


@pytest.mark.parametrize("median_filtering", [1, 5])
@pytest.mark.parametrize("epsilon", [0.0, 0.02])
def test_the_scheme_matches_a_slow_reference(median_filtering, epsilon):
    given_ = {**SETTINGS, "epsilon": epsilon, "median_filtering": median_filtering}
    u, p, data = random_state()
    expected = [
        slow_minimise(
            u[:, n].double().numpy(),
            p[:, :, n].transpose(0, 1).double().numpy(),
            (data.offset[n].double().numpy(), *(part[:, n].double().numpy() for part in data[1:])),
            **given_,
        )
        for n in range(u.shape[1])
    ]
    scheme.minimise(u, p, data, TVL1(**given_))
    for n, (slow_u, slow_p) in enumerate(expected):
        np.testing.assert_allclose(u[:, n], slow_u, atol=2e-4)
        np.testing.assert_allclose(p[:, :, n].transpose(0, 1), slow_p, atol=2e-3)


@given(st.integers(1, 3), st.integers(2, 9), st.integers(2, 9), st.integers(0, 2**31))
@settings(max_examples=50, deadline=None)
def test_divergence_is_the_negative_adjoint_of_the_gradient(pairs, height, width, seed):
    draw = torch.Generator().manual_seed(seed)
    u = torch.randn(2, pairs, height, width, generator=draw, dtype=torch.float64)
    p = torch.randn(2, 2, pairs, height, width, generator=draw, dtype=torch.float64)
    p[0, ..., -1] = p[1, ..., -1, :] = 0
    gradient, divergence = torch.full_like(p, torch.nan), torch.zeros_like(u)
    scheme.forward_gradient(u, gradient)
    scheme.add_divergence(divergence, p, 1.0)
    assert (gradient * p).sum().item() == pytest.approx(-(u * divergence).sum().item(), abs=1e-9)


@pytest.mark.parametrize("rho", [-40.0, -3.0, 0.0, 3.0, 40.0], ids=["low", "within", "zero", "inside", "high"])
def test_thresholding_is_the_minimum_by_brute_force(rho):
    bound, gradient, u = 0.045, torch.tensor([8.0, -6.0]), torch.tensor([0.7, -0.4])
    squared = gradient.square().sum()
    offset = -(rho - gradient @ u) / squared
    data = scheme.DataTerm(*(part.reshape(-1, 1, 1) for part in (offset, -gradient / squared, gradient)))
    data = scheme.DataTerm(data.offset, data.slope[:, None], data.gradient[:, None])
    v = u.clone().reshape(2, 1, 1, 1)
    scheme.threshold(v, data, bound, torch.empty(1, 1, 1))
    axis = np.linspace(-0.6, 0.6, 1201)  # a step is at most 0.045 * 10 long
    x, y = np.meshgrid(axis, axis)
    energy = bound * np.abs(rho + 8 * x - 6 * y) + (x**2 + y**2) / 2
    best = np.unravel_index(energy.argmin(), energy.shape)
    assert (v.flatten() - u).tolist() == pytest.approx([x[best], y[best]], abs=2e-3)


@pytest.mark.parametrize("size", [1, 3, 5])
@pytest.mark.parametrize("shape", [(2, 3, 16, 19), (2, 1, 150, 200)])  # in one strip, in several
def test_median_filter_is_the_median_of_each_window(size, shape):
    fields = torch.randn(shape, generator=torch.Generator().manual_seed(size)).mul(3).round()  # with ties
    padded = torch.nn.functional.pad(fields, [size // 2] * 4, mode="replicate")
    expected = padded.unfold(2, size, 1).unfold(3, size, 1).flatten(4).median(-1).values
    assert torch.equal(median_filter(fields, size), expected)


def test_a_batch_is_each_pair_alone_also_when_they_stop_at_different_times(textures, monkeypatch):
    sizes = []
    looked = torch.linalg.vector_norm
    monkeypatch.setattr(torch.linalg, "vector_norm", lambda x, **how: (sizes.append(x.shape[1]), looked(x, **how))[1])
    first, second = textures([(0, 0), (1, 0), (-3, 2), (5, -4)])
    before = torch.get_num_threads()
    torch.set_num_threads(1)  # several threads would each take a part of the batch
    try:
        together = tvl1(first, second)
    finally:
        torch.set_num_threads(before)
    assert max(sizes) == 4 and min(sizes) < 4  # the batch shrank while it was worked on
    for n in range(4):
        torch.testing.assert_close(together[n : n + 1], tvl1(first[n : n + 1], second[n : n + 1]), atol=1e-3, rtol=0)


@pytest.mark.parametrize("threads", [1, 2])
def test_chunks_give_what_the_whole_gives(textures, monkeypatch, threads):
    first, second = textures([(0, 1), (1, 0), (-2, 2), (3, -1), (1, 1)])
    whole, before = tvl1(first, second), torch.get_num_threads()
    monkeypatch.setitem(CHUNK_PIXELS, "cpu", 2 * first[0].numel())
    torch.set_num_threads(threads)
    try:
        torch.testing.assert_close(tvl1(first, second), whole, atol=1e-3, rtol=0)
        assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)


def test_a_pair_of_one_frame_does_not_move(textures):
    first, _ = textures([(0, 0), (0, 0)])
    assert tvl1(first, first).abs().max() < 1e-3  # positions are rounded where the frame is sampled


def test_no_pairs_give_no_flow():
    assert tvl1(torch.zeros(0, 20, 30), torch.zeros(0, 20, 30)).shape == (0, 2, 20, 30)


@pytest.mark.parametrize("motion", [(1, 0), (0, -2), (4, 3)])
def test_a_texture_that_slides_gives_its_motion(textures, motion):
    first, second = textures([motion], 64, 80)
    inside = tvl1(first, second)[0, :, 8:-8, 8:-8]
    assert torch.linalg.vector_norm(inside - torch.tensor(motion)[:, None, None], dim=0).mean() < 0.1


def test_mirrored_turned_and_swapped_frames_give_the_flow_that_belongs_to_them(textures):
    first, second = textures([(2, -1)], 64, 64)
    flow = tvl1(first, second)
    expected = {
        "mirrored": (flow.flip(-1) * torch.tensor([-1, 1])[:, None, None], tvl1(first.flip(-1), second.flip(-1))),
        "transposed": (flow.mT.flip(1), tvl1(first.mT.contiguous(), second.mT.contiguous())),
        "swapped": (-flow, tvl1(second, first)),
    }
    for how, (wanted, got) in expected.items():
        assert (wanted - got)[..., 8:-8, 8:-8].abs().mean() < 0.05, how


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *[("tau", v) for v in (0, -1.0, float("nan"), float("inf"), "x", True)],
        ("lambda_", 0.0),
        ("theta", -0.3),
        ("epsilon", -0.01),
        *[("scales", v) for v in (0, 2.5)],
        ("warps", 0),
        ("inner_iterations", 0),
        ("outer_iterations", "2"),
        *[("scale_step", v) for v in (0.1, 1.0)],
        *[("median_filtering", v) for v in (0, 2, 7)],
    ],
)
def test_wrong_parameters_are_refused(name, value):
    with pytest.raises(ConfigError, match=f"TV-L1 {name} must be .* got"):
        TVL1(**{name: value})


def test_unknown_parameters_are_refused():
    with pytest.raises(ConfigError, match=r"tvl1 has no parameter 'gamma': it knows tau, lambda_"):
        tvl1(torch.zeros(1, 20, 20), torch.zeros(1, 20, 20), gamma=1)


@pytest.mark.shared
@pytest.mark.parametrize("scene", SCENES)
def test_no_less_accurate_than_opencv(load_scene, scene):
    """OpenCV's endpoint errors with its defaults, which take it a minute a scene: see benchmarks/tvl1.py."""
    opencv = dict(zip(SCENES, (1.8856, 0.5733, 0.1563, 2.0639, 0.6952, 0.5511, 6.5862, 3.6255), strict=True))
    truth = load_scene(scene)
    flow = create_estimator("tvl1").pairs(truth.first[None], truth.second[None])[0]
    assert truth.endpoint_error(flow) <= 1.02 * opencv[scene]
