"""3D residual networks with named stages.

The layout and the state-dict names are those of torchvision's ``video_resnet`` (Tran et al., *A Closer Look at
Spatiotemporal Convolutions for Action Recognition*, CVPR 2018), so that its weights load; at width 64 with 400
classes R3D-18 has 33,371,472 parameters. The flow encoder of MSCL is the same network with kernels that look at one
moment only.
"""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn

from kinema.models.patch_conv import PatchConv3d

STAGES = ("layer1", "layer2", "layer3", "layer4")

Convolution = Callable[[int, int, tuple[int, int, int]], nn.Conv3d]


def conv3x3x3(inputs: int, outputs: int, stride: tuple[int, int, int]) -> nn.Conv3d:
    """A convolution over space and time, as in R3D."""
    return nn.Conv3d(inputs, outputs, 3, stride, padding=1, bias=False)


def conv1x3x3(inputs: int, outputs: int, stride: tuple[int, int, int]) -> nn.Conv3d:
    """A convolution over space alone; a temporal stride is not taken (each moment keeps its own feature)."""
    return nn.Conv3d(inputs, outputs, (1, 3, 3), (1, stride[1], stride[2]), padding=(0, 1, 1), bias=False)


class BasicBlock(nn.Module):
    """Two convolutions and a residual connection."""

    def __init__(self, inputs: int, outputs: int, convolution: Convolution, stride: tuple[int, int, int]):
        super().__init__()
        first = convolution(inputs, outputs, stride)
        self.conv1 = nn.Sequential(first, nn.BatchNorm3d(outputs), nn.ReLU(inplace=True))
        self.conv2 = nn.Sequential(convolution(outputs, outputs, (1, 1, 1)), nn.BatchNorm3d(outputs))
        self.relu = nn.ReLU(inplace=True)
        self.downsample: nn.Module | None = None
        if first.stride != (1, 1, 1) or inputs != outputs:
            time, height, width = first.stride  # what the convolution took of the stride
            shortcut = nn.Conv3d(inputs, outputs, 1, (time, height, width), bias=False)
            self.downsample = nn.Sequential(shortcut, nn.BatchNorm3d(outputs))

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, T, H, W) -> (B, outputs, T/stride, H/stride, W/stride)."""
        shortcut = x if self.downsample is None else self.downsample(x)
        return self.relu(self.conv2(self.conv1(x)) + shortcut)


class VideoResNet(nn.Module):
    """An 18-layer residual network over clips.

    Args:
        width: channels of the first stage; each later stage doubles them.
        channels: channels of the input: 3 for RGB or a colour wheel, 2 for flow vectors.
        convolution: the convolution of every block.
        patch: spatial stride of a stem whose kernel is twice as wide, several times cheaper on small frames; None for
            torchvision's 7x7 kernel of stride 2.
        stem_kernel: frames that the stem sees at once.
        classes: outputs of the classification layer ``fc``; None for an encoder without one.
    """

    def __init__(
        self,
        width: int = 64,
        channels: int = 3,
        convolution: Convolution = conv3x3x3,
        patch: int | None = None,
        stem_kernel: int = 3,
        classes: int | None = None,
    ):
        super().__init__()
        kernel, pace, padding = (7, 2, 3) if patch is None else (2 * patch, patch, patch // 2)
        stem = (nn.Conv3d if patch is None else PatchConv3d)(
            channels,
            width,
            (stem_kernel, kernel, kernel),
            (1, pace, pace),
            (stem_kernel // 2, padding, padding),
            bias=False,
        )
        self.stem = nn.Sequential(stem, nn.BatchNorm3d(width), nn.ReLU(inplace=True))
        widths = [width, 2 * width, 4 * width, 8 * width]
        inputs = width
        for name, outputs in zip(STAGES, widths, strict=True):
            stride = (1, 1, 1) if name == "layer1" else (2, 2, 2)
            first = BasicBlock(inputs, outputs, convolution, stride)
            self.add_module(name, nn.Sequential(first, BasicBlock(outputs, outputs, convolution, (1, 1, 1))))
            inputs = outputs
        self.stage_widths = dict(zip(STAGES, widths, strict=True))
        self.features = inputs
        self.fc = nn.Linear(inputs, classes) if classes is not None else None
        for module in self.modules():
            if isinstance(module, nn.Conv3d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        if self.fc is not None:
            nn.init.normal_(self.fc.weight, 0, 0.01)
            nn.init.zeros_(self.fc.bias)

    def stages(self, x: Tensor) -> dict[str, Tensor]:
        """The output of every stage by name, each (B, C, T', H', W'), from a normalised clip (B, channels, T, H, W)."""
        outputs = {}
        x = self.stem(x)
        for name in STAGES:
            x = self.get_submodule(name)(x)
            outputs[name] = x
        return outputs

    def forward(self, x: Tensor) -> Tensor:
        """(B, channels, T, H, W) -> pooled features (B, 8 * width), or class scores where there is an ``fc``."""
        pooled = self.stages(x)["layer4"].mean(dim=(2, 3, 4))
        return pooled if self.fc is None else self.fc(pooled)


def r3d18(width: int = 64, patch: int | None = None, channels: int = 3, classes: int | None = None) -> VideoResNet:
    """R3D-18, or a narrower network of the same layout."""
    return VideoResNet(width, channels, patch=patch, classes=classes)


def flow_resnet18(width: int = 16, channels: int = 3, patch: int | None = None) -> VideoResNet:
    """The flow encoder of MSCL: kernels that see one field each, so S fields give S time steps."""
    return VideoResNet(width, channels, conv1x3x3, patch, stem_kernel=1)
