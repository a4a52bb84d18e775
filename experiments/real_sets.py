"""Real clips: whether neighbours of encoders move alike, zero-shot, on four sets of one kind each.

    python experiments/real_sets.py ACTIONS TABLE --out FOLDER [--sets ...] [--encoders ...]

ACTIONS holds the folders of the sets, TABLE (CSV) the columns path, class and group of their clips. Each figure is made
by one `kinema evaluate retrieval`, which is printed; what FOLDER holds already is not made again. Writes ``real.csv``
and ``real.md`` into FOLDER.
"""

from __future__ import annotations

import argparse
import csv
import json
import shlex
import subprocess
import sys
from pathlib import Path

UT_CROP = ("--clip.center_crop", "[128,212]", "--clip.center_seconds", "1.6")
"""The clips of UT-Interaction were cut out by size, which tells the class; all are seen through one window."""
SETS = {
    "ut_interaction": (*UT_CROP, "--jitter", "8"),
    "weizmann4": ("--jitter", "4"),
    "mouse": ("--jitter", "2"),
    "miracl_words": ("--jitter", "1"),
}
MOMENTS = ("--readout.moments", "true", "--readout.grid", "[1,4,4]", "--readout.root", "false")
ENCODERS = {
    "motion": ("motion",),
    "random": ("random", "--like", "motion"),
    "histogram": ("histogram",),
    "moments": ("motion", *MOMENTS),
}
FIGURES = ("plain", "whitened", "jittered", "shaken", "pooled")


def labels(table: Path, name: str, out: Path, every: int = 1) -> Path:
    """``file,label,group`` of every so-manieth clip of a set, the files relative to its folder."""
    path = out / f"{name}.csv"
    with table.open(newline="") as source, path.open("w", newline="") as target:
        writer = csv.writer(target, lineterminator="\n")
        writer.writerow(("file", "label", "group"))
        rows = [row for row in csv.DictReader(source) if f"/{name}/" in row["path"]]
        writer.writerows((row["path"].split(f"/{name}/")[1], row["class"], row["group"]) for row in rows[::every])
    return path


def measure(folder: Path, table: Path, name: str, encoder: str, out: Path, words: list[str]) -> dict[str, float]:
    """R@1 of one encoder on one set: as it is, whitened, whitened through jittered crops, and shaken."""
    file = out / f"{encoder}-{name}.json"
    if not file.exists():
        run, *options = [*ENCODERS.get(encoder, (encoder,)), *words]
        columns = ("--labels", labels(table, name, out), "--label-column", "label", "--group-column", "group")
        line = ["kinema", "evaluate", "retrieval", run, *options, "--data", folder / name, *columns, *SETS[name]]
        line += ["--shaken", "0.3", "--clips", "1", "--out", file]
        print(shlex.join(map(str, line)), file=sys.stderr, flush=True)
        subprocess.run([sys.executable, "-m", "kinema.cli", *map(str, line[1:])], check=True, stdout=subprocess.DEVNULL)
    result = json.loads(file.read_text())["result"]
    return {
        "plain": result["plain"]["r1"],
        "whitened": result["whitened"]["r1"],
        "jittered": result["jittered"]["whitened"]["r1"],
        "shaken": result["shaken"]["whitened"]["r1"],
        "pooled": result["pooled"]["whitened"]["r1"] if result["pooled"] else float("nan"),
    }


def main() -> None:
    """Measure and tabulate."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("actions", type=Path)
    parser.add_argument("table", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--sets", nargs="+", default=list(SETS), choices=SETS)
    parser.add_argument("--encoders", nargs="+", default=list(ENCODERS), help="of the four, or runs")
    args, words = parser.parse_known_args()
    args.out.mkdir(parents=True, exist_ok=True)
    rows = [
        {"set": name, "encoder": encoder, **measure(args.actions, args.table, name, encoder, args.out, words)}
        for name in args.sets
        for encoder in args.encoders
    ]
    with (args.out / "real.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, ("set", "encoder", *FIGURES), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    head = f"| set | encoder | {' | '.join(FIGURES)} |\n|---|---|{'---|' * len(FIGURES)}\n"
    lines = (f"| {r['set']} | {r['encoder']} | {' | '.join(f'{r[f]:.3f}' for f in FIGURES)} |" for r in rows)
    (args.out / "real.md").write_text(head + "\n".join(lines) + "\n")
    print(args.out / "real.csv", args.out / "real.md", sep="\n")


if __name__ == "__main__":
    main()
