"""What each level of a motion hierarchy knows of a clip: averaged over time, and with four parts of it kept apart.

    python experiments/motion_in_order.py RUN VIDEOS [--label-column motion] > order.md

RUN is an encoder with a motion hierarchy, VIDEOS a synthetic set with its ``labels.csv``. For each level, and for the
network's last stage, a table of the linear probe's accuracy: trained on the features of all training videos, one clip
from the middle of each.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from kinema.data.labels import LabelledSet
from kinema.evaluation import evaluate_probe, extract_features
from kinema.methods.hcml import motion_of
from kinema.models import MotionFeatures, VideoEncoder, load_encoder
from kinema.models.sources import clip_of

PARTS = 4


class InParts(nn.Module):
    """Motion features and those of the last stage, averaged over places and within parts of the time."""

    def __init__(self, encoder: VideoEncoder):
        super().__init__()
        self.encoder = encoder
        levels = motion_of(encoder).motion_widths
        self.widths = {f"level {level}": width for level, width in levels.items()}
        self.widths["layer4"] = encoder.backbone.stage_widths["layer4"]

    def forward(self, clips: Tensor) -> Tensor:
        """(B, 3, T, H, W) from 0 to 1 -> (B, channels of all of them * PARTS)."""
        motion = MotionFeatures()
        last = self.encoder.stages(clips, motion=motion)["layer4"]
        return torch.cat([_parts(z) for z in (*motion.levels.values(), last)], dim=1)


def _parts(z: Tensor) -> Tensor:
    return F.adaptive_avg_pool1d(z.float().mean(dim=(3, 4)), PARTS).flatten(1)


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("videos", type=Path)
    parser.add_argument("--label-column", default="motion")
    options = parser.parse_args()
    labelled = LabelledSet.read(options.videos, options.videos / "labels.csv", options.label_column)
    encoder = load_encoder(options.run)
    network = InParts(encoder)
    features = extract_features({"parts": network}, labelled.paths, clip_of(encoder), clips=1)["parts"]
    print(f"| | averaged | in {PARTS} parts |\n|---|---|---|")
    begin = 0
    for name, width in network.widths.items():
        own = features[:, begin : begin + width * PARTS].unflatten(1, (width, PARTS))
        begin += width * PARTS
        averaged, apart = (evaluate_probe(each, labelled).top1 for each in (own.mean(dim=2), own.flatten(1)))
        print(f"| {name} | {averaged:.3f} | {apart:.3f} |", flush=True)


if __name__ == "__main__":
    main()
