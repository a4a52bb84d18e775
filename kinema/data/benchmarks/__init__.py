"""Standard benchmarks by their official lists: one file a data set, all of one description, found by name."""

from __future__ import annotations

from pathlib import Path

from kinema.config.requests import LabelConfig
from kinema.data.benchmarks.description import Benchmark
from kinema.data.benchmarks.diving48 import DIVING48
from kinema.data.benchmarks.gym99 import GYM99
from kinema.data.benchmarks.hmdb51 import HMDB51
from kinema.data.benchmarks.jester import JESTER
from kinema.data.benchmarks.kinetics import KINETICS400
from kinema.data.benchmarks.something import SSV2
from kinema.data.benchmarks.survey import survey
from kinema.data.benchmarks.ucf101 import UCF101
from kinema.data.labels import LabelledSet
from kinema.errors import ConfigError

__all__ = ["BENCHMARKS", "get_benchmark", "read_labels", "survey"]

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


def read_labels(folder: str | Path, asked: LabelConfig) -> LabelledSet:
    """The labelled videos of a folder: by a benchmark's official lists, a table, or class folders.

    Raises:
        ConfigError: there is no such benchmark, fold or share.
        DataError: folder, table, lists or videos are at fault; one sentence says how and the way out.
    """
    if asked.benchmark is None:
        return LabelledSet.read(folder, asked.labels, asked.label_column, asked.group_column)
    found = survey(get_benchmark(asked.benchmark), folder, [asked.fold], asked.annotations)
    return found[0].labelled(asked.max_missing)
