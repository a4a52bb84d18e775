"""Poses of DeepLabCut: the CSV file that it writes beside a video it has analysed."""

from __future__ import annotations

import csv
import re
from collections import defaultdict
from pathlib import Path

import numpy as np

from kinema.boxes.tracks import Found, boxes_of
from kinema.errors import DataError

SURE = 0.6
"""Likelihood from which a keypoint counts, which is DeepLabCut's own usual cutoff."""
VIDEO = re.compile(r"DLC[_A-Z].*$")
"""What DeepLabCut adds to a video's name: its network, project, shuffle and iteration."""


def read(path: Path) -> list[Found]:
    """The boxes around a video's poses.

    The header has a row each for scorer, individuals (of projects with several animals), bodyparts and coords; the
    first column counts frames from 0. The video is named by what comes before ``DLC`` in the file's name.

    Raises:
        DataError: the header or a row is another one.
    """
    with path.open(newline="", encoding="utf-8-sig") as stream:
        rows = [row for row in csv.reader(stream) if row]
    heads = {row[0]: row[1:] for row in rows[:4] if row[0] in ("scorer", "individuals", "bodyparts", "coords")}
    if not {"scorer", "bodyparts", "coords"} <= heads.keys():
        raise DataError("it has no header of DeepLabCut's: rows of scorer, bodyparts and coords")
    names = heads.get("individuals", [""] * len(heads["coords"]))
    columns: dict[str, dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
    for number, (name, coordinate) in enumerate(zip(names, heads["coords"], strict=True), 1):
        columns[name][coordinate].append(number)
    try:
        values = np.array([[float(value or "nan") for value in row] for row in rows[len(heads) :]], np.float64)
    except ValueError as error:
        raise DataError(
            f"it has a row with something else than numbers ({error}); name what analyze_videos wrote"
        ) from error
    if values.ndim != 2 or values.shape[1] != len(heads["coords"]) + 1:
        raise DataError("its rows have not as many fields as its header")
    moments, sides, subjects = [], [], []
    for name, own in columns.items():
        if not len(own["x"]) == len(own["y"]) or not own["x"]:
            raise DataError(f"it has no x and y for each bodypart{f' of {name}' if name else ''}")
        points = np.stack([values[:, own["x"]], values[:, own["y"]]], 2)
        if own["likelihood"]:
            points[~(values[:, own["likelihood"]] >= SURE)] = np.nan
        kept, boxes = boxes_of(points)
        moments.append(values[kept, 0])
        sides.append(boxes)
        subjects += [name] * len(kept)
    return [Found(VIDEO.sub("", path.stem) or path.stem, np.concatenate(moments), np.concatenate(sides), subjects)]
