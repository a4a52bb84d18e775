"""The files of the approximate index: written in full or not at all, and looked at before FAISS believes them.

FAISS believes what a file says of its own sizes. So the database keeps a seal of each file: its size, and digests of
all of it and of its head, which is everything but the vectors' bytes. The head is looked at whenever a file is opened,
the rest when the library is brought up to date; a wrong byte there costs a candidate, no more.
"""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from kinema.common.extras import needed_for
from kinema.common.files import atomic_path
from kinema.errors import DataError

if TYPE_CHECKING:
    import faiss


class DamagedFile(DataError):
    """A file of the approximate index is none that this index has written, or cannot be read."""


@dataclass(frozen=True)
class Seal:
    """What a file was when it was written.

    Attributes:
        size: bytes.
        head: bytes before those of the vectors.
        head_sha256: of these.
        sha256: of the whole file.
    """

    size: int
    head: int
    head_sha256: str
    sha256: str

    @classmethod
    def of(cls, path: Path, head: int) -> Seal:
        """The seal of a file as it is."""
        with path.open("rb") as file:
            digest = hashlib.sha256(file.read(head)).hexdigest()
            file.seek(0)
            return cls(path.stat().st_size, head, digest, hashlib.file_digest(file, "sha256").hexdigest())

    def fits(self, path: Path) -> bool:
        """Whether a file has this size and this head."""
        if path.stat().st_size != self.size:
            return False
        with path.open("rb") as file:
            return hashlib.sha256(file.read(self.head)).hexdigest() == self.head_sha256


def write_index(index: faiss.IndexIVF, path: Path) -> Seal:
    """Write an index, atomically, and return the file's seal.

    Raises:
        OutputError: it cannot be written.
    """
    with atomic_path(path) as temporary:
        try:
            with _as_utf8(temporary, os.O_RDWR | os.O_CREAT) as name:
                import_faiss().write_index(index, name)
        except RuntimeError as error:  # how FAISS says that the disk is full
            raise OSError(errno.EIO, "it cannot be written in full") from error
        vectors = index.ntotal * (index.code_size + 8)  # with a number each
        return Seal.of(temporary, temporary.stat().st_size - vectors)


def open_index(path: Path, seal: Seal | None) -> faiss.IndexIVF:
    """The index in a file; what it does not look at is not read from disk.

    Args:
        path: the file.
        seal: of it; None where the database knows none, so that nothing says what FAISS would make of the file.

    Raises:
        FileNotFoundError: there is no such file.
        DamagedFile: it cannot be used.
    """
    faiss = import_faiss()
    if not path.is_file():
        raise FileNotFoundError(path)
    try:
        with _as_utf8(path, os.O_RDONLY) as name:
            index = faiss.read_index(name, faiss.IO_FLAG_MMAP) if seal is not None and seal.fits(path) else None
    except (RuntimeError, MemoryError, OSError) as error:  # FAISS has no errors of its own
        raise DamagedFile(_damaged(path)) from error
    if not isinstance(index, faiss.IndexIVF):
        raise DamagedFile(_damaged(path))
    # Threads that read ahead would go on after a search, and bring the process down where the file is cut meanwhile.
    faiss.downcast_InvertedLists(index.invlists).prefetch_nthread = 0
    return index


@contextmanager
def _as_utf8(path: Path, flags: int) -> Iterator[str]:
    """A name for a file that FAISS takes, which knows only UTF-8."""
    try:
        name, number = os.fspath(path).encode().decode(), None
    except UnicodeEncodeError:
        number = os.open(path, flags, 0o666)
        name = f"/dev/fd/{number}"
    try:
        yield name
    finally:
        if number is not None:
            os.close(number)


def is_whole(path: Path, seal: Seal | None) -> bool:
    """Whether a file is there and, to its last byte, what was written."""
    try:
        open_index(path, seal)
        return seal is not None and Seal.of(path, seal.head) == seal
    except (OSError, DamagedFile):
        return False


def _damaged(path: Path) -> str:
    return f"{shown(path)} is damaged or cannot be read"


def shown(path: Path) -> str:
    """A file by its own name and that of the index."""
    return f"{path.parent.resolve().name}/{path.name}"


def import_faiss():
    """FAISS.

    Raises:
        ConfigError: it is not installed.
    """
    with needed_for("an index of so many windows", "search with --exact"):
        import faiss
    return faiss
