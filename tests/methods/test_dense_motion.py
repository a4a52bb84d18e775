from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.autograd import gradcheck
from torch.nn import functional as F

from kinema.methods.dense_motion import (
    DenseLMCL,
    MotionPrediction,
    dense_lmcl,
    draw_cells,
    motion_loss,
    motion_target,
)

GRID = (2, 2, 2)


def flow(seed: int = 0, clips: int = 3) -> Tensor:
    return 2 * torch.randn(clips, 2, 2, 16, 16, generator=torch.Generator().manual_seed(seed))


def seconds(value: float, clips: int = 3) -> Tensor:
    return torch.full((clips,), value)


def features(seed: int, dtype: torch.dtype = torch.float32, clips: int = 3) -> Tensor:
    return torch.randn(clips, 4, *GRID, generator=torch.Generator().manual_seed(seed), dtype=dtype)


# dense motion prediction


@pytest.mark.parametrize("boundaries", [False, True])
def test_the_target_is_the_motion_of_a_thirtieth_of_a_second(boundaries):
    """A field over twice the time shows twice the motion, and is the same motion."""
    expected = motion_target(flow(), seconds(1 / 30), GRID, boundaries, False)
    assert expected.shape == (3, 27 if boundaries else 9, *GRID)
    torch.testing.assert_close(motion_target(2 * flow(), seconds(2 / 30), GRID, boundaries, False), expected)
    torch.testing.assert_close(motion_target(0.5 * flow(), seconds(1 / 60), GRID, boundaries, False), expected)
    mixed = flow() * torch.tensor([1.0, 2.0, 0.5]).view(3, 1, 1, 1, 1)
    torch.testing.assert_close(
        motion_target(mixed, torch.tensor([1 / 30, 2 / 30, 1 / 60]), GRID, boundaries, False), expected
    )


def test_the_target_of_one_motion_by_hand():
    right = torch.tensor([4.0, 0.0]).view(1, 2, 1, 1, 1).expand(1, 2, 2, 16, 16).clone()
    right[:, :, :, :8] = 0  # the upper half is still
    target = motion_target(right, seconds(1 / 30, 1), GRID, False, False)
    expected = torch.zeros(9, *GRID)
    expected[0, :, 1], expected[8, :, 0] = 2.0, 0.3
    torch.testing.assert_close(target[0], expected)


def test_a_pan_is_a_still_target_once_stabilised():
    pan = torch.tensor([3.0, -1.0]).view(1, 2, 1, 1, 1).expand(1, 2, 2, 16, 16)
    still = motion_target(torch.zeros_like(pan), seconds(1 / 30, 1), GRID, True, False)
    assert torch.equal(motion_target(pan, seconds(1 / 30, 1), GRID, True, True), still)
    assert not torch.equal(motion_target(pan, seconds(1 / 30, 1), GRID, True, False), still)


def slow_loss(prediction: Tensor, target: Tensor) -> Tensor:
    """Histogram by histogram, channel by channel."""
    parts = []
    for first in range(0, target.shape[1], 9):
        own, wanted = prediction[:, first : first + 9], target[:, first : first + 9]
        variance = sum(((w - w.mean()) ** 2).mean() for w in wanted.unbind(1)) / 9
        parts.append(((own - wanted) ** 2).mean() / variance)
    return sum(parts) / len(parts)


def test_the_loss_against_the_obvious_one():
    target = motion_target(flow(), seconds(1 / 30), GRID, True, False)
    prediction = target + 0.3 * torch.randn(target.shape, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(motion_loss(prediction, target), slow_loss(prediction, target))
    assert motion_loss(target, target) == 0


def test_the_best_constant_has_a_loss_of_one_and_a_still_batch_none_to_speak_of():
    target = motion_target(flow(), seconds(1 / 30), GRID, True, False)
    constant = target.mean(dim=(0, 2, 3, 4), keepdim=True).expand_as(target)
    assert motion_loss(constant, target) == pytest.approx(1)
    still = motion_target(torch.zeros(3, 2, 2, 16, 16), seconds(1 / 30), GRID, True, False)
    assert motion_loss(still + 0.01, still) == pytest.approx(0.1)


def test_gradients_of_the_prediction():
    generator = torch.Generator().manual_seed(0)
    prediction, target = (torch.randn(2, 18, 1, 2, 2, generator=generator, dtype=torch.float64) for _ in range(2))
    assert gradcheck(lambda p: motion_loss(p, target), prediction.requires_grad_())


def test_the_head_learns_and_the_flow_gets_no_gradient():
    torch.manual_seed(0)
    objective = MotionPrediction(8, boundaries=True)
    pyramid = torch.randn(3, 8, *GRID).requires_grad_()
    motion = flow().requires_grad_()
    objective(pyramid, motion, seconds(1 / 30)).backward()
    assert pyramid.grad is not None and pyramid.grad.abs().sum() > 0
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in objective.head.parameters())
    assert motion.grad is None


# dense LMCL


def slow_dense_lmcl(rgb: Tensor, flow: Tensor, cells: Tensor, temperature: float) -> tuple[Tensor, float]:
    """Cell by cell, each against all drawn cells of the batch, in both directions."""
    places = [(clip, cell) for clip, row in enumerate(cells.tolist()) for cell in row]

    def vectors(x: Tensor) -> list[Tensor]:
        return [x[clip].flatten(1)[:, cell] for clip, cell in places]

    losses, right = [], 0
    for ours, theirs in ((vectors(rgb), vectors(flow)), (vectors(flow), vectors(rgb))):
        for own, anchor in enumerate(ours):
            logits = torch.stack([F.cosine_similarity(anchor, other, dim=0) / temperature for other in theirs])
            losses.append(logits.logsumexp(dim=0) - logits[own])
            right += int(logits.argmax() == own) if len(losses) <= len(places) else 0
    return torch.stack(losses).mean(), right / len(places)


def test_dense_lmcl_cell_by_cell():
    cells = torch.tensor([[0, 3, 7], [1, 2, 6], [5, 4, 0]])
    rgb, other = features(0), features(0) + 0.8 * features(1)
    found = dense_lmcl(rgb, other, cells, temperature=0.2)
    loss, accuracy = slow_dense_lmcl(rgb, other, cells, 0.2)
    torch.testing.assert_close(found.loss, loss)
    assert found.accuracy.item() == pytest.approx(accuracy)
    assert 0.1 < accuracy < 1


def test_dense_lmcl_of_features_without_anything_in_common():
    cells = torch.arange(8).expand(3, 8)
    same = torch.ones(3, 4, *GRID)
    assert dense_lmcl(same, same, cells).loss.item() == pytest.approx(torch.tensor(24.0).log().item())
    found = dense_lmcl(features(0), features(0), cells, temperature=0.01)
    assert found.accuracy == 1
    assert found.loss < 0.1


def test_gradients_of_dense_lmcl():
    cells = torch.tensor([[0, 3], [1, 6], [5, 4]])
    inputs = [features(seed, torch.float64).requires_grad_() for seed in (0, 1)]
    assert gradcheck(lambda rgb, other: dense_lmcl(rgb, other, cells, temperature=0.5).loss, inputs)


def test_moving_cells_are_drawn_first_and_each_once():
    motion = torch.zeros(200, 2, 3, 3)
    motion[:, 0, 0, :2] = 1.0
    motion[:, 1, 2, 2] = 4.0
    drawn = draw_cells(motion, 3, torch.Generator().manual_seed(0))
    assert sorted(set(drawn.flatten().tolist()))[:2] == [0, 1]
    assert all(len(set(row)) == 3 for row in drawn.tolist())
    assert sum(set(row) == {0, 1, 17} for row in drawn.tolist()) > 180
    first = draw_cells(motion, 1, torch.Generator().manual_seed(1)).flatten()
    assert (first == 17).float().mean().item() == pytest.approx(4 / 6, abs=0.1)
    assert draw_cells(motion, 50, torch.Generator().manual_seed(0)).shape == (200, 18)


def test_dense_lmcl_looks_where_something_moves():
    torch.manual_seed(0)
    objective = DenseLMCL(4, {"layer1": 2, "layer2": 3, "layer3": 6, "layer4": 8}, cells=2, temperature=0.1)
    assert isinstance(objective.rgb, nn.Conv3d)
    stages = {"layer2": torch.randn(3, 3, *GRID), "layer3": torch.randn(3, 6, 2, 1, 1)}
    moving = torch.zeros(3, 2, 2, 16, 16)
    moving[:, 0, :, :8, :8] = 3.0  # cells 0 and 4
    found = objective(features(0), stages, moving, torch.Generator().manual_seed(0))
    joined = torch.cat((stages["layer2"], stages["layer3"].expand(3, 6, *GRID)), dim=1)
    cells = torch.tensor([[0, 4]]).expand(3, 2)
    expected = dense_lmcl(objective.rgb(features(0)), objective.flow(joined), cells, temperature=0.1)
    torch.testing.assert_close(found.loss, expected.loss)
