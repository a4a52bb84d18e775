from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from published_layouts import Shapes, count, linear, norm, random_state, slow_convolution, slow_norm
from torch import Tensor

from kinema.models.resnet2d import resnet18, resnet50

NETWORKS = {"resnet18": resnet18, "resnet50": resnet50}
BLOCKS = {"resnet18": (2, 2, 2, 2), "resnet50": (3, 4, 6, 3)}


def torchvision_names(kind: str, classes: int | None = 1000, width: int = 64) -> Shapes:
    """Names and shapes in the state dict of torchvision's network, by the rule of its ``resnet``."""
    names: Shapes = {"conv1.weight": (width, 3, 7, 7), **norm("bn1", width)}
    inputs = width
    for stage, blocks in enumerate(BLOCKS[kind]):
        inner = width * 2**stage
        outputs = inner if kind == "resnet18" else 4 * inner
        for block in range(blocks):
            prefix = f"layer{stage + 1}.{block}"
            if kind == "resnet18":
                kernels = [(inner, inputs, 3, 3), (inner, inner, 3, 3)]
            else:
                kernels = [(inner, inputs, 1, 1), (inner, inner, 3, 3), (outputs, inner, 1, 1)]
            for index, kernel in enumerate(kernels, 1):
                names[f"{prefix}.conv{index}.weight"] = kernel
                names.update(norm(f"{prefix}.bn{index}", kernel[0]))
            if inputs != outputs:
                names[f"{prefix}.downsample.0.weight"] = (outputs, inputs, 1, 1)
                names.update(norm(f"{prefix}.downsample.1", outputs))
            inputs = outputs
    return names if classes is None else {**names, **linear("fc", inputs, classes)}


@pytest.mark.parametrize(("kind", "parameters"), [("resnet18", 11_689_512), ("resnet50", 25_557_032)])
def test_names_shapes_and_number_of_parameters_are_torchvisions(kind, parameters):
    with torch.device("meta"):
        network = NETWORKS[kind](classes=1000)
    names = torchvision_names(kind)
    assert {name: tuple(value.shape) for name, value in network.state_dict().items()} == names
    assert sum(parameter.numel() for parameter in network.parameters()) == count(names) == parameters


def slow_network(kind: str, state: dict[str, Tensor], x: Tensor) -> Tensor:
    """Scores of each frame in evaluation mode, from the paper's table; (B, 3, T, H, W) -> (B, T, classes)."""
    x = slow_norm(slow_convolution(x, state["conv1.weight"], (1, 2, 2)), state, "bn1").clamp(min=0)
    x = F.max_pool3d(F.pad(x, (1, 1, 1, 1)), (1, 3, 3), (1, 2, 2))  # nothing is negative: zeros pad as well
    for stage, blocks in enumerate(BLOCKS[kind]):
        for block in range(blocks):
            prefix, stride = f"layer{stage + 1}.{block}", 2 if stage > 0 and block == 0 else 1
            y = x
            for index in (1, 2) if kind == "resnet18" else (1, 2, 3):
                pace = stride if index == (1 if kind == "resnet18" else 2) else 1
                y = slow_convolution(y.clamp(min=0), state[f"{prefix}.conv{index}.weight"], (1, pace, pace))
                y = slow_norm(y, state, f"{prefix}.bn{index}")
            if f"{prefix}.downsample.0.weight" in state:
                x = slow_convolution(x, state[f"{prefix}.downsample.0.weight"], (1, stride, stride))
                x = slow_norm(x, state, f"{prefix}.downsample.1")
            x = (x + y).clamp(min=0)
    return x.mean(dim=(3, 4)).transpose(1, 2) @ state["fc.weight"].T + state["fc.bias"]


@pytest.mark.parametrize("kind", NETWORKS)
def test_such_weights_load_strictly_and_give_the_mean_of_the_frames_scores(kind):
    state = random_state(torchvision_names(kind, classes=5, width=4))
    network = NETWORKS[kind](width=4, classes=5)
    assert network.load_state_dict(state, strict=True)
    clips = torch.randn(2, 3, 3, 40, 32, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        found = network.eval()(clips)
    torch.testing.assert_close(found, slow_network(kind, state, clips).mean(dim=1), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("kind", NETWORKS)
def test_a_clip_is_its_frames_each_alone(kind):
    torch.manual_seed(0)
    network = NETWORKS[kind](width=4).eval()
    clips = torch.randn(2, 3, 5, 32, 48)
    stages = network.stages(clips)
    alone = [network.stages(clips[:, :, moment : moment + 1]) for moment in range(5)]
    for name, stage in stages.items():
        torch.testing.assert_close(stage, torch.cat([each[name] for each in alone], dim=2), rtol=1e-4, atol=1e-4)
    features = torch.stack([network(clips[:, :, moment : moment + 1]) for moment in range(5)])
    torch.testing.assert_close(network(clips), features.mean(dim=0), rtol=1e-4, atol=1e-4)
