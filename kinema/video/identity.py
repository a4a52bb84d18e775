"""Which video lies at a path: its size and time, and fingerprints of its bytes; of a file or a folder of pictures."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path

from kinema.common.addresses import address_of
from kinema.common.object_cache import fetched, is_here
from kinema.common.provenance import ENDS, ends_sha256, file_sha256, ids_sha256, quick_sha256
from kinema.common.storage import ends, state_of
from kinema.errors import VideoError
from kinema.video.fragment import fragment_of, whole_of

OTHER_KINDS = {
    stat.S_IFIFO: "a named pipe",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFSOCK: "a socket",
}


def size_and_time(path: str | Path) -> tuple[int, int]:
    """Bytes and time of the latest change, in nanoseconds, of a file or of a folder with all files in it; a part of a
    video has those of the whole.

    Raises:
        VideoError: nothing is there, or neither a file nor a folder, which reading might wait for without end.
    """
    path = whole_of(path)
    try:
        if (address := address_of(path)) is not None:
            found = state_of(address)
            return found.size, found.modified
        state = os.stat(path)
        if stat.S_ISREG(state.st_mode):
            return state.st_size, state.st_mtime_ns
        if stat.S_ISDIR(state.st_mode):
            with os.scandir(path) as entries:
                states = [entry.stat() for entry in entries if entry.is_file()]
            return sum(s.st_size for s in states), max([state.st_mtime_ns, *(s.st_mtime_ns for s in states)])
    except (OSError, ValueError) as error:  # a name with a zero in it is a ValueError
        raise VideoError(path, in_words(error)) from error
    kind = OTHER_KINDS.get(stat.S_IFMT(state.st_mode), "something else")
    raise VideoError(path, f"it is {kind}, not a file; move it away")


def in_words(error: OSError | ValueError) -> str:
    """Why something cannot be read, to be put behind its name."""
    said = getattr(error, "strerror", None) or str(error)
    return said[:1].lower() + said[1:]


def content_sha256(path: str | Path) -> str:
    """SHA-256 of all bytes of a video, in hexadecimal; of a folder, of its files' names and bytes; of a part, of the
    whole and its times.

    Raises:
        VideoError: it cannot be read.
    """
    return _fingerprint(path, file_sha256)


def quick_content_sha256(path: str | Path) -> str:
    """As :func:`content_sha256`, by the lengths of files and their ends
    (:func:`~kinema.common.provenance.quick_sha256`).

    Of an object no more than these is fetched.
    """
    try:
        if (address := address_of(path)) is not None and fragment_of(path) is None and not is_here(path):
            state = state_of(address)
            if not state.folder:
                return ends_sha256(state.size, *ends(address, state.size, ENDS))
    except OSError as error:
        raise VideoError(path, in_words(error)) from error
    return _fingerprint(path, quick_sha256)


def _fingerprint(path: str | Path, of_file: Callable[[str | Path], str]) -> str:
    size_and_time(path)
    if (part := fragment_of(path)) is not None:
        return ids_sha256([_fingerprint(part.path, of_file), f"{part.start},{part.end}"])
    try:
        with fetched(path) as local:
            if local.is_dir():
                return ids_sha256(f"{file.name},{of_file(file)}" for file in local.iterdir() if file.is_file())
            return of_file(local)
    except OSError as error:
        raise VideoError(path, in_words(error)) from error
