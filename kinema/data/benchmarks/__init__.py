"""Standard benchmarks by their official lists: one file a data set, all of one description, found by name."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from kinema.data.benchmarks.description import SIDES, Benchmark, Listed, Side
from kinema.data.benchmarks.diving48 import DIVING48
from kinema.data.benchmarks.gym99 import GYM99
from kinema.data.benchmarks.hmdb51 import HMDB51
from kinema.data.benchmarks.jester import JESTER
from kinema.data.benchmarks.kinetics import KINETICS400
from kinema.data.benchmarks.something import SSV2
from kinema.data.benchmarks.survey import Survey, find_annotations, survey
from kinema.data.benchmarks.ucf101 import UCF101
from kinema.data.labels import LabelledSet
from kinema.errors import ConfigError

__all__ = [
    "BENCHMARKS",
    "SIDES",
    "Benchmark",
    "BenchmarkChoice",
    "Listed",
    "Side",
    "Survey",
    "find_annotations",
    "get_benchmark",
    "read_labels",
    "survey",
]

BENCHMARKS = {one.name: one for one in (UCF101, HMDB51, KINETICS400, SSV2, DIVING48, GYM99, JESTER)}
"""By the name that the command line knows them by."""


def get_benchmark(name: str) -> Benchmark:
    """The description of a data set.

    Raises:
        ConfigError: there is none of that name.
    """
    if name not in BENCHMARKS:
        raise ConfigError(f"unknown benchmark {name!r}; choose one of {', '.join(BENCHMARKS)}")
    return BENCHMARKS[name]


@dataclass(frozen=True)
class BenchmarkChoice:
    """A fold of a benchmark, in place of a table of labels.

    Attributes:
        name: of the benchmark.
        fold: from 1.
        annotations: the folder of the official lists; None to look in the usual places.
        max_missing: share of the train or the test videos, from 0 to 1, that may be missing; None for what is normal.
    """

    name: str
    fold: int = 1
    annotations: str | Path | None = None
    max_missing: float | None = None

    def read(self, folder: str | Path) -> LabelledSet:
        """The videos in ``folder``, with the splits train and test.

        Raises:
            ConfigError: there is no such benchmark, fold or share.
            DataError: folder, lists or videos are at fault; one sentence says how and the way out.
        """
        found = survey(get_benchmark(self.name), folder, [self.fold], self.annotations)
        return found[0].labelled(self.max_missing)


def read_labels(
    folder: str | Path,
    table: str | Path | None = None,
    label_column: str = "label",
    group_column: str | None = None,
    benchmark: BenchmarkChoice | None = None,
) -> LabelledSet:
    """The labelled videos of a folder: by a benchmark's official lists, a table, or class folders.

    The arguments are those of :meth:`LabelledSet.read`, but for ``benchmark``, which takes the table's place.

    Raises:
        ConfigError: there is no such benchmark or fold, or a table or its columns are given beside it.
        DataError: one sentence that says what is wrong and how to mend it.
    """
    if benchmark is None:
        return LabelledSet.read(folder, table, label_column, group_column)
    if table is not None or label_column != "label" or group_column is not None:
        raise ConfigError(
            "--benchmark brings labels and groups of its own; leave out --labels, --label-column and --group-column"
        )
    return benchmark.read(folder)
