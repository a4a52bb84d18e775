from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from kinema.models import flow_resnet18, r3d18


def torchvision_names(classes: int | None = 400, width: int = 64) -> dict[str, tuple[int, ...]]:
    """Names and shapes in the state dict of torchvision's ``r3d_18``, by the rule of its ``video_resnet``."""
    names: dict[str, tuple[int, ...]] = {}

    def norm(name: str, channels: int) -> None:
        for part in ("weight", "bias", "running_mean", "running_var"):
            names[f"{name}.{part}"] = (channels,)
        names[f"{name}.num_batches_tracked"] = ()

    names["stem.0.weight"] = (width, 3, 3, 7, 7)
    norm("stem.1", width)
    inputs = width
    for stage in range(4):
        outputs = width * 2**stage
        for block in range(2):
            prefix = f"layer{stage + 1}.{block}"
            names[f"{prefix}.conv1.0.weight"] = (outputs, inputs, 3, 3, 3)
            norm(f"{prefix}.conv1.1", outputs)
            names[f"{prefix}.conv2.0.weight"] = (outputs, outputs, 3, 3, 3)
            norm(f"{prefix}.conv2.1", outputs)
            if inputs != outputs:
                names[f"{prefix}.downsample.0.weight"] = (outputs, inputs, 1, 1, 1)
                norm(f"{prefix}.downsample.1", outputs)
            inputs = outputs
    if classes is not None:
        names["fc.weight"], names["fc.bias"] = (classes, inputs), (classes,)
    return names


def random_state(classes: int | None = 400, width: int = 64) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(0)
    state = {}
    for name, shape in torchvision_names(classes, width).items():
        if name.endswith("num_batches_tracked"):
            state[name] = torch.tensor(7)
        elif len(shape) > 2:
            state[name] = torch.randn(shape, generator=generator) / math.prod(shape[1:]) ** 0.5
        else:
            state[name] = 0.5 + torch.rand(shape, generator=generator)
    return state


# R3D-18


def test_r3d18_has_the_published_number_of_parameters_under_torchvisions_names():
    network = r3d18(classes=400)
    assert sum(parameter.numel() for parameter in network.parameters()) == 33_371_472
    assert {name: tuple(value.shape) for name, value in network.state_dict().items()} == torchvision_names()


def slow_r3d18(state: dict[str, Tensor], x: Tensor) -> Tensor:
    """R3D-18 in evaluation mode, written down from the paper's table."""

    def norm(x: Tensor, name: str) -> Tensor:
        mean, var, weight, bias = (
            state[f"{name}.{part}"].view(-1, 1, 1, 1) for part in ("running_mean", "running_var", "weight", "bias")
        )
        return (x - mean) / (var + 1e-5).sqrt() * weight + bias

    x = F.conv3d(x, state["stem.0.weight"], stride=(1, 2, 2), padding=(1, 3, 3))
    x = norm(x, "stem.1").clamp(min=0)
    for stage in range(4):
        for block in range(2):
            prefix, stride = f"layer{stage + 1}.{block}", 2 if stage > 0 and block == 0 else 1
            y = F.conv3d(x, state[f"{prefix}.conv1.0.weight"], stride=stride, padding=1)
            y = norm(y, f"{prefix}.conv1.1").clamp(min=0)
            y = norm(F.conv3d(y, state[f"{prefix}.conv2.0.weight"], padding=1), f"{prefix}.conv2.1")
            if f"{prefix}.downsample.0.weight" in state:
                x = norm(F.conv3d(x, state[f"{prefix}.downsample.0.weight"], stride=stride), f"{prefix}.downsample.1")
            x = (x + y).clamp(min=0)
    return x.mean(dim=(2, 3, 4)) @ state["fc.weight"].T + state["fc.bias"]


def test_such_weights_load_strictly_and_compute_what_they_should():
    state = random_state(classes=5, width=4)
    network = r3d18(width=4, classes=5)
    assert network.load_state_dict(state, strict=True)
    clips = torch.randn(2, 3, 8, 32, 32, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        found = network.eval()(clips)
    torch.testing.assert_close(found, slow_r3d18(state, clips), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("patch", "side"), [(None, 24), (4, 12), (2, 24)])
def test_stage_shapes(patch, side):
    network = r3d18(width=4, patch=patch)
    stages = network.eval().stages(torch.rand(1, 3, 8, 48, 48))
    assert {name: tuple(stage.shape[1:]) for name, stage in stages.items()} == {
        "layer1": (4, 8, side, side),
        "layer2": (8, 4, side // 2, side // 2),
        "layer3": (16, 2, side // 4, side // 4),
        "layer4": (32, 1, -(-side // 8), -(-side // 8)),
    }
    assert network.stage_widths == {"layer1": 4, "layer2": 8, "layer3": 16, "layer4": 32}
    assert network.features == 32
    assert network(torch.rand(2, 3, 8, 48, 48)).shape == (2, 32)


def test_pooled_features_without_a_classifier_and_scores_with_one():
    clips = torch.rand(2, 3, 4, 16, 16)
    encoder, classifier = r3d18(width=4).eval(), r3d18(width=4, classes=7).eval()
    torch.testing.assert_close(encoder(clips), encoder.stages(clips)["layer4"].mean(dim=(2, 3, 4)))
    assert classifier(clips).shape == (2, 7)
    assert "fc.weight" not in encoder.state_dict()


def test_patches_of_the_quick_stem_overlap_and_cover_the_frame():
    network = r3d18(width=4, patch=4).eval()
    assert (network.stem[0].kernel_size, network.stem[0].stride) == ((3, 8, 8), (1, 4, 4))
    clip = torch.rand(1, 3, 3, 16, 16, requires_grad=True)
    network.stem[0](clip).abs().sum().backward()
    assert (clip.grad != 0).all()


def test_a_fresh_network_keeps_the_size_of_its_signal():
    torch.manual_seed(0)
    stages = r3d18(width=8).train().stages(torch.randn(4, 3, 4, 32, 32))
    assert all(0.3 < stage.std() < 3 for stage in stages.values())


# the flow encoder


def test_flow_encoder_of_the_paper():
    network = flow_resnet18()
    kernels = {name: m.kernel_size for name, m in network.named_modules() if isinstance(m, nn.Conv3d)}
    assert kernels.pop("stem.0") == (1, 7, 7)
    assert all(kernel == ((1, 1, 1) if "downsample" in name else (1, 3, 3)) for name, kernel in kernels.items())
    assert network.stem[0].stride == (1, 2, 2)
    assert list(network.stage_widths.values()) == [16, 32, 64, 128]
    assert network.features == 128


@pytest.mark.parametrize("patch", [None, 4])
def test_every_field_gives_a_moment(patch):
    network = flow_resnet18(width=4, channels=2, patch=patch).eval()
    for name, stage in network.stages(torch.randn(1, 2, 5, 32, 32)).items():
        assert stage.shape[2] == 5, name


@pytest.mark.parametrize("patch", [None, 4])
def test_a_moments_flow_feature_sees_its_own_field_alone(patch):
    torch.manual_seed(0)
    network = flow_resnet18(width=4, channels=2, patch=patch).eval()
    flow = torch.randn(1, 2, 4, 16, 16, requires_grad=True)
    moments = network.stages(flow)["layer4"].mean(dim=(1, 3, 4))[0]
    for moment, feature in enumerate(moments):
        (gradient,) = torch.autograd.grad(feature, flow, retain_graph=True)
        assert gradient.abs().sum(dim=(0, 1, 3, 4)).nonzero().flatten().tolist() == [moment]
