"""Real clips and few labels: recognition of UT-Interaction's interactions with HCML and without.

    python experiments/ut_recognition.py VIDEOS TABLE --out FOLDER [--seeds 0 1 2] [--ways plain ...]

Trains with labels, one recorded sequence left out at a time, by the commands that it prints: a network on its own
(plain); with HCML's losses beside the cross-entropy, all from the start (beside) or one level after another (phases);
and on its own after HCML has trained it without labels on all videos of the folder VIDEOS (first). What FOLDER holds
already is not made again. TABLE is a CSV file with the columns path, dataset, class and group; it writes
``results.csv``, ``results.md`` and ``ladder.png`` into FOLDER.
"""

from __future__ import annotations

import argparse
import json
from functools import partial
from pathlib import Path
from typing import Any

from ut_interaction import CLIPS, came_from, kinema, prepare

from kinema.config import FinetuneConfig
from kinema.jobs.ablation.ladder import Ladder
from kinema.report.ladder import Bar
from kinema.training.resuming import deciding

FIGURES = {"top1": "top-1", "mean_class": "mean over classes"}
BARS = (Bar("top1", "top-1", "#2b6cb0"),)
WAYS: dict[str, tuple[str, ...]] = {
    "plain": (),
    "beside": ("--motion", "hcml", "--hcml.progressive", "false", "--hcml.photometric", "10", "--hcml.contrast", "0.1"),
    "phases": ("--motion", "hcml"),
    "first": (),
}
UNLABELLED_EPOCHS = 16


def measure(videos: Path, out: Path, way: str, clips: str, seed: int) -> dict[str, Any]:
    """Accuracy over all rounds."""
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
    found = json.loads((run / "results.json").read_text())
    settings = {"way": way, **deciding(found["config"], FinetuneConfig, hierarchical=True)}
    return {**{name: found[name] for name in FIGURES}, **came_from(settings, videos, out, found["versions"])}


def main() -> None:
    """Measure and tabulate."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("videos", type=Path)
    parser.add_argument("table", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--ways", nargs="+", default=list(WAYS), choices=WAYS)
    args = parser.parse_args()
    prepare(args.table, args.videos, args.out)
    ladder = Ladder(tuple(WAYS), "data", "{}", FIGURES, (), BARS)
    for path in ladder.climb(args.out, [CLIPS], args.seeds, args.ways, partial(measure, args.videos)):
        print(path)


if __name__ == "__main__":
    main()
