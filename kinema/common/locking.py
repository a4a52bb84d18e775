"""One writer at a time: locks on files, which belong to a process and end with it, however it ends."""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from kinema.errors import OutputError

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

UNKNOWN = (errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP, errno.EINVAL)
"""What file systems say that know no locks; there, nothing is kept out."""

SHARERS = 64
"""How many can share a lock on Windows."""

_held: set[int] = set()


def _forget() -> None:
    """Let a process that was forked not keep the locks of the one that it came from."""
    for number in _held:
        with suppress(OSError):
            os.close(number)
    _held.clear()


if hasattr(os, "register_at_fork"):  # where processes can fork
    os.register_at_fork(after_in_child=_forget)


@contextmanager
def locked(path: Path, complaint: str, *, wait: bool = False) -> Iterator[None]:
    """Hold a lock, which keeps out other processes and other threads of this one.

    Args:
        path: the lock's file; made here, and removed at the end.
        complaint: the sentence for whoever comes second.
        wait: until the others have ended, instead of complaining.

    Raises:
        OutputError: another holds it; or the file cannot be made.
    """
    number = _locked_file(path, complaint, wait)
    try:
        yield
    finally:
        mine = number in _held  # and this is not a process that was forked meanwhile
        if mine and fcntl is not None:
            with suppress(OSError):
                path.unlink()
        _close(number)
        if mine and fcntl is None:  # Windows removes no file that is open, here or elsewhere
            with suppress(OSError):
                path.unlink()


def _locked_file(path: Path, complaint: str, wait: bool) -> int:
    """The open file with the lock on it."""
    while True:
        try:
            number = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            raise OutputError(f"cannot write {path}: {reason}; choose a folder with write permission") from error
        _held.add(number)
        try:
            _take(number, shared=False, wait=wait)
        except OSError as error:
            if error.errno not in UNKNOWN:
                _close(number)
                raise OutputError(complaint) from error
        with suppress(OSError):
            if os.path.samestat(os.fstat(number), os.stat(path)):
                return number
        _close(number)  # whoever had the lock has removed its file meanwhile


def _take(number: int, shared: bool, wait: bool) -> None:
    """Lock an open file.

    Raises:
        OSError: another holds it, or the file system knows no locks.
    """
    if fcntl is not None:
        fcntl.flock(number, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | (0 if wait else fcntl.LOCK_NB))
        return
    import msvcrt  # which locks bytes, for one alone: sharers take a byte each, who shares with nobody takes all

    while True:
        for first, count in [(place, 1) for place in range(SHARERS)] if shared else [(0, SHARERS)]:
            os.lseek(number, first, os.SEEK_SET)
            try:
                msvcrt.locking(number, msvcrt.LK_NBLCK, count)
                return
            except OSError as error:
                taken = error
        if not wait:
            raise taken
        time.sleep(0.1)


class Held:
    """A file or folder that is kept from being deleted (:func:`deleting`) by the process that made this."""

    def __init__(self, number: int):
        self._number, self._owner = number, os.getpid()

    def close(self) -> None:
        """Let it be deleted."""
        if self._owner == os.getpid():
            _close(self._number)

    def __del__(self) -> None:
        self.close()


def hold(path: Path) -> Held | None:
    """Keep what lies at ``path`` from being deleted; None if nothing does, or no longer.

    Raises:
        OSError: it cannot be opened.
    """
    try:
        number = os.open(path, os.O_RDONLY)
    except (FileNotFoundError, NotADirectoryError):
        return None
    _held.add(number)
    held = Held(number)
    with _unless_unknown():
        _take(number, shared=True, wait=True)
    with suppress(OSError):
        if os.path.samestat(os.fstat(number), os.stat(path)):
            return held
    held.close()  # whoever had it alone has deleted it meanwhile
    return None


@contextmanager
def deleting(path: Path) -> Iterator[bool]:
    """Be alone with what lies at ``path``, in order to delete it: whether one is, since nobody holds it."""
    try:
        number = os.open(path, os.O_RDONLY)
    except OSError:
        yield False
        return
    _held.add(number)
    try:
        with _unless_unknown():
            _take(number, shared=False, wait=False)
        free = True
    except OSError:  # somebody holds it
        free = False
    try:
        yield free
    finally:
        _close(number)


@contextmanager
def _unless_unknown() -> Iterator[None]:
    """Go on where the file system knows no locks."""
    try:
        yield
    except OSError as error:
        if error.errno not in UNKNOWN:
            raise


def _close(number: int) -> None:
    if number in _held:
        _held.remove(number)
        os.close(number)
