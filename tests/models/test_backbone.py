"""What holds of every backbone in the registry."""

from __future__ import annotations

from collections import Counter

import pytest
import torch
from torch import Tensor, nn

from kinema.errors import ConfigError
from kinema.models import Backbone, VideoEncoder, create_model, list_models
from kinema.models.backbone import window_head
from kinema.models.resnet3d import BasicBlock
from kinema.models.short_conv import short_convolutions

ALL = ["mc3_18", "r2plus1d_18", "r3d_18", "resnet18", "resnet50", "s3d", "slowonly_r50"]

# Channels, frames and side of every stage of a network of width 8, for a clip of 8 frames of 64x64 pixels.
STAGES = {
    "mc3_18": {"layer1": (8, 8, 32), "layer2": (16, 8, 16), "layer3": (32, 8, 8), "layer4": (64, 8, 4)},
    "r2plus1d_18": {"layer1": (8, 8, 32), "layer2": (16, 4, 16), "layer3": (32, 2, 8), "layer4": (64, 1, 4)},
    "r3d_18": {"layer1": (8, 8, 32), "layer2": (16, 4, 16), "layer3": (32, 2, 8), "layer4": (64, 1, 4)},
    "resnet18": {"layer1": (8, 8, 16), "layer2": (16, 8, 8), "layer3": (32, 8, 4), "layer4": (64, 8, 2)},
    "resnet50": {"layer1": (32, 8, 16), "layer2": (64, 8, 8), "layer3": (128, 8, 4), "layer4": (256, 8, 2)},
    "s3d": {
        "conv1": (8, 4, 32),
        "conv2": (24, 4, 16),
        "mixed3": (60, 4, 8),
        "mixed4": (104, 2, 4),
        "mixed5": (128, 1, 2),
    },
    "slowonly_r50": {"res2": (32, 8, 16), "res3": (64, 8, 8), "res4": (128, 8, 4), "res5": (256, 8, 2)},
}

every_model = pytest.mark.parametrize("name", ALL)


def small(name: str, classes: int | None = None, width: int = 4, **settings: int) -> Backbone:
    torch.manual_seed(0)
    return create_model(name, classes=classes, width=width, **settings)


def clips(size: int = 32, channels: int = 3) -> Tensor:
    return torch.randn(2, channels, 8, size, size, generator=torch.Generator().manual_seed(1))


@every_model
def test_stage_shapes(name):
    network = small(name, width=8).eval()
    with torch.no_grad():
        stages = network.stages(clips(64))
    found = {stage: tuple(out.shape) for stage, out in stages.items()}
    assert found == {stage: (2, *shape, shape[-1]) for stage, shape in STAGES[name].items()}
    assert list(found) == list(STAGES[name]) == list(network.stage_modules)
    assert network.stage_widths == {stage: shape[0] for stage, shape in STAGES[name].items()}
    assert network.features == list(STAGES[name].values())[-1][0]


@every_model
def test_a_hook_on_its_module_sees_a_stage(name):
    network = small(name).eval()
    seen: dict[str, Tensor] = {}
    for stage, path in network.stage_modules.items():
        network.get_submodule(path).register_forward_hook(
            lambda _module, _inputs, out, stage=stage: seen.update({stage: out})
        )
    stages = network.stages(clips())
    for run in (network.stages, network):
        seen.clear()
        run(clips())
        for stage, out in stages.items():
            frames = out if seen[stage].dim() == 5 else out.transpose(1, 2).flatten(0, 1)
            torch.testing.assert_close(seen[stage], frames)


@every_model
def test_forward_and_stages_run_every_layer_once(name):
    network = small(name, classes=3).eval()
    calls: Counter[str] = Counter()
    layers = {path for path, module in network.named_modules() if dict(module.named_parameters(recurse=False))}
    for path in layers:
        network.get_submodule(path).register_forward_hook(lambda *_, path=path: calls.update([path]))
    network(clips())
    assert calls == dict.fromkeys(layers, 1)
    calls.clear()
    network.stages(clips())
    (classifier,) = layers - set(calls)
    assert classifier in {"fc", "classifier.1", "blocks.5.proj"}
    assert set(calls.values()) == {1}


@every_model
def test_scores_are_the_classifier_of_the_pooled_features(name):
    classifier, encoder = small(name, classes=3).eval(), small(name).eval()
    loaded = encoder.load_state_dict(classifier.state_dict(), strict=False)
    assert (loaded.missing_keys, len(loaded.unexpected_keys)) == ([], 2)
    weight, bias = list(classifier.parameters())[-2:]
    features, scores = encoder(clips()), classifier(clips())
    assert (features.shape, scores.shape) == ((2, encoder.features), (2, 3))
    torch.testing.assert_close(scores, features @ weight.flatten(1).T + bias)


@every_model
def test_gradients_reach_the_stem(name):
    network = small(name, classes=3).train()
    network(clips()).square().sum().backward()
    assert all(parameter.grad is not None for parameter in network.parameters())
    stem = next(network.parameters())
    assert stem.grad.isfinite().all() and stem.grad.abs().sum() > 0


@every_model
def test_autocast_to_bfloat16(name):
    network = small(name).eval()
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        rough = network(clips())
    with torch.no_grad():
        exact = network(clips())
    assert rough.shape == exact.shape
    assert (rough.float() - exact).norm() < 0.05 * exact.norm()


@every_model
def test_a_fresh_network_keeps_the_size_of_its_signal(name):
    with torch.no_grad():
        stages = small(name, width=8).train().stages(clips(64))
    assert all(0.1 < stage.std() < 5 for stage in stages.values())


@every_model
def test_an_encoder_takes_any_backbone(name):
    encoder = VideoEncoder(small(name, channels=6), "both").eval()
    assert encoder(torch.rand(2, 3, 8, 32, 32)).shape == (2, encoder.features)


def test_windows_are_classified_each_and_averaged():
    torch.manual_seed(0)
    last = torch.randn(2, 6, 4, 5, 3)
    convolution = nn.Conv3d(6, 4, 1)
    windows = [
        last[:, :, t : t + 3, y : y + 2, x : x + 3].mean(dim=(2, 3, 4))
        for t in range(2)
        for y in range(4)
        for x in range(1)
    ]
    bent = nn.Sequential(convolution, nn.ReLU())  # averaging before and after differ
    expected = [(w @ convolution.weight.flatten(1).T + convolution.bias).clamp(min=0) for w in windows]
    torch.testing.assert_close(window_head(last, (3, 2, 9), bent), torch.stack(expected).mean(dim=0))
    torch.testing.assert_close(window_head(last, (3, 2, 9), None), torch.stack(windows).mean(dim=0))


# the registry


def test_models_are_listed_by_pattern():
    assert list_models() == ALL
    assert list_models("r*_18") == ["r2plus1d_18", "r3d_18"]
    assert list_models("nothing*") == []


def refused(name: str, **settings: object) -> str:
    with pytest.raises(ConfigError) as caught:
        create_model(name, **settings)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_an_unknown_model_gets_near_names():
    assert refused("r3d18") == "unknown model 'r3d18': did you mean r3d_18?"
    assert "did you mean resnet50" in refused("ResNet50")
    assert refused("zzz") == f"unknown model 'zzz': choose one of {', '.join(ALL)}"


def test_a_network_that_cannot_keep_time_says_so():
    assert refused("mc3_18", keep_time=True).startswith("model mc3_18 has no setting 'keep_time'")
    assert refused("r3d_18", keep_time=2) == "keep_time of model r3d_18 must be true or false, not 2"


def test_unknown_and_impossible_settings():
    assert refused("s3d", patch=4) == "model s3d has no setting 'patch': it knows width, channels, classes"
    for settings in ({"width": 0}, {"width": 2.5}, {"width": None}, {"classes": -1}, {"patch": "4"}):
        (setting, value), *_ = settings.items()
        assert (
            refused("r3d_18", **settings) == f"{setting} of model r3d_18 must be a positive whole number, not {value!r}"
        )
    assert create_model("r3d_18", patch=None, width=4).features == 32


@pytest.mark.parametrize("name", ["mc3_18", "r2plus1d_18", "r3d_18"])
@pytest.mark.parametrize("coarse", [False, True])
def test_a_sum_in_place_is_the_plain_sum(name, coarse, monkeypatch):
    def plain(block: BasicBlock, x: Tensor) -> Tensor:
        shortcut = x if block.downsample is None else block.downsample(x)
        return block.relu(block.conv2(block.conv1(x)) + shortcut)

    network, found = small(name).train(), []
    block = network.layer1[0]
    for forward in (BasicBlock.forward, plain):
        monkeypatch.setattr(BasicBlock, "forward", forward)
        network.zero_grad()
        with short_convolutions(torch.device("cpu")), torch.autocast("cpu", torch.bfloat16, enabled=coarse):
            inner = block(torch.linspace(-1, 1, 4 * 2 * 4 * 8 * 8).view(2, 4, 4, 8, 8))  # in single precision
            out = network(clips())
        (out.square().sum() + inner.float().square().sum()).backward()
        found.append([out, inner, *(weight.grad for weight in network.parameters())])
    for one, other in zip(*found, strict=True):
        assert one.dtype == other.dtype and torch.equal(one, other)
