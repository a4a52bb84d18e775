from __future__ import annotations

import copy

import pytest
import torch
import torch.nn.functional as F
from published_layouts import Shapes, count, norm, random_state, slow_convolution, slow_norm
from torch import Tensor, nn

from kinema.errors import ConfigError
from kinema.models.s3d import S3D

# The trunk of torchvision's file by layer, at width 64: what it is and its channels. Layers that hold nothing (pooling)
# are left out; a block's channels are (inputs; first branch; second: reduced, out; third: reduced, out; fourth).
TRUNK = {
    0: ("separable", 3, 64, 7),
    2: ("point", 64, 64),
    3: ("separable", 64, 192, 3),
    5: ("block", 192, 64, 96, 128, 16, 32, 32),
    6: ("block", 256, 128, 128, 192, 32, 96, 64),
    8: ("block", 480, 192, 96, 208, 16, 48, 64),
    9: ("block", 512, 160, 112, 224, 24, 64, 64),
    10: ("block", 512, 128, 128, 256, 24, 64, 64),
    11: ("block", 512, 112, 144, 288, 32, 64, 64),
    12: ("block", 528, 256, 160, 320, 32, 128, 128),
    14: ("block", 832, 256, 160, 320, 32, 128, 128),
    15: ("block", 832, 384, 192, 384, 48, 128, 128),
}


def torchvision_names(classes: int = 400, shrink: int = 1) -> Shapes:
    """Names and shapes in the state dict of torchvision's ``s3d``, channels divided by ``shrink``."""
    names: Shapes = {}

    def point(name: str, inputs: int, outputs: int, kernel: tuple[int, int, int] = (1, 1, 1)) -> None:
        names[f"{name}.0.weight"] = (outputs, inputs, *kernel)
        names.update(norm(f"{name}.1", outputs))

    def separable(name: str, inputs: int, outputs: int, side: int) -> None:
        point(f"{name}.0", inputs, outputs, (1, side, side))
        point(f"{name}.1", outputs, outputs, (side, 1, 1))

    for layer, (kind, *numbers) in TRUNK.items():
        name = f"features.{layer}"
        inputs, *channels = (number if number in (3, 7) else number // shrink for number in numbers)
        if kind == "separable":
            separable(name, inputs, *channels)
        elif kind == "point":
            point(name, inputs, *channels)
        else:
            first, reduced1, out1, reduced2, out2, pooled = channels
            point(f"{name}.branch0", inputs, first)
            point(f"{name}.branch1.0", inputs, reduced1)
            separable(f"{name}.branch1.1", reduced1, out1, 3)
            point(f"{name}.branch2.0", inputs, reduced2)
            separable(f"{name}.branch2.1", reduced2, out2, 3)
            point(f"{name}.branch3.1", inputs, pooled)
    names["classifier.1.weight"] = (classes, 1024 // shrink, 1, 1, 1)
    names["classifier.1.bias"] = (classes,)
    return names


def test_names_shapes_and_number_of_parameters_are_torchvisions():
    with torch.device("meta"):
        network = S3D(classes=400)
    found = {name: tuple(value.shape) for name, value in network.state_dict().items()}
    assert found == torchvision_names()
    assert list(found) == list(torchvision_names())
    assert sum(parameter.numel() for parameter in network.parameters()) == count(found) == 8_320_048


def slow_s3d(state: dict[str, Tensor], x: Tensor) -> Tensor:
    """S3D in evaluation mode, layer by layer; what torchvision's does, for maps below its windows' 7 pixels a side."""

    def point(x: Tensor, name: str, pace: tuple[int, int, int] = (1, 1, 1)) -> Tensor:
        x = slow_convolution(x, state[f"{name}.0.weight"], pace)
        return slow_norm(x, state, f"{name}.1", eps=1e-3).clamp(min=0)

    def separable(x: Tensor, name: str, stride: int = 1) -> Tensor:
        return point(point(x, f"{name}.0", (1, stride, stride)), f"{name}.1", (stride, 1, 1))

    def block(x: Tensor, name: str) -> Tensor:
        around = F.max_pool3d(F.pad(x, (1,) * 6), 3, 1)  # nothing is negative: zeros pad as well
        return torch.cat(
            [
                point(x, f"{name}.branch0"),
                separable(point(x, f"{name}.branch1.0"), f"{name}.branch1.1"),
                separable(point(x, f"{name}.branch2.0"), f"{name}.branch2.1"),
                point(around, f"{name}.branch3.1"),
            ],
            dim=1,
        )

    x = separable(x, "features.0", 2)
    x = F.max_pool3d(F.pad(x, (1, 1, 1, 1)), (1, 3, 3), (1, 2, 2))
    x = separable(point(x, "features.2"), "features.3")
    x = F.max_pool3d(F.pad(x, (1, 1, 1, 1)), (1, 3, 3), (1, 2, 2))
    x = block(block(x, "features.5"), "features.6")
    x = F.max_pool3d(F.pad(x, (1,) * 6), 3, 2)
    for layer in range(8, 13):
        x = block(x, f"features.{layer}")
    x = F.max_pool3d(x, 2, 2)
    x = block(block(x, "features.14"), "features.15")
    pairs = [(x[:, :, moment] + x[:, :, moment + 1]).mean(dim=(2, 3)) / 2 for moment in range(x.shape[2] - 1)]
    kernel = state["classifier.1.weight"].flatten(1)
    return torch.stack([pair @ kernel.T + state["classifier.1.bias"] for pair in pairs]).mean(dim=0)


@pytest.fixture(scope="module")
def state() -> dict[str, Tensor]:
    return random_state(torchvision_names(classes=5, shrink=4))


def test_such_weights_load_strictly_and_compute_what_they_should(state):
    network = S3D(width=16, classes=5)
    assert network.load_state_dict(state, strict=True)
    clips = torch.randn(2, 3, 24, 48, 64, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        found = network.eval()(clips)
    torch.testing.assert_close(found, slow_s3d(state, clips), rtol=1e-4, atol=1e-4)


def test_the_state_dict_goes_through_a_copy_and_a_parent(state):
    network = S3D(width=16, classes=5)
    network.load_state_dict(state, strict=True)
    parent = nn.ModuleDict({"first": nn.Linear(1, 1), "backbone": copy.deepcopy(network)})
    nested = parent.state_dict()
    assert {name for name in nested if name.startswith("backbone.")} == {f"backbone.{name}" for name in state}
    other = nn.ModuleDict({"first": nn.Linear(1, 1), "backbone": S3D(width=16, classes=5)})
    assert other.load_state_dict(nested, strict=True)
    for name, value in other["backbone"].state_dict().items():
        assert torch.equal(value, state[name]), name
    assert "backbone.features.0.0.0.weight" in nested  # loading left the caller's dictionary alone


def test_a_wrong_state_dict_is_refused(state):
    network = S3D(width=16, classes=5)
    with pytest.raises(RuntimeError, match="Missing key"):
        network.load_state_dict({name: value for name, value in state.items() if "features.5" not in name})
    with pytest.raises(RuntimeError, match="Unexpected key"):
        network.load_state_dict({**state, "features.1.0.weight": torch.zeros(1)})


@pytest.mark.parametrize("size", [(4, 32, 32), (8, 16, 32), (8, 32, 16)])
def test_a_clip_that_leaves_nothing_is_refused(size):
    network = S3D(width=4)
    with pytest.raises(ConfigError) as caught:
        network(torch.rand(1, 3, *size))
    frames, height, width = size
    assert f"at least 5 frames of 17x17 pixels, not {frames} of {width}x{height}: give it" in str(caught.value)


def test_the_smallest_clip_passes():
    assert S3D(width=4).eval()(torch.rand(1, 3, 5, 17, 17)).shape == (1, 64)
