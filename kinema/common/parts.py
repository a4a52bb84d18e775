"""Tables that are written in parts while their rows are found, so that a kill loses little and a save costs the same at
the end as at the beginning."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Generic, TypeVar

import pyarrow as pa
import pyarrow.parquet as pq

from kinema.common.files import atomic_path

Row = TypeVar("Row")

PARQUET = ".parquet"
ROWS = 1000
"""Rows after which a part is written."""
SECONDS = 20.0
"""Or after so long."""


class Parts(Generic[Row]):
    """The parts of a table, in a folder beside the file that it will be in the end.

    Args:
        out: that file; None to keep all in memory.
        make: a table of rows.

    Attributes:
        tables: what was found since this was made.
    """

    def __init__(self, out: str | Path | None, make: Callable[[list[Row]], pa.Table]):
        self.folder = None if out is None else Path(out).with_name(f".{Path(out).name}.parts")
        self.tables: list[pa.Table] = []
        self._make, self._rows, self._written = make, list[Row](), time.monotonic()

    def earlier(self) -> list[Path]:
        """The parts that others, who were stopped, have left."""
        return [] if self.folder is None else sorted(self.folder.glob(f"*{PARQUET}"))

    def add(self, row: Row) -> None:
        """Note a row.

        Raises:
            OutputError: a part cannot be written.
        """
        self._rows.append(row)
        if len(self._rows) >= ROWS or time.monotonic() - self._written > SECONDS:
            self.flush()

    def flush(self) -> None:
        """Write what is not written yet.

        Raises:
            OutputError: it cannot be.
        """
        if not self._rows:
            return
        table, self._rows, self._written = self._make(self._rows), [], time.monotonic()
        self.tables.append(table)
        if self.folder is not None:
            with atomic_path(self.folder / f"part-{time.time_ns()}{PARQUET}") as temporary:
                pq.write_table(table, temporary)

    def finish(self) -> None:
        """Delete the parts: all of them is in the table that they were for."""
        if self.folder is not None:
            for part in self.earlier():
                part.unlink(missing_ok=True)
            with suppress(OSError):
                self.folder.rmdir()
