from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from kinema.config import ModelConfig, MSCLConfig
from kinema.methods import MSCL, Views, clip_info_nce, draw, lmcl
from kinema.methods.losses import in_step

few = settings(max_examples=20, deadline=None)


def vectors(*shape: int, seed: int = 0) -> Tensor:
    return F.normalize(torch.randn(shape, generator=torch.Generator().manual_seed(seed)), dim=-1)


def cross_entropy(positive: Tensor, negatives: list[Tensor]) -> Tensor:
    """Minus the logarithm of the positive's share, in the plainest way."""
    return -torch.log(positive.exp() / (positive.exp() + sum(n.exp() for n in negatives)))


def slow_clip_info_nce(query, key, queue, temperature, damping=None, batch_negatives=False) -> Tensor:
    query, key, queue = query.double(), key.double(), queue.double()
    losses = []
    for i in range(len(query)):
        negatives = []
        for k in range(len(queue)):
            factor = 1.0 if damping is None else float(damping[k])
            negatives.append(factor * torch.dot(query[i], queue[k]) / temperature)
        if batch_negatives:
            negatives += [torch.dot(query[i], key[j]) / temperature for j in range(len(key)) if j != i]
        losses.append(cross_entropy(torch.dot(query[i], key[i]) / temperature, negatives))
    return torch.stack(losses).mean()


def slow_lmcl(rgb, flow, rotated, temperature) -> tuple[Tensor, float]:
    rgb, flow = rgb.double(), flow.double()
    losses, hits = [], []
    for b in range(len(rgb)):
        candidates = [*flow[b], *([] if rotated is None else rotated[b].double())]
        for t in range(rgb.shape[1]):
            logits = [F.cosine_similarity(rgb[b, t], c, dim=0) / temperature for c in candidates]
            losses.append(cross_entropy(logits[t], logits[:t] + logits[t + 1 :]))
            hits.append(float(max(range(len(logits)), key=lambda i: float(logits[i])) == t))
    return torch.stack(losses).mean(), sum(hits) / len(hits)


# clip level


@pytest.mark.parametrize("batch_negatives", [False, True])
@pytest.mark.parametrize("damped", [False, True])
@pytest.mark.parametrize("size", [0, 1, 7])
def test_clip_loss_agrees_with_the_slow_loop(batch_negatives, damped, size):
    query, key, queue = vectors(4, 6, seed=1), vectors(4, 6, seed=2), vectors(size, 6, seed=3)
    damping = torch.rand(size, generator=torch.Generator().manual_seed(4)) if damped else None
    loss = clip_info_nce(query, key, queue, temperature=0.2, damping=damping, batch_negatives=batch_negatives)
    torch.testing.assert_close(loss.double(), slow_clip_info_nce(query, key, queue, 0.2, damping, batch_negatives))


@few
@given(st.integers(1, 20), st.floats(0.05, 2))
def test_a_match_among_orthogonal_negatives(negatives, temperature):
    axes = torch.eye(negatives + 1)
    match = axes[:1].expand(3, -1)
    loss = clip_info_nce(match, match, axes[1:], temperature=temperature)
    assert loss.item() == pytest.approx(math.log1p(negatives * math.exp(-1 / temperature)), abs=1e-5)


def test_candidates_that_look_alike_leave_the_logarithm_of_their_number():
    same = vectors(1, 8)
    loss = clip_info_nce(same.expand(4, 8), same.expand(4, 8), same.expand(10, 8))
    assert loss.item() == pytest.approx(math.log(1 + 10), abs=1e-5)
    loss = clip_info_nce(same.expand(4, 8), same.expand(4, 8), same.expand(10, 8), batch_negatives=True)
    assert loss.item() == pytest.approx(math.log(4 + 10), abs=1e-5)


def test_damping_weakens_a_confusing_key_and_silences_none():
    query = key = vectors(2, 8)
    queue = query.clone()  # negatives as like the query as can be
    losses = [
        clip_info_nce(query, key, queue, damping=torch.full((2,), factor)).item() for factor in (1.0, 0.99, 0.5, 0.0)
    ]
    assert losses == sorted(losses, reverse=True)
    assert losses[0] > math.log(2) - 1e-5
    orthogonal = clip_info_nce(query[:1], key[:1], torch.zeros(2, 8))  # damped to 0 is as good as orthogonal
    assert clip_info_nce(query[:1], key[:1], queue, damping=torch.zeros(2)).item() == pytest.approx(orthogonal.item())


def test_clip_loss_falls_along_its_gradient_which_has_a_closed_form():
    query, key, queue = vectors(3, 5, seed=1).requires_grad_(), vectors(3, 5, seed=2), vectors(6, 5, seed=3)
    damping, temperature = torch.linspace(0.2, 1, 6), 0.3
    (gradient,) = torch.autograd.grad(
        clip_info_nce(query, key, queue, temperature=temperature, damping=damping, batch_negatives=True), query
    )
    candidates = torch.cat((key, queue * damping[:, None]))
    surplus = (query.detach() @ candidates.T / temperature).softmax(dim=1)
    surplus[range(3), range(3)] -= 1
    torch.testing.assert_close(gradient, surplus @ candidates / temperature / 3)


# frame level


@pytest.mark.parametrize("with_rotated", [False, True])
def test_lmcl_agrees_with_the_slow_loop(with_rotated):
    generator = torch.Generator().manual_seed(0)
    rgb, flow, rotated = (torch.randn(3, 4, 6, generator=generator) for _ in range(3))
    rgb = rgb + flow / 2  # some right, some wrong
    extra = rotated if with_rotated else None
    found = lmcl(rgb, flow, extra, temperature=0.3)
    loss, accuracy = slow_lmcl(rgb, flow, extra, 0.3)
    torch.testing.assert_close(found.loss.double(), loss)
    assert 0 < accuracy < 1
    assert found.accuracy.item() == pytest.approx(accuracy)


def test_lmcl_takes_its_negatives_from_the_same_clip():
    rgb, flow = vectors(2, 4, 6, seed=1), vectors(2, 4, 6, seed=2)
    together = lmcl(rgb, flow).loss
    apart = torch.stack([lmcl(rgb[i : i + 1], flow[i : i + 1]).loss for i in range(2)]).mean()
    torch.testing.assert_close(together, apart)


def test_lmcl_closed_forms():
    axes = torch.eye(5)[:4].expand(2, 4, 5)
    perfect = lmcl(3 * axes, 7 * axes, temperature=0.5)  # lengths do not count
    assert perfect.loss.item() == pytest.approx(math.log1p(3 * math.exp(-2)), abs=1e-6)
    assert perfect.accuracy == 1
    still = torch.ones(2, 4, 5)
    assert lmcl(still, still).loss.item() == pytest.approx(math.log(4), abs=1e-6)
    assert lmcl(still, still, still).loss.item() == pytest.approx(math.log(8), abs=1e-6)  # twice the candidates
    shifted = lmcl(axes, axes.roll(1, dims=1))
    assert shifted.accuracy == 0
    assert shifted.loss > perfect.loss


def test_rotated_flow_like_the_rgb_is_a_hard_negative():
    rgb, flow = vectors(2, 4, 6, seed=1), vectors(2, 4, 6, seed=2)
    without = lmcl(rgb, flow).loss
    easy, hard = lmcl(rgb, flow, -rgb), lmcl(rgb, flow, rgb)
    assert without < easy.loss < hard.loss
    assert hard.accuracy == 0


def test_lmcl_sends_its_gradient_to_rgb_flow_and_rotated_flow():
    inputs = [vectors(2, 3, 4, seed=seed).requires_grad_() for seed in range(3)]
    gradients = torch.autograd.grad(lmcl(*inputs, temperature=0.5).loss, inputs)
    step = 1e-5  # of the slow loss in double precision; in single precision noise would drown it
    for place, (value, gradient) in enumerate(zip(inputs, gradients, strict=True)):
        direction = vectors(2, 3, 4, seed=7 + place)
        ends = []
        for sign in (1, -1):
            moved = [v.detach().double() for v in inputs]
            moved[place] = value.detach().double() + sign * step * direction.double()
            ends.append(slow_lmcl(*moved, 0.5)[0])
        slope = (ends[0] - ends[1]) / (2 * step)
        assert abs(slope) > 1e-3
        assert (gradient * direction).sum().item() == pytest.approx(slope.item(), rel=1e-3)


# precision


def test_losses_keep_their_precision_under_autocast():
    query, key, queue = vectors(8, 64, seed=1), vectors(8, 64, seed=2), vectors(32, 64, seed=3)
    rgb, flow = vectors(8, 4, 64, seed=4), vectors(8, 4, 64, seed=5)
    expected = clip_info_nce(query, key, queue, batch_negatives=True), lmcl(rgb, flow, -flow).loss
    with torch.autocast("cpu", torch.bfloat16):
        found = clip_info_nce(query, key, queue, batch_negatives=True), lmcl(rgb, flow, -flow).loss
    torch.testing.assert_close(found, expected)


def test_moments_are_compared_on_the_coarser_of_both_grids_of_time():
    four, two = torch.randn(3, 4, 5), torch.randn(3, 2, 5)
    pairs = torch.stack([(four[:, 2 * step] + four[:, 2 * step + 1]) / 2 for step in range(2)], dim=1)
    for pair, expected in (((four, two), (pairs, two)), ((two, four), (two, pairs)), ((four, four), (four, four))):
        torch.testing.assert_close(in_step(*pair), expected)


def test_lmcl_of_a_network_with_more_steps_than_the_flow():
    model = ModelConfig(backbone="resnet18", width=8, patch=None, flow_width=4, embedding=8)
    method = MSCL(model, MSCLConfig(rgb=0.0, flow=0.0, cross=0.0, lmcl=1.0))
    flow = torch.randn(2, 2, 4, 64, 64)
    steps = method.pyramid(method.rgb.encoder.stages(torch.rand(2, 3, 8, 64, 64))).shape[1]
    assert steps == 8 != flow.shape[2]
    found = method.losses(Views(torch.rand(2, 3, 8, 64, 64), None, flow), draw(2, torch.Generator()))
    assert found.terms["lmcl"].isfinite() and found.facts["lmcl_accuracy"] >= 0
