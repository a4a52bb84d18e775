from __future__ import annotations

import dataclasses

import pytest
import torch
from torch import Tensor

from kinema.config import AugmentConfig
from kinema.data.camera import film, films, shake, shifting, standing, swing, texture

NONE = AugmentConfig()
STRENGTHS = {
    "still_texture": 0.1,
    "fading": 0.5,
    "flicker": 0.1,
    "rolling_light": 0.1,
    "shake": 1.0,
    "sensor_noise": 0.02,
}


def clips(count: int = 8, frames: int = 4, size: tuple[int, int] = (16, 24)) -> Tensor:
    return 0.2 + 0.6 * torch.rand(count, 3, frames, *size, generator=torch.Generator().manual_seed(0))


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def ones(count: int = 8) -> Tensor:
    return torch.ones(count, 1, 1, 1, 1)


def changed(config: AugmentConfig, batch: Tensor, **options: Tensor) -> tuple[Tensor, Tensor]:
    """What was made of clips, and which of them are other than before."""
    seen = film(batch, config, generator(), **options)
    return seen, (seen != batch).flatten(1).any(dim=1)


def test_nothing_is_done_by_default():
    assert not films(NONE)
    batch = clips()
    assert torch.equal(film(batch, NONE, generator()), batch)


@pytest.mark.parametrize("name", STRENGTHS)
def test_each_change_is_a_switch_for_about_half_of_the_clips(name):
    config = dataclasses.replace(NONE, **{name: STRENGTHS[name]})
    assert films(config)
    batch = clips(64)
    seen, others = changed(config, batch)
    half = 64 * (0.75 if name == "fading" else 0.5)  # contrast and brightness fade independently
    assert abs(others.sum() - half) <= 12
    assert torch.equal(seen[~others], batch[~others])
    assert seen.min() >= 0 and seen.max() <= 1
    assert torch.equal(seen, film(batch, config, generator()))
    assert not torch.equal(seen, film(batch, config, generator(1)))


# shake


def test_a_shake_of_nothing_is_exactly_nothing():
    batch = clips()
    assert torch.equal(shake(batch, 0 * ones(), generator()), batch)
    assert torch.equal(shifting(torch.zeros(3), 7), torch.eye(7).expand(3, 7, 7))


def test_a_shift_by_whole_and_half_pixels_by_hand():
    column = torch.tensor([1.0, 2.0, 5.0, 9.0])
    shifted = shifting(torch.tensor([1.0, -2.0, 0.5]), 4) @ column
    assert shifted.tolist() == [[1, 1, 2, 5], [5, 9, 9, 9], [1, 1.5, 3.5, 7]]


def test_every_frame_is_shaken_by_itself_as_far_as_asked_for():
    ramp = torch.arange(64.0).expand(200, 1, 4, 64, 64)  # a shift by x changes all columns by x
    moved = (ramp - shake(ramp, 0.3 * ones(200), generator()))[:, 0, :, 32, 32]
    assert moved.std().item() == pytest.approx(0.3, abs=0.03)
    assert moved.mean().item() == pytest.approx(0, abs=0.03)
    assert torch.corrcoef(moved.T).fill_diagonal_(0).abs().max() < 0.3


def test_shake_is_in_pixels_of_a_side_of_64():
    config = dataclasses.replace(NONE, shake=1.0)

    def reach(side: int) -> float:
        ramp = (torch.arange(float(side)) / side).expand(64, 3, 4, side, side)
        return ((ramp - film(ramp, config, generator())) * side)[..., side // 2].std().item()

    assert reach(128) == pytest.approx(2 * reach(64), rel=0.05)


# texture


def test_a_texture_stays_where_it_is_with_the_deviation_asked_for():
    picture = texture(0.05 * ones(4), clips(4, size=(48, 64)), generator())
    assert picture.shape == (4, 1, 1, 48, 64)
    assert picture.mean(dim=(3, 4)).abs().max() < 1e-5
    assert picture.std(dim=(3, 4)).flatten().tolist() == pytest.approx([0.05] * 4, rel=1e-3)
    assert (picture[..., 1:] - picture[..., :-1]).std() < 0.05  # smooth: neighbours are alike


def test_a_texture_is_behind_what_moves():
    flow = torch.zeros(8, 2, 2, 16, 24)
    flow[:, 0, 0, 4:12, 4:12] = 2.0  # something moves while the first field lasts
    behind = standing(flow, torch.full((8,), 1 / 30), 4)
    assert behind.shape == (8, 1, 4, 16, 24)
    assert not behind[:, :, :2, 4:12, 4:12].any()
    assert behind[:, :, :2, :, 18:].min() > 0.999 and behind[:, :, 2:].min() > 0.999
    batch = clips()
    seen, others = changed(
        dataclasses.replace(NONE, still_texture=0.1), batch, flow=flow, seconds=torch.full((8,), 1 / 30)
    )
    assert others.any()
    assert torch.equal(seen[:, :, :2, 4:12, 4:12], batch[:, :, :2, 4:12, 4:12])
    added = (seen - batch)[..., 18:]
    torch.testing.assert_close(added, added[:, :1, :1].expand_as(added), atol=1e-5, rtol=0)  # still, and grey


def test_slow_flow_over_a_long_time_hides_no_texture():
    flow = torch.full((1, 2, 1, 8, 8), 1.0)
    assert not standing(flow, torch.tensor([1 / 30]), 2).any()
    assert standing(flow, torch.tensor([1.0]), 2).min() > 0.999


# light and sensor


def test_fading_takes_contrast_and_brightness():
    batch = clips(64)
    seen, others = changed(dataclasses.replace(NONE, fading=0.8), batch)
    assert others.any()
    means, deviations = (seen.mean(dim=(1, 2, 3, 4)), seen.std(dim=(1, 2, 3, 4)))
    assert bool((means <= batch.mean(dim=(1, 2, 3, 4)) + 1e-5).all())
    assert bool((deviations <= batch.std(dim=(1, 2, 3, 4)) + 1e-5).all())
    assert deviations.min() < 0.6 * batch.std()


@pytest.mark.parametrize("bands", [False, True])
def test_light_swings_by_what_was_asked_for(bands):
    light = swing(0.1 * ones(50), clips(50, frames=32), generator(), bands)
    assert light.shape == (50, 1, 32, 16 if bands else 1, 1)
    assert light.abs().max().item() == pytest.approx(0.1, abs=2e-3)
    assert light.diff(dim=2).abs().amax(dim=2).min() > 0  # it never stands still
    assert bands == bool(light.diff(dim=3).abs().sum() > 0)


def test_sensor_noise_is_new_in_every_frame():
    grey = torch.full((64, 3, 4, 16, 16), 0.5)
    seen, others = changed(dataclasses.replace(NONE, sensor_noise=0.02), grey)
    noise = (seen - grey)[others][:, 0]
    assert noise.std() < 0.02
    assert noise.mean().abs() < 1e-3
    flat = noise.flatten(2)
    flat = flat / flat.std(dim=2, keepdim=True)
    assert (flat[:, 0] * flat[:, 1]).mean().abs() < 0.05
