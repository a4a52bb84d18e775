"""What a moving camera adds to differences, and what is left when it is subtracted."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter, shift
from torch import Tensor

from kinema.config import ModelConfig
from kinema.models import random_encoder
from kinema.models.stabilise import LUMA, frame_shift, stabilised_difference


def texture(seed: int = 0, side: int = 48) -> np.ndarray:
    """(side, side) from 0 to 1, smooth enough that a fraction of a pixel is a small step."""
    rough = gaussian_filter(np.random.default_rng(seed).standard_normal((side, side)), 2.5)
    return 0.5 + 0.15 * rough / rough.std()


def clip_of(pictures: list[np.ndarray]) -> Tensor:
    """(1, 3, T, H, W) of grey pictures."""
    return torch.from_numpy(np.stack(pictures)).float()[None, None].expand(1, 3, -1, -1, -1).contiguous()


def moved(picture: np.ndarray, down: float, right: float) -> np.ndarray:
    return shift(picture, (down, right), order=3, mode="nearest")


def inside(differences: Tensor) -> Tensor:
    return differences[..., 4:-4, 4:-4].abs().mean()


@pytest.mark.parametrize("step", [(0.3, 0.0), (0.0, -0.3), (0.2, 0.25)])
def test_a_shaking_camera_leaves_next_to_nothing(step: tuple[float, float]) -> None:
    clips = clip_of([texture(), moved(texture(), *step), texture()])
    assert inside(stabilised_difference(clips)) < 0.05 * inside(clips[:, :, 1:] - clips[:, :, :-1])


def test_what_moves_before_the_camera_stays() -> None:
    pictures = []
    for time in range(3):
        picture = moved(texture(), 0.3 * time, 0)
        picture[18:28, 10 + 3 * time : 20 + 3 * time] = 1.0
        pictures.append(picture)
    left, plain = stabilised_difference(clip_of(pictures)), np.diff(np.stack(pictures), axis=0)
    body = np.abs(plain) > 0.2
    assert left[0, 0].abs().numpy()[body].mean() > 0.8 * np.abs(plain)[body].mean()
    background = np.s_[:, 32:44, 4:44]
    assert left[0, 0].abs().numpy()[background].mean() < 0.1 * np.abs(plain)[background].mean()


def test_still_pictures_and_pictures_without_texture_give_what_differences_give() -> None:
    still = clip_of([texture()] * 3)
    assert stabilised_difference(still).abs().max() == 0
    brighter = torch.full((2, 3, 3, 16, 16), 0.4)
    brighter[:, :, 1:] += 0.2
    torch.testing.assert_close(stabilised_difference(brighter), brighter[:, :, 1:] - brighter[:, :, :-1])


def test_the_shift_is_that_of_weighted_least_squares() -> None:
    generator = torch.Generator().manual_seed(3)
    change, across, down = (torch.randn(2, 9, 9, generator=generator, dtype=torch.float64) for _ in range(3))
    u, v = frame_shift(change, across, down)
    for row in range(2):
        slopes = torch.stack((across[row].flatten(), down[row].flatten()), 1)
        steep = slopes.square().sum(1)
        weight = even = 1 / (steep + steep.mean() / 10)
        for _ in range(3):
            scaled = weight[:, None] * slopes
            ridge = 1e-3 * (scaled * slopes).sum() * torch.eye(2, dtype=torch.float64)
            solved = torch.linalg.solve(scaled.T @ slopes + ridge, scaled.T @ change[row].flatten())
            left = (change[row].flatten() - slopes @ solved).abs()
            weight = even / (1 + (left / (2 * left.sqrt().mean() ** 2 + 1e-3)) ** 2)
        torch.testing.assert_close(torch.stack((u[row], v[row])), solved, rtol=1e-5, atol=1e-7)


def test_colours_lose_the_same_shift_and_the_gradient_is_right() -> None:
    generator = torch.Generator().manual_seed(1)
    clips = torch.rand(1, 3, 3, 6, 6, generator=generator, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(stabilised_difference, clips)
    grey = (clips * clips.new_tensor(LUMA).view(1, 3, 1, 1, 1)).sum(1, keepdim=True).expand(-1, 3, -1, -1, -1)
    left = (stabilised_difference(clips) * clips.new_tensor(LUMA).view(1, 3, 1, 1, 1)).sum(1)
    torch.testing.assert_close(left, stabilised_difference(grey)[:, 0])


def test_an_encoder_that_is_stabilised_hardly_sees_a_shaking_camera() -> None:
    generator = np.random.default_rng(5)
    bodies = [texture(1) for _ in range(8)]
    for time, picture in enumerate(bodies):
        picture[20:30, 6 + 4 * time : 14 + 4 * time] = 1.0
    shaken = [moved(picture, *generator.normal(0, 0.3, 2)) for picture in bodies]
    similar = {}
    for input in ("difference", "stabilised"):
        encoder = random_encoder(ModelConfig(width=8, input=input))
        features = torch.cat([encoder(clip_of(pictures)) for pictures in (bodies, shaken)])
        similar[input] = torch.cosine_similarity(*features.detach(), dim=0).item()
    assert similar["stabilised"] > similar["difference"]
