"""3D residual networks of 18 layers: R3D, MC3 and R(2+1)D, which differ in their convolutions.

The layout and the state-dict names are those of torchvision's ``video_resnet`` (Tran et al., *A Closer Look at
Spatiotemporal Convolutions for Action Recognition*, CVPR 2018), so that its weights load; at width 64 with 400
classes R3D-18 has 33,371,472 parameters, MC3-18 11,695,440 and R(2+1)D-18 31,505,325. The flow encoder of MSCL is
the same network with kernels that look at one moment only.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from kinema.models.backbone import Backbone, initialise

WORDS = {4: torch.int32, 8: torch.int64, 16: torch.complex128}
"""A type of so many bytes: the pixels of one row of a patch are moved as one number, several times faster."""


class PatchConv3d(nn.Conv3d):
    """A 3D convolution whose kernel spans two by two of the patches that its stride goes by.

    Parameters and results are those of :class:`torch.nn.Conv3d` with a spatial kernel of twice the stride and a padding
    of half of it. On a CPU the pixels of a patch become channels first: for the few channels of a picture a
    convolution's fixed costs are most of its time.
    """

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, T, H, W) -> (B, C', T', H / stride, W / stride)."""
        (pace, _, patch), (margin, _, pad) = self.stride, (int(side) for side in self.padding)
        dtype = torch.get_autocast_dtype("cpu") if torch.is_autocast_enabled("cpu") else x.dtype
        word = WORDS.get(patch * dtype.itemsize)
        elsewhere = x.device.type != "cpu" or torch.compiler.is_compiling()  # what is exported may run anywhere
        if elsewhere or x.requires_grad or word is None or x.shape[3] % patch or x.shape[4] % patch:
            return super().forward(x)
        batch, channels, frames, height, width = x.shape
        padded = torch.zeros(batch, channels, frames, height + patch, width + patch, dtype=dtype)
        padded[..., pad : pad + height, pad : pad + width] = x
        rows = padded.view(word).unflatten(3, (-1, patch))  # (B, C, T, h, patch, w)
        patches = rows.permute(0, 2, 3, 5, 1, 4).contiguous().view(dtype).flatten(4).permute(0, 4, 1, 2, 3)
        kernel = self.weight.unflatten(4, (2, patch)).unflatten(3, (2, patch))  # (C', C, t, 2, patch, 2, patch)
        kernel = kernel.permute(0, 1, 4, 6, 2, 3, 5).flatten(1, 3)
        return F.conv3d(patches, kernel, self.bias, (pace, 1, 1), (margin, 0, 0))


STAGES = ("layer1", "layer2", "layer3", "layer4")

Stride = tuple[int, int, int]


class Conv2Plus1D(nn.Sequential):
    """A convolution over space and one over time, with a non-linearity between them, as in R(2+1)D.

    Attributes:
        stride: of both together.
    """

    def __init__(self, inputs: int, outputs: int, stride: Stride, middle: int):
        time, height, width = stride
        super().__init__(
            nn.Conv3d(inputs, middle, (1, 3, 3), (1, height, width), padding=(0, 1, 1), bias=False),
            nn.BatchNorm3d(middle),
            nn.ReLU(inplace=True),
            nn.Conv3d(middle, outputs, (3, 1, 1), (time, 1, 1), padding=(1, 0, 0), bias=False),
        )
        self.stride = stride


Convolution = Callable[[int, int, Stride, int], nn.Conv3d | Conv2Plus1D]
"""Makes a block's convolution of (inputs, outputs, stride, channels between the factors where it has two)."""


def conv3x3x3(inputs: int, outputs: int, stride: Stride, middle: int) -> nn.Conv3d:
    """A convolution over space and time, as in R3D."""
    return nn.Conv3d(inputs, outputs, 3, stride, padding=1, bias=False)


def conv1x3x3(inputs: int, outputs: int, stride: Stride, middle: int) -> nn.Conv3d:
    """A convolution over space alone; a temporal stride is not taken (each moment keeps its own feature)."""
    return nn.Conv3d(inputs, outputs, (1, 3, 3), (1, stride[1], stride[2]), padding=(0, 1, 1), bias=False)


class BasicBlock(nn.Module):
    """Two convolutions and a residual connection."""

    def __init__(self, inputs: int, outputs: int, convolution: Convolution, stride: Stride):
        super().__init__()
        # so many channels that the factors hold as many weights as a whole first convolution (section 3.5)
        middle = 27 * inputs * outputs // (9 * inputs + 3 * outputs)
        first = convolution(inputs, outputs, stride, middle)
        self.conv1 = nn.Sequential(first, nn.BatchNorm3d(outputs), nn.ReLU(inplace=True))
        self.conv2 = nn.Sequential(convolution(outputs, outputs, (1, 1, 1), middle), nn.BatchNorm3d(outputs))
        self.relu = nn.ReLU(inplace=True)
        self.downsample: nn.Module | None = None
        if first.stride != (1, 1, 1) or inputs != outputs:
            time, height, width = first.stride  # what the convolution took of the stride
            shortcut = nn.Conv3d(inputs, outputs, 1, (time, height, width), bias=False)
            self.downsample = nn.Sequential(shortcut, nn.BatchNorm3d(outputs))

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, T, H, W) -> (B, outputs, T/stride, H/stride, W/stride)."""
        shortcut = x if self.downsample is None else self.downsample(x)
        out = self.conv2(self.conv1(x))
        # in place, which no gradient minds; but a clip in single precision keeps it under autocast
        return self.relu(out.add_(shortcut) if out.dtype == shortcut.dtype else out + shortcut)


def whole_stem(channels: int, width: int, patch: int | None, frames: int = 3) -> nn.Sequential:
    """A single convolution over ``frames`` frames.

    Args:
        channels: channels of the input.
        width: channels of the output.
        patch: spatial stride of a kernel that is twice as wide, several times cheaper on small frames; None for
            torchvision's 7x7 kernel of stride 2.
        frames: frames that the kernel spans.
    """
    kernel, pace, padding = (7, 2, 3) if patch is None else (2 * patch, patch, patch // 2)
    convolution = (nn.Conv3d if patch is None else PatchConv3d)(
        channels, width, (frames, kernel, kernel), (1, pace, pace), (frames // 2, padding, padding), bias=False
    )
    return nn.Sequential(convolution, nn.BatchNorm3d(width), nn.ReLU(inplace=True))


def factored_stem(channels: int, width: int) -> nn.Sequential:
    """A 7x7 convolution of stride 2 over space, then one over three frames, as in R(2+1)D."""
    middle = max(1, 45 * width // 64)  # 45 in the authors' network of width 64
    return nn.Sequential(
        nn.Conv3d(channels, middle, (1, 7, 7), (1, 2, 2), padding=(0, 3, 3), bias=False),
        nn.BatchNorm3d(middle),
        nn.ReLU(inplace=True),
        nn.Conv3d(middle, width, (3, 1, 1), padding=(1, 0, 0), bias=False),
        nn.BatchNorm3d(width),
        nn.ReLU(inplace=True),
    )


class VideoResNet(Backbone):
    """An 18-layer residual network over clips.

    Args:
        stem: what turns a clip into ``width`` channels.
        convolutions: the convolution of each stage's blocks.
        width: channels of the first stage; each later stage doubles them.
        classes: outputs of the classification layer ``fc``; None for an encoder without one.
        keep_time: the last two stages do not halve the time steps; the weights are the same.
    """

    chain = ("stem", *STAGES)

    def __init__(
        self,
        stem: nn.Sequential,
        convolutions: Sequence[Convolution],
        width: int,
        classes: int | None = None,
        keep_time: bool = False,
    ):
        super().__init__()
        self.stem = stem
        self.stage_modules = {name: name for name in STAGES}
        self.stage_widths = {name: width * 2**index for index, name in enumerate(STAGES)}
        inputs = width
        for (name, outputs), convolution in zip(self.stage_widths.items(), convolutions, strict=True):
            side = 1 if name == "layer1" else 2
            stride = (1 if keep_time and name in ("layer3", "layer4") else side, side, side)
            first = BasicBlock(inputs, outputs, convolution, stride)
            self.add_module(name, nn.Sequential(first, BasicBlock(outputs, outputs, convolution, (1, 1, 1))))
            inputs = outputs
        self.fc = nn.Linear(inputs, classes) if classes is not None else None
        initialise(self, self.fc)


def r3d_18(
    width: int = 64,
    patch: int | None = None,
    channels: int = 3,
    classes: int | None = None,
    keep_time: bool = False,
) -> VideoResNet:
    """R3D-18: convolutions over space and time throughout.

    Args:
        width: channels of the first stage; 64 is the published network.
        patch: spatial stride of a quick stem; None for torchvision's.
        channels: channels of the input.
        classes: outputs of the classification layer; None for an encoder without one.
        keep_time: stages 3 and 4 keep the time steps of stage 2.
    """
    return VideoResNet(whole_stem(channels, width, patch), [conv3x3x3] * 4, width, classes, keep_time)


def mc3_18(width: int = 64, patch: int | None = None, channels: int = 3, classes: int | None = None) -> VideoResNet:
    """MC3-18: space and time up to the first stage, space alone above, where it keeps time anyway; arguments as of
    :func:`r3d_18`."""
    return VideoResNet(whole_stem(channels, width, patch), [conv3x3x3] + [conv1x3x3] * 3, width, classes)


def r2plus1d_18(width: int = 64, channels: int = 3, classes: int | None = None, keep_time: bool = False) -> VideoResNet:
    """R(2+1)D-18: every convolution in a spatial and a temporal factor; arguments as of :func:`r3d_18`."""
    return VideoResNet(factored_stem(channels, width), [Conv2Plus1D] * 4, width, classes, keep_time)


def flow_resnet18(width: int = 16, channels: int = 3, patch: int | None = None) -> VideoResNet:
    """The flow encoder of MSCL: kernels that see one field each, so S fields give S time steps.

    Args:
        width: channels of the first stage.
        channels: channels of the input: 3 for a colour wheel, 2 for flow vectors.
        patch: spatial stride of a quick stem; None for a 7x7 kernel of stride 2.
    """
    return VideoResNet(whole_stem(channels, width, patch, frames=1), [conv1x3x3] * 4, width)
