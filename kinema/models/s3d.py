"""S3D: an Inception network whose convolutions are factored into space and time.

The layout and the state-dict names are those of torchvision's ``s3d`` (Xie et al., *Rethinking Spatiotemporal Feature
Learning: Speed-Accuracy Trade-offs in Video Classification*, ECCV 2018), so that its weights load; at width 64 with 400
classes it has 8,320,048 parameters.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from kinema.errors import ConfigError
from kinema.models.backbone import AfterStage, Backbone, initialise, window_head

# Channels of the Inception blocks (Szegedy et al., *Going Deeper with Convolutions*, table 1): of the first branch; of
# the reduction and the convolution in the second and in the third; of the last, which begins with pooling.
MIXED3 = ((64, 96, 128, 16, 32, 32), (128, 128, 192, 32, 96, 64))
MIXED4 = (
    (192, 96, 208, 16, 48, 64),
    (160, 112, 224, 24, 64, 64),
    (128, 128, 256, 24, 64, 64),
    (112, 144, 288, 32, 64, 64),
    (256, 160, 320, 32, 128, 128),
)
MIXED5 = ((256, 160, 320, 32, 128, 128), (384, 192, 384, 48, 128, 128))

WINDOW = (2, 7, 7)
LEAST = (5, 17, 17)
"""Frames, height and width of the smallest clip of which the last pooling leaves something."""


def convolution(
    inputs: int, outputs: int, kernel: tuple[int, int, int] = (1, 1, 1), stride: tuple[int, int, int] = (1, 1, 1)
) -> nn.Sequential:
    """A convolution that pads half of its kernel, a norm, and a non-linearity."""
    time, height, width = kernel
    return nn.Sequential(
        nn.Conv3d(inputs, outputs, kernel, stride, (time // 2, height // 2, width // 2), bias=False),
        # torchvision's eps, but not its momentum of 0.001: running statistics would lag by thousands of steps
        nn.BatchNorm3d(outputs, eps=1e-3),
        nn.ReLU(inplace=True),
    )


def separable(inputs: int, outputs: int, kernel: int, stride: int = 1) -> nn.Sequential:
    """A convolution over space, then one over time."""
    return nn.Sequential(
        convolution(inputs, outputs, (1, kernel, kernel), (1, stride, stride)),
        convolution(outputs, outputs, (kernel, 1, 1), (stride, 1, 1)),
    )


class InceptionBlock(nn.Module):
    """Four branches side by side: one pixel; twice a reduction and a separable convolution; pooling and one pixel.

    Args:
        inputs: channels of the input.
        branches: channels as in ``MIXED3``; the output has the sum of the first, third, fifth and sixth.
    """

    def __init__(self, inputs: int, branches: Sequence[int]):
        super().__init__()
        point, reduced1, outputs1, reduced2, outputs2, pooled = branches
        self.branch0 = convolution(inputs, point)
        self.branch1 = nn.Sequential(convolution(inputs, reduced1), separable(reduced1, outputs1, 3))
        self.branch2 = nn.Sequential(convolution(inputs, reduced2), separable(reduced2, outputs2, 3))
        self.branch3 = nn.Sequential(nn.MaxPool3d(3, 1, padding=1), convolution(inputs, pooled))
        self.outputs = point + outputs1 + outputs2 + pooled

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, T, H, W) -> (B, outputs, T, H, W)."""
        return torch.cat([self.branch0(x), self.branch1(x), self.branch2(x), self.branch3(x)], dim=1)


class S3D(Backbone):
    """S3D; its stages end where the frame is about to be halved.

    torchvision calls the trunk ``features``, which is a number here: the state dict has torchvision's name.

    Args:
        width: channels of the first convolution; 64 is the published network, and others scale with it.
        channels: channels of the input.
        classes: outputs of the classification layer ``classifier.1``; None for an encoder without one.
    """

    def __init__(self, width: int = 64, channels: int = 3, classes: int | None = None):
        super().__init__()
        self.trunk = nn.ModuleList()
        self.stage_modules, self.stage_widths = {}, {}

        def scaled(published: int) -> int:
            return max(1, published * width // 64)

        def halving() -> nn.MaxPool3d:
            return nn.MaxPool3d((1, 3, 3), (1, 2, 2), padding=(0, 1, 1))

        def add_stage(name: str, outputs: int, *layers: nn.Module) -> None:
            self.trunk.extend(layers)
            self.stage_modules[name] = f"trunk.{len(self.trunk) - 1}"
            self.stage_widths[name] = outputs

        inputs = scaled(192)
        add_stage("conv1", width, separable(channels, width, 7, 2))
        add_stage("conv2", inputs, halving(), convolution(width, width), separable(width, inputs, 3))
        for name, pool, table in (
            ("mixed3", halving(), MIXED3),
            ("mixed4", nn.MaxPool3d(3, 2, padding=1), MIXED4),
            ("mixed5", nn.MaxPool3d(2, 2), MIXED5),
        ):
            blocks = []
            for branches in table:
                blocks.append(InceptionBlock(inputs, [scaled(branch) for branch in branches]))
                inputs = blocks[-1].outputs
            add_stage(name, inputs, pool, *blocks)
        self.chain = tuple(f"trunk.{index}" for index in range(len(self.trunk)))
        scores = None if classes is None else nn.Conv3d(inputs, classes, 1)
        self.classifier = None if scores is None else nn.Sequential(nn.Dropout(0.2), scores)
        initialise(self, scores)
        self.register_state_dict_post_hook(_to_torchvision)
        self.register_load_state_dict_pre_hook(_from_torchvision)

    def stages(self, x: Tensor, upto: str | None = None, after: AfterStage | None = None) -> dict[str, Tensor]:
        """The output of every stage by name, each (B, C, T', H', W'), from a normalised clip (B, channels, T, H, W);
        arguments as of :meth:`Backbone.stages`.

        Raises:
            ConfigError: a clip below 5 frames or 17 pixels a side, of which the last pooling would leave nothing.
        """
        if any(side < least for side, least in zip(x.shape[2:], LEAST, strict=True)):
            frames, height, width = x.shape[2:]
            raise ConfigError(
                f"s3d needs clips of at least {LEAST[0]} frames of {LEAST[1]}x{LEAST[2]} pixels, not {frames} of "
                f"{width}x{height}: give it larger clips or choose another model"
            )
        return super().stages(x, upto, after)

    def head(self, last: Tensor) -> Tensor:
        """The last stage (B, features, T', H', W') -> pooled features or class scores, as torchvision pools them."""
        return window_head(last, WINDOW, self.classifier)


def _renamed(state: dict[str, Any], prefix: str, old: str, new: str) -> None:
    """Rename the entries below ``prefix + old`` in place, keeping the order."""
    start, replacement = prefix + old, prefix + new
    for name in [name for name in state if name.startswith(prefix)]:
        renamed = replacement + name.removeprefix(start) if name.startswith(start) else name
        state[renamed] = state.pop(name)


def _to_torchvision(module: nn.Module, state: dict[str, Any], prefix: str, *_: Any) -> None:
    _renamed(state, prefix, "trunk.", "features.")


def _from_torchvision(module: nn.Module, state: dict[str, Any], prefix: str, *_: Any) -> None:
    _renamed(state, prefix, "features.", "trunk.")
