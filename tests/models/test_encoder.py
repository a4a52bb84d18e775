from __future__ import annotations

import pytest
import torch
import yaml
from torch import Tensor

from kinema.config import HCMLConfig, ModelConfig
from kinema.errors import ConfigError
from kinema.models import FlowEncoder, VideoEncoder, build_encoder, build_flow_encoder, flow_resnet18, random_encoder
from kinema.presets import preset_path

SMALL = ModelConfig(width=4, flow_width=4)


def clips(count: int = 2, frames: int = 4, size: int = 16, seed: int = 0) -> Tensor:
    return torch.rand(count, 3, frames, size, size, generator=torch.Generator().manual_seed(seed))


def encoder(input: str = "difference") -> VideoEncoder:
    torch.manual_seed(0)
    return build_encoder(ModelConfig(width=4, input=input)).eval()


# what the RGB encoder looks at


def test_rgb_is_normalised_by_the_statistics_of_kinetics():
    normalise = encoder("rgb").normalise
    mean = torch.tensor([0.43216, 0.394666, 0.37645]).view(1, 3, 1, 1, 1).expand(1, 3, 4, 8, 8)
    assert normalise(mean).abs().max() < 1e-6
    torch.testing.assert_close(normalise(mean + 0.22803)[:, 0], torch.ones(1, 4, 8, 8))
    white = normalise(torch.ones(1, 3, 1, 1, 1)).flatten().tolist()
    assert white == pytest.approx([2.4902, 2.7336, 2.8740], abs=1e-3)


def test_settings_may_ask_for_the_statistics_of_imagenet():
    normalise = build_encoder(ModelConfig(width=4, input="rgb", colours="imagenet")).normalise
    mean, deviation = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    seen = normalise((mean + 2 * deviation).view(1, 3, 1, 1, 1).expand(1, 3, 4, 8, 8))
    torch.testing.assert_close(seen, torch.full((1, 3, 4, 8, 8), 2.0))
    with pytest.raises(ConfigError, match=r"model\.colours is 'cifar': choose one of kinetics, imagenet"):
        build_encoder(ModelConfig(colours="cifar"))


def test_differences_by_hand():
    clip = torch.zeros(1, 3, 3, 1, 2)
    clip[0, :, :, 0, 0] = torch.tensor([0.1, 0.3, 0.9])  # differences 0.2 and 0.6, the last held; a still second pixel
    spread = ((0.2**2 + 0.6**2 + 0.6**2) / 6) ** 0.5
    expected = torch.tensor([0.2, 0.6, 0.6]) / (spread + 0.01)
    seen = encoder().normalise(clip)
    torch.testing.assert_close(seen[0, :, :, 0, 0], expected.expand(3, 3))
    assert not seen[0, :, :, 0, 1].any()


def test_frames_and_differences_together():
    net = encoder("both")
    seen = net.normalise(clips())
    assert seen.shape == (2, 6, 4, 16, 16)
    assert torch.equal(seen[:, :3], encoder("rgb").normalise(clips()))
    assert torch.equal(seen[:, 3:], encoder("difference").normalise(clips()))
    assert net(clips()).shape == (2, 32)


def test_differences_do_not_see_a_still_picture_laid_over_the_clip():
    clip = clips() / 2
    picture = clips(1, 1, seed=1) / 2
    assert not torch.allclose(encoder("rgb")(clip), encoder("rgb")(clip + picture), atol=1e-3)
    torch.testing.assert_close(encoder()(clip + picture), encoder()(clip), rtol=1e-3, atol=1e-4)


def test_differences_do_not_see_contrast_up_to_the_floor():
    clip = clips()
    seen, paler = encoder().normalise(clip), encoder().normalise(0.5 + clip / 4)
    spread = clip.diff(dim=2).square().mean().sqrt().item()  # far above the floor of 0.01
    torch.testing.assert_close(paler, seen * (spread + 0.01) / (spread + 0.04), rtol=0.01, atol=1e-4)
    assert (paler - seen).abs().max() < 0.1 * seen.abs().max()


def test_the_noise_of_a_still_clip_stays_small():
    still = 0.5 + 0.002 * clips()
    assert encoder().normalise(still).abs().max() < 0.3
    assert not encoder().normalise(torch.full_like(still, 0.3)).any()


@pytest.mark.parametrize("input", ["rgb", "difference", "both"])
def test_the_gradient_reaches_the_pixels(input):
    """So that one can ask a trained encoder what it looks at."""
    clip = clips().requires_grad_()
    (gradient,) = torch.autograd.grad(encoder(input)(clip).sum(), clip)
    assert (gradient.abs().amax(dim=(0, 1, 3, 4)) > 0).all()  # of every frame


def test_each_clip_is_seen_by_itself():
    together = encoder()(clips())
    torch.testing.assert_close(together[1:], encoder()(clips()[1:]))
    dimmed = clips()
    dimmed[0] *= 0.1
    torch.testing.assert_close(encoder()(dimmed)[1], together[1])


def test_the_feature_is_the_mean_of_the_last_stage():
    net = encoder()
    assert net.features == 32
    torch.testing.assert_close(net(clips()), net.stages(clips())["layer4"].mean(dim=(2, 3, 4)))
    assert net(clips()).shape == (2, 32)


# flow


@pytest.mark.parametrize("input", ["vectors", "wheel"])
def test_local_flow_features(input):
    torch.manual_seed(0)
    net = build_flow_encoder(ModelConfig(flow_width=4, flow_input=input)).eval()
    flow = 3 * torch.randn(2, 2, 4, 16, 16)
    assert net(flow).shape == (2, 4, 32)
    assert net.features == 32
    torch.testing.assert_close(net(flow)[1:], net(flow[1:]))
    torch.testing.assert_close(net(flow), net(7 * flow), rtol=1e-3, atol=1e-3)  # relative speed is what counts


def test_the_papers_preset_has_a_flow_encoder_of_the_papers_size():
    settings = yaml.safe_load(preset_path("mscl-r3d18-k400").read_text())
    assert build_flow_encoder(ModelConfig(**settings["model"])).features == 128


def test_only_vectors_show_that_a_clip_speeds_up():
    """The wheel scales each field by itself, so a clip that speeds up looks to it like one that does not."""
    torch.manual_seed(0)
    steady = torch.randn(1, 2, 1, 16, 16).expand(-1, -1, 8, -1, -1)
    faster = steady * torch.linspace(1, 4, 8).view(1, 1, 8, 1, 1)
    wheel, vectors = (build_flow_encoder(ModelConfig(flow_width=4, flow_input=i)).eval() for i in ("wheel", "vectors"))
    torch.testing.assert_close(wheel(faster), wheel(steady), rtol=1e-3, atol=1e-3)
    assert not torch.allclose(vectors(faster), vectors(steady), rtol=0.05, atol=0.01)


@pytest.mark.parametrize("input", ["vectors", "wheel"])
def test_a_local_feature_knows_its_own_moment_alone(input):
    torch.manual_seed(0)
    net = FlowEncoder(flow_resnet18(4, 2 if input == "vectors" else 3, patch=4), input).eval()
    flow = torch.randn(1, 2, 4, 16, 16)
    flow[:, 0, :, ::2, ::8] = 9.0  # the same long vectors in every field fix the scale, whatever the others do
    before = net(flow)
    for moment in range(4):
        changed = flow.clone()
        changed[:, :, moment, 1::2] += 1.0
        differs = (net(changed) - before).abs().amax(dim=(0, 2)) > 1e-4
        assert differs.tolist() == [step == moment for step in range(4)]


# untrained encoders


def test_random_encoder_is_a_function_of_its_seed_and_leaves_the_global_generator_alone():
    torch.manual_seed(1)
    expected = torch.rand(3)
    torch.manual_seed(1)
    first = random_encoder(SMALL, seed=5)
    assert torch.equal(torch.rand(3), expected)
    second, other = random_encoder(SMALL, seed=5), random_encoder(SMALL, seed=6)
    for name, value in first.state_dict().items():
        assert torch.equal(value, second.state_dict()[name])
    assert not torch.equal(first(clips()), other(clips()))
    assert not first.training
    assert (first.card["name"], first.card["seed"], first.card["model"]["width"]) == ("random", 5, 4)


def test_random_encoder_with_a_hierarchy_says_so_and_begins_as_the_plain_one():
    plain, motion = random_encoder(SMALL, 5), random_encoder(SMALL, 5, HCMLConfig(levels=1, radius=1))
    assert (motion.card["hcml"]["levels"], "hcml" in plain.card) == (1, False)
    assert torch.equal(motion(clips()), plain(clips()))


def test_random_encoder_is_that_of_the_tiny_preset_by_default():
    assert random_encoder().card["model"] == vars(ModelConfig())
