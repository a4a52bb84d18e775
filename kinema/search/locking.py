"""One writer at a time."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kinema.errors import DataError


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold a folder's lock; it belongs to the process, and ends with it.

    Raises:
        DataError: another process holds it.
    """
    with (folder / "lock").open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise DataError(f"another process is adding to {folder}; wait until it has ended") from error
        yield
