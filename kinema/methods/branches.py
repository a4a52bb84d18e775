"""What MSCL compares clips by: an encoder and a projector for each modality."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from kinema.models.encoder import FlowEncoder, VideoEncoder


def projector(inputs: int, outputs: int) -> nn.Sequential:
    """The MLP from a clip's feature to its contrastive embedding."""
    return nn.Sequential(nn.Linear(inputs, inputs), nn.ReLU(inplace=True), nn.Linear(inputs, outputs))


class RGBBranch(nn.Module):
    """RGB encoder, projector and, for LMCL, the temporal pyramid."""

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
