"""Real clips and few labels: recognition of UT-Interaction's interactions with HCML and without.

    python experiments/ut_recognition.py VIDEOS TABLE --out FOLDER [--seeds 0 1 2] [--ways plain ...]

Trains with labels, one recorded sequence left out at a time, by the commands that it prints: a network on its own
(plain); with HCML's losses beside the cross-entropy, all from the start (beside) or one level after another (phases);
and on its own after HCML has trained it without labels on all videos of the folder VIDEOS (first). What FOLDER holds
already is not made again. TABLE is a CSV file with the columns path, dataset, class and group; it writes
``recognition.csv`` and ``recognition.md`` into FOLDER.
"""

from __future__ import annotations

import argparse
import csv
import json
from pathlib import Path

from ut_interaction import kinema, write_labels

from kinema.ablation import mean_and_spread

WAYS: dict[str, tuple[str, ...]] = {
    "plain": (),
    "beside": ("--motion", "hcml", "--hcml.progressive", "false", "--hcml.photometric", "10", "--hcml.contrast", "0.1"),
    "phases": ("--motion", "hcml"),
    "first": (),
}
UNLABELLED_EPOCHS = 16


def measure(way: str, seed: int, videos: Path, out: Path) -> float:
    """Top-1 accuracy over all rounds."""
    run = out / f"{way}-{seed}"
    if not (run / "results.json").exists():
        common = ("--config", Path(__file__).with_suffix(".yaml"), "--seed", seed, "--manifest", out / "manifest.csv")
        words: tuple[object, ...] = WAYS[way]
        if way == "first":
            weights = out / f"unlabelled-{seed}"
            unlabelled = ("--method", "hcml", *common, "--epochs", UNLABELLED_EPOCHS, "--trainer.batch_size", 32)
            kinema("pretrain", videos, *unlabelled, "--out", weights, "--resume")
            words = ("--weights", weights)
        columns = ("--labels", out / "labels.csv", "--label-column", "label", "--group-column", "group")
        kinema("finetune", videos, *columns, *common, *words, "--out", run, "--resume")
    return float(json.loads((run / "results.json").read_text())["top1"])


def main() -> None:
    """Measure and tabulate."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("videos", type=Path)
    parser.add_argument("table", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--ways", nargs="+", default=list(WAYS), choices=WAYS)
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    write_labels(args.table, args.videos, args.out / "labels.csv")
    if not (args.out / "manifest.csv").exists():
        kinema("scan", args.videos, "--out", args.out / "manifest.csv")
    found = [(way, seed, measure(way, seed, args.videos, args.out)) for seed in args.seeds for way in args.ways]
    with (args.out / "recognition.csv").open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("way", "seed", "top1"))
        writer.writerows(found)
    lines = ["| | top-1 |", "|---|---|"]
    lines += [f"| {way} | {mean_and_spread([top1 for w, _, top1 in found if w == way])} |" for way in args.ways]
    (args.out / "recognition.md").write_text("\n".join(lines) + "\n")
    print("\n".join(lines))
    print(args.out / "recognition.md")


if __name__ == "__main__":
    main()
