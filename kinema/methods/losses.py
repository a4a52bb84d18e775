"""What MSCL compares clips by, an encoder and a projector for each modality, and its two contrastive losses."""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from kinema.models.encoder import FlowEncoder, VideoEncoder


def _similarity(first: Tensor, second: Tensor) -> Tensor:
    """Dot products (..., N, M) of (..., N, D) and (..., M, D) in single precision: bfloat16 would blur the logits."""
    with torch.autocast(first.device.type, enabled=False):
        return first.float() @ second.float().transpose(-2, -1)


def clip_info_nce(
    query: Tensor,
    key: Tensor,
    queue: Tensor,
    *,
    temperature: float = 0.07,
    damping: Tensor | None = None,
    batch_negatives: bool = False,
    first: int = 0,
) -> Tensor:
    """Clip-level InfoNCE against a queue of earlier keys (MoCo; MSCL, section 3.1).

    Args:
        query: embeddings (B, D) of unit length, with gradient.
        key: embeddings (N, D) of unit length of the same videos, and of others; row ``first + i`` is the positive of
            query i.
        queue: negatives (K, D) of unit length; K may be 0.
        temperature: divides every logit.
        damping: factors (K,) from 0 to 1 on the logits of the queue, smaller for older keys (VideoMoCo).
        batch_negatives: all other rows of ``key`` are negatives too.
        first: the row of the first query's positive.

    Returns:
        The mean loss, a scalar.
    """
    old = _similarity(query, queue)
    if damping is not None:
        old = old * damping
    if batch_negatives:
        logits = torch.cat((_similarity(query, key), old), dim=1) / temperature
        return F.cross_entropy(logits, torch.arange(first, first + len(query), device=query.device))
    own = (query.float() * key[first : first + len(query)].float()).sum(dim=1, keepdim=True)
    logits = torch.cat((own, old), dim=1) / temperature
    return F.cross_entropy(logits, torch.zeros(len(query), dtype=torch.long, device=query.device))


class Contrast(NamedTuple):
    """What a contrast of parts of clips gives, be they moments or places."""

    loss: Tensor
    """The mean loss over all parts, a scalar."""
    accuracy: Tensor
    """The share of parts that are more like what belongs to them than like any other candidate, from 0 to 1; chance is
    one in the number of candidates."""


def in_step(first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
    """Local features (B, S, D) and (B, S', D) of the same clips, averaged to the fewer steps of the two."""
    steps = min(first.shape[1], second.shape[1])

    def fewer(x: Tensor) -> Tensor:
        return x if x.shape[1] == steps else F.adaptive_avg_pool1d(x.transpose(1, 2), steps).transpose(1, 2)

    return fewer(first), fewer(second)


def lmcl(rgb: Tensor, flow: Tensor, rotated: Tensor | None = None, *, temperature: float = 0.07) -> Contrast:
    """Local Motion Contrastive Learning: which moment's flow belongs to this moment's RGB? (MSCL, section 3.2)

    The positive of an RGB time step is the flow of the same step; the negatives are the flow of the clip's other steps
    and all steps of the rotated flow (FRA, section 3.3). The gradient flows into both encoders.

    Args:
        rgb: local RGB features (B, S, D), of any length.
        flow: local flow features (B, S, D) of the same clips.
        rotated: local features (B, S, D) of the rotated flow; None for no such negatives.
        temperature: divides every logit.
    """
    candidates = flow if rotated is None else torch.cat((flow, rotated), dim=1)
    logits = _similarity(F.normalize(rgb.float(), dim=2), F.normalize(candidates.float(), dim=2)) / temperature
    clips, steps, _ = logits.shape
    target = torch.arange(steps, device=logits.device).expand(clips, steps)
    loss = F.cross_entropy(logits.flatten(0, 1), target.flatten())
    accuracy = (logits.argmax(dim=2) == target).float().mean()
    return Contrast(loss, accuracy)


def projector(inputs: int, outputs: int) -> nn.Sequential:
    """The MLP from a clip's feature to its contrastive embedding."""
    return nn.Sequential(nn.Linear(inputs, inputs), nn.ReLU(inplace=True), nn.Linear(inputs, outputs))


class RGBBranch(nn.Module):
    """RGB encoder and projector."""

    def __init__(self, encoder: VideoEncoder, embedding: int):
        super().__init__()
        self.encoder = encoder
        self.last = list(encoder.backbone.stage_widths)[-1]
        self.projector = projector(encoder.backbone.features, embedding)

    def forward(self, clips: Tensor) -> Tensor:
        """(B, 3, T, H, W) -> embeddings (B, D) of unit length."""
        return self.embed(self.encoder.stages(clips))

    def embed(self, stages: dict[str, Tensor]) -> Tensor:
        """Stage outputs -> embeddings (B, D) of unit length."""
        last = stages[self.last]
        return F.normalize(self.projector(last.mean(dim=(2, 3, 4))).float(), dim=1)


class FlowBranch(nn.Module):
    """Flow encoder and projector."""

    def __init__(self, encoder: FlowEncoder, embedding: int):
        super().__init__()
        self.encoder = encoder
        self.projector = projector(encoder.features, embedding)

    def forward(self, flow: Tensor) -> Tensor:
        """(B, 2, S, H, W) -> embeddings (B, D) of unit length."""
        return self.embed(self.encoder(flow))

    def embed(self, local: Tensor) -> Tensor:
        """Local features (B, S, C) -> embeddings (B, D) of unit length."""
        return F.normalize(self.projector(local.mean(dim=1)).float(), dim=1)
