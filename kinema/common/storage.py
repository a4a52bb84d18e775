"""What lies at a path, of the file system or of a storage that fsspec knows; a storage that fails is asked again.

Whatever a storage's own library raises comes out as an OSError with a reason in words and the address, as the file
system's errors do, so that whoever puts those into sentences need not tell the two apart.
"""

from __future__ import annotations

import errno
import hashlib
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

from kinema.common.addresses import address_of, shown
from kinema.common.extras import remedy
from kinema.errors import ConfigError, words_of

PAUSES = (1.0, 3.0, 9.0)
"""Seconds before what failed is tried once more."""
FRESH = 300.0
"""Seconds for which a process believes what a storage has said of an object."""
MOST = 1 << 18
"""Objects of which that is kept, beside those of the latest listing."""

NO_ANSWER = "the storage does not answer"
"""How the reason begins where a storage fails, perhaps only for a while."""
TIMES = ("LastModified", "last_modified", "updated", "mtime", "modified", "created")
MARKS = ("ETag", "etag", "md5Hash", "content_md5")
"""What storages call the time of the latest change, and what tells contents apart."""
NO_CREDENTIALS = {
    "NoCredentialsError",
    "PartialCredentialsError",
    "DefaultCredentialsError",
    "ClientAuthenticationError",
}

SAID: dict[type[OSError], tuple[int, str]] = {
    FileNotFoundError: (errno.ENOENT, "there is no such object"),
    NotADirectoryError: (errno.ENOTDIR, "it is no folder"),
    PermissionError: (errno.EACCES, "the storage does not permit it"),
}
"""What is said of errors that storages' libraries raise as Python does."""
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)
"""What the file system here says where it takes no more."""
SETTINGS = ("AWS_", "GOOGLE_", "AZURE_", "FSSPEC_")
"""How the names of environment variables begin by which storages' libraries know who asks, and where they are."""

Found = TypeVar("Found")


@dataclass(frozen=True)
class State:
    """What lies at an address.

    Attributes:
        size: bytes; of a folder, of the objects in it.
        modified: nanoseconds since 1970 of the latest change; of a folder, of the objects in it. Where a storage counts
            whole seconds, what is below them stands for the content. 0 if neither is known.
        folder: whether it is a folder.
    """

    size: int
    modified: int
    folder: bool = False


_known: dict[str, tuple[State, float]] = {}


def settings() -> dict[str, str]:
    """What this process's environment tells the libraries of storages."""
    return {name: value for name, value in os.environ.items() if name.startswith(SETTINGS)}


def state_of(address: str, *, anew: bool = False) -> State:
    """What lies at an address, as the storage says, or has said a while ago unless it is asked ``anew``.

    Raises:
        OSError: nothing, or the storage does not say.
        ConfigError: no library here knows the kind of storage.
    """
    known = None if anew else _known.get(address)
    if known is not None and time.monotonic() - known[1] < FRESH:
        return known[0]
    _known.pop(address, None)
    found = _state(_ask(address, lambda system, place: system.info(place)))
    if found.folder:
        inside = [state for _, state in listed(address) if not state.folder]
        found = State(sum(s.size for s in inside), max((s.modified for s in inside), default=0), folder=True)
    _known[address] = found, time.monotonic()
    return found


def listed(address: str) -> list[tuple[str, State]]:
    """The names in a folder of a storage, and what they are.

    Raises:
        OSError: there is no such folder, or the storage does not say what it holds.
        ConfigError: no library here knows the kind of storage.
    """

    def look(system: Any, place: str) -> list[dict[str, Any]]:
        own = place.strip("/")
        found = system.ls(place, detail=True)
        if [entry["name"].strip("/") for entry in found if entry["type"] == "file" and entry["size"]] == [own]:
            raise NotADirectoryError
        return [entry for entry in found if entry["name"].strip("/") != own]  # some have an empty object for a folder

    named = [(entry["name"].rstrip("/").rpartition("/")[2], _state(entry)) for entry in _ask(address, look)]
    if len(_known) + len(named) > MOST:
        _known.clear()
    now = time.monotonic()
    _known.update((f"{address.rstrip('/')}/{name}", (state, now)) for name, state in named if not state.folder)
    return named


def exists(path: str | Path) -> bool:
    """Whether anything lies at ``path``.

    Raises:
        OSError: a storage does not say.
    """
    address = address_of(path)
    if address is None:
        return os.path.exists(path)
    try:
        state_of(address)
    except FileNotFoundError:
        return False
    return True


def is_folder(path: str | Path) -> bool:
    """Whether a folder lies at ``path``.

    Raises:
        OSError: a storage does not say.
    """
    address = address_of(path)
    if address is None:
        return os.path.isdir(path)
    try:
        return _state(_ask(address, lambda system, place: system.info(place))).folder
    except FileNotFoundError:
        return False


def missing(folder: Path, files: Sequence[str]) -> list[str]:
    """Those of ``files``, relative to ``folder``, that are not there; a storage is asked once for each folder.

    Raises:
        OSError: it does not say.
    """
    if address_of(folder) is None:
        return [file for file in files if not os.path.exists(folder / file)]  # what cannot be a name does not
    names: dict[Path, set[str]] = {}
    for parent in {(folder / file).parent for file in files}:
        try:
            names[parent] = {name for name, _ in listed(shown(parent))}
        except (FileNotFoundError, NotADirectoryError):
            names[parent] = set()
    return [file for file in files if (folder / file).name not in names[(folder / file).parent]]


def download(addresses: Sequence[str], targets: Sequence[Path]) -> None:
    """Write what lies at addresses of one storage to files.

    Raises:
        OSError: something cannot be read, or not be written.
        ConfigError: no library here knows the kind of storage.
    """
    files = [str(target) for target in targets]

    def get(system: Any, place: str) -> None:
        if len(files) == 1:
            system.get_file(place, files[0])
        else:
            system.get([system._strip_protocol(address) for address in addresses], files)

    _ask(addresses[0], get, files)


def ends(address: str, size: int, most: int) -> tuple[bytes, bytes]:
    """Up to ``most`` bytes from the beginning of an object of ``size`` bytes, and from its end.

    Raises:
        OSError: it cannot be read.
        ConfigError: no library here knows the kind of storage.
    """

    def read(system: Any, place: str) -> tuple[bytes, bytes]:
        first = system.cat_file(place, start=0, end=min(size, most)) if size else b""
        return first, first if size <= most else system.cat_file(place, start=size - most, end=size)

    return _ask(address, read)


def upload(source: Path, address: str) -> None:
    """Write a file to an address, over what lies there.

    Raises:
        OSError: it cannot be written.
        ConfigError: no library here knows the kind of storage.
    """
    _ask(address, lambda system, place: system.put_file(str(source), place))
    _known.pop(address, None)


def _ask(address: str, do: Callable[[Any, str], Found], own: Sequence[str] = ()) -> Found:
    """What ``do`` finds with the storage's library, and an address as that writes it; ``own`` are files that it writes
    here, whose faults are none of the storage's."""
    from fsspec import get_filesystem_class

    for pause in (*PAUSES, None):
        try:
            kind = get_filesystem_class(address.partition("://")[0])
            system = kind(**kind._get_kwargs_from_urls(address))
            system.invalidate_cache()  # what was listed before may be another by now
            return do(system, kind._strip_protocol(address))
        except ImportError as error:
            raise ConfigError(f"{address} needs a package ({error}); for s3: {remedy('s3fs')}") from error
        except Exception as error:  # storages' libraries have no common class of errors
            if own and isinstance(error, OSError) and (error.errno in FULL or error.filename in own):
                raise
            for known, (number, words) in SAID.items():
                if isinstance(error, known):
                    raise known(number, words, address) from error
            if isinstance(error, ValueError) and "rotocol not known" in str(error):
                raise ConfigError(f"{address}: there is no such kind of storage; s3:// and gs:// are two") from error
            if type(error).__name__ in NO_CREDENTIALS:
                raise PermissionError(errno.EACCES, "no credentials for its storage were found", address) from error
            if pause is None:
                said = words_of(error, 200) or type(error).__name__
                raise OSError(errno.EIO, f"{NO_ANSWER} ({said})", address) from error
            time.sleep(pause)
    raise AssertionError("the last try has no pause after it")


def _state(info: dict[str, Any]) -> State:
    if info["type"] == "directory":
        return State(0, 0, folder=True)
    when: Any = next((info[name] for name in TIMES if info.get(name)), 0)
    if isinstance(when, str):
        when = datetime.fromisoformat(when)
    if isinstance(when, datetime):
        when = when if when.tzinfo else when.replace(tzinfo=UTC)
        modified = (when - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1) * 1000
    else:
        modified = round(when * 1e6) * 1000  # no finer, or it would differ from what is told as a date elsewhere
    mark = next((str(info[name]).strip('"') for name in MARKS if info.get(name)), "")
    if mark and modified % 10**9 == 0:
        modified += int.from_bytes(hashlib.blake2b(mark.encode(), digest_size=8).digest()) % 10**9
    return State(info.get("size") or 0, modified)
