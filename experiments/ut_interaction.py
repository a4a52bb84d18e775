"""Real clips: how well random, RGB MoCo and MSCL encoders tell the interactions of UT-Interaction apart.

    python experiments/ut_interaction.py VIDEOS TABLE --out FOLDER [--seeds 0 1 2] [-- OPTIONS OF kinema pretrain]

Pretrains on all videos of the folder VIDEOS without labels and evaluates with one recorded sequence left out at a time,
by the commands that it prints. What FOLDER holds already is not made again. TABLE is a CSV file with the columns path,
dataset, class and group; it writes ``results.csv`` and ``results.md`` into FOLDER.
"""

from __future__ import annotations

import argparse
import csv
import json
import shlex
import subprocess
import sys
from pathlib import Path

from kinema.ablation import mean_and_spread

METHODS = ("random", "moco", "mscl")
FIGURES = ("retrieval R@1", "centred R@1", "probe")


def kinema(*words: object) -> None:
    """Run one command, and say which."""
    line = ["kinema", *map(str, words)]
    print(shlex.join(line), file=sys.stderr, flush=True)
    subprocess.run([sys.executable, "-m", "kinema.cli", *line[1:]], check=True, stdout=subprocess.DEVNULL)


def write_labels(table: Path, videos: Path, out: Path) -> None:
    """``file,label,group`` of the labelled clips, the files relative to ``videos``."""
    with table.open(newline="") as source, out.open("w", newline="") as target:
        writer = csv.writer(target, lineterminator="\n")
        writer.writerow(("file", "label", "group"))
        for row in csv.DictReader(source):
            if row["dataset"] == "ut_interaction":
                file = Path(row["path"]).relative_to(videos.name).as_posix()
                writer.writerow((file, row["class"], row["group"]))


def measure(method: str, seed: int, videos: Path, out: Path, options: list[str]) -> dict[str, object]:
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
    retrieval = (results["retrieval"][kind]["r1"] for kind in ("plain", "centred"))
    return {"method": method, "seed": seed, **dict(zip(FIGURES, (*retrieval, results["probe"]["top1"]), strict=True))}


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
    args.out.mkdir(parents=True, exist_ok=True)
    write_labels(args.table, args.videos, args.out / "labels.csv")
    if not (args.out / "manifest.csv").exists():
        kinema("scan", args.videos, "--out", args.out / "manifest.csv")
    rows = [measure(method, seed, args.videos, args.out, options) for seed in args.seeds for method in METHODS]
    with (args.out / "results.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, ("method", "seed", *FIGURES), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    lines = [f"| encoder | {' | '.join(FIGURES)} |", "|---|---|---|---|"]
    for method in METHODS:
        values = [[float(str(row[figure])) for row in rows if row["method"] == method] for figure in FIGURES]
        lines.append(f"| {method} | {' | '.join(map(mean_and_spread, values))} |")
    (args.out / "results.md").write_text("\n".join(lines) + "\n")
    print("\n".join(lines))
    print(args.out / "results.md")


if __name__ == "__main__":
    main()
