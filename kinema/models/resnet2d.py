"""Residual networks over single frames, whose features are averaged over time.

The layout and the state-dict names are those of torchvision's ``resnet18`` and ``resnet50`` (He et al., *Deep Residual
Learning for Image Recognition*, CVPR 2016; the 50-layer network strides in its 3x3 convolutions), so that its weights
load; at width 64 with 1000 classes they have 11,689,512 and 25,557,032 parameters.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from kinema.models.backbone import AfterStage, Backbone, initialise

STAGES = ("layer1", "layer2", "layer3", "layer4")


class ResidualBlock(nn.Module):
    """Convolutions ``conv1``, ``conv2``, ... with their norms, and a residual connection.

    Args:
        inputs: channels of the input.
        middle: channels between the convolutions.
        outputs: channels of the output.
        kernels: side of each convolution's kernel: (3, 3) for a basic block, (1, 3, 1) for a bottleneck.
        stride: of the first convolution that sees more than one pixel.
    """

    def __init__(self, inputs: int, middle: int, outputs: int, kernels: Sequence[int], stride: int):
        super().__init__()
        self.depth = len(kernels)
        widths = [inputs, *[middle] * (self.depth - 1), outputs]
        for index, kernel in enumerate(kernels):
            pace = stride if index == kernels.index(3) else 1
            convolution = nn.Conv2d(widths[index], widths[index + 1], kernel, pace, padding=kernel // 2, bias=False)
            self.add_module(f"conv{index + 1}", convolution)
            self.add_module(f"bn{index + 1}", nn.BatchNorm2d(widths[index + 1]))
        self.relu = nn.ReLU(inplace=True)
        self.downsample: nn.Module | None = None
        if stride != 1 or inputs != outputs:
            shortcut = nn.Conv2d(inputs, outputs, 1, stride, bias=False)
            self.downsample = nn.Sequential(shortcut, nn.BatchNorm2d(outputs))

    def forward(self, x: Tensor) -> Tensor:
        """(N, inputs, H, W) -> (N, outputs, H/stride, W/stride)."""
        shortcut = x if self.downsample is None else self.downsample(x)
        for index in range(1, self.depth + 1):
            x = self.get_submodule(f"bn{index}")(self.get_submodule(f"conv{index}")(x))
            x = self.relu(x if index < self.depth else x + shortcut)
        return x


class FrameResNet(Backbone):
    """A residual network that sees each frame of a clip alone.

    Args:
        blocks: residual blocks of each stage.
        kernels: side of the kernels in a block.
        expansion: channels of a block's output for each channel inside it.
        width: channels inside the first stage's blocks; each later stage doubles them.
        channels: channels of the input.
        classes: outputs of the classification layer ``fc``; None for an encoder without one.
    """

    chain = ("conv1", "bn1", "relu", "maxpool", *STAGES)

    def __init__(
        self,
        blocks: Sequence[int],
        kernels: Sequence[int],
        expansion: int,
        width: int = 64,
        channels: int = 3,
        classes: int | None = None,
    ):
        super().__init__()
        self.conv1 = nn.Conv2d(channels, width, 7, 2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, 2, padding=1)
        self.stage_modules = {name: name for name in STAGES}
        self.stage_widths = {name: expansion * width * 2**index for index, name in enumerate(STAGES)}
        inputs = width
        for (name, outputs), count in zip(self.stage_widths.items(), blocks, strict=True):
            middle = outputs // expansion
            first = ResidualBlock(inputs, middle, outputs, kernels, stride=1 if name == "layer1" else 2)
            rest = [ResidualBlock(outputs, middle, outputs, kernels, stride=1) for _ in range(count - 1)]
            self.add_module(name, nn.Sequential(first, *rest))
            inputs = outputs
        self.fc = nn.Linear(inputs, classes) if classes is not None else None
        initialise(self, self.fc)

    def stages(self, x: Tensor, upto: str | None = None, after: AfterStage | None = None) -> dict[str, Tensor]:
        """The output of every stage by name, each (B, C, T, H', W'), from a normalised clip (B, channels, T, H, W);
        arguments as of :meth:`Backbone.stages`, but that ``after`` sees (B * T, C, H', W')."""
        shape = (x.shape[0], x.shape[2])
        frames = x.transpose(1, 2).flatten(0, 1)
        outputs = super().stages(frames, upto, after)
        return {name: out.unflatten(0, shape).transpose(1, 2) for name, out in outputs.items()}


def resnet18(width: int = 64, channels: int = 3, classes: int | None = None) -> FrameResNet:
    """ResNet-18 on each frame.

    Args:
        width: channels of the first stage; 64 is the published network.
        channels: channels of the input.
        classes: outputs of the classification layer; None for an encoder without one.
    """
    return FrameResNet((2, 2, 2, 2), (3, 3), 1, width, channels, classes)


def resnet50(width: int = 64, channels: int = 3, classes: int | None = None) -> FrameResNet:
    """ResNet-50 on each frame; arguments as of :func:`resnet18`, with four times ``width`` in the first stage."""
    return FrameResNet((3, 4, 6, 3), (1, 3, 1), 4, width, channels, classes)
