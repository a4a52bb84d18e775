"""The approximate index: where among a million vectors the nearest are likely to be.

An inverted file (FAISS): vectors are grouped around centres, and a query looks only into the groups whose centres are
nearest, at vectors kept in a byte a value. What it finds are candidates; their true cosines come from the database. The
files belong to one generation and are never changed, so a search that has begun with one goes on with it.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, get_args

import numpy as np

from kinema.search.about import get_list, get_record, set_about, set_map
from kinema.search.comparing import WHITENING, Comparison, comparison
from kinema.search.connection import transaction
from kinema.search.database import all_ids, vectors_after, vectors_of
from kinema.search.faiss_files import DamagedFile, Seal, import_faiss, is_whole, open_index, shown, write_index
from kinema.search.results import By
from kinema.search.sampling import evenly
from kinema.search.values import as_matrix
from kinema.whitening import Whitening

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
        number: counts up, so that no file's name comes twice.
        last: it covers the windows up to this number; 0 where there is no approximate index.
        count: how many it was made of; some may be deleted by now.
        trained: how many there were when its groups were found.
    """

    number: int = 0
    last: int = 0
    count: int = 0
    trained: int = 0


def generation(db: sqlite3.Connection) -> Generation:
    """The generation that belongs to the state of the database."""
    return get_record(db, "approximate", Generation) or Generation()


def refresh(db: sqlite3.Connection, folder: Path, whitening: Whitening | None = None) -> tuple[str, ...]:
    """Make a new generation where too much was added or deleted since the last one, a file of it is damaged or gone, or
    vectors are compared otherwise.

    What was added is put into the groups there are; where the library has doubled, or a fifth of what is covered is
    gone, the groups and the centre are found anew. A library of no more than :data:`EXACT` windows has a centre alone.

    Args:
        db: the database.
        folder: of the index.
        whitening: in the place of the one that there is; None to keep that.

    Returns:
        The files that were damaged or gone, in whose place others were made.

    Raises:
        ConfigError: FAISS is needed, and not installed.
        OutputError: files cannot be written.
    """
    now = generation(db)
    total = db.execute("SELECT count(*) FROM windows").fetchone()[0]
    added = db.execute("SELECT count(*) FROM windows WHERE id > ?", (now.last,)).fetchone()[0]
    lost = now.count - (total - added)
    whitened = whitening or comparison(db).whitening
    files = {by: index_path(folder, now, by) for by in get_args(By)} if now.last and total > EXACT else {}
    broken = tuple(shown(path) for by, path in files.items() if not is_whole(path, _seal(db, by)))
    if total <= EXACT:
        _settle(db, Generation(now.number), Comparison(whitened, _centre(_sample(db, "motion", total))))
    elif added > EXACT or 5 * lost > now.count or whitening is not None or broken:
        anew = not now.last or total > 2 * now.trained or 5 * lost > now.count or whitening is not None or bool(broken)
        if anew:
            _build(db, folder, now, total, whitened)
        else:
            _extend(db, folder, now, total)
    used = generation(db)
    kept = {index_path(folder, used, by) for by in get_args(By) if used.last}
    for path in set(folder.glob("*.faiss")) - kept:
        with suppress(OSError):  # nobody reads it, whatever it is
            path.unlink()
    return broken


def _build(db: sqlite3.Connection, folder: Path, now: Generation, total: int, whitening: Whitening | None) -> None:
    """Find groups and centre from vectors drawn evenly over the library, and put everything into the groups."""
    faiss = import_faiss()
    groups = round(2 * total**0.5)
    last = db.execute("SELECT max(id) FROM windows").fetchone()[0]
    new = Generation(now.number + 1, last, total, total)
    compared = Comparison(whitening, _centre(_sample(db, "motion", SAMPLES * groups)))
    seals: dict[By, Seal] = {}
    for by in get_args(By):
        sample = compared(by, _sample(db, by, SAMPLES * groups))
        index = faiss.index_factory(sample.shape[1], f"IVF{groups},SQ8", faiss.METRIC_INNER_PRODUCT)
        index.cp.niter, index.cp.min_points_per_centroid = 8, 1
        index.train(sample)
        _fill(db, index, by, 0, compared)
        seals[by] = write_index(index, index_path(folder, new, by))
    _settle(db, new, compared, seals)


def _extend(db: sqlite3.Connection, folder: Path, now: Generation, total: int) -> None:
    """Put what was added into the groups there are."""
    faiss, compared = import_faiss(), comparison(db)
    last = db.execute("SELECT max(id) FROM windows").fetchone()[0]
    added = db.execute("SELECT count(*) FROM windows WHERE id > ?", (now.last,)).fetchone()[0]
    new = Generation(now.number + 1, last, now.count + added, now.trained)
    seals: dict[By, Seal] = {}
    for by in get_args(By):
        index = faiss.read_index(str(index_path(folder, now, by)))
        _fill(db, index, by, now.last, compared)
        seals[by] = write_index(index, index_path(folder, new, by))
    _settle(db, new, compared, seals)


def _fill(db: sqlite3.Connection, index: faiss.IndexIVF, by: By, after: int, compared: Comparison) -> None:
    rows = vectors_after(db, by, after)
    while part := list(islice(rows, CHUNK)):
        ids, vectors = as_matrix(part)
        index.add_with_ids(compared(by, vectors), ids)


def _settle(
    db: sqlite3.Connection, new: Generation, compared: Comparison, seals: Mapping[By, Seal] = MappingProxyType({})
) -> None:
    """Let searches use what was made; nothing happens where it is what they use already."""
    used, centre = comparison(db), None if compared.centre is None else compared.centre.tolist()
    if (generation(db), used.whitening, get_list(db, "centre", float)) != (new, compared.whitening, centre):
        with transaction(db):
            set_about(db, "approximate", asdict(new))
            set_about(db, "centre", centre)
            for by, seal in seals.items():
                set_about(db, f"seal of {by}", asdict(seal))
            set_map(db, WHITENING, None if compared.whitening is None else compared.whitening.to_bytes())


def _sample(db: sqlite3.Connection, by: By, most: int) -> np.ndarray:
    """(N, D) vectors, drawn evenly, at most so many."""
    ids = all_ids(db)
    ids = ids[evenly(len(ids), most)]
    parts = [vectors_of(db, by, ids[at : at + CHUNK])[1] for at in range(0, len(ids), CHUNK)]
    return np.concatenate(parts) if parts else np.zeros((0, 0), np.float32)


def _centre(vectors: np.ndarray) -> np.ndarray | None:
    return vectors.mean(0, dtype=np.float64).astype(np.float32) if len(vectors) else None


def index_path(folder: Path, made: Generation, by: By) -> Path:
    """The file of a generation."""
    return folder / f"{by}.{made.number}.faiss"


def _seal(db: sqlite3.Connection, by: By) -> Seal | None:
    return get_record(db, f"seal of {by}", Seal)


def open_generation(db: sqlite3.Connection, folder: Path, made: Generation, by: By) -> faiss.IndexIVF:
    """The index of a generation, which is that of the database's state.

    Raises:
        FileNotFoundError: its file is gone, as it is where a newer generation has taken its place.
        DamagedFile: it cannot be used.
    """
    return open_index(index_path(folder, made, by), _seal(db, by))


def candidates(index: faiss.IndexIVF, vector: np.ndarray, count: int) -> np.ndarray:
    """Up to ``count`` numbers of windows that are likely to be the nearest to ``vector`` (D,), nearest first.

    Raises:
        DamagedFile: the index is of other vectors.
    """
    faiss = import_faiss()
    probed = min(index.nlist, max(PROBED, index.nlist * count // max(1, index.ntotal) * 4))
    try:
        found = index.search(vector[None], count, params=faiss.SearchParametersIVF(nprobe=probed))[1][0]
    except (RuntimeError, AssertionError) as error:
        raise DamagedFile("the approximate index is damaged") from error
    return found[found >= 0]
