from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from published_layouts import Shapes, count, linear, norm, random_state, slow_convolution, slow_norm
from torch import Tensor, nn

from kinema.models import flow_resnet18
from kinema.models.resnet3d import BasicBlock, Conv2Plus1D, mc3_18, r2plus1d_18, r3d_18

NETWORKS = {"r3d_18": r3d_18, "mc3_18": mc3_18, "r2plus1d_18": r2plus1d_18}

# channels between the factors of R(2+1)D-18 in torchvision's file, by block
MIDDLE = {
    "layer1.0": 144,
    "layer1.1": 144,
    "layer2.0": 230,
    "layer2.1": 288,
    "layer3.0": 460,
    "layer3.1": 576,
    "layer4.0": 921,
    "layer4.1": 1152,
}


def torchvision_names(kind: str, classes: int | None = 400, width: int = 64) -> Shapes:
    """Names and shapes in the state dict of torchvision's network, by the rule of its ``video_resnet``."""
    names: Shapes = {}

    def convolution(name: str, inputs: int, outputs: int, middle: int, frames: int) -> None:
        if kind != "r2plus1d_18":
            names[f"{name}.weight"] = (outputs, inputs, frames, 3, 3)
            return
        names[f"{name}.0.weight"] = (middle, inputs, 1, 3, 3)
        names.update(norm(f"{name}.1", middle))
        names[f"{name}.3.weight"] = (outputs, middle, 3, 1, 1)

    if kind == "r2plus1d_18":
        middle = 45 * width // 64
        names["stem.0.weight"] = (middle, 3, 1, 7, 7)
        names.update(norm("stem.1", middle))
        names["stem.3.weight"] = (width, middle, 3, 1, 1)
        names.update(norm("stem.4", width))
    else:
        names["stem.0.weight"] = (width, 3, 3, 7, 7)
        names.update(norm("stem.1", width))
    inputs = width
    for stage in range(4):
        outputs = width * 2**stage
        frames = 1 if kind == "mc3_18" and stage > 0 else 3
        for block in range(2):
            prefix = f"layer{stage + 1}.{block}"
            middle = MIDDLE[prefix] if width == 64 else 27 * inputs * outputs // (9 * inputs + 3 * outputs)
            convolution(f"{prefix}.conv1.0", inputs, outputs, middle, frames)
            names.update(norm(f"{prefix}.conv1.1", outputs))
            convolution(f"{prefix}.conv2.0", outputs, outputs, middle, frames)
            names.update(norm(f"{prefix}.conv2.1", outputs))
            if inputs != outputs:
                names[f"{prefix}.downsample.0.weight"] = (outputs, inputs, 1, 1, 1)
                names.update(norm(f"{prefix}.downsample.1", outputs))
            inputs = outputs
    return names if classes is None else {**names, **linear("fc", inputs, classes)}


# R3D-18, MC3-18 and R(2+1)D-18


@pytest.mark.parametrize(
    ("kind", "parameters"), [("r3d_18", 33_371_472), ("mc3_18", 11_695_440), ("r2plus1d_18", 31_505_325)]
)
def test_names_shapes_and_number_of_parameters_are_torchvisions(kind, parameters):
    with torch.device("meta"):
        network = NETWORKS[kind](classes=400)
    names = torchvision_names(kind)
    assert {name: tuple(value.shape) for name, value in network.state_dict().items()} == names
    assert sum(parameter.numel() for parameter in network.parameters()) == count(names) == parameters


def slow_network(kind: str, state: dict[str, Tensor], x: Tensor) -> Tensor:
    """The network in evaluation mode, written down from the paper's table."""

    def convolution(x: Tensor, name: str, stride: int) -> Tensor:
        if kind != "r2plus1d_18":
            return slow_convolution(x, state[f"{name}.weight"], (1 if flat else stride, stride, stride))
        x = slow_convolution(x, state[f"{name}.0.weight"], (1, stride, stride))
        x = slow_norm(x, state, f"{name}.1").clamp(min=0)
        return slow_convolution(x, state[f"{name}.3.weight"], (stride, 1, 1))

    x = slow_convolution(x, state["stem.0.weight"], (1, 2, 2))
    x = slow_norm(x, state, "stem.1").clamp(min=0)
    if kind == "r2plus1d_18":
        x = slow_norm(slow_convolution(x, state["stem.3.weight"]), state, "stem.4").clamp(min=0)
    for stage in range(4):
        flat = kind == "mc3_18" and stage > 0
        for block in range(2):
            prefix, stride = f"layer{stage + 1}.{block}", 2 if stage > 0 and block == 0 else 1
            y = slow_norm(convolution(x, f"{prefix}.conv1.0", stride), state, f"{prefix}.conv1.1").clamp(min=0)
            y = slow_norm(convolution(y, f"{prefix}.conv2.0", 1), state, f"{prefix}.conv2.1")
            if f"{prefix}.downsample.0.weight" in state:
                x = x[:, :, :: 1 if flat else stride, ::stride, ::stride]
                x = slow_norm(
                    slow_convolution(x, state[f"{prefix}.downsample.0.weight"]), state, f"{prefix}.downsample.1"
                )
            x = (x + y).clamp(min=0)
    return x.mean(dim=(2, 3, 4)) @ state["fc.weight"].T + state["fc.bias"]


@pytest.mark.parametrize("kind", NETWORKS)
def test_such_weights_load_strictly_and_compute_what_they_should(kind):
    state = random_state(torchvision_names(kind, classes=5, width=4))
    network = NETWORKS[kind](width=4, classes=5)
    assert network.load_state_dict(state, strict=True)
    clips = torch.randn(2, 3, 8, 32, 32, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        found = network.eval()(clips)
    torch.testing.assert_close(found, slow_network(kind, state, clips), rtol=1e-4, atol=1e-4)


def test_linear_factors_are_one_convolution():
    """Without what stands between them, the factors are the convolution with the product of their kernels."""
    torch.manual_seed(0)
    factors = Conv2Plus1D(3, 5, (2, 2, 2), middle=4)
    space, _, _, time = factors
    whole = sum(time.weight[:, middle, None] * space.weight[None, middle] for middle in range(4))
    x = torch.randn(2, 3, 6, 9, 8)
    torch.testing.assert_close(time(space(x)), F.conv3d(x, whole, stride=2, padding=1), rtol=1e-4, atol=1e-5)


def test_factors_hold_as_many_weights_as_the_whole_convolution():
    block = BasicBlock(64, 64, Conv2Plus1D, (1, 1, 1))
    assert sum(m.weight.numel() for m in block.conv1[0] if isinstance(m, nn.Conv3d)) == 64 * 64 * 27


@pytest.mark.parametrize("network", [r3d_18, mc3_18])
@pytest.mark.parametrize(("patch", "side"), [(None, 24), (4, 12), (2, 24)])
def test_stage_shapes(network, patch, side):
    keeps_time = network is mc3_18
    network = network(width=4, patch=patch)
    stages = network.eval().stages(torch.rand(1, 3, 8, 48, 48))
    assert {name: tuple(stage.shape[1:]) for name, stage in stages.items()} == {
        "layer1": (4, 8, side, side),
        "layer2": (8, 8 if keeps_time else 4, side // 2, side // 2),
        "layer3": (16, 8 if keeps_time else 2, side // 4, side // 4),
        "layer4": (32, 8 if keeps_time else 1, -(-side // 8), -(-side // 8)),
    }
    assert network.stage_widths == {"layer1": 4, "layer2": 8, "layer3": 16, "layer4": 32}
    assert network.features == 32
    assert network(torch.rand(2, 3, 8, 48, 48)).shape == (2, 32)


def test_patches_of_the_quick_stem_overlap_and_cover_the_frame():
    network = r3d_18(width=4, patch=4).eval()
    assert (network.stem[0].kernel_size, network.stem[0].stride) == ((3, 8, 8), (1, 4, 4))
    clip = torch.rand(1, 3, 3, 16, 16, requires_grad=True)
    network.stem[0](clip).abs().sum().backward()
    assert (clip.grad != 0).all()


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


@pytest.mark.parametrize("kind", ["r3d_18", "r2plus1d_18"])
def test_time_is_kept_with_the_same_weights(kind):
    plain, kept = NETWORKS[kind](width=4).eval(), NETWORKS[kind](width=4, keep_time=True).eval()
    kept.load_state_dict(plain.state_dict())
    clip = torch.rand(1, 3, 8, 32, 32)
    steps = {name: stage.shape[2] for name, stage in kept.stages(clip).items()}
    assert steps == {"layer1": 8, "layer2": 4, "layer3": 4, "layer4": 4}
    assert [stage.shape[2] for stage in plain.stages(clip).values()] == [8, 4, 2, 1]
    assert torch.equal(kept.stages(clip)["layer2"], plain.stages(clip)["layer2"])
