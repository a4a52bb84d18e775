"""SlowOnly with 50 layers: a residual network that convolves over time in its last two stages alone.

The layout and the state-dict names are those of PyTorchVideo's ``slow_r50`` (Feichtenhofer et al., *SlowFast Networks
for Video Recognition*, ICCV 2019, table 1 without the fast pathway), so that its weights load; at width 64 with 400
classes it has 32,454,096 parameters.
"""

from __future__ import annotations

from collections import OrderedDict

from torch import Tensor, nn

from kinema.models.backbone import Backbone, initialise, window_head

# Each stage's residual blocks, and the frames that the first convolution of a block spans.
STAGES = {"res2": (3, 1), "res3": (4, 1), "res4": (6, 3), "res5": (3, 3)}

WINDOW = (8, 7, 7)


class Bottleneck(nn.Module):
    """Three convolutions (over time, over space, over channels) and a residual connection.

    Args:
        inputs: channels of the input.
        middle: channels between the convolutions.
        outputs: channels of the output.
        frames: frames that the first convolution spans.
        stride: spatial stride.
    """

    def __init__(self, inputs: int, middle: int, outputs: int, frames: int, stride: int):
        super().__init__()
        pace = (1, stride, stride)
        self.branch1_conv: nn.Module | None = None
        if stride != 1 or inputs != outputs:
            self.branch1_conv = nn.Conv3d(inputs, outputs, 1, pace, bias=False)
            self.branch1_norm = nn.BatchNorm3d(outputs)
        self.branch2 = nn.Sequential(
            OrderedDict(
                conv_a=nn.Conv3d(inputs, middle, (frames, 1, 1), padding=(frames // 2, 0, 0), bias=False),
                norm_a=nn.BatchNorm3d(middle),
                act_a=nn.ReLU(inplace=True),
                conv_b=nn.Conv3d(middle, middle, (1, 3, 3), pace, padding=(0, 1, 1), bias=False),
                norm_b=nn.BatchNorm3d(middle),
                act_b=nn.ReLU(inplace=True),
                conv_c=nn.Conv3d(middle, outputs, 1, bias=False),
                norm_c=nn.BatchNorm3d(outputs),
            )
        )
        self.activation = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, T, H, W) -> (B, outputs, T, H/stride, W/stride)."""
        shortcut = x if self.branch1_conv is None else self.branch1_norm(self.branch1_conv(x))
        return self.activation(self.branch2(x) + shortcut)


class Classifier(nn.Module):
    """Dropout and a linear layer for each window."""

    def __init__(self, inputs: int, classes: int):
        super().__init__()
        self.dropout = nn.Dropout(0.5)
        self.proj = nn.Linear(inputs, classes)

    def forward(self, windows: Tensor) -> Tensor:
        """(B, inputs, t, h, w) -> (B, classes, t, h, w)."""
        return self.proj(self.dropout(windows).movedim(1, -1)).movedim(-1, 1)


class SlowOnly(Backbone):
    """SlowOnly-R50, which keeps the number of frames.

    Args:
        width: channels of the stem and inside the first stage's blocks; 64 is the published network.
        channels: channels of the input.
        classes: outputs of the classification layer ``blocks.5.proj``; None for an encoder without one.
    """

    def __init__(self, width: int = 64, channels: int = 3, classes: int | None = None):
        super().__init__()
        stem = nn.Sequential(
            OrderedDict(
                conv=nn.Conv3d(channels, width, (1, 7, 7), (1, 2, 2), padding=(0, 3, 3), bias=False),
                norm=nn.BatchNorm3d(width),
                activation=nn.ReLU(inplace=True),
                pool=nn.MaxPool3d((1, 3, 3), (1, 2, 2), padding=(0, 1, 1)),
            )
        )
        self.blocks = nn.ModuleList([stem])
        self.stage_widths = {name: 4 * width * 2**index for index, name in enumerate(STAGES)}
        self.stage_modules = {name: f"blocks.{index}" for index, name in enumerate(STAGES, 1)}
        self.chain = ("blocks.0", *self.stage_modules.values())
        inputs = width
        for name, (count, frames) in STAGES.items():
            outputs = self.stage_widths[name]
            first = Bottleneck(inputs, outputs // 4, outputs, frames, stride=1 if name == "res2" else 2)
            rest = [Bottleneck(outputs, outputs // 4, outputs, frames, stride=1) for _ in range(count - 1)]
            self.blocks.append(nn.Sequential(OrderedDict(res_blocks=nn.Sequential(first, *rest))))
            inputs = outputs
        classifier = None if classes is None else Classifier(inputs, classes)
        if classifier is not None:
            self.blocks.append(classifier)
        initialise(self, None if classifier is None else classifier.proj)

    def head(self, last: Tensor) -> Tensor:
        """The last stage (B, features, T, H', W') -> pooled features or class scores, as PyTorchVideo pools them."""
        classifier = self.blocks[5] if len(self.blocks) > 5 else None
        return window_head(last, WINDOW, classifier)
