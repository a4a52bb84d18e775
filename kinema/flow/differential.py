"""Motion differential sampling (MDS of the MSCL paper): train on the clips in which motion changes.

A video's flow fields get one score each, the scores of a clip's fields are averaged for each possible start, and only
starts above the video's median are kept:

>>> scores = clip_scores(motion_differential(flow), offsets=range(0, 16, 2))
>>> kept = kept_starts(scores)
>>> query = int(kept[torch.randint(len(kept), ())])
>>> key = key_start(query, kept, shift=5)
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, get_args

import torch
import torch.nn.functional as F
from torch import Tensor

from kinema.errors import ConfigError, DataError
from kinema.flow.color_wheel import flow_to_wheel

Variant = Literal["vectors", "wheel", "sobel"]


def motion_differential(flow: Tensor, variant: Variant = "vectors", cell: int = 28) -> Tensor:
    """How much the motion changes at each field of a video.

    * ``vectors``: the length of the difference between each field and the one before, in pixels, averaged over the
      frame; both are weighted by their :func:`motion_edges`, so that moving things count more than the camera.
    * ``wheel``: the same of the fields' colour-wheel pictures, each scaled by its own largest vector, as in the
      released code. A colour is no measurement: the wheel wraps, and noise in a still field looks like a change.
    * ``sobel``: the mean strength of the field's own motion edges, without a look at its neighbours.

    Args:
        flow: ``(T, 2, H, W)``, pixels per step.
        variant: see above.
        cell: side in pixels of the cells in which motion edges are gathered.

    Returns:
        ``(T,)``, 0 or more. The first field has none before it and repeats the second's score; a lone field scores 0,
        but for ``sobel``.

    Raises:
        ConfigError: unknown variant, or a cell below one pixel.
    """
    if variant not in get_args(Variant):
        raise ConfigError(f"unknown motion differential {variant!r}: choose one of {', '.join(get_args(Variant))}")
    if cell < 1:
        raise ConfigError(f"the cells of a motion differential need a side of at least 1 pixel, got {cell}")
    if variant == "sobel":
        return _sobel(flow).mean(dim=(-2, -1))
    picture = flow if variant == "vectors" else flow_to_wheel(flow)
    weighted = motion_edges(flow, cell)[:, None] * picture
    change = weighted.diff(dim=0).square().sum(dim=1).sqrt().mean(dim=(-2, -1))
    return torch.cat((change[:1], change)) if len(change) else change.new_zeros(len(flow))


def grid_scores(flow: Tensor, phases: int, variant: Variant = "vectors") -> Tensor:
    """:func:`motion_differential` of fields ``(T, 2, H, W)`` that lie ``phases`` to a step: ``(T,)``.

    Change is measured between fields a whole step apart, as they follow each other in a clip.
    """
    scores = flow.new_zeros(len(flow))
    for phase in range(phases):
        scores[phase::phases] = motion_differential(flow[phase::phases], variant)
    return scores


def motion_edges(flow: Tensor, cell: int = 28) -> Tensor:
    """A coarse map of where motion differs from its surroundings: ``(T, H, W)`` in [0, 1] from ``flow (T, 2, H, W)``.

    Sobel magnitude averaged in cells of about ``cell`` pixels (one, if the frame is smaller), brought back to full size
    bilinearly and divided by its largest value. A field without edges (under 1e-4 pixels per pixel, which is rounding)
    weighs 1 everywhere.
    """
    size = flow.shape[-2:]
    cells = (max(1, round(size[0] / cell)), max(1, round(size[1] / cell)))
    coarse = F.adaptive_avg_pool2d(_sobel(flow)[:, None], cells)
    fine = F.interpolate(coarse, size=size, mode="bilinear", align_corners=False)[:, 0]
    largest = fine.amax(dim=(-2, -1), keepdim=True)
    return torch.where(largest > 1e-4, fine / largest, 1.0)


def clip_scores(field_scores: Tensor, offsets: Sequence[int]) -> Tensor:
    """The mean score of the fields of a clip, for each possible start.

    Args:
        field_scores: ``(T,)`` from :func:`motion_differential`.
        offsets: where a clip's fields lie after its start, counted in fields, ascending from 0.

    Returns:
        ``(T - offsets[-1],)``: the score of the clip that starts at field 0, 1, ...

    Raises:
        DataError: no clip fits in.
    """
    starts = len(field_scores) - max(offsets)
    if starts < 1:
        raise DataError(f"a clip spans {max(offsets) + 1} flow fields, but the video has only {len(field_scores)}")
    return field_scores.unfold(0, starts, 1)[torch.as_tensor(list(offsets))].mean(dim=0)


def kept_starts(scores: Tensor) -> Tensor:
    """Indices, ascending, of the scores above their median; of those equal to it too where none is above."""
    median = scores.median()
    above = scores > median
    return (above if above.any() else scores >= median).nonzero().flatten()


def key_start(query: int, kept: Tensor, shift: float) -> int:
    """The kept start nearest to ``query + shift``, the earlier of two.

    Args:
        query: where the query clip starts, an index.
        kept: ascending indices from :func:`kept_starts`.
        shift: drawn uniformly from plus or minus the span of a clip.
    """
    return int(kept[(kept - (query + shift)).abs().argmin()])


def _sobel(flow: Tensor) -> Tensor:
    """Strength ``(T, H, W)`` of the spatial change of ``flow (T, 2, H, W)``: all four derivatives in one length.

    The kernels are scaled to measure change per pixel. Frames repeat their edges, lest the border count as motion.
    """
    smooth, slope = flow.new_tensor([1, 2, 1]) / 4, flow.new_tensor([-1, 0, 1]) / 2
    kernels = torch.stack((smooth[:, None] * slope, slope[:, None] * smooth))[:, None]
    fields = F.pad(flow.flatten(0, 1)[:, None], (1, 1, 1, 1), mode="replicate")
    gradients = F.conv2d(fields, kernels).unflatten(0, flow.shape[:2])
    return gradients.square().sum(dim=(1, 2)).sqrt()
