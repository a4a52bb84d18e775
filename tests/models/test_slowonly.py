from __future__ import annotations

import torch
import torch.nn.functional as F
from published_layouts import Shapes, count, linear, norm, random_state, slow_convolution, slow_norm
from torch import Tensor

from kinema.models.slowonly import SlowOnly

DEPTHS = {1: 3, 2: 4, 3: 6, 4: 3}
FRAMES = {1: 1, 2: 1, 3: 3, 4: 3}
"""What the first convolution of a block spans, by stage."""


def pytorchvideo_names(classes: int = 400, width: int = 64) -> Shapes:
    """Names and shapes in the state dict of PyTorchVideo's ``slow_r50``, by the rule of its ``create_resnet``."""
    names: Shapes = {"blocks.0.conv.weight": (width, 3, 1, 7, 7), **norm("blocks.0.norm", width)}
    inputs = width
    for stage, depth in DEPTHS.items():
        inner = width * 2 ** (stage - 1)
        outputs = 4 * inner
        for block in range(depth):
            prefix = f"blocks.{stage}.res_blocks.{block}"
            if block == 0:
                names[f"{prefix}.branch1_conv.weight"] = (outputs, inputs, 1, 1, 1)
                names.update(norm(f"{prefix}.branch1_norm", outputs))
            names[f"{prefix}.branch2.conv_a.weight"] = (inner, inputs, FRAMES[stage], 1, 1)
            names.update(norm(f"{prefix}.branch2.norm_a", inner))
            names[f"{prefix}.branch2.conv_b.weight"] = (inner, inner, 1, 3, 3)
            names.update(norm(f"{prefix}.branch2.norm_b", inner))
            names[f"{prefix}.branch2.conv_c.weight"] = (outputs, inner, 1, 1, 1)
            names.update(norm(f"{prefix}.branch2.norm_c", outputs))
            inputs = outputs
    return {**names, **linear("blocks.5.proj", inputs, classes)}


def test_names_shapes_and_number_of_parameters_are_pytorchvideos():
    with torch.device("meta"):
        network = SlowOnly(classes=400)
    names = pytorchvideo_names()
    assert {name: tuple(value.shape) for name, value in network.state_dict().items()} == names
    assert sum(parameter.numel() for parameter in network.parameters()) == count(names) == 32_454_096


def slow_slowonly(state: dict[str, Tensor], x: Tensor) -> Tensor:
    """The network in evaluation mode, layer by layer; windows of 8 frames, for maps below their 7 pixels a side."""
    x = slow_norm(slow_convolution(x, state["blocks.0.conv.weight"], (1, 2, 2)), state, "blocks.0.norm").clamp(min=0)
    x = F.max_pool3d(F.pad(x, (1, 1, 1, 1)), (1, 3, 3), (1, 2, 2))  # nothing is negative: zeros pad as well
    for stage, depth in DEPTHS.items():
        for block in range(depth):
            prefix, stride = f"blocks.{stage}.res_blocks.{block}", 2 if stage > 1 and block == 0 else 1
            y = slow_convolution(x, state[f"{prefix}.branch2.conv_a.weight"])
            y = slow_norm(y, state, f"{prefix}.branch2.norm_a").clamp(min=0)
            y = slow_convolution(y, state[f"{prefix}.branch2.conv_b.weight"], (1, stride, stride))
            y = slow_norm(y, state, f"{prefix}.branch2.norm_b").clamp(min=0)
            y = slow_norm(
                slow_convolution(y, state[f"{prefix}.branch2.conv_c.weight"]), state, f"{prefix}.branch2.norm_c"
            )
            if block == 0:
                x = slow_convolution(x, state[f"{prefix}.branch1_conv.weight"], (1, stride, stride))
                x = slow_norm(x, state, f"{prefix}.branch1_norm")
            x = (x + y).clamp(min=0)
    means = [x[:, :, start : start + 8].mean(dim=(2, 3, 4)) for start in range(x.shape[2] - 7)]
    scores = [mean @ state["blocks.5.proj.weight"].T + state["blocks.5.proj.bias"] for mean in means]
    return torch.stack(scores).mean(dim=0)


def test_such_weights_load_strictly_and_compute_what_they_should():
    state = random_state(pytorchvideo_names(classes=5, width=4))
    network = SlowOnly(width=4, classes=5)
    assert network.load_state_dict(state, strict=True)
    clips = torch.randn(2, 3, 10, 40, 32, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        found = network.eval()(clips)
    torch.testing.assert_close(found, slow_slowonly(state, clips), rtol=1e-4, atol=1e-4)
