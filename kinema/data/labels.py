"""Labelled videos: a table or class folders, read and checked before any work starts."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

import numpy as np

from kinema.common.addresses import address_of, shown
from kinema.common.storage import is_folder, missing
from kinema.common.tables import read_table
from kinema.errors import DataError, first_few
from kinema.video.fragment import Fragment, named_part

if TYPE_CHECKING:
    from kinema.annotations import Interval


@dataclass(frozen=True, eq=False)
class LabelledSet:
    """Videos, or parts of videos, with one label each, in the order of the table.

    Attributes:
        folder: the folder that ``files`` are relative to.
        files: one path a video, posix style; every one exists. Parts have their times in it: ``clip.mp4#t=1.5,3.25``.
        labels: (N,) int64, indices into ``classes``.
        classes: the labels' names, sorted; at least two, each of at least two videos.
        splits: "train" or "test" for each video, or None.
        groups: the group (source video, subject, sequence) of each video, or None; parts are of a group with the
            others of their video where none are given.
        facts: of a standard benchmark, for results: its name and fold, what its lists name and what of it is missing.
    """

    folder: Path
    files: tuple[str, ...]
    labels: np.ndarray
    classes: tuple[str, ...]
    splits: tuple[str, ...] | None = None
    groups: tuple[str, ...] | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("labels", "splits", "groups"):
            column = getattr(self, name)
            if column is not None and len(column) != len(self.files):
                raise ValueError(f"{name} has {len(column)} entries for {len(self.files)} files")

    def __len__(self) -> int:
        return len(self.files)

    def __repr__(self) -> str:
        return f"LabelledSet({len(self)} videos, {len(self.classes)} classes, folder={str(self.folder)!r})"

    @property
    def paths(self) -> list[Path]:
        """The videos' full paths."""
        return [self.folder / file for file in self.files]

    @property
    def videos(self) -> tuple[str, ...]:
        """The video that each is, or is a part of."""
        return tuple(file if (part := named_part(file)) is None else part.path for file in self.files)

    @property
    def gaps(self) -> str:
        """A sentence about what is missing of a standard benchmark; empty if nothing is."""
        facts = self.facts
        if not facts or not any(facts["missing"].values()):
            return ""
        parts = [f"{facts['missing'][side]} of {facts['listed'][side]} {side} videos" for side in ("train", "test")]
        classes = f"{facts['classes_there']} of {facts['classes_listed']} classes are there"
        return f"Of {facts['benchmark']}, fold {facts['fold']}, {' and '.join(parts)} are missing; {classes}."

    @classmethod
    def read(
        cls,
        folder: str | Path,
        table: str | Path | None = None,
        label_column: str = "label",
        group_column: str | None = None,
    ) -> LabelledSet:
        """Read the labels of the videos in ``folder``.

        Args:
            folder: the folder of videos, or its address.
            table: a CSV file with a header, a column ``file`` (paths relative to ``folder``), the label's column, and
                optionally ``split`` (train or test), and ``start`` and ``end`` (seconds) where a row labels a part; or
                labels of intervals of any format that :func:`kinema.annotations.read_intervals` reads. None: every
                sub-folder of ``folder`` is a class.
            label_column: the column that holds the label.
            group_column: a column that says which videos belong together and must never be on both sides of a split.

        Raises:
            DataError: one sentence that says what is wrong and how to mend it.
        """
        folder = Path(folder)
        if not is_folder(folder):
            raise DataError(f"{shown(folder)} is not a folder; --data names the folder that holds the videos")
        if table is None:
            if group_column is not None:
                raise DataError("class folders have no groups; give a table with --labels to use --group-column")
            return _from_folders(folder)
        if Path(table).suffix.lower() in (".csv", ".txt", "") and not is_folder(table):
            return _from_table(folder, Path(table), label_column, group_column)
        if label_column != "label" or group_column is not None:
            raise DataError(f"{shown(table)} is no CSV file, so it has no columns to name; leave them out")
        return _from_intervals(folder, Path(table))


def _from_table(folder: Path, table: Path, label_column: str, group_column: str | None) -> LabelledSet:
    needs = "a header with 'file' and a label column, and a row a video"
    columns, rows = read_table(table, needs, "--labels names a CSV file")
    for column in ("file", label_column, *([group_column] if group_column is not None else [])):
        if column not in columns:
            raise DataError(f"{shown(table)} has no column {column!r}; its columns are {', '.join(columns)}")

    def column_of(name: str) -> tuple[str, ...]:
        values = tuple(row[name].strip() for row in rows)
        empty = [number for number, value in enumerate(values, 1) if not value]
        if empty:
            raise DataError(f"column {name!r} of {shown(table)} is empty in row {first_few(empty)}; fill or delete it")
        return values

    whole = files = tuple(str(PurePosixPath(file)) for file in column_of("file"))
    gone = missing(folder, files)
    _refuse(table, f"names files that are not in {shown(folder)}:", gone, "correct the table or --data")
    names = column_of(label_column)
    if {"start", "end"} <= set(columns):
        with _naming(table):
            files = _parts(folder, _intervals(rows, label_column))
    places = Counter(os.path.realpath(folder / file) for file in files)
    repeated = list(dict.fromkeys(file for file in files if places[os.path.realpath(folder / file)] > 1))
    _refuse(table, "lists more than once", repeated, "keep one row for each video, or part of one")
    splits = column_of("split") if "split" in columns else None
    strange = sorted(set(splits or ()) - {"train", "test"})
    _refuse(table, "has in its column 'split', besides train and test,", strange, "use these two only")
    groups = column_of(group_column) if group_column is not None else None if files is whole else whole
    return _checked(shown(table), folder, files, names, splits, groups)


def _from_intervals(folder: Path, table: Path) -> LabelledSet:
    """Labels of another tool; parts of a video are a group."""
    from kinema.annotations import LabelledVideos, read_intervals

    if address_of(folder) or address_of(table):
        raise DataError(f"{shown(table)}: labels of other tools are read from disks; convert them to CSV first")
    intervals = read_intervals(table, None, LabelledVideos(folder))[1]
    with _naming(table):
        files = _parts(folder, intervals)
    return _checked(
        str(table), folder, files, [one.label for one in intervals], None, tuple(one.file for one in intervals)
    )


def _intervals(rows: Sequence[Mapping[str, str]], label_column: str) -> list[Interval]:
    """Those of a table's rows."""
    from kinema.annotations.formats.intervals import FORMAT
    from kinema.annotations.videos import LabelledVideos

    plain = [{**row, "label": row[label_column]} for row in rows]
    return list(FORMAT.read((["file", "start", "end", "label"], plain), LabelledVideos()))


@contextmanager
def _naming(table: Path) -> Iterator[None]:
    """Errors over what a table says begin with its name."""
    try:
        yield
    except DataError as error:
        raise DataError(f"{shown(table)}: {error}") from error


def _parts(folder: Path, intervals: Sequence[Interval]) -> tuple[str, ...]:
    """The parts of videos that intervals are.

    Raises:
        DataError: one is a point, or goes beyond the end of its video.
    """
    from kinema.annotations import LabelledVideos

    parts = tuple(str(Fragment(one.file, one.start, one.end)) for one in intervals)
    bare = [one for one, part in zip(intervals, parts, strict=True) if named_part(part) is None]  # in microseconds
    if bare:
        points = first_few([f"{one.file} at {one.start:g} s" for one in bare])
        raise DataError(f"points in time have no motion to look at: {points}; label intervals")
    if address_of(folder) is None:
        LabelledVideos(folder).placed(intervals)
    return parts


def _from_folders(folder: Path) -> LabelledSet:
    from kinema.video import find_videos

    files = [file for path in find_videos(folder)[0] if len((file := path.relative_to(folder)).parts) > 1]
    if not files:
        raise DataError(f"{shown(folder)} holds no class folders with videos; give a table with --labels instead")
    return _checked(shown(folder), folder, tuple(f.as_posix() for f in files), [f.parts[0] for f in files], None, None)


def _checked(
    source: str,
    folder: Path,
    files: tuple[str, ...],
    names: Sequence[str],
    splits: tuple[str, ...] | None,
    groups: tuple[str, ...] | None,
) -> LabelledSet:
    counts = Counter(names)
    if len(counts) < 2:
        raise DataError(f"{source} has only the label {names[0]!r}; an evaluation needs at least two labels")
    single = sorted(name for name, count in counts.items() if count == 1)
    _refuse(source, "has only one video of", single, "add videos of the kind or leave it out")
    classes = tuple(sorted(counts))
    index = {name: position for position, name in enumerate(classes)}
    labels = np.array([index[name] for name in names], dtype=np.int64)
    return LabelledSet(folder, files, labels, classes, splits, groups)


def _refuse(source: str | Path, complaint: str, culprits: Sequence[str], remedy: str) -> None:
    if culprits:
        raise DataError(f"{shown(source)} {complaint} {first_few(culprits)}; {remedy}")
