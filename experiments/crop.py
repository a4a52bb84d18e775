"""Whether clips that are cut around what moves are told apart better than whole frames, on real sets.

    python experiments/crop.py ACTIONS TABLE --out FOLDER [--sets ...] [--protocols ...] [--crops ...]

ACTIONS holds the folders of the sets, TABLE (CSV) the columns path, class and group of their clips. Each figure is made
by one `kinema evaluate`, which is printed; what FOLDER holds already is not made again. Groups (recordings, performers)
are left out one at a time; few labels are five clips of each class, drawn ten times. Prints a table.
"""

from __future__ import annotations

import argparse
import json
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

from real_sets import UT_CROP, labels

SETS: dict[str, tuple[str, ...]] = {"mouse": (), "ut_interaction": UT_CROP, "weizmann4": ()}
PROTOCOLS: dict[str, tuple[str, ...]] = {
    "few-label": ("--per-class", "[5]", "--draws", "10"),
    "retrieval": (),
}
WHOLE = "whole"
"""In place of a crop."""


def measure(folder: Path, table: Path, name: str, crop: str, protocol: str, out: Path) -> dict[str, Any]:
    """The result of one protocol on one set, through one crop."""
    file = out / f"{name}-{crop}-{protocol}.json"
    if not file.exists():
        columns = ("--labels", labels(table, name, out), "--label-column", "label", "--group-column", "group")
        cropped = () if crop == WHOLE else ("--clip.crop", crop)
        line = ["kinema", "evaluate", protocol, "motion", "--data", folder / name, *columns, *SETS[name], *cropped]
        line += [*PROTOCOLS[protocol], "--clips", "1", "--cache", out / "features", "--out", file]
        print(shlex.join(map(str, line)), file=sys.stderr, flush=True)
        subprocess.run([sys.executable, "-m", "kinema.cli", *map(str, line[1:])], check=True, stdout=subprocess.DEVNULL)
    result: dict[str, Any] = json.loads(file.read_text())["result"]
    return result


def figures(protocol: str, result: dict[str, Any]) -> str:
    """The figures of a result, for the table."""
    if protocol == "retrieval":
        return " ".join(f"R@1 {how} {result[how]['r1']:.3f}" for how in ("plain", "whitened"))
    (found,) = result["sizes"]
    return f"top-1 {found['top1']:.3f} ± {found['top1_spread']:.3f}, mean over classes {found['mean_class']:.3f}"


def main() -> None:
    """Measure and tabulate."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("actions", type=Path)
    parser.add_argument("table", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--sets", nargs="+", default=list(SETS), choices=SETS)
    parser.add_argument("--protocols", nargs="+", default=list(PROTOCOLS), choices=PROTOCOLS)
    parser.add_argument("--crops", nargs="+", default=[WHOLE, "motion"])
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    print("| set | clips | protocol | figures |\n|---|---|---|---|")
    for protocol in args.protocols:
        for name in args.sets:
            for crop in args.crops:
                result = measure(args.actions, args.table, name, crop, protocol, args.out)
                print(f"| {name} | {crop} | {protocol} | {figures(protocol, result)} |", flush=True)


if __name__ == "__main__":
    main()
