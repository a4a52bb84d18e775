"""Whether clips that are cut around what moves are told apart better than whole frames, on real sets.

    python experiments/crop.py ACTIONS TABLE --out FOLDER [--sets ...] [--crops ...] [--whiten] [--cost]

ACTIONS holds the folders of the sets, TABLE (CSV) the columns path, class and group of their clips. Features are
kept in FOLDER. Groups (recordings, performers) are left out one at a time. R@1 is the share of clips whose nearest
one of another group is of the same class, by cosine, centred; with --whiten whitened on copies of all clips too. Few
labels are five clips of each class, drawn ten times, for a logistic regression on features of length 1. Prints a table;
with --cost, instead, how many milliseconds of a core reading takes for each window of an index.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
from real_sets import labels
from sklearn.linear_model import LogisticRegression

from kinema.common.vectors import unit
from kinema.config import ClipConfig
from kinema.config.windows import Windowing
from kinema.data.labels import LabelledSet
from kinema.evaluation.few_label import draw_few
from kinema.evaluation.folds import make_folds
from kinema.evaluation.gather import gather
from kinema.models import open_encoder
from kinema.search.windows import WindowReader
from kinema.video import find_videos

SETS = {
    "mouse": ClipConfig(),
    "ut_interaction": ClipConfig(center_crop=(128, 212), center_seconds=1.6),
    "weizmann4": ClipConfig(),
}
"""And which part of each is looked at: UT-Interaction was cut out by size, which tells the class."""
WHOLE = "whole"
"""In place of a crop."""
PER_CLASS, DRAWS = 5, 10
LENGTH = 10.0
"""Of features, for a classifier whose C is 1: five labels a class are too few to choose one by."""


def clip_of(name: str, crop: str) -> ClipConfig:
    """The clips of a set through a crop."""
    return replace(
        open_encoder("motion").clip,
        center_crop=SETS[name].center_crop,
        center_seconds=SETS[name].center_seconds,
        crop=None if crop == WHOLE else crop,
    )


def first(features: np.ndarray, labelled: LabelledSet) -> float:
    """R@1 across groups of features (N, D) of length 1."""
    groups = np.array(labelled.groups)
    scores = features @ features.T
    scores[groups[:, None] == groups[None]] = -np.inf
    return float((labelled.labels[scores.argmax(1)] == labelled.labels).mean())


def rotated(features: np.ndarray) -> np.ndarray:
    """(N, N) with the same products as features (N, D), which are many more, so that classifiers are quick."""
    left, lengths, _ = np.linalg.svd(features, full_matrices=False)
    return np.asarray(left * lengths, np.float32)


def few_labels(features: np.ndarray, labelled: LabelledSet) -> tuple[np.ndarray, np.ndarray]:
    """Top-1 and the mean over classes, each (DRAWS,), of classifiers of a few clips of all groups but the one asked."""
    values, truth = rotated(LENGTH * features), labelled.labels
    right = np.zeros((DRAWS, len(truth)))
    for draw in range(DRAWS):
        rng = np.random.default_rng(draw)
        for fold in make_folds(labelled, "group", "probe"):
            chosen = draw_few(fold.gallery, truth, rng, PER_CLASS, None)
            model = LogisticRegression(max_iter=1000).fit(values[chosen], truth[chosen])
            right[draw, fold.queries] = model.predict(values[fold.queries]) == truth[fold.queries]
    by_class = np.stack([right[:, truth == label].mean(1) for label in np.unique(truth)])
    return right.mean(1), by_class.mean(0)


def measure(folder: Path, table: Path, name: str, crop: str, out: Path, whiten: bool) -> str:
    """The figures of one set through one crop."""
    labelled = LabelledSet.read(folder / name, labels(table, name, out), "label", "group")
    count = len(labelled)
    found = gather(
        open_encoder("motion"),
        labelled.paths,
        clip_of(name, crop),
        fit_on=range(count) if whiten else (),
        transductive=True,
        clips=1,
        cache=out / "features",
    )
    plain = np.asarray(found.readout.values)
    ways = {"plain": unit(plain - plain.mean(0))}
    if found.readout.whitening is not None:
        ways["whitened"] = unit(found.readout.whitening.transform(unit(plain)))
    said = []
    for way, features in ways.items():
        top1, mean_class = few_labels(features, labelled)
        said.append(
            f"{name} | {crop} | {way} | {first(features, labelled):.3f} | {top1.mean():.3f} ± {top1.std():.3f} | "
            f"{mean_class.mean():.3f}"
        )
    return "\n".join(f"| {line} |" for line in said)


def cost(folder: Path, crop: str, videos: int) -> float:
    """Milliseconds of a core for each window of some of a folder's videos, as an index reads them."""
    clip = replace(open_encoder("motion").clip, crop=None if crop == WHOLE else crop)
    reader, paths = WindowReader(clip, Windowing()), find_videos(folder)[0]
    chosen = paths[:: max(1, len(paths) // videos)]
    began = time.process_time()
    windows = sum(1 for path in chosen for _ in reader.read(path))
    return 1e3 * (time.process_time() - began) / windows


def main() -> None:
    """Measure and tabulate."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("actions", type=Path)
    parser.add_argument("table", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--sets", nargs="+", default=list(SETS), choices=SETS)
    parser.add_argument("--crops", nargs="+", default=[WHOLE, "motion"])
    parser.add_argument("--whiten", action="store_true")
    parser.add_argument("--cost", action="store_true")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    if not args.cost:
        print(
            "| set | clips | features | R@1 | top-1, 5 labels a class | mean over classes |\n|---|---|---|---|---|---|"
        )
    for name in args.sets:
        for crop in args.crops:
            if args.cost:
                print(f"{name}, {crop}: {cost(args.actions / name, crop, 10):.0f} ms", flush=True)
            else:
                print(measure(args.actions, args.table, name, crop, args.out, args.whiten), flush=True)


if __name__ == "__main__":
    main()
