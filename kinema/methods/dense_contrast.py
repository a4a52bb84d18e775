"""The contrast of HCML: motion features predict the future of the level below, place by place.

What would be compared grows with the square of places, steps and clips together; so some places of each clip are drawn,
and the contrast is among these.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from kinema.errors import ConfigError
from kinema.methods.losses import Contrast


class DenseDraws(NamedTuple):
    """The random choices of one contrast."""

    places: Tensor
    """Places (B, P) of each clip that take part, each once, as numbers from 0 to H * W - 1."""
    others: Tensor
    """Which of the batch's targets serve as negatives for other videos: (N,), each once, from 0 to B * T * P - 1."""


def draw_dense(
    grid: tuple[int, int, int, int],
    places: int,
    others: int,
    generator: torch.Generator,
    device: torch.device | str = "cpu",
) -> DenseDraws:
    """Random choices for targets on a grid, drawn on the CPU so that every device gets the same.

    Args:
        grid: clips, steps, height and width.
        places: places drawn from each clip, if there are as many.
        others: targets drawn from the whole batch, if there are as many.
        generator: of the randomness.
        device: where the draws are used.
    """
    clips, steps, height, width = grid
    order = torch.rand(clips, height * width, generator=generator).argsort(dim=1)[:, :places]
    count = clips * steps * order.shape[1]
    return DenseDraws(order.to(device), torch.randperm(count, generator=generator)[:others].to(device))


def dense_info_nce(
    prediction: Tensor,
    target: Tensor,
    draws: DenseDraws,
    *,
    delta: int = 1,
    temperature: float = 0.1,
    spatial: bool = True,
    temporal: bool = True,
    videos: bool = True,
) -> Contrast:
    """Which target is the one ``delta`` steps later, at this place of this video?

    Memory grows with B T P (P + T + N), for the P places and N other targets that were drawn.

    Args:
        prediction: (B, C, T, H, W), of any length; step t predicts step ``t + delta``.
        target: (B, C, T, H, W), of any length; no gradient goes to it.
        draws: the places that take part.
        delta: steps from a prediction to its target.
        temperature: divides every logit.
        spatial: the clip's other drawn places at the target's step are negatives.
        temporal: the same place at the clip's other steps is a negative.
        videos: the drawn targets of other clips are negatives.

    Raises:
        ConfigError: the clip has no step so late, or there is nothing to contrast with.
    """
    clips, _, steps, _, _ = prediction.shape
    if steps <= delta:
        raise ConfigError(
            f"features of {steps} steps hold no target {delta} later: take longer clips, smaller hcml.deltas, or fewer "
            "levels"
        )
    spatial = spatial and draws.places.shape[1] > 1
    temporal = temporal and steps > 1
    videos = videos and clips > 1 and len(draws.others) > 0
    if not (spatial or temporal or videos):
        raise ConfigError(
            "a contrast has no negatives: switch on hcml.spatial with two hcml.places or more, hcml.temporal, or "
            "hcml.videos with two clips or more and hcml.others above 0"
        )
    with torch.autocast(prediction.device.type, enabled=False):
        queries = _drawn(prediction[:, :, : steps - delta], draws.places)  # (B, S, P, C), with S = T - delta
        keys = _drawn(target.detach(), draws.places)  # (B, T, P, C)
        there = torch.einsum("bspc,bsqc->bspq", queries, keys[:, delta:])
        positive = there.diagonal(dim1=2, dim2=3)  # (B, S, P)
        logits = []
        if spatial:
            logits.append(there.masked_fill(torch.eye(there.shape[3], dtype=torch.bool, device=there.device), -1e4))
        if temporal:
            now = torch.arange(delta, steps, device=there.device)[:, None] == torch.arange(steps, device=there.device)
            logits.append(torch.einsum("bspc,btpc->bspt", queries, keys).masked_fill(now[:, None], -1e4))
        if videos:
            others = keys.flatten(0, 2)[draws.others]  # (N, C)
            home = draws.others // keys[0, ..., 0].numel()
            own = torch.arange(clips, device=there.device)[:, None] == home  # (B, N)
            logits.append((queries @ others.T).masked_fill(own[:, None, None], -1e4))
        negatives = torch.cat(logits, dim=3) / temperature
        positive = positive / temperature
        loss = torch.logaddexp(positive, negatives.logsumexp(dim=3)) - positive
        return Contrast(loss.mean(), (positive > negatives.amax(dim=3)).float().mean())


def _drawn(features: Tensor, places: Tensor) -> Tensor:
    """Features (B, C, T, H, W) at places (B, P) -> (B, T, P, C) of unit length, in single precision at least."""
    flat = features.flatten(3).permute(0, 2, 3, 1)  # (B, T, H * W, C)
    index = places[:, None, :, None].expand(-1, flat.shape[1], -1, flat.shape[3])
    drawn = flat.gather(2, index)
    return F.normalize(drawn.to(torch.promote_types(drawn.dtype, torch.float32)), dim=3)
