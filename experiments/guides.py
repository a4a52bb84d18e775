"""Real clips for the guides: workouts joined of exercises, and words with the labels that a guide begins with.

    python experiments/guides.py workouts ACTIONS TABLE --out FOLDER
    python experiments/guides.py words ACTIONS TABLE --out FOLDER

ACTIONS holds the folders of the sets, TABLE (CSV) the columns path, class and group of their clips.

``workouts`` joins the clips of each performer of weizmann4 in an order of its own, twice over, into one video a
performer, with three seconds between two of them in which the last picture stands: FOLDER/videos. ``few.csv`` labels
the videos of the first two performers as wholes, ``others.csv`` those of the rest.

``words`` labels clips of miracl_words: ``few.csv`` the first takes of each word by each speaker (``--takes``),
``others.csv`` the other ones; with ``--new`` of all takes those by the first half of the speakers, and those by the
rest.
"""

from __future__ import annotations

import argparse
import csv
from pathlib import Path

import numpy as np

from kinema.annotations import Interval, write_intervals
from kinema.common.files import make_folder
from kinema.data.synthetic.files import write_video
from kinema.video import Video

PAUSE = 3.0
"""Seconds between two exercises."""
ROUNDS, LABELLED = 2, 2


def clips(table: Path, name: str) -> list[tuple[str, str, str]]:
    """Path below the set's folder, class and group of each clip."""
    with table.open(newline="") as source:
        rows = [row for row in csv.DictReader(source) if f"/{name}/" in row["path"]]
    return [(row["path"].split(f"/{name}/")[1], row["class"], row["group"]) for row in rows]


def workout(folder: Path, own: list[tuple[str, str]], target: Path, seed: int) -> list[Interval]:
    """Join clips (path, class) into one video; return where each lies."""
    rng, frames, found = np.random.default_rng(seed), list[np.ndarray](), list[Interval]()
    fps = 0.0
    for place in np.concatenate([rng.permutation(len(own)) for _ in range(ROUNDS)]).tolist():
        path, name = own[place]
        with Video(folder / path) as video:
            seen, fps = video.read().frames, video.info.fps
        start = len(frames)
        frames += [*seen, *[seen[-1]] * round(PAUSE * fps)]
        found.append(Interval(target.name, start / fps, (start + len(seen)) / fps, name.replace("_", " ")))
    write_video(target, frames, fps)
    return found


def workouts(actions: Path, table: Path, out: Path) -> tuple[list[Interval], list[Interval]]:
    """The videos, and the intervals of the first performers' and the others'."""
    rows = clips(table, "weizmann4")
    groups = sorted({group for _, _, group in rows})
    home, found = make_folder(out / "videos"), list[list[Interval]]()
    for seed, group in enumerate(groups):
        own = [(path, name) for path, name, other in rows if other == group]
        found.append(workout(actions / "weizmann4", own, home / f"{group}.mp4", seed))
    few, others = found[:LABELLED], found[LABELLED:]
    return [one for video in few for one in video], [one for video in others for one in video]


def words(actions: Path, table: Path, takes: int, new: bool) -> tuple[list[Interval], list[Interval]]:
    """The intervals to learn from, and the others."""
    rows = sorted(clips(table, "miracl_words"))
    groups = sorted({group for _, _, group in rows})
    seen, few, others = dict[tuple[str, str], int](), list[Interval](), list[Interval]()
    for path, name, group in rows:
        with Video(actions / "miracl_words" / path) as video:
            one = Interval(path, 0.0, video.info.duration, name)
        take = seen[name, group] = seen.get((name, group), -1) + 1
        known = groups.index(group) < len(groups) // 2 if new else take < takes
        (few if known else others).append(one)
    return few, others


def main() -> None:
    """Make what a guide begins with."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("guide", choices=["workouts", "words"])
    parser.add_argument("actions", type=Path)
    parser.add_argument("table", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--takes", type=int, default=3)
    parser.add_argument("--new", action="store_true")
    args = parser.parse_args()
    make_folder(args.out)
    if args.guide == "workouts":
        parts = workouts(args.actions, args.table, args.out)
    else:
        parts = words(args.actions, args.table, args.takes, args.new)
    for name, intervals in zip(("few", "others"), parts, strict=True):
        print(*write_intervals(args.out / f"{name}.csv", intervals), len(intervals))


if __name__ == "__main__":
    main()
