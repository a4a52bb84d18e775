"""A library of videos that can be searched by movement."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import get_args

import numpy as np

from kinema import __version__
from kinema.errors import ConfigError, DataError
from kinema.files import make_folder
from kinema.progress import track
from kinema.provenance import file_sha256
from kinema.search import database
from kinema.search.approximate import refresh
from kinema.search.changes import find_changes
from kinema.search.classifier import Classifier, fit_classifier
from kinema.search.database import FORMAT, FileState, connected, get_about, snapshot, transaction
from kinema.search.embedding import (
    EmbeddedWindow,
    Embedder,
    Finished,
    Waiting,
    embed_videos,
    open_embedder,
    unit,
)
from kinema.search.export import write_parquet
from kinema.search.locking import locked
from kinema.search.ranking import Ranker
from kinema.search.results import Added, Answer, By, EmbeddedQuery, Filters, Hit, IndexedVideo, Query, Window
from kinema.search.watching import Labelled, watch
from kinema.search.windows import Windowing, WindowReader

WAYS: tuple[By, ...] = get_args(By)
QUERY_BATCH = 8
"""Windows of a query per forward pass: few, so that there is progress to tell."""
STILL = 0.01
"""Widths per second; a query that moves less has next to no motion to search by."""


class Library:
    """An index on disk, and what can be asked of it. Threads may share one, and several processes may search while one
    adds; each search sees one complete state.

    Args:
        path: the index, a folder; made by the first :meth:`add`.
        encoder: a run's folder or a file of weights; may be left out for an index that exists, which knows its encoder.
        windowing: how videos are cut, for an index that does not exist yet; one that does keeps to its own.
        device: "auto" (every GPU, or the CPU), "cpu", "cuda:1", "cuda:0,cuda:1", ...

    Raises:
        DataError: there is no index and no ``encoder``, or the index belongs to another version of kinema.
    """

    def __init__(
        self,
        path: str | Path,
        encoder: str | Path | None = None,
        *,
        windowing: Windowing | None = None,
        device: str = "auto",
    ):
        self.path = Path(path)
        self._device = device
        self._embedder: Embedder | None = None
        self._source: str | Path | None = encoder
        self._fingerprint: str | None = None
        self._asked, self.windowing = windowing, windowing or Windowing()
        self._ranker = Ranker(self.path)
        if database.has_tables(self.path):
            self._read_about()
        elif encoder is None:
            raise DataError(f"there is no index at {self.path}; make one with `kinema index`")

    @property
    def embedder(self) -> Embedder:
        """The index's encoder, loaded on first use.

        Raises:
            CheckpointError: it cannot be loaded.
            DataError: it is not the one that the index was made with.
        """
        if self._embedder is None:
            assert self._source is not None
            embedder = open_embedder(self._source, self._device)
            if self._fingerprint not in (None, embedder.fingerprint):
                raise DataError(
                    f"{self.path} was made with another encoder than {self._source}; name the one it was made with "
                    "(--encoder), or another folder for a new index (--index)"
                )
            self._embedder = embedder
        return self._embedder

    def add(
        self,
        folder: str | Path,
        *,
        batch_size: int = 64,
        workers: int | None = None,
    ) -> Added:
        """Bring the index up to date with a folder: embed what is new or has changed, forget what is gone.

        What was done is kept when this is stopped, by whatever; the next call goes on.

        Args:
            folder: searched with all folders in it. What was added from other folders stays.
            batch_size: windows per forward pass.
            workers: threads that decode; None for one less than there are cores, at most 16.

        Raises:
            DataError: there is no such folder or no video in it, or another process is adding.
            OutputError: the index cannot be written.
        """
        began, waiting = time.perf_counter(), Waiting()
        root = Path(folder).resolve()
        embedder = self.embedder
        reader = WindowReader(embedder.clip, self.windowing)
        make_folder(self.path)
        with locked(self.path), connected(self.path) as db:
            self._claim(db, embedder)
            with transaction(db):
                db.execute("DELETE FROM staged")  # of a run that was killed
            changes = find_changes(root, database.file_states(db))
            with transaction(db):
                known = get_about(db, "roots") or []
                database.set_about(db, "roots", sorted({*known, str(root)}))
                database.drop_videos(db, changes.deleted)
                for path, state in [*changes.moved.items(), *((state.path, state) for state in changes.touched)]:
                    database.restate_video(db, path, state)
            todo = [*changes.new, *changes.changed]
            items = embed_videos(
                [state.path for state in todo],
                reader,
                embedder,
                batch_size=batch_size,
                workers=workers,
                waiting=waiting,
            )
            windows = _store(db, todo, items)
            refresh(db, self.path)
            found = [video for video in database.indexed_videos(db) if Path(video.path).is_relative_to(root)]
        problems = [video for video in found if video.error]
        problems += [IndexedVideo(path, 0, reason) for path, reason in changes.unreadable.items()]
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
        )

    def search(
        self,
        clip: str | Path | Window | EmbeddedQuery,
        start: float | None = None,
        end: float | None = None,
        *,
        top: int = 10,
        by: By = "motion",
        filters: Filters | None = None,
        exclude: Sequence[str | Path] = (),
        exclude_own: bool = True,
        exact: bool = False,
    ) -> Answer:
        """Find the places that are most like a clip.

        Args:
            clip: a video file, in the library or not, a window of the library, or what :meth:`embed` gave.
            start: seconds; only this part of the file is asked for.
            end: seconds.
            top: how many places, at most.
            by: "motion", or "appearance": what the middle frames look like.
            filters: which windows may be found.
            exclude: video files that are not to be found, nor copies of them.
            exclude_own: nor the clip's own video, or copies of it.
            exact: compare with every window instead of those that the approximate index names.

        Raises:
            ConfigError: ``top`` is not positive, or the part is empty.
            VideoError: the clip cannot be read.
            DataError: there is no index, or it was made with another encoder.
        """
        return self.search_all(
            clip, start, end, top=top, by=(by,), filters=filters, exclude=exclude, exclude_own=exclude_own, exact=exact
        )[0]

    def search_all(
        self,
        clip: str | Path | Window | EmbeddedQuery,
        start: float | None = None,
        end: float | None = None,
        *,
        top: int = 10,
        by: Sequence[By] = ("motion", "appearance"),
        filters: Filters | None = None,
        exclude: Sequence[str | Path] = (),
        exclude_own: bool = True,
        exact: bool = False,
    ) -> list[Answer]:
        """As :meth:`search`, for several ways to compare; the clip is read once."""
        if top < 1:
            raise ConfigError(f"a search gives at least one hit, not {top}")
        asked = clip if isinstance(clip, EmbeddedQuery) else self.embed(clip, start, end)
        query, vectors = asked.query, asked.vectors
        without = [file_sha256(path) for path in exclude]
        if exclude_own:
            without.append(self._content(query.path))
        answers = []
        for way in by:
            began = time.perf_counter()
            hits = self._ranker.nearest(vectors[way], way, top, filters or Filters(), without, exact)
            seconds = time.perf_counter() - began
            answers.append(Answer(query, way, hits, self._warnings(query, way, hits, top), seconds))
        return answers

    @property
    def roots(self) -> list[Path]:
        """The folders that were added."""
        with snapshot(self.path) as db:
            return [Path(root) for root in get_about(db, "roots") or ()]

    @property
    def state(self) -> int:
        """A number that grows with every change of the library."""
        with snapshot(self.path) as db:
            return get_about(db, "state")

    def window(self, number: int) -> Window:
        """A window by its number.

        Raises:
            DataError: there is no such window, or no longer.
        """
        with snapshot(self.path) as db:
            found = list(database.windows_where(db, "windows.id = ?", [number]))
        if not found:
            raise DataError(f"{self.path} has no window {number}, or no longer; ask for its windows again")
        return found[0]

    def windows(self, filters: Filters | None = None) -> list[Window]:
        """The windows of the library that the filters allow, sorted by path and time."""
        with snapshot(self.path) as db:
            return list(database.windows_where(db, *database.condition(filters or Filters())))

    def count(self) -> int:
        """How many windows there are."""
        with snapshot(self.path) as db:
            return db.execute("SELECT count(*) FROM windows").fetchone()[0]

    def sample(self, count: int) -> list[Window]:
        """At most about ``count`` windows, drawn evenly from all by their numbers; sorted by path and time."""
        with snapshot(self.path) as db:
            every = -(-db.execute("SELECT count(*) FROM windows").fetchone()[0] // count)
            return list(database.windows_where(db, "windows.id % ? = 0", [max(1, every)]))

    def videos(self) -> list[IndexedVideo]:
        """The videos of the library, sorted by path; those that cannot be read too, with the reason."""
        with snapshot(self.path) as db:
            return database.indexed_videos(db)

    def vectors(self, ids: Sequence[int], by: By = "motion") -> np.ndarray:
        """(N, D) float32 of length 1: the vectors of windows, in the order asked for.

        Raises:
            DataError: there is no such window, or no longer.
        """
        with snapshot(self.path) as db:
            found, vectors = database.vectors_of(db, by, np.unique(np.asarray(ids, np.int64)))
        missing = sorted(set(ids) - set(found.tolist()))
        if missing:
            raise DataError(f"{self.path} has no window {missing[0]}, or no longer; ask for its windows again")
        return vectors[np.searchsorted(found, np.asarray(ids, np.int64))]

    def thumbnail(self, window: Window | int) -> bytes:
        """The middle frame of a window as JPEG.

        Raises:
            DataError: there is no such window, or no longer.
        """
        number = window if isinstance(window, int) else window.id
        with snapshot(self.path) as db:
            row = db.execute("SELECT thumbnail FROM vectors WHERE id = ?", (number,)).fetchone()
        if row is None:
            raise DataError(f"{self.path} has no window {number}, or no longer; ask for its windows again")
        return row[0]

    def train_classifier(self, labels: Mapping[int, str]) -> Classifier:
        """A classifier of windows from some that were labelled.

        Args:
            labels: by the windows' numbers; at least two different ones.

        Raises:
            DataError: there are not two different labels, or there is no such window.
        """
        assert self._fingerprint is not None, "an index that exists has one"
        return fit_classifier(self.vectors(list(labels)), list(labels.values()), self._fingerprint)

    def watch(self, source: str, classifier: Classifier) -> Iterator[Labelled]:
        """Label the windows of a video file, camera or network stream as they come; see :func:`~.watching.watch`."""
        return watch(source, self.embedder, self.windowing, classifier)

    def export(self, out: str | Path, thumbnails: bool = False) -> int:
        """Write all windows with their vectors to a Parquet file; return how many there are.

        See :func:`~kinema.search.export.write_parquet` for the columns and what is raised.
        """
        about = {"encoder": str(self._source), "fingerprint": self._fingerprint, "windowing": asdict(self.windowing)}
        with snapshot(self.path) as db:
            return write_parquet(db, out, about, thumbnails)

    def embed(
        self,
        clip: str | Path | Window,
        start: float | None = None,
        end: float | None = None,
        progress: Callable[[float], None] | None = None,
    ) -> EmbeddedQuery:
        """Read a clip and give it the vectors that searches compare.

        Args:
            clip: a video file, in the library or not, or a window of the library.
            start: seconds; only this part of the file is read.
            end: seconds.
            progress: told now and then up to which second the file has been read.

        Raises:
            ConfigError: the part is empty.
            VideoError: the clip cannot be read.
            DataError: the index was made with another encoder.
        """
        if isinstance(clip, Window):
            kept = {way: self.vectors([clip.id], way)[0] for way in WAYS}
            return EmbeddedQuery(Query(clip.path, clip.start, clip.end, clip.strength, 1), kept)
        with snapshot(self.path):  # no index is a better reason to fail than an encoder that cannot be loaded
            pass
        if not 0 <= (start or 0.0) < (float("inf") if end is None else end):
            raise ConfigError(f"the part from {start or 0:g} to {end:g} s is empty: let the end come after the start")
        reader = WindowReader(self.embedder.clip, self.windowing)
        sums: dict[By, np.ndarray] = {}
        strength, number, last = 0.0, 0, 0.0
        seen = reader.read(clip, start or 0.0, float("inf") if end is None else end)
        while batch := self.embedder(list(islice(seen, QUERY_BATCH))):
            for way in WAYS:
                sums[way] = sums.get(way, 0) + np.stack([getattr(window, way) for window in batch]).sum(0)
            strength += sum(window.strength for window in batch)
            number, last = number + len(batch), batch[-1].end
            if progress is not None:
                progress(last)
        if not number:
            raise ConfigError(f"{clip} ends before {start:g} s: start earlier")
        query = Query(str(Path(clip).resolve()), start or 0.0, last, strength / number, number)
        return EmbeddedQuery(query, {way: unit(total) for way, total in sums.items()})

    def _warnings(self, query: Query, by: By, hits: Sequence[Hit], top: int) -> tuple[str, ...]:
        said = []
        if by == "motion" and query.strength < STILL:
            said.append(
                f"next to nothing moves in {query.path} ({query.strength:.3f} widths per second), so that its motion "
                "says little; choose a part that moves, or search by appearance"
            )
        gone = sorted({hit.path for hit in hits if not Path(hit.path).exists()})
        if gone:
            said.append(
                f"{gone[0]} {f'and {len(gone) - 1} other hits are' if gone[1:] else 'is'} no longer there; run "
                "`kinema index` again"
            )
        if len(hits) < top:
            said.append(f"the library has only {len(hits)} places that the search allows")
        return tuple(said)

    def _content(self, path: str) -> str:
        with snapshot(self.path) as db:
            row = db.execute("SELECT sha256 FROM videos WHERE path = ?", (path,)).fetchone()
        return row[0] if row else file_sha256(path)

    def _read_about(self) -> None:
        with snapshot(self.path) as db:
            made = get_about(db, "format")
            if made != FORMAT:
                raise DataError(
                    f"{self.path} is an index of format {made}, this version of kinema reads {FORMAT}; "
                    "delete it and run `kinema index` again"
                )
            self._fingerprint = get_about(db, "fingerprint")
            self._source = self._source or get_about(db, "encoder")
            kept = Windowing(**get_about(db, "windowing"))
        if self._asked not in (None, kept):
            raise ConfigError(
                f"{self.path} keeps to windows of {_said(kept)}, not of {_said(self._asked)}: leave length and stride "
                "out, or name another folder for a new index"
            )
        self.windowing = kept

    def _claim(self, db: sqlite3.Connection, embedder: Embedder) -> None:
        """Make the tables if there are none."""
        if database.has_tables(self.path):
            return
        about = {
            "encoder": embedder.source,
            "fingerprint": embedder.fingerprint,
            "windowing": asdict(self.windowing),
            "kinema": __version__,
        }
        db.execute("BEGIN IMMEDIATE")
        database.create_tables(db, about)
        db.execute("COMMIT")
        self._fingerprint = embedder.fingerprint


def _said(windowing: Windowing) -> str:
    length, stride = (f"{value:g} s" if value else "its own" for value in (windowing.length, windowing.stride))
    return f"length {length} and stride {stride}"


def _store(
    db: sqlite3.Connection, todo: Sequence[FileState], items: Iterator[tuple[int, EmbeddedWindow | Finished]]
) -> int:
    """Put videos into the database, each when its last window has come; return how many windows they have."""
    held: dict[int, list[EmbeddedWindow]] = {}
    count = 0
    for number, item in track(items, "Embedding"):
        windows = held.setdefault(number, [])
        if isinstance(item, Finished):
            with transaction(db):
                database.put_video(db, number, todo[number], windows, item.error)
            del held[number]
            continue
        windows.append(item)
        count += 1
        if len(windows) >= database.STAGE:
            with transaction(db):
                database.stage(db, number, windows)
            windows.clear()
    return count
