"""Writing files so that a reader never sees half of one."""

from __future__ import annotations

import contextlib
import csv
import errno
import glob
import io
import json
import os
import re
import shutil
import tempfile
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from secrets import token_hex
from typing import Any

from kinema.common.addresses import address_of
from kinema.errors import DataError, OutputError

LONGEST_NAME = 100
"""Bytes that what :func:`file_name` makes has at most; file systems take 255, and more comes before and after it."""


def on_disk(path: str | Path) -> Path:
    """``path``, of the file system.

    Raises:
        OutputError: it is an address.
    """
    if (address := address_of(path)) is not None:
        raise OutputError(f"{address} is in a storage, to which only manifests are written; name a local folder")
    return Path(path)


def refuse_pipe(path: str | Path) -> None:
    """Make sure that what is to be read is no pipe or device, which may never end, or never begin.

    Raises:
        DataError: it is one.
    """
    local = Path(path)
    if local.exists() and not (local.is_file() or local.is_dir()):
        raise DataError(f"{path} is a pipe or a device and no file; write what comes out of it to one, and name that")


def make_folder(path: str | Path) -> Path:
    """Create ``path`` and its parents; return it as a :class:`~pathlib.Path`.

    Raises:
        OutputError: it cannot be created or written to.
    """
    folder = on_disk(path)
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    return folder


@contextlib.contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path beside ``path``; move it there when the block ends well, delete it otherwise.

    The temporary name keeps the suffix, since encoders choose the container by it, and is drawn: processes of two
    machines or containers that share a storage may have one number. A device or pipe, such as ``/dev/stdout``, is
    written to and stays what it is.

    Raises:
        OutputError: the folder is unwritable or the disk is full.
    """
    target = on_disk(path)
    temporary = target.with_name(f".{target.stem}.{token_hex(4)}.tmp{target.suffix}")
    try:
        with writing(target):
            sink = target.exists() and not target.is_file() and not target.is_dir()
            if sink:
                temporary = Path(tempfile.gettempdir(), temporary.name)
            temporary.parent.mkdir(parents=True, exist_ok=True)
            yield temporary
            if sink:
                with temporary.open("rb") as content, target.open("wb") as there:
                    shutil.copyfileobj(content, there)
            else:
                os.replace(temporary, target)
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink()


def clear_leftovers(path: str | Path) -> None:
    """Delete what writers of ``path`` that were killed have left beside it; for where nobody else writes it now."""
    target = Path(path)
    for left in target.parent.glob(f".{glob.escape(target.stem)}.*.tmp{target.suffix}"):
        left.unlink(missing_ok=True)


def write_bytes(path: str | Path, content: bytes) -> Path:
    """Write ``content``, atomically; return the path."""
    with atomic_path(path) as temporary:
        temporary.write_bytes(content)
    return Path(path)


def write_text(path: str | Path, text: str) -> Path:
    """Write ``text`` as UTF-8, atomically; return the path. Names of files that are no UTF-8 keep their bytes."""
    return write_bytes(path, text.encode("utf-8", "surrogateescape"))


def write_json(path: str | Path, value: Any) -> Path:
    """Write ``value`` as indented JSON, atomically; return the path."""
    text = json.dumps(value, indent=2, ensure_ascii=False)
    text = re.sub(r"[\ud800-\udfff]", lambda odd: f"\\u{ord(odd[0]):04x}", text)  # of names that are no UTF-8
    return write_text(path, text + "\n")


def write_csv(path: str | Path, rows: Iterable[Sequence[Any]]) -> Path:
    """Write ``rows`` as CSV, atomically; return the path. What is read again is the same, whatever names hold."""
    with (
        atomic_path(path) as temporary,
        temporary.open("w", encoding="utf-8", errors="surrogateescape", newline="") as file,
    ):
        line = io.StringIO(newline="")
        writer = csv.writer(line, lineterminator="\r\n")  # so that both characters are put between quotes
        for row in rows:
            writer.writerow(row)
            file.write(line.getvalue()[:-2] + "\n")
            line.seek(0)
            line.truncate()
    return Path(path)


def file_name(text: str, end: bool = False) -> str:
    """``text`` as (a part of) a file's name that every system takes: letters and digits of any script stay.

    Args:
        text: any, such as a class or a path.
        end: whether its end is kept where it is too long, and not its beginning.
    """
    plain = unicodedata.normalize("NFC", text)
    plain = "".join("_" if sign in '<>:"/\\|?*' or unicodedata.category(sign)[0] in "CZ" else sign for sign in plain)
    plain = re.sub("_+", "_", plain).strip("._ ")
    plain = plain[-LONGEST_NAME:] if end else plain[:LONGEST_NAME]
    while len(plain.encode()) > LONGEST_NAME:
        plain = plain[1:] if end else plain[:-1]
    plain = plain.strip("._ ")
    reserved = re.fullmatch(r"(?i)(con|prn|aux|nul|com\d|lpt\d)(\..*)?", plain)  # devices of Windows
    return f"_{plain}" if reserved or not plain else plain


def file_names(texts: Iterable[str]) -> dict[str, str]:
    """A file's name for each text, as :func:`file_name` makes it; no two are alike, in large letters or small."""
    found: dict[str, str] = {}
    taken: set[str] = set()
    for text in dict.fromkeys(texts):
        name, number = file_name(text), 1
        while (chosen := name if number == 1 else f"{name}-{number}").casefold() in taken:
            number += 1
        taken.add(chosen.casefold())
        found[text] = chosen
    return found


@contextlib.contextmanager
def writing(path: Path) -> Iterator[None]:
    """Where a file is written to piece by piece, and whatever the system says of it is to name it.

    Raises:
        OutputError: the file cannot be written.
    """
    try:
        yield
    except OSError as error:
        blocked = isinstance(error, FileExistsError)  # what making a folder says where a file is in the way
        reason = os.strerror(errno.ENOTDIR) if blocked else error.strerror or str(error)
        raise OutputError(
            f"cannot write {path}: {reason}; choose a folder with write permission and free space"
        ) from error


def refuse_present(*paths: str | Path | None) -> None:
    """Refuse to write over what is there; None is no place.

    Raises:
        OutputError: something is, or a path is named twice.
    """
    places = set()
    for path in (path for path in paths if path is not None):
        if os.path.lexists(path):
            raise OutputError(f"{path} is there already; name another file, or move it away")
        if (place := os.path.abspath(path)) in places:
            raise OutputError(f"{path} is to hold two things; give each a file of its own")
        places.add(place)
