"""Bringing an index up to date with a folder."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from kinema.common.addresses import shown
from kinema.common.clock import clock
from kinema.common.progress import make_bar
from kinema.common.whitening import Whitening
from kinema.config.windows import AddingConfig
from kinema.errors import VideoError
from kinema.search import approximate, database
from kinema.search.about import get_about, get_list, set_about
from kinema.search.changes import Changes, content_of, find_changes, settled
from kinema.search.comparing import MIRROR, comparison
from kinema.search.connection import store_of, transaction
from kinema.search.database import FileState
from kinema.search.embedder import EmbeddedWindow, Embedder
from kinema.search.embedding import Finished, Waiting, embed_videos
from kinema.search.fitting import LEAST, copied_features, fit_whitening, indexed_places
from kinema.search.on_cluster import embed_on_cluster
from kinema.search.results import Added, IndexedVideo
from kinema.search.segments import FITTED
from kinema.search.store import Claims, Database
from kinema.search.windows import WindowReader
from kinema.video.identity import content_sha256

Items = Iterator[tuple[int, EmbeddedWindow | Finished]]
"""Windows of videos by their numbers, and how these ended."""


def bring_up_to_date(
    db: Database,
    index: Path,
    root: Path,
    embedder: Embedder,
    reader: WindowReader,
    how: AddingConfig,
    device: str = "auto",
) -> Added:
    """Embed what is new or has changed under ``root``, and forget what is gone; every step is one transaction.

    Args:
        db: the index's database.
        index: what is called so: a folder, to which no other process adds, or an address.
        root: searched with all folders in it.
        embedder: gives windows their vectors.
        reader: cuts videos into windows.
        how: by how many threads, in which batches, and on which cluster.
        device: where its machines embed.

    Raises:
        DataError: there is no such folder or no video in it.
        OutputError: the index cannot be written.
    """
    began, waiting = time.perf_counter(), Waiting()
    with transaction(db):
        database.drop_staged(db)  # of a run that was killed
    changes = find_changes(root, database.file_states(db), alone=not store_of(index).shared)
    with transaction(db):
        _note_changes(db, root, changes)

    def embedded(todo: Sequence[FileState], wanted: Callable[[int], bool]) -> Items:
        if how.cluster is not None and todo:
            return embed_on_cluster(how.cluster, todo, embedder, device, reader.windowing, how.batch_size, wanted)
        paths = [state.path for state in todo]
        return embed_videos(
            paths,
            reader,
            embedder,
            batch_size=how.batch_size,
            workers=how.workers,
            waiting=waiting,
            wanted=wanted,
            sha256_of=lambda number: content_of(todo[number]),
        )

    stored = _Stored()
    with store_of(index).claims() as claims:
        todo = sorted([*changes.new, *changes.changed], key=_anyhow)
        while todo:
            todo = _add(db, index, todo, embedded, claims, stored)
    with db.alone(wait=True):
        remade = approximate.refresh(db, index, *_whitened_anew(db, embedder))
    found = [video for video in database.indexed_videos(db) if Path(video.path).is_relative_to(root)]
    problems = [video for video in found if video.error]
    problems += [IndexedVideo(path, 0, reason) for path, reason in {**changes.unreadable, **stored.unreadable}.items()]
    return Added(
        new=sum(state.path not in stored.others for state in changes.new),
        changed=sum(state.path not in stored.others for state in changes.changed),
        moved=len(changes.moved),
        deleted=len(changes.deleted),
        unchanged=changes.unchanged + len(changes.touched) + len(stored.others),
        problems=tuple(sorted(problems, key=lambda video: video.path)),
        windows=stored.windows,
        seconds=time.perf_counter() - began,
        waiting=waiting.seconds,
        whitened=comparison(db).whitening is not None,
        remade=remade,
    )


def _whitened_anew(db: Database, embedder: Embedder) -> tuple[Whitening | None, int | None]:
    """A whitening fitted to the library as it is now, and how many windows that has, if these are twice as many as when
    that was last done, or more."""
    total = db.execute("SELECT count(*) FROM windows").fetchone()[0]
    fitted = get_about(db, FITTED, int)
    if total < LEAST or (fitted is not None and total < 2 * fitted):
        return None, None
    whitening = comparison(db).whitening if fitted is None else None  # that of the first videos, which these are
    if whitening is None:
        assert embedder.basis is not None, "an index that exists has one"
        mirror = get_about(db, MIRROR, bool) is True
        whitening = fit_whitening(copied_features(indexed_places(db), embedder, mirror), embedder.basis)
    return whitening, total


def _note_changes(db: Database, root: Path, changes: Changes) -> None:
    """What needs no reading of videos."""
    known = get_list(db, "roots", str) or []
    set_about(db, "roots", sorted({*known, shown(root)}))
    database.drop_videos(db, changes.deleted)
    for path, state in [*changes.moved.items(), *((state.path, state) for state in changes.touched)]:
        database.restate_video(db, path, state)


def _anyhow(state: FileState) -> bytes:
    """A place in an order that has nothing to do with names, so that the videos that are first stand for all."""
    return hashlib.blake2b(os.fsencode(state.path)).digest()


@dataclass
class _Stored:
    """What has come of embedding videos: how many windows they have, why files cannot be read, of those that nothing is
    kept of, and which videos other processes have put in meanwhile."""

    windows: int = 0
    unreadable: dict[str, str] = field(default_factory=dict)
    others: set[str] = field(default_factory=set)


def _add(
    db: Database,
    index: Path,
    todo: Sequence[FileState],
    embedded: Callable[[Sequence[FileState], Callable[[int], bool]], Items],
    claims: Claims,
    stored: _Stored,
) -> list[FileState]:
    """Embed videos, but for those that other processes have in hand, and wait for these; return those that the others
    have not put in after all."""
    passed: list[FileState] = []

    def wanted(number: int) -> bool:
        state = todo[number]
        mine = claims.take(state.path, state.size, state.mtime)
        if not mine:
            passed.append(state)
        return mine

    _store(db, index, todo, embedded(todo, wanted), claims, stored)
    for state in passed:
        claims.wait(state.path)
    known = database.file_states(db) if passed else {}
    there = {path: (state.size, state.mtime) for path, state in known.items()}
    left = [state for state in passed if there.get(state.path) != (state.size, state.mtime)]
    stored.others |= {state.path for state in passed} - {state.path for state in left}
    return left


def _store(db: Database, index: Path, todo: Sequence[FileState], items: Items, claims: Claims, stored: _Stored) -> None:
    """Put videos into the database, each when its last window has come; seal them now and then.

    What a file holds is noted by whoever has read it.
    """
    held: dict[int, list[EmbeddedWindow]] = {}
    since = 0
    with make_bar("at") as progress:
        task = progress.add_task("Embedding", total=len(todo), at="")
        for number, item in items:
            windows = held.setdefault(number, [])
            if isinstance(item, Finished):
                try:
                    content = item.sha256 or content_sha256(todo[number].path)
                    known = replace(todo[number], sha256=content)
                    state, error = settled(known, item.error)
                    with transaction(db):
                        database.put_video(db, number, state, windows, error)
                except VideoError as failure:
                    stored.unreadable[todo[number].path] = settled(todo[number], failure.reason)[1]
                claims.release(todo[number].path)
                del held[number]
                progress.advance(task)
                if since > approximate.EXACT:
                    approximate.grow(db, index)
                    since = 0
                continue
            windows.append(item)
            stored.windows += 1
            since += 1
            progress.update(task, at=f"{os.path.basename(todo[number].path)} at {clock(item.end)}")  # it may take hours
            if len(windows) >= database.STAGE:
                with transaction(db):
                    database.stage(db, number, windows)
                windows.clear()
