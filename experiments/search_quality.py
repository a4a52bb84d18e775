"""Measure what a search finds among labelled videos, and print JSON.

    kinema synth VIDEOS --videos 1500 && kinema index VIDEOS --encoder RUN --index INDEX
    python experiments/search_quality.py --index INDEX --videos VIDEOS [--queries 300] > search_quality.json

For each way to search and each label (motion, scene, shape): the share of the first ten videos that have the query's
label. Queries are whole videos, drawn from the test split; their own videos are left out. Beside the library's own
ways: ``frozen``, the encoder's features of clips whose frames are all the middle one, and motion without centring,
on the same windows.
"""

from __future__ import annotations

import argparse
import csv
import json
from pathlib import Path
from typing import Any

import numpy as np

from kinema.common.provenance import software_versions
from kinema.common.vectors import unit
from kinema.search import Library
from kinema.search.windows import WindowReader

TOP = 10
LABELS = ("motion", "scene", "shape")


def precision(found: list[list[str]], queries: list[str], rows: dict[str, dict[str, str]]) -> dict[str, float]:
    """The share of hits with the query's label, by kind of label."""
    pairs = [(rows[query], rows[hit]) for query, hits in zip(queries, found, strict=True) for hit in hits]
    return {kind: round(float(np.mean([one[kind] == other[kind] for one, other in pairs])), 3) for kind in LABELS}


def by_vectors(vectors: np.ndarray, paths: list[str], queries: list[str]) -> list[list[str]]:
    """The nearest videos of each query, by their best window and the mean of the query's."""
    names, owner = np.unique(paths, return_inverse=True)
    found = []
    for query in queries:
        own = owner == np.searchsorted(names, query)
        best = np.full(len(names), -2.0)
        np.maximum.at(best, owner, vectors @ unit(vectors[own].mean(0)))
        best[np.searchsorted(names, query)] = -2
        found.append(names[np.argsort(-best, kind="stable")[:TOP]].tolist())
    return found


def frozen_vectors(library: Library, paths: list[str]) -> tuple[np.ndarray, list[str]]:
    """(N, D) the encoder's features of middle frames that are held, and the windows' videos."""
    reader, parts, owners = WindowReader(library.embedder.clip, library.windowing), [], []
    for path in paths:
        middles = np.stack([window.middle for window in reader.read(path)])
        parts.append(library.embedder.features(np.repeat(middles[:, None], library.embedder.clip.frames, 1)))
        owners += [path] * len(middles)
    return unit(np.concatenate(parts)), owners


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--index", required=True)
    parser.add_argument("--videos", type=Path, required=True)
    parser.add_argument("--queries", type=int, default=300)
    parser.add_argument("--frozen", type=int, default=500, help="videos among which held middle frames are compared")
    options = parser.parse_args()
    library = Library(options.index)
    root = options.videos.resolve()
    with (root / "labels.csv").open(encoding="utf-8") as file:
        rows: dict[str, dict[str, Any]] = {str(root / row["file"]): row for row in csv.DictReader(file)}
    test = [path for path, row in rows.items() if row["split"] == "test"]
    queries = np.random.default_rng(0).permutation(test)[: options.queries].tolist()
    result: dict[str, Any] = {
        "versions": software_versions(),
        "videos": len(library.videos()),
        "windows": library.count(),
        "queries": len(queries),
    }
    result["chance"] = {kind: round(1 / len({row[kind] for row in rows.values()}), 3) for kind in LABELS}
    found: dict[str, list[list[str]]] = {"motion": [], "appearance": []}
    for query in queries:
        for answer in library.search_all(query, top=8 * TOP):
            found[answer.by].append(list(dict.fromkeys(hit.path for hit in answer.hits))[:TOP])
    windows = library.windows()
    paths = [window.path for window in windows]
    plain = library.vectors([window.id for window in windows])
    found["motion, not centred"] = by_vectors(plain, paths, queries)
    some = sorted(
        {*queries[: options.frozen // 5], *np.random.default_rng(1).permutation(list(rows))[: options.frozen]}
    )
    frozen, owners = frozen_vectors(library, some)
    few = queries[: options.frozen // 5]
    result["precision_at_10"] = {name: precision(hits, queries, rows) for name, hits in found.items()}
    result["precision_at_10"]["frozen"] = precision(by_vectors(frozen, owners, few), few, rows)
    motion = {name: row["motion"] for name, row in result["precision_at_10"].items()}
    result["motion over appearance"] = round(motion["motion"] / motion["appearance"], 2)
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
