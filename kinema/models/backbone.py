"""What all backbones share: named stages, pooling, and an optional classification layer."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from kinema.errors import ConfigError

AfterStage = Callable[[str, Tensor], Tensor]
"""From the path of a stage and its output to what the network goes on with in its place, of the same shape."""


class Backbone(nn.Module):
    """A network over normalised clips, a chain of submodules of which some end a stage.

    A subclass registers its submodules and sets the attributes; one that classifies otherwise than by ``fc`` has a
    :meth:`head` of its own.

    Attributes:
        chain: paths of the submodules that a clip goes through, in order.
        stage_modules: the path of the submodule whose output each stage is, from low stages to high. In a
            network that looks at single frames that output is (B * T, C, H', W').
        stage_widths: channels of each stage, in the same order.
        fc: the layer from pooled features to class scores; None for an encoder without one.
    """

    chain: tuple[str, ...]
    stage_modules: dict[str, str]
    stage_widths: dict[str, int]
    fc: nn.Linear | None

    @property
    def features(self) -> int:
        """Length of the pooled features: channels of the last stage."""
        return list(self.stage_widths.values())[-1]

    def stages(self, x: Tensor, upto: str | None = None, after: AfterStage | None = None) -> dict[str, Tensor]:
        """The output of every stage by name, each (B, C, T', H', W'), from a normalised clip (B, channels, T, H, W).

        Args:
            x: the clip.
            upto: the stage above which nothing is computed; None for all.
            after: is given the output of each submodule in ``stage_modules``, and gives what takes its place.

        Raises:
            ConfigError: a stage has other channels than ``stage_widths`` says.
        """
        names = {module: name for name, module in self.stage_modules.items()}
        outputs = {}
        for path in self.chain:
            x = self.get_submodule(path)(x)
            if path in names:
                if x.shape[1] != self.stage_widths[names[path]]:
                    raise ConfigError(
                        f"{type(self).__name__} says that its stage {names[path]} has {self.stage_widths[names[path]]} "
                        f"channels, and gave {tuple(x.shape)}: mend its stage_widths"
                    )
                x = x if after is None else after(path, x)
                outputs[names[path]] = x
                if names[path] == upto:
                    break
        return outputs

    def head(self, last: Tensor) -> Tensor:
        """The last stage (B, features, T', H', W') -> pooled features or class scores, as of :meth:`forward`."""
        pooled = last.mean(dim=(2, 3, 4))
        return pooled if self.fc is None else self.fc(pooled)

    def forward(self, x: Tensor, after: AfterStage | None = None) -> Tensor:
        """(B, channels, T, H, W) -> pooled features (B, features), or scores (B, classes) of a classifier; ``after`` as
        of :meth:`stages`."""
        *_, last = self.stages(x, after=after).values()
        return self.head(last)


def window_head(last: Tensor, window: tuple[int, int, int], classifier: nn.Module | None) -> Tensor:
    """Classify each window of the last stage, then average.

    Windows overlap, so that the middle of a long or large clip counts more than its ends; a clip of the size that the
    network was made for is one window.

    Args:
        last: (B, C, T', H', W').
        window: size of a window in time, height and width; of a smaller clip all is one window.
        classifier: from window means (B, C, t, h, w) to scores (B, classes, t, h, w); None leaves the means.

    Returns:
        (B, C) or (B, classes).
    """
    size = [min(side, most) for side, most in zip(last.shape[2:], window, strict=True)]
    windows = F.avg_pool3d(last, size, stride=1)
    return (windows if classifier is None else classifier(windows)).mean(dim=(2, 3, 4))


def initialise(network: nn.Module, classifier: nn.Linear | nn.Conv3d | None) -> None:
    """Draw convolutions by the size of their outputs (He et al., 2015), and a classifier that begins near zero."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Conv3d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
    if classifier is not None:
        nn.init.normal_(classifier.weight, 0, 0.01)
        if classifier.bias is not None:
            nn.init.zeros_(classifier.bias)


def average_to(x: Tensor, size: Sequence[int]) -> Tensor:
    """``x`` (B, C, T, H, W) averaged to the cells of a grid of ``size``, or repeated where that is finer.

    Cells overlap where a side is no multiple of theirs.
    """
    if tuple(x.shape[2:]) == tuple(size):
        return x
    if not torch.compiler.is_exporting():
        time, height, width = size
        return F.adaptive_avg_pool3d(x, (time, height, width))
    for axis, cells in enumerate(size, start=2):  # the same axis by axis: ONNX has no such pooling
        x = (x.movedim(axis, -1) @ _averages(x.shape[axis], cells)).movedim(-1, axis)
    return x


def _averages(inputs: int, outputs: int) -> Tensor:
    """The matrix (inputs, outputs) by which a line of so many values is averaged to so many."""
    ends = [(place * inputs // outputs, -(-(place + 1) * inputs // outputs)) for place in range(outputs)]
    columns = [[(begin <= place < end) / (end - begin) for begin, end in ends] for place in range(inputs)]
    return torch.tensor(columns)
