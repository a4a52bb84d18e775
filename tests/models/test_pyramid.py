from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from kinema.models import TemporalPyramid

WIDTHS = {"layer2": 3, "layer3": 5, "layer4": 6}


def stages(shapes: list[tuple[int, int, int]], clips: int = 2) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(0)
    return {
        name: torch.randn(clips, width, *shape, generator=generator)
        for (name, width), shape in zip(WIDTHS.items(), shapes, strict=True)
    }


def pyramid(channels: int = 4) -> TemporalPyramid:
    torch.manual_seed(0)
    return TemporalPyramid(WIDTHS, channels)


@pytest.mark.parametrize(
    "shapes",
    [
        [(4, 6, 6), (2, 3, 3), (1, 2, 2)],
        [(2, 2, 2), (1, 1, 1), (1, 1, 1)],  # the tiny preset's frames run out of pixels
        [(8, 14, 14), (4, 7, 7), (2, 4, 4)],
    ],
)
def test_one_feature_per_moment_of_the_finest_stage(shapes):
    assert pyramid()(stages(shapes)).shape == (2, shapes[0][0], 4)


def test_unlike_widths_come_to_the_width_asked_for():
    assert pyramid(7)(stages([(4, 6, 6), (2, 3, 3), (1, 2, 2)])).shape == (2, 4, 7)


def slow_upsample(coarse: Tensor, fine: Tensor) -> Tensor:
    """Every position takes the value of the coarse position that covers it."""
    out = torch.zeros(*coarse.shape[:2], *fine.shape[2:])
    for t in range(fine.shape[2]):
        for y in range(fine.shape[3]):
            for x in range(fine.shape[4]):
                place = [i * c // f for i, c, f in zip((t, y, x), coarse.shape[2:], fine.shape[2:], strict=True)]
                out[:, :, t, y, x] = coarse[:, :, place[0], place[1], place[2]]
    return out


def test_against_the_design_by_hand():
    net, inputs = pyramid(), stages([(4, 4, 6), (2, 2, 3), (1, 1, 2)])
    w = dict(net.state_dict())

    def convolved(x: Tensor, name: str, **options) -> Tensor:
        return F.conv3d(x, w[f"{name}.weight"], w[f"{name}.bias"], **options)

    # Lateral 1x1x1 convolutions, then addition from the top down, then a 1x3x3 smoothing of each level.
    c2, c3, c4 = (convolved(inputs[name], f"lateral.{i}") for i, name in enumerate(WIDTHS))
    p4 = c4
    p3 = c3 + slow_upsample(p4, c3)
    p2 = c2 + slow_upsample(p3, c2)
    p2, p3, p4 = (convolved(p, f"smooth.{i}", padding=(0, 1, 1)) for i, p in enumerate((p2, p3, p4)))

    # Twice: each level is the sum of itself, its finer neighbour strided and its coarser neighbour up-sampled.
    def same(x: Tensor, stage: int) -> Tensor:
        return convolved(x, f"mixing.{stage}.same", padding=1)

    def up(x: Tensor, like: Tensor, stage: int) -> Tensor:
        return slow_upsample(convolved(x, f"mixing.{stage}.up", padding=1), like)

    def down(x: Tensor, stage: int) -> Tensor:
        return convolved(x, f"mixing.{stage}.down", padding=1, stride=2)

    q2 = (same(p2, 0) + up(p3, p2, 0)).clamp(min=0)
    q3 = (same(p3, 0) + down(p2, 0) + up(p4, p3, 0)).clamp(min=0)
    finest = (same(q2, 1) + up(q3, q2, 1)).clamp(min=0)
    torch.testing.assert_close(net(inputs), finest.mean(dim=(3, 4)).transpose(1, 2), rtol=1e-4, atol=1e-5)


def test_every_parameter_matters():
    net = pyramid()
    net(stages([(4, 6, 6), (2, 3, 3), (1, 2, 2)])).square().sum().backward()
    assert [name for name, p in net.named_parameters() if p.grad is None or not p.grad.any()] == []


def test_the_mean_over_space_of_its_map_and_the_last_three_stages_alone():
    net, inputs = pyramid(), stages([(4, 6, 6), (2, 3, 3), (1, 2, 2)])
    assert net.map(inputs).shape == (2, 4, 4, 6, 6)
    assert torch.equal(net.map(inputs).mean(dim=(3, 4)).transpose(1, 2), net(inputs))
    assert TemporalPyramid({"layer1": 2} | WIDTHS, 4).state_dict().keys() == net.state_dict().keys()
