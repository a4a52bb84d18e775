"""Real clips: how well random, RGB MoCo and MSCL encoders tell the interactions of UT-Interaction apart.

    python experiments/ut_interaction.py VIDEOS TABLE --out FOLDER [--seeds 0 1 2] [-- OPTIONS OF kinema pretrain]

Pretrains on all videos of the folder VIDEOS without labels and evaluates with one recorded sequence left out at a time,
by the commands that it prints. What FOLDER holds already is not made again. TABLE is a CSV file with the columns path,
dataset, class and group; it writes ``results.csv``, ``results.md`` and ``ladder.png`` into FOLDER.
"""

from __future__ import annotations

import argparse
import csv
import json
import shlex
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

from kinema.common.provenance import origin
from kinema.config import PretrainConfig
from kinema.jobs.ablation.ladder import Ladder
from kinema.report.ladder import Bar
from kinema.training.resuming import deciding

METHODS = ("random", "moco", "mscl")
FIGURES = {"retrieval_r1": "retrieval R@1", "centred_r1": "centred R@1", "probe": "probe"}
BARS = (Bar("centred_r1", "centred R@1", "#2b6cb0"), Bar("probe", "probe", "#b7791f"))
CLIPS = "ut_interaction"


def kinema(*words: object) -> None:
    """Run one command, and say which."""
    line = ["kinema", *map(str, words)]
    print(shlex.join(line), file=sys.stderr, flush=True)
    subprocess.run([sys.executable, "-m", "kinema.cli", *line[1:]], check=True, stdout=subprocess.DEVNULL)


def prepare(table: Path, videos: Path, out: Path) -> None:
    """Write ``labels.csv``, ``file,label,group`` of the labelled clips, the files relative to ``videos``; and the
    manifest of all."""
    out.mkdir(parents=True, exist_ok=True)
    with table.open(newline="") as source, (out / "labels.csv").open("w", newline="") as target:
        writer = csv.writer(target, lineterminator="\n")
        writer.writerow(("file", "label", "group"))
        for row in csv.DictReader(source):
            if row["dataset"] == CLIPS:
                file = Path(row["path"]).relative_to(videos.name).as_posix()
                writer.writerow((file, row["class"], row["group"]))
    if not (out / "manifest.csv").exists():
        kinema("scan", videos, "--out", out / "manifest.csv")


def came_from(settings: Any, videos: Path, out: Path, versions: dict[str, str]) -> dict[str, str]:
    """How a row came about: from settings that decide it, and the labelled clips."""
    with (out / "labels.csv").open(newline="") as file:
        return origin(settings, videos, [videos / row["file"] for row in csv.DictReader(file)], versions)


def measure(videos: Path, options: list[str], out: Path, method: str, clips: str, seed: int) -> dict[str, Any]:
    """The figures of one encoder."""
    config = Path(__file__).with_suffix(".yaml")
    name = f"{method}-{seed}"
    run = out / f"mscl-{seed}" if method == "random" else out / name
    if not (run / "encoder.safetensors").exists():
        trained = "mscl" if method == "random" else method
        common = ("--preset", "tiny", "--config", config, "--seed", seed, "--manifest", out / "manifest.csv")
        kinema("pretrain", videos, "--method", trained, *common, "--out", run, "--resume", *options)
    encoder = ("random", "--like", run, "--seed", seed) if method == "random" else (run,)
    results = {}
    for protocol in ("retrieval", "probe"):
        file = out / f"{name}-{protocol}.json"
        if not file.exists():
            columns = ("--labels", out / "labels.csv", "--label-column", "label", "--group-column", "group")
            kinema("evaluate", protocol, *encoder, "--data", videos, *columns, "--out", file)
        results[protocol] = json.loads(file.read_text())["result"]
    card = json.loads((run / "card.json").read_text())
    settings = {"method": method, **deciding(card["config"], PretrainConfig, hierarchical=False)}
    retrieval = (results["retrieval"][kind]["r1"] for kind in ("plain", "centred"))
    figures = dict(zip(FIGURES, (*retrieval, results["probe"]["top1"]), strict=True))
    return {**figures, **came_from(settings, videos, out, card["versions"])}


def main() -> None:
    """Measure and tabulate."""
    words = sys.argv[1:]
    end = words.index("--") if "--" in words else len(words)
    own, options = words[:end], words[end + 1 :]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("videos", type=Path)
    parser.add_argument("table", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    args = parser.parse_args(own)
    prepare(args.table, args.videos, args.out)
    ladder = Ladder(METHODS, "data", "{}", FIGURES, (), BARS)
    for path in ladder.climb(args.out, [CLIPS], args.seeds, (), partial(measure, args.videos, options)):
        print(path)


if __name__ == "__main__":
    main()
