"""``metrics.csv``: written row by row, and gone on with on resuming; never held as a whole."""

from __future__ import annotations

import csv
import math
import time
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import Any

from kinema.common.files import atomic_path

METRICS = "metrics.csv"
FLUSH_SECONDS = 2.0
"""Longest that a row of the metrics waits for others before they are written."""
EMPTY = ("", None)
"""What stands in a cell for nothing."""


class MetricsWriter:
    """Writes ``metrics.csv`` and TensorBoard's logs, and goes on with them on resuming.

    Rows are written together every :data:`FLUSH_SECONDS`, with every checkpoint and at the end, so that a kill loses
    none that does not come again.

    Args:
        folder: the run's folder.
        step: rows of an earlier run from this step on are dropped: they come again.
        phases: names of the training's phases; beside the column ``phase``, their number, comes ``phase_name``.
        epoch: steps of an epoch.
    """

    def __init__(self, folder: Path, step: int, phases: Sequence[str] = (), epoch: int = 1):
        self.path, self.phases, self._step = folder / METRICS, phases, step
        self._last = deque[Mapping[str, Any]](maxlen=epoch)
        self._columns: list[str] | None = None
        self._rows: list[dict[str, Any]] = []
        self._written = -math.inf

    @cached_property
    def _tensorboard(self) -> Any:
        from torch.utils.tensorboard import SummaryWriter  # takes long to load

        return SummaryWriter(self.path.with_name("tensorboard"))

    def write(self, facts: Mapping[str, float], step: int) -> None:
        """Write a row."""
        for name, value in facts.items():
            self._tensorboard.add_scalar(name, value, step)
        named = {"phase_name": self.phases[int(facts["phase"])]} if "phase" in facts else {}
        self._rows.append({**facts, **named, "step": step})
        if time.monotonic() - self._written > FLUSH_SECONDS:
            self.save()

    def save(self) -> None:
        """Write the rows that have come; where columns are new, the file is copied row by row."""
        self._written = time.monotonic()
        rows, self._rows = self._rows, []
        if self._columns is None and self._step and self.path.is_file():
            self._columns = _header(self.path)
            earlier = (row for row in _rows(self.path) if int(row["step"]) < self._step)
            _rewrite(self.path, self._columns, map(self._noted, earlier))
        columns = sorted({*(self._columns or ())}.union(*map(self._noted, rows)))
        if columns == self._columns:
            with self.path.open("a", newline="", encoding="utf-8") as file:
                csv.DictWriter(file, columns).writerows(rows)
        else:
            _rewrite(self.path, columns, chain(() if self._columns is None else _rows(self.path), rows))
        self._columns = columns

    def _noted(self, row: Mapping[str, Any]) -> Mapping[str, Any]:
        if row.get("loss") not in EMPTY:
            self._last.append(row)
        return row

    @property
    def last(self) -> list[dict[str, float]]:
        """The numbers of the last steps' rows that are saved, as many as an epoch has, earlier calls' among them."""
        return [_numbers(row) for row in self._last]

    def close(self) -> None:
        """Write all that has come."""
        self.save()
        self._tensorboard.close()


def read_metrics(path: Path) -> list[dict[str, float]]:
    """The numbers in the rows of a ``metrics.csv``, each without its empty cells and without a phase's name."""
    return [_numbers(row) for row in _rows(path)]


def _numbers(row: Mapping[str, Any]) -> dict[str, float]:
    return {name: float(cell) for name, cell in row.items() if cell not in EMPTY and name != "phase_name"}


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
