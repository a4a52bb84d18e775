"""Kinetics-400 (Kay et al., 2017): train and validation lists, as CSV with YouTube's ids or as lists of copies' files.

Videos vanish from YouTube, so nobody has them all, and lists differ from edition to edition.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from kinema.data.benchmarks.description import SIDES, Benchmark, Listed
from kinema.data.benchmarks.lists import find_list, not_a_list, read_lines, read_table

LABELS = ("label_map_k400.txt", "label_map.txt")
ENTRY = re.compile(r"(.{11})(?:_\d{6}_\d{6})?", re.DOTALL)


def key(stem: str) -> str:
    """YouTube's id of a video, without the seconds that some copies add to it."""
    found = ENTRY.fullmatch(stem)
    return found[1] if found else stem


def read(lists: Sequence[Path], fold: int) -> Iterator[Listed]:
    """The train list and the validation list, each as CSV or as a list of files."""
    for side, path in zip(SIDES, lists, strict=True):
        for name, label in _from_csv(path) if path.suffix == ".csv" else _from_files(path):
            yield Listed(name, label, side)


def _from_csv(path: Path) -> Iterator[tuple[str, str]]:
    for row in read_table(path, ("label", "youtube_id")):
        yield row["youtube_id"], row["label"]


def _from_files(path: Path) -> Iterator[tuple[str, str]]:
    """Of a list of files with a class number last, whose names are in a list of labels beside it."""
    names = [line[0] for line in read_lines(find_list(path.parent, LABELS, "Kinetics-400"), ".+", "abseiling")]
    looks = "abseiling/0wR5jVB-WPk_000417_000427 300 0"
    for line in read_lines(path, r"(?:.*/)?([^/]+?)(?:\.\w+)?(?: \d+)? (\d+)", looks):
        if int(line[2]) >= len(names):
            raise not_a_list(str(path), line[0], f"a class from 0 to {len(names) - 1}")
        yield key(line[1]), names[int(line[2])]


KINETICS400 = Benchmark(
    name="kinetics400",
    title="Kinetics-400",
    classes=400,
    counts=((246_245, 20_000),),
    lists=(
        ("train.csv", "kinetics_train.csv", "kinetics400_train.csv", "train_videofolder.txt"),
        ("val.csv", "validate.csv", "kinetics_val.csv", "kinetics400_val.csv", "val_videofolder.txt"),
    ),
    places=("kinetics400", "kinetics_400", "k400"),
    read=read,
    example="0wR5jVB-WPk_000417_000427.mp4",
    test_is="validation",
    key=key,
    exact=False,
    normal_missing=0.1,
)
