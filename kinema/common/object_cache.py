"""Copies on this machine of what lies in a storage: whole objects, each fetched once, the least recently used deleted.

A copy's name is of its address, size and time, so that an object that was replaced has another copy, and whoever reads
the earlier one goes on with it. Any number of processes share the copies: who reads one holds a lock of its own beside
them, and who deletes one sees to it that nobody does.
"""

from __future__ import annotations

import hashlib
import math
import os
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from secrets import token_hex

from kinema.common import storage
from kinema.common.addresses import address_of
from kinema.common.files import make_folder
from kinema.common.locking import MARKER, locked
from kinema.errors import ConfigError, OutputError

GIB = 20.0
"""What copies take at most, unless KINEMA_CACHE_GIB says otherwise."""
ROOM = 0.9
"""Share of that which is left after some were deleted, so that not every new one asks for it."""
TRIES = 3
"""Objects may change while they are fetched, but not for ever."""
COUNT, PART, LOCK, HELD = "bytes", ".part", ".lock", "held"


def cache_folder() -> Path:
    """Where copies lie: in KINEMA_CACHE, or else in the user's cache."""
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(os.environ.get("KINEMA_CACHE") or Path(home) / "kinema").absolute() / "storage"


def bound() -> int:
    """Bytes that copies may take.

    Raises:
        ConfigError: KINEMA_CACHE_GIB is no positive number.
    """
    said = os.environ.get("KINEMA_CACHE_GIB") or str(GIB)
    try:
        gib = float(said)
    except ValueError:
        gib = math.nan
    if not 0 < gib < math.inf:
        raise ConfigError(f"KINEMA_CACHE_GIB is {said!r}; it should be a positive number of GiB, such as 20")
    return int(gib * 2**30)


@contextmanager
def fetched(path: str | Path) -> Iterator[Path]:
    """Where what lies at ``path`` can be read on this machine, while the block lasts: there, or in a copy.

    Raises:
        OSError: a storage has no such object, or does not give it.
        ConfigError: no library here knows the kind of storage.
        OutputError: no copy can be written.
    """
    local, held = fetch(path)
    with held:
        yield local


def fetch(path: str | Path) -> tuple[Path, ExitStack]:
    """As :func:`fetched`, until what comes with the place is closed."""
    address = address_of(path)
    if address is None:
        return Path(path), ExitStack()
    if address.startswith("file:"):
        return Path(address.removeprefix("file://")), ExitStack()
    for attempt in range(TRIES):
        state = storage.state_of(address, anew=attempt > 0)
        place = _place(address, state)
        if held := _held(address, state, place):
            with suppress(OSError):
                os.utime(place)  # which says when it was last used
            return place, held
    raise OSError(None, "it changes faster than it can be read", address)


def is_here(path: str | Path) -> bool:
    """Whether what lies at ``path`` can be read without fetching it.

    Raises:
        OSError: a storage does not say what it has there.
    """
    address = address_of(path)
    return address is None or address.startswith("file:") or _place(address, storage.state_of(address)).exists()


def beside(path: str | Path) -> Path:
    """A path beside which work on a file may be kept: its own, or, of one in a storage, one in the user's cache."""
    address = address_of(path)
    if address is None:
        return Path(path)
    digest = hashlib.sha256(address.encode("utf-8", "surrogateescape")).hexdigest()[:32]
    return cache_folder() / "kept" / digest / Path(path).name


@contextmanager
def written(path: str | Path) -> Iterator[Path]:
    """Yield where to write what shall lie at ``path``; it is sent to its storage, if any, when the block ends well.

    Raises:
        OutputError: it cannot be sent.
    """
    local, address = beside(path), address_of(path)
    yield local
    if address is not None:
        try:
            storage.upload(local, address)
        except OSError as error:
            raise OutputError(f"cannot write {address}: {error.strerror or error}; see to it, and try again") from error
        local.unlink()


def _place(address: str, state: storage.State) -> Path:
    digest = hashlib.sha256(f"{address}\n{state.size}\n{state.modified}".encode("utf-8", "surrogateescape")).hexdigest()
    return cache_folder() / digest[:2] / f"{digest[2:34]}{Path(address).suffix[:16]}"


def _held(address: str, state: storage.State, place: Path) -> ExitStack | None:
    """Keep the copy of an object from being deleted until what this returns is closed, or the process ends.

    The copy is made where there is none; None if the object is not what it was any more.
    """
    make_folder(place.parent)
    with locked(Path(f"{place}{LOCK}"), "", wait=True):
        if not (place.exists() or _fetch(address, state, place)):
            return None
        held = ExitStack()
        held.enter_context(locked(make_folder(cache_folder() / HELD) / f"{place.stem}.{token_hex(4)}", ""))
        return held


def _fetch(address: str, state: storage.State, place: Path) -> bool:
    """Copy an object, unless it is not what it was any more."""
    if state.size > bound():
        raise OSError(
            None, f"its {state.size / 2**30:.3g} GiB are more than copies may take; raise KINEMA_CACHE_GIB", address
        )
    part = Path(f"{place}{PART}")
    try:
        _make_room(state.size)
        _remove(part)
        if state.folder:
            part.mkdir()
            names = [name for name, inside in storage.listed(address) if not inside.folder]
            storage.download([f"{address}/{name}" for name in names], [part / name for name in names])
        else:
            storage.download([address], [part])
        if storage.state_of(address, anew=True) != state:
            return False
        os.replace(part, place)
    except OSError as error:
        if error.filename == address:
            raise
        raise OutputError(
            f"cannot write {part}: {error.strerror or error}; make room there, or name another folder with KINEMA_CACHE"
        ) from error
    finally:
        _remove(part)
    return True


def _make_room(size: int) -> None:
    """Count ``size`` more bytes, and delete copies where there would be too many; those in use stay."""
    folder = cache_folder()
    with locked(folder / "lock", "", wait=True):
        try:
            total = int((folder / COUNT).read_text())
        except (OSError, ValueError):
            total = bound()  # nobody has counted yet, or was killed over it
        if total + size > bound():
            total = _delete(folder, int(ROOM * bound()) - size)
        (folder / COUNT).write_text(str(total + size))


def _delete(folder: Path, wanted: int) -> int:
    """Delete the least recently used copies until the others take no more than ``wanted``; return what those take."""
    found: list[tuple[float, int, Path]] = []
    for place in folder.glob("??/*"):
        with suppress(FileNotFoundError):
            if place.name.endswith(PART):
                copy = str(place).removesuffix(PART)
                with suppress(OutputError), locked(Path(f"{copy}{LOCK}"), "it is being written"):
                    _remove(place)
            elif LOCK not in place.name:
                found.append((place.stat().st_mtime, _size(place), place))
    total = sum(size for _, size, _ in found)
    for _, size, place in sorted(found):
        if total <= wanted:
            break
        with suppress(OutputError), locked(Path(f"{place}{LOCK}"), "somebody begins to read it"):
            if not _in_use(folder, place):
                _remove(place)
                total -= size
    return total


def _in_use(folder: Path, place: Path) -> bool:
    """Whether anybody holds a copy; what killed processes have left is removed."""
    for lock in (folder / HELD).glob(f"{place.stem}.*"):
        try:
            with locked(lock.with_name(lock.name.removesuffix(MARKER)), "somebody does"):
                pass
        except OutputError:
            return True
    return False


def _size(place: Path) -> int:
    return sum(file.stat().st_size for file in place.iterdir()) if place.is_dir() else place.stat().st_size


def _remove(place: Path) -> None:
    if place.is_dir():
        gone = place.with_name(f"{place.name}.{token_hex(4)}{PART}")  # so that nobody sees a part of it
        os.replace(place, gone)
        shutil.rmtree(gone)
    else:
        place.unlink(missing_ok=True)
