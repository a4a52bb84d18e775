"""What a standard benchmark is: its name, its published counts, and how its official lists are read."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

from kinema.data.benchmarks.lists import find_list
from kinema.errors import ConfigError, DataError, first_few

Side = Literal["train", "test"]
SIDES: tuple[Side, Side] = ("train", "test")


class Listed(NamedTuple):
    """A video as the official lists know it."""

    name: str
    """Its file's name without folder and ending; unlike every other's."""
    label: str
    side: Side
    group: str | None = None
    """Videos that were cut from one recording have the same."""


@dataclass(frozen=True)
class Benchmark:
    """A data set with official lists of what to train on and what to test.

    Attributes:
        name: for the command line.
        title: as its authors write it.
        classes: published number of classes that its videos have.
        counts: published (train, test) videos of each fold.
        lists: the official files, each with all the names that it goes by; ``{fold}`` stands for the fold's number.
        places: what the folder that holds them is usually called.
        read: reads one fold from the files that ``lists`` found, in that order.
        example: name of a video, for messages.
        test_is: what official part is tested.
        key: a file's name without its ending -> what is the same for every copy of the video.
        exact: whether lists have exactly the published counts; those of sets that crumble do not.
        normal_missing: share of a side's videos, from 0 to 1, that is missing in most people's copies.
    """

    name: str
    title: str
    classes: int
    counts: tuple[tuple[int, int], ...]
    lists: tuple[tuple[str, ...], ...]
    read: Callable[[Sequence[Path], int], Iterable[Listed]]
    example: str
    places: tuple[str, ...] = ()
    test_is: str = "test"
    key: Callable[[str], str] = str
    exact: bool = True
    normal_missing: float = 0.0

    @property
    def folds(self) -> range:
        """The folds' numbers, from 1."""
        return range(1, len(self.counts) + 1)

    def check_fold(self, fold: int) -> None:
        """Refuse a fold that there is not.

        Raises:
            ConfigError: says which there are.
        """
        if fold not in self.folds:
            raise ConfigError(f"{self.title} has no fold {fold}; choose one of {', '.join(map(str, self.folds))}")

    def find_lists(self, folder: Path, fold: int) -> list[Path]:
        """The official files of a fold in ``folder``, in the order of ``lists``.

        Raises:
            DataError: one of them is not there; names it.
        """
        return [find_list(folder, [name.format(fold=fold) for name in names], self.title) for names in self.lists]

    def listed(self, folder: Path, fold: int) -> list[Listed]:
        """Every video of a fold, as the official lists in ``folder`` have it.

        Raises:
            ConfigError: there is no such fold.
            DataError: a list is missing, is not that of this data set, or has other counts than were published.
        """
        self.check_fold(fold)
        rows = list(self.read(self.find_lists(folder, fold), fold))
        repeated = [name for name, count in Counter(self.key(row.name) for row in rows).items() if count > 1]
        if repeated:
            raise DataError(
                f"the lists of {self.title} in {folder} name more than once {first_few(repeated)}; take them anew from "
                "the data set's own page"
            )
        self._check_counts(rows, folder, fold)
        return rows

    def _check_counts(self, rows: Sequence[Listed], folder: Path, fold: int) -> None:
        sides = Counter(row.side for row in rows)
        classes = len({row.label for row in rows})
        for side, published in zip(SIDES, self.counts[fold - 1], strict=True):
            if not sides[side] or (self.exact and sides[side] != published):
                raise DataError(
                    f"the {side} list of {self.title}, fold {fold}, in {folder} has {sides[side]} videos where "
                    f"{published} were published: it is cut short or of another edition; take it anew from the data "
                    "set's own page"
                )
        if classes > self.classes or (self.exact and classes != self.classes):
            raise DataError(
                f"the lists of {self.title} in {folder} have {classes} classes where {self.classes} were published: "
                "they are of another edition; take them anew from the data set's own page"
            )


def source_of(pattern: str, name: str) -> str | None:
    """The first group of ``pattern`` in a name: the recording that a video was cut from; None without a match."""
    found = re.match(pattern, name)
    return found and found[1]
