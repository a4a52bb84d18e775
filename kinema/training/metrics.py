"""``metrics.csv``: written row by row, gone on with on resuming, and read from its end; never held as a whole."""

from __future__ import annotations

import csv
import math
import os
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from lightning.pytorch.loggers import CSVLogger
from lightning.pytorch.loggers.csv_logs import ExperimentWriter
from lightning.pytorch.loggers.logger import rank_zero_experiment

from kinema.files import atomic_path

METRICS = "metrics.csv"
FLUSH_SECONDS = 2.0
"""Longest that a row of the metrics waits for others before they are written."""
BLOCK = 1 << 16
"""Bytes that are read at a time from the end of a file."""


class MetricsLogger(CSVLogger):
    """Lightning's CSV logger, writing ``metrics.csv`` straight into the run's folder and going on with it on resuming.

    Rows are written together every :data:`FLUSH_SECONDS`, with every checkpoint and at the end, so that a kill loses
    none that does not come again.

    Args:
        folder: the run's folder.
        step: rows of an earlier run from this step on are dropped: they come again.
        phases: names of the training's phases; beside the column ``phase``, their number, comes ``phase_name``.
    """

    def __init__(self, folder: Path, step: int, phases: Sequence[str] = ()):
        self.phases = phases
        super().__init__(folder, name="", version="", flush_logs_every_n_steps=sys.maxsize)
        self._written = -math.inf
        self._step = step

    def log_metrics(self, metrics: Mapping[str, Any], step: int | None = None) -> None:
        """Write a row."""
        row = dict(metrics)
        if "phase" in row:
            row["phase_name"] = self.phases[int(row["phase"])]
        super().log_metrics(row, step)
        if time.monotonic() - self._written > FLUSH_SECONDS:
            self.save()

    def save(self) -> None:
        """Write the rows that have come."""
        super().save()
        self._written = time.monotonic()

    @property
    def log_dir(self) -> str:
        """The run's folder itself."""
        return str(self.root_dir)

    @property
    @rank_zero_experiment
    def experiment(self) -> Any:
        """The writer, with the rows of an earlier run that stay in its file."""
        if self._experiment is None:
            self._experiment = _Writer(self.log_dir, self._step)
        return self._experiment


class _Writer(ExperimentWriter):
    """Lightning's, that goes on with a file, and copies it row by row where it has to change.

    Args:
        log_dir: where the file lies.
        step: rows from this one on come again.
    """

    def __init__(self, log_dir: str, step: int):
        self._step = step
        super().__init__(log_dir)

    def _check_log_dir_exists(self) -> None:
        """Keep of the file what is before the step, where Lightning would delete it."""
        path = Path(self.metrics_file_path)
        if not self._step:
            path.unlink(missing_ok=True)
        elif path.is_file():
            self.metrics_keys = _header(path)
            _rewrite(path, self.metrics_keys, (row for row in _rows(path) if int(row["step"]) < self._step))

    def _rewrite_with_new_header(self, fieldnames: list[str]) -> None:
        path = Path(self.metrics_file_path)
        _rewrite(path, fieldnames, _rows(path))


def read_metrics(path: Path) -> list[dict[str, float]]:
    """The numbers in the rows of a ``metrics.csv``, each without its empty cells and without a phase's name."""
    return [_numbers(row) for row in _rows(path)]


def last_metrics(path: Path, name: str, count: int) -> list[dict[str, float]]:
    """The last ``count`` rows, as of :func:`read_metrics`, that have a number of this name; no more than these are
    read."""
    names, found = _header(path), list[dict[str, float]]()
    for line in _lines_from_the_end(path):
        (row,) = csv.DictReader([line], names)
        if len(found) == count or list(row.values()) == names:
            break
        if row.get(name):
            found.append(_numbers(row))
    return found[::-1]


def _numbers(row: Mapping[str, str]) -> dict[str, float]:
    return {name: float(cell) for name, cell in row.items() if cell and name != "phase_name"}


def _header(path: Path) -> list[str]:
    with path.open(newline="", encoding="utf-8") as file:
        return next(csv.reader(file), [])


def _rows(path: Path) -> Iterator[dict[str, str]]:
    """The rows of a file; of a run that was killed the last may be half of one, which is left out."""
    with path.open(newline="", encoding="utf-8") as file:
        yield from csv.DictReader(line for line in file if line.endswith("\n"))


def _rewrite(path: Path, names: Sequence[str], rows: Iterable[Mapping[str, str]]) -> None:
    with atomic_path(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, names)
        writer.writeheader()
        writer.writerows(rows)


def _lines_from_the_end(path: Path) -> Iterator[str]:
    """The whole lines of a file, the last one first."""
    with path.open("rb") as file:
        at, rest = file.seek(0, os.SEEK_END), b""
        half = True  # what comes after the last end of a line is half a row, or nothing
        while at:
            length = min(BLOCK, at)
            at = file.seek(at - length)
            rest, *lines = (file.read(length) + rest).split(b"\n")
            for line in lines[::-1]:
                if not half:
                    yield line.decode()
                half = False
        if not half:
            yield rest.decode()
