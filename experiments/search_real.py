"""Real clips: what `kinema search` finds among the clips of a set that is indexed by itself.

    python experiments/search_real.py FOLDER TABLE --index INDEX [--encoder motion] [--windows 128] [--copies 4]

FOLDER holds the clips, TABLE (CSV) the columns path, class and group of each. Every clip is searched for as the
page and the command do, and clips of its own group (the same recording) are passed over: of the first ten others, how
many show the same class? ``--windows`` and
``--copies`` are what a new index fits its whitening to. Prints JSON.
"""

from __future__ import annotations

import argparse
import csv
import json
import time
from pathlib import Path

import numpy as np

from kinema.common.provenance import software_versions
from kinema.search import Library, fitting

TOP = 10
ALL = 10_000


def facts(folder: Path, table: Path) -> dict[str, tuple[str, str]]:
    """Class and group of each clip, by its resolved path."""
    with table.open(newline="") as source:
        rows = {row["path"].split(f"{folder.name}/")[-1]: row for row in csv.DictReader(source)}
    found = {path: rows.get(path.relative_to(folder).as_posix()) for path in sorted(folder.rglob("*.*"))}
    return {str(path.resolve()): (row["class"], row["group"]) for path, row in found.items() if row}


def main() -> None:
    """Index, search and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("table", type=Path)
    parser.add_argument("--index", type=Path, required=True)
    parser.add_argument("--encoder", default="motion")
    parser.add_argument("--windows", type=int, default=fitting.WINDOWS)
    parser.add_argument("--copies", type=int, default=fitting.COPIES)
    options = parser.parse_args()
    fitting.WINDOWS, fitting.COPIES = options.windows, options.copies
    begun = time.process_time()
    library = Library(options.index, options.encoder)
    library.add(options.folder)
    seconds = time.process_time() - begun
    known = facts(options.folder, options.table)
    shares, first = [], []
    for path, (kind, group) in known.items():
        hits = library.search(path, top=ALL, exact=True).hits
        others = [known[hit] for hit in dict.fromkeys(hit.path for hit in hits) if hit in known]
        alike = [other == kind for other, theirs in others if theirs != group][:TOP]
        shares.append(np.mean(alike))
        first.append(alike[0])
    kinds = [kind for kind, _ in known.values()]
    result = {
        "encoder": options.encoder,
        "clips": len(known),
        "windows": library.count(),
        "fitted_to": {"windows": options.windows, "copies": options.copies},
        "indexing_cpu_s": round(seconds, 1),
        "precision_at_10": round(float(np.mean(shares)), 3),
        "r1": round(float(np.mean(first)), 3),
        "by_class": {
            kind: round(float(np.mean([share for share, own in zip(shares, kinds, strict=True) if own == kind])), 3)
            for kind in sorted(set(kinds))
        },
        "versions": software_versions(),
    }
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
