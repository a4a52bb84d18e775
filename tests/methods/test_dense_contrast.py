from __future__ import annotations

import math
import re
from itertools import product

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from kinema.errors import ConfigError
from kinema.methods.dense_contrast import DenseDraws, dense_info_nce, draw_dense

few = settings(max_examples=25, deadline=None)
KINDS = ("spatial", "temporal", "videos")


def features(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def draws(clips: int, steps: int, height: int, width: int, places: int = 4, others: int = 9) -> DenseDraws:
    return draw_dense((clips, steps, height, width), places, others, torch.Generator().manual_seed(3))


def only(*kinds: str) -> dict[str, bool]:
    return {kind: kind in kinds for kind in KINDS}


def slow_dense_info_nce(prediction, target, draws, delta, temperature, spatial, temporal, videos):
    """Prediction by prediction, each with a list of its negatives."""
    clips, _, steps, _, width = prediction.shape
    places = draws.places.tolist()
    pool = [(b, t, place) for b in range(clips) for t in range(steps) for place in places[b]]

    def vector(x: Tensor, b: int, t: int, place: int) -> Tensor:
        value = x[b, :, t, place // width, place % width]
        return value / value.norm()

    losses, hits = [], []
    for b in range(clips):
        for t in range(steps - delta):
            for place in places[b]:
                chosen = []
                if spatial:
                    chosen += [(b, t + delta, other) for other in places[b] if other != place]
                if temporal:
                    chosen += [(b, time, place) for time in range(steps) if time != t + delta]
                if videos:
                    chosen += [pool[n] for n in draws.others.tolist() if pool[n][0] != b]
                query = vector(prediction, b, t, place)
                right = torch.dot(query, vector(target, b, t + delta, place)) / temperature
                wrong = [torch.dot(query, vector(target, *where)) / temperature for where in chosen]
                losses.append(-torch.log(right.exp() / (right.exp() + sum(x.exp() for x in wrong))))
                hits.append(all(right > x for x in wrong))
    return torch.stack(losses).mean(), sum(hits) / len(hits)


SWITCHES = [dict(zip(KINDS, on, strict=True)) for on in product((True, False), repeat=3) if any(on)]


@pytest.mark.parametrize("switches", SWITCHES, ids=lambda s: "+".join(k for k in KINDS if s[k]))
@pytest.mark.parametrize("delta", [1, 2])
def test_it_agrees_with_the_slow_loop(switches, delta):
    prediction, noise = features(3, 5, 4, 3, 4, seed=1), features(3, 5, 4, 3, 4, seed=2)
    target = noise + prediction.roll(delta, dims=2)  # some right, some wrong
    chosen = draws(3, 4, 3, 4)
    found = dense_info_nce(prediction, target, chosen, delta=delta, temperature=0.3, **switches)
    loss, accuracy = slow_dense_info_nce(prediction, target, chosen, delta, 0.3, **switches)
    torch.testing.assert_close(found.loss, loss)
    assert found.accuracy.item() == pytest.approx(accuracy)
    assert 0 < accuracy < 1


def test_the_gradient_goes_to_the_prediction_alone_and_is_that_of_the_slow_loop():
    prediction, target = (features(2, 4, 3, 2, 3, seed=seed).requires_grad_() for seed in (1, 2))
    chosen = draws(2, 3, 2, 3)
    found = dense_info_nce(prediction, target, chosen, temperature=0.5).loss
    slow, _ = slow_dense_info_nce(prediction, target.detach(), chosen, 1, 0.5, True, True, True)
    gradient, silent = torch.autograd.grad(found, (prediction, target), allow_unused=True)
    torch.testing.assert_close(gradient, torch.autograd.grad(slow, prediction)[0])
    assert silent is None
    assert not gradient[:, :, -1].any()  # the last step predicts nothing
    assert torch.autograd.gradcheck(lambda x: dense_info_nce(x, target, chosen, temperature=0.5).loss, prediction)


@few
@given(st.sampled_from(SWITCHES), st.floats(0.05, 2))
def test_predictions_that_are_right_among_orthogonal_targets(switches, temperature):
    target = torch.eye(24).view(2, 3, 2, 2, 24).permute(0, 4, 1, 2, 3)  # every place an axis of its own
    chosen = draws(2, 3, 2, 2, places=4, others=24)
    found = dense_info_nce(3 * target.roll(-1, dims=2), 7 * target, chosen, temperature=temperature, **switches)
    negatives = 3 * switches["spatial"] + 2 * switches["temporal"] + 12 * switches["videos"]
    assert found.loss.item() == pytest.approx(math.log1p(negatives * math.exp(-1 / temperature)), abs=1e-5)
    assert found.accuracy == 1


def test_targets_that_look_alike_leave_the_logarithm_of_their_number():
    same = torch.ones(2, 3, 3, 2, 2)
    found = dense_info_nce(same, same, draws(2, 3, 2, 2, places=3, others=18))
    assert found.loss.item() == pytest.approx(math.log(1 + 2 + 2 + 9), abs=1e-5)
    assert found.accuracy == 0


@pytest.mark.parametrize(
    ("kind", "axis"), [("spatial", (3, 4)), ("temporal", (2,)), ("videos", (0,))], ids=lambda x: str(x)
)
def test_each_kind_of_negative_asks_its_own_question(kind, axis):
    """Features that say nothing along one axis fail where that axis is asked about, and only there."""
    target = features(3, 16, 4, 3, 3, seed=1).mean(dim=axis, keepdim=True).expand(3, 16, 4, 3, 3)
    chosen = draws(3, 4, 3, 3, places=9, others=1000)
    accuracy = {
        other: dense_info_nce(target.roll(-1, dims=2), target, chosen, **only(other)).accuracy.item() for other in KINDS
    }
    assert accuracy.pop(kind) < 0.2  # by rounding alone
    assert set(accuracy.values()) == {1.0}


def test_draws_take_each_place_once_and_are_the_generators():
    chosen = draws(3, 2, 4, 5, places=7, others=11)
    assert chosen.places.shape == (3, 7)
    assert chosen.others.shape == (11,)
    assert all(len(set(row)) == 7 and set(row) <= set(range(20)) for row in chosen.places.tolist())
    assert len(set(chosen.others.tolist())) == 11 and chosen.others.max() < 3 * 2 * 7
    assert all(torch.equal(*pair) for pair in zip(chosen, draws(3, 2, 4, 5, places=7, others=11), strict=True))
    every = draws(1, 2, 2, 2, places=99, others=99)
    assert sorted(every.places[0].tolist()) == [0, 1, 2, 3]
    assert sorted(every.others.tolist()) == list(range(8))


class LargestTensor(TorchDispatchMode):
    """Elements of the largest tensor that any operation gave."""

    def __init__(self) -> None:
        super().__init__()
        self.elements = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        result = function(*args, **(kwargs or {}))
        if isinstance(result, Tensor):
            self.elements = max(self.elements, result.numel())
        return result


def test_memory_does_not_grow_with_the_square_of_the_places():
    largest = []
    for side in (16, 32):
        prediction, target = (features(4, 2, 6, side, side, seed=s, dtype=torch.float32) for s in (1, 2))
        with LargestTensor() as counter:
            dense_info_nce(prediction.requires_grad_(), target, draws(4, 6, side, side, 16, 64)).loss.backward()
        largest.append(counter.elements)
    assert largest[0] <= max(4 * 2 * 6 * 16 * 16, 4 * 5 * 16 * (16 + 6 + 64))
    assert largest[1] <= max(4 * 2 * 6 * 32 * 32, 4 * 5 * 16 * (16 + 6 + 64))


def test_it_keeps_its_precision_under_autocast():
    prediction, target = (features(2, 8, 3, 4, 4, seed=seed, dtype=torch.float32) for seed in (1, 2))
    expected = dense_info_nce(prediction, target, draws(2, 3, 4, 4))
    with torch.autocast("cpu", torch.bfloat16):
        torch.testing.assert_close(dense_info_nce(prediction, target, draws(2, 3, 4, 4)), expected)


def test_no_others_are_no_kind_of_negative():
    prediction, target, chosen = features(2, 4, 3, 2, 2), features(2, 4, 3, 2, 2, seed=1), draws(2, 3, 2, 2, others=0)
    found = dense_info_nce(prediction, target, chosen)
    torch.testing.assert_close(found, dense_info_nce(prediction, target, chosen, videos=False))
    with pytest.raises(ConfigError, match="a contrast has no negatives"):
        dense_info_nce(prediction, target, chosen, **only("videos"))


@pytest.mark.parametrize(
    ("shape", "delta", "places", "kinds", "sentence"),
    [
        ((2, 2, 2, 3, 3), 2, 4, KINDS, "features of 2 steps hold no target 2 later: take longer clips"),
        ((1, 2, 3, 3, 3), 1, 4, ("videos",), "a contrast has no negatives: switch on hcml.spatial"),
        ((2, 2, 3, 3, 3), 1, 1, ("spatial",), "a contrast has no negatives: switch on hcml.spatial"),
        ((2, 2, 3, 3, 3), 1, 4, (), "a contrast has no negatives: switch on hcml.spatial"),
    ],
)
def test_what_cannot_be_contrasted_is_refused(shape, delta, places, kinds, sentence):
    clips, _, *grid = shape
    with pytest.raises(ConfigError, match=re.escape(sentence)):
        dense_info_nce(features(*shape), features(*shape), draws(clips, *grid, places), delta=delta, **only(*kinds))
