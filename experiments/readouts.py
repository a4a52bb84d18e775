"""Real clips: what of one network tells movements apart. Readouts side by side, of a trained and an untrained one.

    python experiments/readouts.py FOLDER TABLE --out FILE.json [--encoder motion] [--every 4] [--jitter 8] [--ut-crop]

FOLDER holds the clips of one set, TABLE (CSV) the columns path, class and group. All readouts come from one decoding
and one pass. By figures of this kind, on UT-Interaction and a quarter of the spoken words, that of the ready encoder
was chosen.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from dataclasses import replace
from pathlib import Path

import torch
from real_sets import labels
from torch import Tensor, nn

from kinema.common.whitening import Whitening
from kinema.config import ReadoutConfig
from kinema.data.labels import LabelledSet
from kinema.evaluation.features import extract_features
from kinema.evaluation.folds import group_folds
from kinema.evaluation.gather import SHRINKAGE, fitted_on
from kinema.evaluation.looks import Jittered, Shaken, Uniform
from kinema.evaluation.representation import Representation, retrieve
from kinema.evaluation.table import Seen
from kinema.models import VideoEncoder, open_encoder
from kinema.models.readout import Readout

STAGES = ("layer1", "layer2", "layer3", "layer1+layer2", "layer2+layer3", "layer1+layer2+layer3")
GRIDS = ((1, 5, 5), (2, 5, 5), (4, 5, 5), (8, 4, 4))
UT_CROP = {"center_crop": (128, 212), "center_seconds": 1.6}


class Several(nn.Module):
    """The features of several readouts of one network, one after another."""

    def __init__(self, encoder: VideoEncoder, usual: ReadoutConfig):
        super().__init__()
        self.encoder = encoder
        self.readouts = [replace(usual, stage=stage, grid=grid, unit="clip") for stage in STAGES for grid in GRIDS]
        self.readers = nn.ModuleList(Readout(config, encoder.stage_widths) for config in self.readouts)

    def forward(self, clips: Tensor) -> Tensor:
        """(B, 3, T, H, W) -> (B, D)."""
        stages = self.encoder.stages(clips, "layer3")
        return torch.cat([reader(stages) for reader in self.readers], dim=1)

    def parts(self) -> list[tuple[str, slice]]:
        """The name of each readout, and where its features lie."""
        found, begin = [], 0
        for config, reader in zip(self.readouts, self.readers, strict=True):
            found.append((f"{config.stage} {'x'.join(map(str, config.grid))}", slice(begin, begin + reader.features)))
            begin += reader.features
        return found


def measure(several: Several, labelled: LabelledSet, clip: object, jitter: int) -> dict[str, dict[str, float]]:
    """R@1 by readout and way to look."""
    chosen, copies = fitted_on(range(len(labelled)))
    looks = {
        "still": Seen(several, Uniform(1)),
        "jittered": Seen(several, Jittered(1, rounds=jitter)),
        "shaken": Seen(several, Shaken(1, pixels=0.3)),
        "copies": Seen(several, copies, chosen),
    }
    seen = extract_features(looks, labelled.paths, clip, clips=1)
    figures = {}
    for name, part in several.parts():
        views = seen["copies"][..., part].unflatten(1, (copies.windows, copies.copies))
        whitening = Whitening.fit(views.permute(2, 0, 1, 3).flatten(1, 2).numpy(), SHRINKAGE)
        jittered = seen["jittered"].view(len(labelled), jitter, -1)[..., part]
        each = Representation(seen["still"][:, part], whitening, jittered, seen["shaken"][:, part])
        found = retrieve(each, labelled, group_folds(labelled), (1,), 0)
        figures[name] = {
            "plain": found.still.plain.recall[1],
            "whitened": found.still.whitened.recall[1],
            "jittered": found.jittered.whitened.r1,
            "shaken": found.shaken.whitened,
        }
    return figures


def main() -> None:
    """Measure, print a table and write it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("table", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--encoder", default="motion")
    parser.add_argument("--every", type=int, default=1)
    parser.add_argument("--jitter", type=int, default=8)
    parser.add_argument("--ut-crop", action="store_true", help="the window of UT-Interaction")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        chosen = labels(args.table, args.folder.name, Path(place), args.every)
        labelled = LabelledSet.read(args.folder, chosen, "label", "group")
    trained = open_encoder(args.encoder)
    clip = replace(trained.clip, **UT_CROP) if args.ut_crop else trained.clip
    result = {}
    for name, opened in (("trained", trained), ("untrained", open_encoder("random", like=args.encoder))):
        several = Several(opened.module, trained.module.readout)
        result[name] = measure(several, labelled, clip, args.jitter)
        for readout, figures in result[name].items():
            print(
                f"{name:10}{readout:30}" + " ".join(f"{way} {value:.3f}" for way, value in figures.items()), flush=True
            )
    args.out.write_text(json.dumps({"clips": len(labelled), "figures": result}, indent=2))
    print(args.out)


if __name__ == "__main__":
    main()
