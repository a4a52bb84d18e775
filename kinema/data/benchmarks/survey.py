"""What of a benchmark a folder holds, and the labelled set that comes of it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from kinema.common.addresses import shown
from kinema.common.provenance import ids_sha256
from kinema.common.storage import is_folder
from kinema.data.benchmarks.description import SIDES, Benchmark, Listed, Side
from kinema.data.labels import LabelledSet
from kinema.errors import ConfigError, DataError, first_few


@dataclass(frozen=True)
class Survey:
    """The videos of one fold, and which of them there are.

    Attributes:
        benchmark: the data set.
        root: the folder that was looked through.
        lists: the folder of the official lists.
        fold: its number.
        listed: the videos that the lists name.
        files: the files found under ``root`` by their key, relative to it, posix style; of other folds and no fold too.
    """

    benchmark: Benchmark
    root: Path
    lists: Path
    fold: int
    listed: tuple[Listed, ...]
    files: dict[str, str]

    @property
    def title(self) -> str:
        """The data set and, if it has several, the fold."""
        return f"{self.benchmark.title}, fold {self.fold}" if len(self.benchmark.folds) > 1 else self.benchmark.title

    def file(self, row: Listed) -> str | None:
        """The file of a listed video, relative to ``root``; None if it is missing."""
        return self.files.get(self.benchmark.key(row.name))

    def of(self, side: Side) -> list[Listed]:
        """The listed videos of a side."""
        return [row for row in self.listed if row.side == side]

    def missing(self, side: Side) -> list[Listed]:
        """The listed videos of a side that are not there."""
        return [row for row in self.of(side) if self.file(row) is None]

    def missing_share(self, side: Side) -> float:
        """Share of a side's listed videos that are missing, from 0 to 1."""
        return len(self.missing(side)) / len(self.of(side))

    def labelled(self, max_missing: float | None = None) -> LabelledSet:
        """The videos that are there, as a set with the splits train and test.

        Args:
            max_missing: share of either side, from 0 to 1, that may be missing; None for what is normal for the set.

        Raises:
            ConfigError: ``max_missing`` is no share.
            DataError: more is missing, nothing is there, or a class has videos on one side only.
        """
        allowed = self.benchmark.normal_missing if max_missing is None else max_missing
        if not 0 <= allowed <= 1:
            raise ConfigError(f"max_missing is a share from 0 to 1, not {allowed:g}")
        self._refuse_strangers()
        self._refuse_gaps(allowed)
        found = [(row, file) for row in self.listed if (file := self.file(row)) is not None]
        there = [row for row, _ in found]
        self._refuse_one_sided(there)
        classes = tuple(sorted({row.label for row in there}))
        if len(classes) < 2:
            raise DataError(f"{self.root} holds only the class {classes[0]!r} of {self.title}; two are needed at least")
        number = {name: position for position, name in enumerate(classes)}
        groups = tuple(row.group for row in there if row.group is not None)
        return LabelledSet(
            folder=self.root,
            files=tuple(file for _, file in found),
            labels=np.array([number[row.label] for row in there], dtype=np.int64),
            classes=classes,
            splits=tuple(row.side for row in there),
            groups=groups if len(groups) == len(there) else None,
            facts=self._facts(len(classes)),
        )

    def _refuse_strangers(self) -> None:
        if all(self.file(row) is None for row in self.listed):
            found = f"{len(self.files)} videos, but none" if self.files else "no videos, thus none"
            raise DataError(
                f"{self.root} holds {found} called as those of {self.title} are, such as {self.benchmark.example}; "
                "name the folder that holds them, in whatever folders below"
            )

    def _refuse_gaps(self, allowed: float) -> None:
        for side in reversed(SIDES):  # the test's first: they make another test
            missing, share = self.missing(side), self.missing_share(side)
            if share > allowed:
                raise DataError(
                    f"{len(missing)} of {len(self.of(side))} {side} videos of {self.title} are missing in {self.root} "
                    f"({share:.2%}; the first is {missing[0].name}), more than the share of {allowed:g} that is "
                    f"allowed; add them (`kinema data check {self.benchmark.name}` writes a list with --missing), or "
                    f"go on without them with --max-missing {math.ceil(100 * share) / 100:g}"
                )

    def _refuse_one_sided(self, there: Sequence[Listed]) -> None:
        sides = {side: {row.label for row in there if row.side == side} for side in SIDES}
        for side, other in (SIDES, SIDES[::-1]):
            lonely = sorted(sides[other] - sides[side])
            if lonely:
                raise DataError(
                    f"{self.root} holds {other} videos of {self.title}, but no {side} video, of {first_few(lonely)}; "
                    "add some, or take those classes' videos away"
                )

    def _facts(self, classes: int) -> dict[str, Any]:
        """For results: which lists, and what of them there is."""
        benchmark = self.benchmark
        return {
            "benchmark": benchmark.name,
            "fold": self.fold,
            "test_is": benchmark.test_is,
            "lists_sha256": ids_sha256(f"{row.name},{row.label},{row.side}" for row in self.listed),
            "listed": {side: len(self.of(side)) for side in SIDES},
            "missing": {side: len(self.missing(side)) for side in SIDES},
            "missing_sha256": ids_sha256(row.name for side in SIDES for row in self.missing(side)),
            "classes_listed": len({row.label for row in self.listed}),
            "classes_there": classes,
        }


def survey(
    benchmark: Benchmark, root: str | Path, folds: Sequence[int], annotations: str | Path | None = None
) -> list[Survey]:
    """Look through a folder for the videos of some folds of a benchmark; no video is opened.

    A video is known by its name, so it may lie in folders of classes, of parts, or all in one.

    Args:
        benchmark: the data set.
        root: the folder, searched with all folders in it.
        folds: their numbers, from 1.
        annotations: the folder of the official lists; None to look in the usual places in and beside ``root``.

    Raises:
        ConfigError: there is no such fold.
        DataError: there is no such folder; lists are missing or others'; two files have the name of one video.
    """
    from kinema.video.folder import SUFFIXES, find_videos

    root = Path(root)
    if not is_folder(root):
        raise DataError(f"there is no folder {shown(root)}; name the one that holds the videos of {benchmark.title}")
    for fold in folds:
        benchmark.check_fold(fold)
    lists = find_annotations(benchmark, root, folds[0], annotations)
    rows = {fold: tuple(benchmark.listed(lists, fold)) for fold in folds}
    wanted = {benchmark.key(row.name) for listed in rows.values() for row in listed}
    files: dict[str, str] = {}
    for path in find_videos(root)[0]:
        name = path.stem if path.suffix.lower() in SUFFIXES else path.name  # a folder of pictures has no ending
        key, file = benchmark.key(name), path.relative_to(root).as_posix()
        if key in files and key in wanted:
            raise DataError(
                f"{shown(root)} holds the video {name} of {benchmark.title} twice, as {files[key]} and {file}; "
                "name the folder of one copy"
            )
        files[key] = file
    return [Survey(benchmark, root, lists, fold, listed, files) for fold, listed in rows.items()]


def find_annotations(benchmark: Benchmark, root: Path, fold: int, given: str | Path | None = None) -> Path:
    """The folder of the official lists.

    Raises:
        DataError: none of the places has them; says which files are wanted.
    """
    usual = [base / name for base in (root, root.parent) for name in (".", "annotations")]
    bases = usual if given is None else [Path(given)]
    for base in bases:
        for name in (".", *benchmark.places, benchmark.name):
            folder = base / name
            if folder.is_dir():
                with suppress(DataError):
                    benchmark.find_lists(folder, fold)
                    return folder
    if given is not None:
        benchmark.find_lists(Path(given), fold)  # its error names the file
    names = ", ".join(names[0].format(fold=fold) for names in benchmark.lists)
    raise DataError(
        f"the official lists of {benchmark.title} ({names}) are neither in {root} nor in an annotations folder in or "
        "beside it; name their folder with --annotations"
    )
