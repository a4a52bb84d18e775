"""One writer at a time."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kinema.errors import DataError


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold a folder's lock, which keeps out other processes and other threads of this one, and ends with the process.

    Raises:
        DataError: another process holds it.
    """
    with (folder / "lock").open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise DataError(f"another process is adding to {folder}; wait until it has ended") from error
        yield
