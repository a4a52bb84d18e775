"""Dense objectives beside MSCL's own, place by place instead of clip by clip (ours).

Both look at the encoder's pyramid, whose cells are small and short. Dense motion prediction reads off each cell how
much moves in which direction; dense LMCL asks which cell's flow belongs to it.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from kinema.common.processes import gather
from kinema.flow import direction_histogram, flow_gradients, magnitude, stabilise
from kinema.flow.histogram import DIRECTIONS
from kinema.methods.losses import Contrast
from kinema.models.backbone import average_to

UNIT = 1 / 30
"""Seconds in which targets measure motion, whatever time a flow field spans."""
STILL, EVEN = 0.25, 0.06
"""Motion in pixels a :data:`UNIT`, and its gradient a pixel, below which there is none: estimators see it in noise."""
LEAST_VARIANCE = 1e-3
"""Of targets; a batch with less of it has hardly anything to tell."""


def motion_target(flow: Tensor, seconds: Tensor, grid: tuple[int, int, int], boundaries: bool, still: bool) -> Tensor:
    """What dense motion prediction predicts of each cell: the square root of its histograms of flow.

    The square root lets slow motion count beside fast one. The share of what is still, which is large wherever motion
    is small, is scaled down to the size of the others.

    Args:
        flow: (B, 2, S, H, W) in pixels.
        seconds: (B,) the time that a field spans.
        grid: cells in time, height and width.
        boundaries: with the histograms of motion boundaries.
        still: the median of each field is taken from it first.

    Returns:
        (B, 9, *grid), or (B, 27, *grid) with boundaries.
    """
    flow = flow * (UNIT / seconds).view(-1, 1, 1, 1, 1)
    if still:
        flow = stabilise(flow)
    vectors = [(flow, STILL)]
    if boundaries:
        vectors += [(gradient, EVEN) for gradient in flow_gradients(flow).unbind(dim=1)]
    # Every second pixel either way will do: estimators smooth over more than that, and so does a cell.
    histograms = [direction_histogram(part[..., ::2, ::2], grid, threshold) for part, threshold in vectors]
    target = torch.cat(histograms, dim=1).sqrt()
    target[:, DIRECTIONS :: DIRECTIONS + 1] *= 0.3
    return target


def motion_loss(prediction: Tensor, target: Tensor, weight: Tensor | None = None) -> Tensor:
    """The mean squared error of each histogram as a share of its variance in the batch of all processes: 1 for the best
    constant.

    Args:
        prediction: (B, 9 N, T, H, W) of N histograms.
        target: the same shape.
        weight: (B, T, H, W) of each cell's error; None for the same of all.
    """
    histograms = target.unflatten(1, (-1, DIRECTIONS + 1))  # (B, N, 9, T, H, W)
    variances, means = torch.var_mean(histograms, dim=(0, 3, 4, 5), correction=0)
    within, between = gather(variances[None]).mean(dim=0), gather(means[None]).var(dim=0, correction=0)
    variance = (within + between).mean(dim=1)
    errors = (_exact(prediction) - target).square().unflatten(1, histograms.shape[1:3])
    if weight is not None:
        errors = errors * (weight / weight.mean())[:, None, None]
    error = errors.mean(dim=(0, 2, 3, 4, 5))
    return (error / variance.clamp(min=LEAST_VARIANCE)).mean()


class MotionPrediction(nn.Module):
    """Dense motion prediction: a linear head reads the motion of each cell off the encoder's pyramid.

    Args:
        channels: of the pyramid.
        boundaries: as for :func:`motion_target`.
        still: as for :func:`motion_target`.
    """

    def __init__(self, channels: int, boundaries: bool = False, still: bool = False):
        super().__init__()
        self.boundaries = boundaries
        self.still = still
        self.head = nn.Conv3d(channels, (3 if boundaries else 1) * (DIRECTIONS + 1), 1)

    def forward(self, pyramid: Tensor, flow: Tensor, seconds: Tensor, where: Tensor | None = None) -> Tensor:
        """The loss of a batch.

        Args:
            pyramid: (B, channels, T', H', W').
            flow: (B, 2, S, H, W) in pixels.
            seconds: (B,) the time that a field spans.
            where: (B, T, H, W) on a grid of its own, 1 where the prediction counts, else 0; None for everywhere.
        """
        grid = _grid(pyramid)
        weight = None if where is None else average_to(where[:, None], grid)[:, 0]
        with torch.no_grad(), torch.autocast(flow.device.type, enabled=False):
            target = motion_target(flow, seconds, grid, self.boundaries, self.still)
        return motion_loss(self.head(pyramid), target, weight)


def draw_cells(motion: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """Cells of each clip, each once: the more moves there, the sooner it is drawn.

    Args:
        motion: (B, T, H, W), 0 or more: how much moves.
        count: cells wanted, if there are as many.
        generator: of the draw, on the CPU so that every device gets the same.

    Returns:
        (B, count) numbers from 0 to T * H * W - 1.
    """
    weights = motion.flatten(1)
    weights = weights + 1e-3 * weights.mean(dim=1, keepdim=True) + 1e-6
    # The largest of weight / exponential draw: a draw without replacement in proportion to the weights.
    waits = torch.empty(weights.shape).exponential_(generator=generator).to(weights.device)
    return (weights / waits).topk(min(count, weights.shape[1]), dim=1).indices


def dense_lmcl(rgb: Tensor, flow: Tensor, cells: Tensor, *, temperature: float = 0.1) -> Contrast:
    """Which cell's flow belongs to this cell's RGB, and the other way round?

    The positive of a cell is the same place and time in the other modality; the negatives are the other drawn cells of
    its clip and of the batch. The gradient flows into both encoders.

    Args:
        rgb: features (B, D, T, H, W), of any length.
        flow: features (B, D, T, H, W) of the same clips.
        cells: (B, N) those that take part, as numbers from 0 to T * H * W - 1.
        temperature: divides every logit.
    """

    def drawn(features: Tensor) -> Tensor:
        chosen = features.flatten(2).gather(2, cells[:, None].expand(-1, features.shape[1], -1))
        return F.normalize(_exact(chosen.transpose(1, 2).flatten(0, 1)), dim=1)

    with torch.autocast(rgb.device.type, enabled=False):  # bfloat16 would blur the logits
        logits = drawn(rgb) @ drawn(flow).T / temperature
    target = torch.arange(len(logits), device=logits.device)
    loss = (F.cross_entropy(logits, target) + F.cross_entropy(logits.T, target)) / 2
    return Contrast(loss, (logits.argmax(dim=1) == target).float().mean())


def _grid(pyramid: Tensor) -> tuple[int, int, int]:
    """Cells of a pyramid's map in time, height and width."""
    time, height, width = pyramid.shape[2:]
    return time, height, width


def _exact(x: Tensor) -> Tensor:
    """In single precision at least."""
    return x.to(torch.promote_types(x.dtype, torch.float32))


class DenseLMCL(nn.Module):
    """Dense LMCL: projections of the RGB encoder's pyramid and of the flow encoder's second and third stage.

    Args:
        channels: of the pyramid.
        flow_widths: channels of the flow encoder's stages by name.
        cells: moving cells of each clip that take part.
        temperature: divides every logit.
    """

    STAGES = ("layer2", "layer3")

    def __init__(self, channels: int, flow_widths: dict[str, int], cells: int, temperature: float):
        super().__init__()
        self.cells = cells
        self.temperature = temperature
        self.rgb = nn.Conv3d(channels, channels, 1)
        self.flow = nn.Conv3d(sum(flow_widths[name] for name in self.STAGES), channels, 1)

    def forward(self, pyramid: Tensor, stages: dict[str, Tensor], flow: Tensor, generator: torch.Generator) -> Contrast:
        """Loss and accuracy of a batch.

        Args:
            pyramid: (B, channels, T', H', W').
            stages: of the flow encoder by name, each (B, C, S, H'', W'').
            flow: (B, 2, S, H, W), which says where something moves.
            generator: of the choice of cells, on the CPU.
        """
        grid = _grid(pyramid)
        shown = torch.cat([F.interpolate(stages[name], grid, mode="nearest") for name in self.STAGES], dim=1)
        motion = F.adaptive_avg_pool3d(magnitude(flow), grid)[:, 0]
        cells = draw_cells(motion, self.cells, generator)
        return dense_lmcl(self.rgb(pyramid), self.flow(shown), cells, temperature=self.temperature)
