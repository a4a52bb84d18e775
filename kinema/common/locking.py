"""One writer at a time: locks on files, which belong to a process and end with it, however it ends."""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from kinema.errors import OutputError

if TYPE_CHECKING:
    from filelock import BaseFileLock

UNKNOWN = (errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP, errno.EINVAL)
"""What file systems say that know no locks; there, a file beside that of the lock says who has it."""
MARKER = ".holder"
"""The end of that file's name."""
GONE = (errno.ENOENT, errno.ESTALE)
"""What is said of a file that whoever had the lock has removed meanwhile, here or on another machine."""
TRIES = 1000
"""How often that is believed."""
POLL = 0.01
"""Seconds between two tries of who waits."""


@contextmanager
def locked(path: Path, complaint: str, *, wait: bool = False) -> Iterator[None]:
    """Hold a lock, which keeps out other processes and other threads of this one.

    Processes that are forked meanwhile do not hold it.

    Args:
        path: the lock's file, made here. It is removed at the end, but not by who has waited, as others may be waiting:
            on network file systems one of them could get it and another a new one of the same name.
        complaint: the sentence for whoever comes second.
        wait: until the others have ended, instead of complaining.

    Raises:
        OutputError: another holds it; or the file cannot be made.
    """
    lock = _taken(path, complaint, wait)
    try:
        yield
    finally:
        if lock.is_locked:  # and this is not a process that was forked meanwhile
            with suppress(OSError):
                if os.name == "posix" and not wait and Path(lock.lock_file) == path:  # all else filelock removes itself
                    path.unlink()
            with suppress(OSError):  # it ends with the process, then
                lock.release()


def _taken(path: Path, complaint: str, wait: bool) -> BaseFileLock:
    """The lock, which is held."""
    from filelock import FileLock, SoftFileLock, Timeout

    def still_there(number: int) -> None:
        """Refuse a file whose name is gone: links are counted otherwise on network file systems while it is open."""
        if not os.path.samestat(os.fstat(number), os.stat(path)):
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))

    marker = Path(f"{path}{MARKER}")
    known, gone = True, 0
    while True:
        try:
            path.parent.stat()  # which filelock would make
            if known:
                lock: BaseFileLock = FileLock(
                    path, blocking=wait, poll_interval=POLL, thread_local=False, on_acquired=still_there
                )
            else:
                lock = SoftFileLock(marker, blocking=wait, poll_interval=POLL, thread_local=False)
            lock.acquire()
            return lock
        except Timeout as error:
            if not known:
                complaint = f"{complaint} (this file system knows no locks: if nobody does, delete {marker})"
            raise OutputError(complaint) from error
        except OSError as error:
            if known and error.errno in UNKNOWN:
                known = False
                with suppress(OSError):
                    path.unlink()
            elif error.errno in GONE and path.parent.exists() and gone < TRIES:
                gone += 1
                time.sleep(POLL)
            else:
                reason = (error.strerror or str(error)).lower()
                raise OutputError(f"cannot write {path}: {reason}; choose a folder with write permission") from error
