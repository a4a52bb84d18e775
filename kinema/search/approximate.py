"""The approximate index: where among a million vectors the nearest are likely to be.

Inverted files (FAISS): vectors are grouped around centres, and a query looks only into the groups whose centres are
nearest, at vectors kept in a byte a value. What it finds are candidates; their true cosines come from the database.

It grows by segments (:mod:`.segments`) with the same groups: while a library is added to, so many windows at a time are
sealed into one, and several of a size are merged into one, so that a window is written a few times, however large the
library becomes, and a search never has more than a few files to look at.
"""

from __future__ import annotations

from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, get_args

import numpy as np

from kinema.common.whitening import Whitening
from kinema.errors import ConfigError
from kinema.search.about import get_about
from kinema.search.comparing import Comparison, comparison
from kinema.search.connection import store_of
from kinema.search.database import all_ids, vectors_after, vectors_of
from kinema.search.faiss_files import DamagedFile, Seal, import_faiss, shown, write_index
from kinema.search.results import By
from kinema.search.sampling import evenly
from kinema.search.segments import (
    FITTED,
    Covered,
    Groups,
    Segment,
    covered,
    new_path,
    seal_of,
    segment_name,
    segment_path,
    settle,
)
from kinema.search.store import Database
from kinema.search.values import as_matrix

if TYPE_CHECKING:
    import faiss

EXACT = 20_000
"""So many windows are compared one by one: all of a small library, and what is not sealed yet."""
CHUNK = 50_000
SAMPLES = 30
"""Vectors a group that its centre is found from."""
GROWTH = 16
"""How many times as many windows the groups are meant for as there are when they are found: those of the square root of
them are best, and they stay until there are :data:`GROWTH` squared over 4 times as many."""
PROBED = 16
"""Groups that a query looks into, at least."""
LOOKED_AT = 8000
"""Vectors that it looks at, at least, on average."""
FANOUT = 8
"""Segments of a size that become one."""
SMALL = 4
"""Small segments that may be left when a library has been brought up to date; more are merged."""


def refresh(
    db: Database, index: Path, whitening: Whitening | None = None, fitted: int | None = None
) -> tuple[str, ...]:
    """Let the approximate index fit a library that has been brought up to date.

    What was added is put into the groups there are. Groups and centre are found anew where the library has grown far
    beyond them, a fifth of what is covered is gone, a file is damaged or gone, or vectors are compared otherwise. A
    library of no more than :data:`EXACT` windows has a centre alone.

    Args:
        db: the database.
        index: what is called so.
        whitening: in the place of the one that there is; None to keep that.
        fitted: how many windows there were when one was last fitted; None where none has been.

    Returns:
        The files that were damaged or gone, in whose place others were made.

    Raises:
        ConfigError: FAISS is needed, and not installed.
        OutputError: files cannot be written.
    """
    now = covered(db)
    total = db.execute("SELECT count(*) FROM windows").fetchone()[0]
    added = _unsealed(db, now)
    lost = now.count - (total - added)
    whitened = whitening or comparison(db).whitening
    broken = _broken(db, index, now) if total > EXACT else ()
    if total <= EXACT:
        compared = Comparison(whitened, _centre(_sample(db, "motion", total)))
        settle(db, index, Covered(Groups(now.groups.number)), compared, fitted=fitted)
    elif _outgrown(now, total) or 5 * lost > now.count or whitening is not None or broken:
        _build(db, index, whitened, fitted)
    elif added > EXACT:
        _seal(db, index, now)
    if fitted is not None and get_about(db, FITTED, int) != fitted:
        settle(db, index, covered(db), comparison(db), fitted=fitted)
    now = covered(db)
    small = [segment for segment in now.segments if 4 * segment.count < now.count]
    if len(small) > SMALL:
        _merge(db, index, now, now.segments.index(small[0]))
    _tidy(db, index)
    return broken


def grow(db: Database, index: Path) -> None:
    """Seal what has been added, if that is much, while more is to come; unless another process does so just now."""
    try:
        import_faiss()
    except ConfigError:  # which is said at the end: what is embedded is kept
        return
    with db.alone(wait=False) as free:
        if free and _unsealed(db, covered(db)) > EXACT:
            _grow(db, index)


def _grow(db: Database, index: Path) -> None:
    now = covered(db)
    if now.segments:
        _seal(db, index, now)
    else:
        _build(db, index, comparison(db).whitening)
    while (now := covered(db)).segments:
        sizes = [segment.count for segment in now.segments]
        tiers = [first for first in range(len(sizes) - FANOUT + 1) if max(sizes[first:]) < FANOUT * min(sizes[first:])]
        if not tiers:
            break
        _merge(db, index, now, tiers[0])
    _tidy(db, index)


def _unsealed(db: Database, now: Covered) -> int:
    return int(db.execute("SELECT count(*) FROM windows WHERE id > ?", (now.last,)).fetchone()[0])


def _outgrown(now: Covered, total: int) -> bool:
    return not now.segments or 4 * total > GROWTH**2 * now.groups.trained


def _broken(db: Database, index: Path, now: Covered) -> tuple[str, ...]:
    store, broken = store_of(index), list[str]()
    for segment in now.segments:
        for by in get_args(By):
            if not store.is_whole(db, segment_name(by, segment.number), seal_of(db, segment.number, by)):
                broken.append(shown(new_path(index, segment.number, by)))
    return tuple(broken)


def _build(db: Database, index: Path, whitening: Whitening | None, fitted: int | None = None) -> None:
    """Find groups and centre from vectors drawn evenly over the library, and put everything into the groups."""
    faiss, now = import_faiss(), covered(db)
    total, last = db.execute("SELECT count(*), max(id) FROM windows").fetchone()
    groups = min(total, round(2 * (GROWTH * total) ** 0.5))
    number = now.groups.number + 1
    compared = Comparison(whitening, _centre(_sample(db, "motion", SAMPLES * groups)))
    seals: dict[tuple[By, int], Seal] = {}
    for by in get_args(By):
        sample = compared(by, _sample(db, by, SAMPLES * groups))
        vectors = faiss.index_factory(sample.shape[1], f"IVF{groups},SQ8", faiss.METRIC_INNER_PRODUCT)
        vectors.cp.niter, vectors.cp.min_points_per_centroid = 8, 1
        vectors.train(sample)
        _fill(db, vectors, by, 0, last, compared)
        seals[by, number] = write_index(vectors, new_path(index, number, by))
    settle(db, index, Covered(Groups(number, total), (Segment(number, last, total),)), compared, seals, fitted)


def _seal(db: Database, index: Path, now: Covered) -> None:
    """Put what was added into the groups there are, as a segment of its own."""
    faiss, compared = import_faiss(), comparison(db)
    count, last = db.execute("SELECT count(*), max(id) FROM windows WHERE id > ?", (now.last,)).fetchone()
    number = now.groups.number + 1
    seals: dict[tuple[By, int], Seal] = {}
    for by in get_args(By):
        vectors = faiss.read_index(str(segment_path(db, index, now.segments[-1].number, by)))
        vectors.reset()
        _fill(db, vectors, by, now.last, last, compared)
        seals[by, number] = write_index(vectors, new_path(index, number, by))
    groups = Groups(number, now.groups.trained)
    settle(db, index, Covered(groups, (*now.segments, Segment(number, last, count))), compared, seals)


def _merge(db: Database, index: Path, now: Covered, first: int) -> None:
    """Make one segment of those from the ``first`` on."""
    faiss = import_faiss()
    merged, number = now.segments[first:], now.groups.number + 1
    seals: dict[tuple[By, int], Seal] = {}
    for by in get_args(By):
        vectors, *others = (faiss.read_index(str(segment_path(db, index, segment.number, by))) for segment in merged)
        for other in others:
            vectors.merge_from(other, 0)
        seals[by, number] = write_index(vectors, new_path(index, number, by))
    whole = Segment(number, merged[-1].last, sum(segment.count for segment in merged))
    new = Covered(Groups(number, now.groups.trained), (*now.segments[:first], whole))
    settle(db, index, new, comparison(db), seals)


def _tidy(db: Database, index: Path) -> None:
    """Delete the files that no state uses any more."""
    kept = {new_path(index, segment.number, by) for segment in covered(db).segments for by in get_args(By)}
    for path in set(store_of(index).beside.glob("*.faiss")) - kept:
        with suppress(OSError):  # nobody reads it, whatever it is
            path.unlink()


def _fill(db: Database, index: faiss.IndexIVF, by: By, after: int, last: int, compared: Comparison) -> None:
    rows = vectors_after(db, by, after, last)
    while part := list(islice(rows, CHUNK)):
        ids, vectors = as_matrix(part)
        index.add_with_ids(compared(by, vectors), ids)


def _sample(db: Database, by: By, most: int) -> np.ndarray:
    """(N, D) vectors, drawn evenly, at most so many."""
    ids = all_ids(db)
    ids = ids[evenly(len(ids), most)]
    parts = [vectors_of(db, by, ids[at : at + CHUNK])[1] for at in range(0, len(ids), CHUNK)]
    return np.concatenate(parts) if parts else np.zeros((0, 0), np.float32)


def _centre(vectors: np.ndarray) -> np.ndarray | None:
    return vectors.mean(0, dtype=np.float64).astype(np.float32) if len(vectors) else None


def candidates(
    indexes: list[faiss.IndexIVF], vector: np.ndarray, count: int, among: np.ndarray | None = None
) -> np.ndarray:
    """Up to ``count`` numbers of windows that are likely to be the nearest to ``vector`` (D,), nearest first.

    Args:
        indexes: of all segments.
        vector: as it is compared.
        count: how many.
        among: (N,) the numbers, sorted, that may be found; None for all. The fewer they are, the more groups are looked
            into.

    Raises:
        DamagedFile: an index is of other vectors.
    """
    faiss = import_faiss()
    total = max(1, sum(index.ntotal for index in indexes) if among is None else len(among))
    chosen = {} if among is None else {"sel": faiss.IDSelectorBitmap(_bits(among))}
    scores, numbers = [np.zeros(0, np.float32)], [np.zeros(0, np.int64)]
    try:
        for index in indexes:
            probed = max(PROBED, index.nlist * max(LOOKED_AT, 4 * count) // total)
            params = faiss.SearchParametersIVF(nprobe=min(index.nlist, probed), **chosen)
            near, found = index.search(vector[None], count, params=params)
            scores.append(near[0])
            numbers.append(found[0])
    except (RuntimeError, AssertionError) as error:
        raise DamagedFile("the approximate index is damaged") from error
    found, near = np.concatenate(numbers), np.concatenate(scores)
    return found[found >= 0][np.argsort(-near[found >= 0], kind="stable")[:count]]


def _bits(numbers: np.ndarray) -> np.ndarray:
    """A bit for each number up to the largest of ``numbers`` (N,), sorted."""
    bits = np.zeros(int(numbers[-1]) + 1 if len(numbers) else 1, bool)
    bits[numbers] = True
    return np.packbits(bits, bitorder="little")
