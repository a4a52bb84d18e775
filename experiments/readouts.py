"""Real clips: what of one network tells movements apart. Readouts side by side, of a trained and an untrained one.

    python experiments/readouts.py FOLDER TABLE --out FILE.json [--encoder motion] [--every 4] [--jitter 8] [--ut-crop]

FOLDER holds the clips of one set, TABLE (CSV) the columns path, class and group. All readouts come from one decoding.
By figures of this kind, on UT-Interaction and a quarter of the spoken words, that of the ready encoder was chosen.
"""

from __future__ import annotations

import argparse
import csv
import json
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from kinema.config import ReadoutConfig
from kinema.data.labels import LabelledSet
from kinema.evaluation.folds import group_folds
from kinema.evaluation.gather import gather_several
from kinema.evaluation.representation import retrieve
from kinema.models import open_encoder

STAGES = ("layer1", "layer2", "layer3", "layer1+layer2", "layer2+layer3", "layer1+layer2+layer3")
GRIDS = ((1, 5, 5), (2, 4, 4), (2, 5, 5), (4, 4, 4), (4, 5, 5), (8, 4, 4))
UT_CROP = {"center_crop": (128, 212), "center_seconds": 1.6}


def readouts(usual: ReadoutConfig) -> Iterator[tuple[str, ReadoutConfig]]:
    """By name."""
    for stage in STAGES:
        for grid in GRIDS:
            yield f"{stage} {'x'.join(map(str, grid))}", replace(usual, stage=stage, grid=grid, unit="clip")


def labelled_set(folder: Path, table: Path, every: int) -> LabelledSet:
    """Every so-manieth clip of the table that lies in the folder."""
    with table.open(newline="") as source:
        rows = [row for row in csv.DictReader(source) if f"/{folder.name}/" in row["path"]][::every]
    with tempfile.NamedTemporaryFile("w", suffix=".csv", newline="") as chosen:
        writer = csv.writer(chosen)
        writer.writerow(("file", "label", "group"))
        writer.writerows((row["path"].split(f"/{folder.name}/")[1], row["class"], row["group"]) for row in rows)
        chosen.flush()
        return LabelledSet.read(folder, chosen.name, "label", "group")


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
    labelled = labelled_set(args.folder, args.table, args.every)
    usual = open_encoder(args.encoder)
    clip = replace(usual.clip, **UT_CROP) if args.ut_crop else usual.clip
    encoders = {}
    for name, readout in readouts(usual.module.readout):
        encoders[f"trained, {name}"] = open_encoder(args.encoder, readout=readout)
        encoders[f"untrained, {name}"] = open_encoder("random", like=args.encoder, readout=readout)
    positions = range(len(labelled))
    asked = {"fit_on": positions, "transductive": True, "jitter": args.jitter, "shaken": 0.3, "clips": 1}
    figures = {}
    for name, seen in gather_several(encoders, labelled.paths, clip, **asked).items():
        found = retrieve(seen.readout, labelled, group_folds(labelled), (1,), 0)
        figures[name] = {
            "plain": found.still.plain.recall[1],
            "whitened": found.still.whitened.recall[1],
            "jittered": found.jittered.whitened.r1,
            "shaken": found.shaken.whitened,
        }
        print(f"{name:45}" + " ".join(f"{way} {value:.3f}" for way, value in figures[name].items()), flush=True)
    args.out.write_text(json.dumps({"clips": len(labelled), "figures": figures}, indent=2))
    print(args.out)


if __name__ == "__main__":
    main()
