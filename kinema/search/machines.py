"""Which machine adds to an index in a folder that several see: the others cannot read it meanwhile.

What SQLite has written last lies in a log whose table of contents is in memory that the processes of one machine share.
Network file systems show the others an earlier state, and not that there is another.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from kinema.common.files import write_text
from kinema.common.locking import locked
from kinema.errors import DataError, OutputError

LOCK = "lock"
"""File by which one process at a time adds to an index."""
ADDER = "adder"
"""File that names the machine of that process."""


def this_machine() -> str:
    """What tells this machine, as long as it runs, from others; containers on it are the same."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return socket.gethostname()


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Be the one process that adds to the index in a folder, and let other machines know.

    Raises:
        OutputError: another process adds, or the folder cannot be written.
    """
    with locked(folder / LOCK, f"another process is adding to {folder}; wait until it has ended"):
        with suppress(OutputError):  # a full disk, of which there is more to say later
            write_text(folder / ADDER, f"{this_machine()} {socket.gethostname()}")
        try:
            yield
        finally:
            with suppress(OSError):
                (folder / ADDER).unlink()


def refuse_elsewhere(folder: Path) -> None:
    """Let the index in a folder not be read while a process of another machine adds to it.

    Raises:
        DataError: one does; it is named.
    """
    try:
        machine, name = (folder / ADDER).read_text("utf-8").split()
    except (OSError, ValueError):
        return
    if machine == this_machine():
        return
    busy = (
        f"{name} is adding to {folder}, so that other machines cannot read it; wait until it has ended, or if it has, "
        f"delete {folder / ADDER}"
    )
    try:
        with locked(folder / LOCK, busy):  # or else it was killed
            (folder / ADDER).unlink(missing_ok=True)
    except OutputError as error:
        raise DataError(busy) from error
