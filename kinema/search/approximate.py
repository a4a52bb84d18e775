"""The approximate index: where among a million vectors the nearest are likely to be.

An inverted file (FAISS): vectors are grouped around centres, and a query looks only into the groups whose centres are
nearest, at vectors kept in a byte a value. What it finds are candidates; their true cosines come from the database. The
files belong to one generation and are never changed, so a search that has begun with one goes on with it.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, get_args

import numpy as np

from kinema.errors import ConfigError
from kinema.files import atomic_path
from kinema.search.database import as_matrix, get_about, set_about, transaction, vectors_after
from kinema.search.results import By

if TYPE_CHECKING:
    import faiss

EXACT = 20_000
"""So many windows are compared one by one: all of a small library, and what was added since the last generation."""
CHUNK = 50_000
SAMPLES = 30
"""Vectors a group that its centre is found from."""
PROBED = 32
"""Groups that a query looks into."""


@dataclass(frozen=True)
class Generation:
    """What the approximate index covers.

    Attributes:
        number: of the generation, from 1; 0 where there is none.
        last: it covers the windows up to this number.
        count: how many it was made of; some may be deleted by now.
        trained: how many there were when its groups were found.
    """

    number: int = 0
    last: int = 0
    count: int = 0
    trained: int = 0


def generation(db: sqlite3.Connection) -> Generation:
    """The generation that belongs to the state of the database."""
    return Generation(**(get_about(db, "approximate") or {}))


def refresh(db: sqlite3.Connection, folder: Path) -> None:
    """Make a new generation where too much was added or deleted since the last one.

    What was added is put into the groups there are; where the library has doubled, or a fifth of what is covered is
    gone, the groups are found anew.

    Raises:
        ConfigError: it is needed, and FAISS is not installed.
        OutputError: its files cannot be written.
    """
    now = generation(db)
    total = db.execute("SELECT count(*) FROM windows").fetchone()[0]
    added = db.execute("SELECT count(*) FROM windows WHERE id > ?", (now.last,)).fetchone()[0]
    lost = now.count - (total - added)
    if total <= EXACT or (added <= EXACT and 5 * lost <= now.count):
        return
    faiss = _faiss()
    anew = not now.number or total > 2 * now.trained or 5 * lost > now.count
    last = db.execute("SELECT max(id) FROM windows").fetchone()[0]
    number = now.number + 1
    for by in get_args(By):
        since = 0 if anew else now.last
        index = _trained(db, by, total) if anew else faiss.read_index(str(index_path(folder, now, by)))
        rows = vectors_after(db, by, since)
        for ids, vectors in _chunks(rows):
            index.add_with_ids(vectors, ids)
        with atomic_path(index_path(folder, Generation(number), by)) as temporary:
            faiss.write_index(index, str(temporary))
    count, trained = (total, total) if anew else (now.count + added, now.trained)
    with transaction(db):
        set_about(db, "approximate", asdict(Generation(number, last, count, trained)))
    for path in folder.glob("*.faiss"):
        if path.name not in {index_path(folder, Generation(number), by).name for by in get_args(By)}:
            path.unlink(missing_ok=True)


def index_path(folder: Path, made: Generation, by: By) -> Path:
    """The file of a generation."""
    return folder / f"{by}.{made.number}.faiss"


def open_index(folder: Path, made: Generation, by: By) -> faiss.IndexIVF:
    """The index of a generation; what it does not look at is not read from disk.

    Raises:
        FileNotFoundError: a newer generation has taken its place.
    """
    path, faiss = index_path(folder, made, by), _faiss()
    if not path.is_file():
        raise FileNotFoundError(path)
    return faiss.read_index(str(path), faiss.IO_FLAG_MMAP)


def candidates(index: faiss.IndexIVF, vector: np.ndarray, count: int) -> np.ndarray:
    """Up to ``count`` numbers of windows that are likely to be the nearest to ``vector`` (D,), nearest first."""
    faiss = _faiss()
    probed = min(index.nlist, max(PROBED, index.nlist * count // max(1, index.ntotal) * 4))
    found = index.search(vector[None], count, params=faiss.SearchParametersIVF(nprobe=probed))[1][0]
    return found[found >= 0]


def _trained(db: sqlite3.Connection, by: By, total: int) -> faiss.IndexIVF:
    """An empty index whose groups are found from vectors drawn evenly over the library."""
    faiss = _faiss()
    groups = max(PROBED, min(4096, round(4 * total**0.5)))
    every = max(1, total // (SAMPLES * groups))
    ids = db.execute("SELECT id FROM windows ORDER BY id").fetchall()[::every]
    sample = np.concatenate(
        [
            as_matrix(db.execute(f"SELECT id, {by} FROM vectors WHERE id IN ({joined})").fetchall())[1]
            for joined in (", ".join(str(row[0]) for row in ids[at : at + CHUNK]) for at in range(0, len(ids), CHUNK))
        ]
    )
    size = sample.shape[1]
    index = faiss.index_factory(size, f"IVF{groups},SQ8", faiss.METRIC_INNER_PRODUCT)
    index.cp.niter, index.cp.min_points_per_centroid = 8, 1
    index.train(sample)
    return index


def _chunks(rows: Iterator[tuple[int, bytes]]) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    while part := list(islice(rows, CHUNK)):
        yield as_matrix(part)


def _faiss():
    try:
        import faiss
    except ImportError as error:
        raise ConfigError(f'searching more than {EXACT} windows needs FAISS: pip install "kinema[search]"') from error
    return faiss
