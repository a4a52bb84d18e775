from __future__ import annotations

import colorsys
import dataclasses
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from kinema.config import AugmentConfig
from kinema.data.augment import augment_colors, color_jitter, hue_matrix, random_blur_, random_grey_

NONE = AugmentConfig(jitter=1, brightness=0, contrast=0, saturation=0, hue=0, grey=0, blur=0)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def clips(count: int = 6, frames: int = 4, height: int = 12, width: int = 10, seed: int = 0) -> Tensor:
    return torch.rand(count, 3, frames, height, width, generator=seeded(seed))


def mild(count: int = 6) -> Tensor:
    """Colours that no change pushes out of range, so that nothing is clamped."""
    return 0.4 + 0.2 * clips(count)


def luma(rgb: Tensor) -> Tensor:
    return 0.299 * rgb[0] + 0.587 * rgb[1] + 0.114 * rgb[2]


def jitter(clip: Tensor, **strengths: float) -> Tensor:
    return color_jitter(clip, dataclasses.replace(NONE, **strengths), seeded())


# one draw for a clip


def test_one_draw_serves_all_frames_of_a_clip():
    still = clips(frames=1).expand(-1, -1, 5, -1, -1).contiguous()
    out = augment_colors(still, AugmentConfig(jitter=1, grey=0.5, blur=1), seeded())
    assert (out - still).abs().amax(dim=(1, 2, 3, 4)).min() > 0.01
    torch.testing.assert_close(out, out[:, :, :1].expand_as(out))


def test_clips_get_draws_of_their_own():
    twins = clips(1).expand(8, -1, -1, -1, -1).contiguous()
    out = augment_colors(twins, AugmentConfig(jitter=1), seeded())
    assert all((out[i] - out[j]).abs().max() > 1e-3 for i in range(8) for j in range(i))


def test_the_rest_of_the_batch_does_not_matter():
    config = AugmentConfig(jitter=1, grey=0.3, blur=0.7)
    first, second = clips(), clips()
    second[1:] = clips(seed=1)[1:] / 3
    torch.testing.assert_close(augment_colors(first, config, seeded())[0], augment_colors(second, config, seeded())[0])


def test_the_generator_decides_and_the_global_one_is_left_alone():
    config = AugmentConfig(jitter=0.8, grey=0.2, blur=0.5)
    state = torch.get_rng_state()
    out = augment_colors(clips(), config, seeded(1))
    assert torch.equal(out, augment_colors(clips(), config, seeded(1)))
    assert not torch.equal(out, augment_colors(clips(), config, seeded(2)))
    assert torch.equal(torch.get_rng_state(), state)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**31), st.floats(0, 1), st.floats(0, 0.5))
def test_values_stay_in_range_and_the_input_as_it_was(seed, strength, hue):
    inputs = clips(seed=seed).round()  # the corners of the cube
    before = inputs.clone()
    config = AugmentConfig(jitter=1, brightness=strength, contrast=strength, saturation=strength, hue=hue, blur=1)
    out = augment_colors(inputs, config, seeded(seed))
    assert out.shape == inputs.shape
    assert 0 <= out.min() <= out.max() <= 1
    assert torch.equal(inputs, before)


# probabilities


def changed(out: Tensor, inputs: Tensor) -> float:
    return ((out - inputs).abs().amax(dim=(1, 2, 3, 4)) > 1e-4).float().mean().item()


@pytest.mark.parametrize("part", ["jitter", "grey", "blur"])
def test_probabilities(part):
    inputs = clips(300, 1, 56, 56)
    config = dataclasses.replace(AugmentConfig(), jitter=0, grey=0, blur=0)
    shares = {
        share: changed(augment_colors(inputs, dataclasses.replace(config, **{part: share}), seeded()), inputs)
        for share in (0.0, 0.3, 1.0)
    }
    assert shares[0.0] == 0
    assert shares[0.3] == pytest.approx(0.3 * shares[1.0], abs=0.08)
    assert shares[1.0] > 0.8  # a blur by a tenth of a pixel shows nothing


# each operation against a slow reference


@pytest.mark.parametrize("part", ["brightness", "contrast", "saturation"])
def test_strengths(part):
    inputs = mild(200)
    out = jitter(inputs, **{part: 0.4})
    factors = []
    for clip, result in zip(inputs, out, strict=True):
        if part == "brightness":
            reference = torch.zeros_like(clip)
        elif part == "contrast":
            reference = luma(clip).mean().expand_as(clip)  # of all frames, lest the clip flicker
        else:
            reference = luma(clip).expand_as(clip)
        factor = ((result - reference) * (clip - reference)).sum() / (clip - reference).square().sum()
        torch.testing.assert_close(result, reference + factor * (clip - reference), rtol=1e-4, atol=1e-4)
        factors.append(factor.item())
    assert min(factors) == pytest.approx(0.6, abs=0.02)
    assert max(factors) == pytest.approx(1.4, abs=0.02)
    assert sum(factors) / 200 == pytest.approx(1, abs=0.06)


def test_no_strength_changes_nothing():
    torch.testing.assert_close(jitter(clips()), clips(), rtol=1e-4, atol=1e-5)


def test_the_whole_jitter_is_one_step_after_the_other():
    """Brightness, contrast, saturation, hue: recovered from the draws of the same generator."""
    config = AugmentConfig(jitter=1)
    inputs = mild()
    found = color_jitter(inputs, config, seeded(3))
    draws = seeded(3)
    brightness, contrast, saturation = (0.6 + 0.8 * torch.rand(6, generator=draws) for _ in range(3))
    turns = -0.1 + 0.2 * torch.rand(6, generator=draws)
    for i, clip in enumerate(inputs):
        x = clip * brightness[i]
        mean = luma(x).mean()
        x = mean + contrast[i] * (x - mean)
        grey = luma(x)
        x = grey + saturation[i] * (x - grey)
        x = torch.einsum("ij,jthw->ithw", hue_matrix(turns[i : i + 1])[0], x)
        torch.testing.assert_close(found[i], x.clamp(0, 1), rtol=1e-4, atol=1e-4)


# hue


def test_no_turn_and_whole_turns_are_the_identity():
    turns = torch.tensor([0.0, 1.0, -1.0])
    torch.testing.assert_close(hue_matrix(turns), torch.eye(3).expand(3, 3, 3), rtol=0, atol=1e-5)


@settings(max_examples=30, deadline=None)
@given(st.floats(-0.5, 0.5), st.floats(-0.5, 0.5))
def test_turns_add_and_keep_luma_and_grey(first, second):
    a, b, both = hue_matrix(torch.tensor([first, second, first + second]))
    torch.testing.assert_close(a @ b, both, rtol=1e-4, atol=1e-5)
    colours = torch.rand(3, 50, generator=seeded())
    torch.testing.assert_close(luma(a @ colours), luma(colours), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(a @ torch.ones(3), torch.ones(3), rtol=0, atol=1e-5)


def hue_of(rgb: Tensor) -> float:
    """From -0.5 to 0.5 of the circle; 0 is red."""
    return (colorsys.rgb_to_hsv(*rgb.tolist())[0] + 0.5) % 1 - 0.5


@pytest.mark.parametrize("turn", [0.05, 0.1, 0.2, 1 / 3])
def test_hue_turns_about_as_far_as_on_the_circle_of_hsv(turn):
    red = torch.tensor([0.6, 0.4, 0.4])
    there, back = (hue_of(matrix @ red) for matrix in hue_matrix(torch.tensor([turn, -turn])))
    assert there * back < 0
    assert abs(there) == pytest.approx(turn, abs=0.07)
    assert abs(back) == pytest.approx(turn, abs=0.07)


def test_the_hue_stays_within_its_bound():
    red = torch.tensor([0.6, 0.4, 0.4]).view(1, 3, 1, 1, 1).expand(100, 3, 1, 2, 2)
    hues = [hue_of(clip[:, 0, 0, 0]) for clip in jitter(red, hue=0.1)]
    assert -0.15 < min(hues) < -0.04
    assert 0.04 < max(hues) < 0.15


# grey


def test_grey_is_luma_in_all_channels():
    out = random_grey_(clips(), 1.0, seeded())
    for clip, result in zip(clips(), out, strict=True):
        torch.testing.assert_close(result, luma(clip).expand_as(clip))


# blur


def slow_blur(frame: Tensor, sigma: float) -> Tensor:
    """Every pixel (H, W) becomes the Gaussian mean of all, normalised over what lies inside."""
    height, width = frame.shape
    out = torch.zeros_like(frame)
    for y in range(height):
        for x in range(width):
            total = weights = 0.0
            for j in range(height):
                for i in range(width):
                    weight = math.exp(-((x - i) ** 2 + (y - j) ** 2) / (2 * sigma**2))
                    total, weights = total + weight * float(frame[j, i]), weights + weight
            out[y, x] = total / weights
    return out


def test_blur_against_a_slow_gaussian():
    inputs = clips(4, 2, 9, 12)
    out = random_blur_(inputs.clone(), 1.0, seeded(5))
    sigmas = (0.1 + 1.9 * torch.rand(4, generator=seeded(5))) * 9 / 112  # in proportion to the shorter side
    assert sigmas.max() > 0.1
    for clip, result, sigma in zip(inputs, out, sigmas.tolist(), strict=True):
        torch.testing.assert_close(result[1, 1], slow_blur(clip[1, 1], sigma), rtol=1e-4, atol=1e-5)


def test_blur_at_full_size_is_one_to_two_pixels_wide():
    point = torch.zeros(40, 3, 1, 112, 112)
    point[:, :, :, 56, 56] = 1
    out = random_blur_(point, 1.0, seeded())[:, 0, 0]
    offsets = torch.arange(112) - 56
    widths = (out.sum(dim=1) * offsets**2).sum(dim=1).sqrt()
    assert 1.7 < widths.max() < 2.01
    assert widths.min() < 0.6
    torch.testing.assert_close(out.sum(dim=(1, 2)), torch.ones(40))


def test_blur_leaves_flat_clips_and_the_unchosen_alone():
    flat = torch.full((3, 3, 2, 8, 8), 0.3)
    torch.testing.assert_close(random_blur_(flat.clone(), 1.0, seeded()), flat)
    inputs = clips(50, 1, 56, 56)
    out = random_blur_(inputs.clone(), 0.5, seeded())
    untouched = [i for i in range(50) if torch.equal(out[i], inputs[i])]
    assert 10 < len(untouched) < 40
    assert random_blur_(inputs, 0.0, seeded()) is inputs
    assert torch.equal(inputs, clips(50, 1, 56, 56))
