"""Bringing an index up to date with a folder."""

from __future__ import annotations

import hashlib
import os
import sqlite3
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from kinema.addresses import shown
from kinema.clock import clock
from kinema.errors import VideoError
from kinema.progress import make_bar
from kinema.search import approximate, database
from kinema.search.about import get_about, get_list, set_about
from kinema.search.changes import Changes, find_changes, settled
from kinema.search.comparing import MIRROR, comparison
from kinema.search.connection import transaction
from kinema.search.database import FileState
from kinema.search.embedder import EmbeddedWindow, Embedder
from kinema.search.embedding import Finished, Waiting, embed_videos
from kinema.search.fitting import LEAST, copied_features, fit_whitening, indexed_places
from kinema.search.on_cluster import embed_on_cluster
from kinema.search.results import Added, IndexedVideo
from kinema.search.windows import WindowReader
from kinema.video.identity import content_sha256
from kinema.whitening import Whitening


def bring_up_to_date(
    db: sqlite3.Connection,
    index: Path,
    root: Path,
    embedder: Embedder,
    reader: WindowReader,
    *,
    batch_size: int,
    workers: int | None,
    cluster: str | None = None,
    device: str = "auto",
) -> Added:
    """Embed what is new or has changed under ``root``, and forget what is gone; every step is one transaction.

    Args:
        db: the index's database, which no other process writes to.
        index: its folder.
        root: searched with all folders in it.
        embedder: gives windows their vectors.
        reader: cuts videos into windows.
        batch_size: windows per forward pass.
        workers: threads that decode; None as of :func:`~kinema.search.embedding.embed_videos`.
        cluster: whose machines decode and embed (:mod:`kinema.cluster`); None for this process.
        device: where they embed.

    Raises:
        DataError: there is no such folder or no video in it.
        OutputError: the index cannot be written.
    """
    began, waiting = time.perf_counter(), Waiting()
    with transaction(db):
        database.drop_staged(db)  # of a run that was killed
    changes = find_changes(root, database.file_states(db))
    with transaction(db):
        _note_changes(db, root, changes)
    todo = sorted([*changes.new, *changes.changed], key=_anyhow)
    if cluster is None or not todo:
        paths = [state.path for state in todo]
        items = embed_videos(paths, reader, embedder, batch_size=batch_size, workers=workers, waiting=waiting)
    else:
        items = embed_on_cluster(cluster, todo, embedder, device, reader.windowing, batch_size)
    windows, unreadable = _store(db, index, todo, items, cluster is None)
    remade = approximate.refresh(db, index, _whitened_anew(db, embedder))
    found = [video for video in database.indexed_videos(db) if Path(video.path).is_relative_to(root)]
    problems = [video for video in found if video.error]
    problems += [IndexedVideo(path, 0, reason) for path, reason in {**changes.unreadable, **unreadable}.items()]
    return Added(
        new=len(changes.new),
        changed=len(changes.changed),
        moved=len(changes.moved),
        deleted=len(changes.deleted),
        unchanged=changes.unchanged + len(changes.touched),
        problems=tuple(sorted(problems, key=lambda video: video.path)),
        windows=windows,
        seconds=time.perf_counter() - began,
        waiting=waiting.seconds,
        whitened=comparison(db).whitening is not None,
        remade=remade,
    )


def _whitened_anew(db: sqlite3.Connection, embedder: Embedder) -> Whitening | None:
    """A whitening fitted to the library as it is now, if it is twice as large as when that was last done, or more."""
    total = db.execute("SELECT count(*) FROM windows").fetchone()[0]
    fitted = get_about(db, "whitened", int)
    if total < LEAST or (fitted is not None and total < 2 * fitted):
        return None
    whitening = comparison(db).whitening if fitted is None else None  # that of the first videos, which these are
    if whitening is None:
        assert embedder.basis is not None, "an index that exists has one"
        mirror = get_about(db, MIRROR, bool) is True
        whitening = fit_whitening(copied_features(indexed_places(db), embedder, mirror), embedder.basis)
    with transaction(db):
        set_about(db, "whitened", total)
    return whitening


def _note_changes(db: sqlite3.Connection, root: Path, changes: Changes) -> None:
    """What needs no reading of videos."""
    known = get_list(db, "roots", str) or []
    set_about(db, "roots", sorted({*known, shown(root)}))
    database.drop_videos(db, changes.deleted)
    for path, state in [*changes.moved.items(), *((state.path, state) for state in changes.touched)]:
        database.restate_video(db, path, state)


def _anyhow(state: FileState) -> bytes:
    """A place in an order that has nothing to do with names, so that the videos that are first stand for all."""
    return hashlib.blake2b(os.fsencode(state.path)).digest()


def _store(
    db: sqlite3.Connection,
    index: Path,
    todo: Sequence[FileState],
    items: Iterator[tuple[int, EmbeddedWindow | Finished]],
    here: bool,
) -> tuple[int, dict[str, str]]:
    """Put videos into the database, each when its last window has come; seal them now and then.

    What a file holds is noted while it is embedded ``here``; of those that are elsewhere it comes with them.

    Returns:
        How many windows they have, and why files cannot be read, of those that nothing is kept of.
    """
    held: dict[int, list[EmbeddedWindow]] = {}
    contents: dict[int, Future[str]] = {}
    unreadable: dict[str, str] = {}
    count = sealed = 0
    with make_bar("at") as progress, ThreadPoolExecutor(1) as hashing:
        task = progress.add_task("Embedding", total=len(todo), at="")
        for number, item in items:
            windows = held.setdefault(number, [])
            if here and number not in contents:
                contents[number] = hashing.submit(_content, todo[number])
            if isinstance(item, Finished):
                try:
                    content = contents.pop(number).result() if here else item.sha256 or _content(todo[number])
                    known = replace(todo[number], sha256=content)
                    state, error = settled(known, item.error)
                    with transaction(db):
                        database.put_video(db, number, state, windows, error)
                except VideoError as failure:
                    unreadable[todo[number].path] = settled(todo[number], failure.reason)[1]
                del held[number]
                progress.advance(task)
                if count - sealed > approximate.EXACT:
                    approximate.grow(db, index)
                    sealed = count
                continue
            windows.append(item)
            count += 1
            progress.update(task, at=f"{Path(todo[number].path).name} at {clock(item.end)}")  # one may take hours
            if len(windows) >= database.STAGE:
                with transaction(db):
                    database.stage(db, number, windows)
                windows.clear()
    return count, unreadable


def _content(state: FileState) -> str:
    return state.sha256 or content_sha256(state.path)
