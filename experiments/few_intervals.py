"""Real clips: how many windows of other recordings a classifier recognises that a few labelled intervals taught.

    python experiments/few_intervals.py ACTIONS TABLE --out FOLDER [--sets ...] [--encoders ...] [--crops ...]

ACTIONS holds the folders of the sets, TABLE (CSV) the columns path, class and group of their clips. Every set is
indexed as a library of its own, so that the whitening has seen all clips, without labels; with `--crops motion` its
windows are cut around what moves, with `--crops FILE` around boxes. In each of ten draws half of the groups
(recordings, speakers) may be labelled, or as many as there are intervals a class where a group has one of each class
(ut_interaction, weizmann4): so many clips of each class are drawn from them, or all there are, each an interval; the
classifier is that of `kinema label`, and the windows of all other groups are asked for.

Clips of ut_interaction were cut out by size, which tells the class; copies of their central 1.6 s through one window of
128 x 212 pixels are indexed instead. Prints JSON, and writes it into FOLDER.
"""

from __future__ import annotations

import argparse
import csv
import json
from collections.abc import Iterator
from fractions import Fraction
from itertools import product
from pathlib import Path
from typing import Any

import av
import numpy as np

from kinema.common.files import write_json
from kinema.common.provenance import software_versions
from kinema.search import Library
from kinema.search.classifier import fit_classifier
from kinema.search.comparing import comparison
from kinema.search.connection import snapshot
from kinema.video import Video, View

WINDOW, SECONDS = (128, 212), 1.6
SIZES = {"ut_interaction": (1, 2, 5, 9), "weizmann4": (1, 2, 5, 8), "mouse": (5, 10, 20), "miracl_words": (5, 10, 20)}
"""Intervals a class."""
ONE_EACH = ("ut_interaction", "weizmann4")
"""Sets whose groups have one clip of each class."""
WHOLE = "whole"
"""In place of a crop."""
DRAWS = 10


def cropped(source: Path, target: Path) -> None:
    """Write the central part of a clip through the window, without loss."""
    with Video(source, view=View(crop=WINDOW)) as video:
        frames, fps = video.read().frames, video.info.fps
    count = round(SECONDS * fps)
    first = max(0, (len(frames) - count) // 2)
    target.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(target), "w") as container:
        stream = container.add_stream("ffv1", rate=Fraction(fps).limit_denominator(1001))
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt = "bgr0"
        for frame in frames[first : first + count]:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24").reformat(format="bgr0")))
        container.mux(stream.encode())


def clips_of(actions: Path, table: Path, name: str, out: Path) -> tuple[Path, dict[str, tuple[str, str]]]:
    """The folder to index, and class and group of each clip in it, by its absolute path."""
    with table.open(newline="") as source:
        rows = [row for row in csv.DictReader(source) if f"/{name}/" in row["path"]]
    folder = (out / "ut_interaction" if name == "ut_interaction" else actions / name).resolve()
    known = {}
    for row in rows:
        inside = Path(row["path"].split(f"/{name}/")[1])
        if name == "ut_interaction":
            source, inside = actions / name / inside, inside.with_suffix(".mkv")
            if not (folder / inside).exists():
                cropped(source, folder / inside)
        known[str(folder / inside)] = row["class"], row["group"]
    return folder, known


def draws(
    clips: np.ndarray, kinds: np.ndarray, groups: np.ndarray, count: int, one_each: bool
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Which windows (N,) are labelled, and which are asked for, in each draw.

    Args:
        clips: (N,) the clip of each window.
        kinds: (N,) its class.
        groups: (N,) its group.
        count: clips of each class that are labelled.
        one_each: whether groups have one clip of each class.
    """
    rng = np.random.default_rng(0)
    for _ in range(DRAWS):
        order = rng.permutation(np.unique(groups))
        own = order[: count if one_each else len(order) // 2]
        drawn = [
            rng.permutation(np.unique(clips[(kinds == kind) & np.isin(groups, own)]))[:count]
            for kind in np.unique(kinds)
        ]
        yield np.isin(clips, np.concatenate(drawn)), ~np.isin(groups, own)


def over_classes(right: np.ndarray, kinds: np.ndarray) -> float:
    """The share of windows that are ``right``, both (N,), on average over their classes."""
    return float(np.mean([right[kinds == kind].mean() for kind in np.unique(kinds)]))


def measure(library: Library, known: dict[str, tuple[str, str]], name: str) -> dict[str, Any]:
    """Figures by the number of intervals a class."""
    windows = [window for window in library.windows() if window.path in known]
    clips = np.array([window.path for window in windows])
    kinds, groups = (np.array([known[clip][place] for clip in clips]) for place in (0, 1))
    vectors = library.vectors([window.id for window in windows])
    with snapshot(library.path) as db:
        compared = comparison(db).linear(vectors.shape[1])
    result = {}
    for count in SIZES[name]:
        single, balanced, sure = [], [], []
        for train, asked in draws(clips, kinds, groups, count, name in ONE_EACH):
            classifier = fit_classifier(vectors[train], kinds[train], "", compared)
            shares = classifier.predict(vectors[asked])
            right = np.array(classifier.classes)[shares.argmax(1)] == kinds[asked]
            single.append(right.mean())
            balanced.append(over_classes(right, kinds[asked]))
            sure.append(shares.max(1).mean())
        result[str(count)] = {
            "top1": round(float(np.mean(single)), 3),
            "spread": round(float(np.std(single)), 3),
            "balanced": round(float(np.mean(balanced)), 3),
            "mean_probability_of_the_likeliest": round(float(np.mean(sure)), 3),
        }
    return {"windows": len(windows), "clips": len(known), "classes": len(np.unique(kinds)), "intervals": result}


def main() -> None:
    """Index, draw, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("actions", type=Path)
    parser.add_argument("table", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--sets", nargs="+", default=list(SIZES), choices=SIZES)
    parser.add_argument("--encoders", nargs="+", default=["motion", "histogram"])
    parser.add_argument("--crops", nargs="+", default=[WHOLE], help=f"{WHOLE}, motion, or a file of boxes")
    args = parser.parse_args()
    result: dict[str, Any] = {"draws": DRAWS, "versions": software_versions()}
    for name in args.sets:
        folder, known = clips_of(args.actions, args.table, name, args.out)
        for encoder, crop in product(args.encoders, args.crops):
            library = Library(
                args.out / f"{name}-{encoder}-{Path(crop).stem}", encoder, crop=None if crop == WHOLE else crop
            )
            library.add(folder)
            found = {name: {f"{encoder}, {Path(crop).stem}": measure(library, known, name)}}
            result.setdefault(name, {}).update(found[name])
            print(json.dumps(found), flush=True)
    write_json(args.out / "few_intervals.json", result)


if __name__ == "__main__":
    main()
