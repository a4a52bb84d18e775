"""A library of videos that can be searched by movement."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from kinema import __version__
from kinema.addresses import resolved, shown
from kinema.errors import ConfigError, DataError
from kinema.files import make_folder
from kinema.locking import locked
from kinema.search import connection, database
from kinema.search.about import get_about, get_record, set_map
from kinema.search.asking import WAYS, bounds, embed_clip, part_of, warnings_about
from kinema.search.comparing import BASIS, MIRROR, WHITENING, kept_basis
from kinema.search.connection import connected, snapshot
from kinema.search.contents import Contents
from kinema.search.database import FORMAT
from kinema.search.ranking import Ranker
from kinema.search.results import Added, Answer, By, EmbeddedQuery, Filters, Query, Window
from kinema.search.windowing import Windowing
from kinema.video.identity import content_sha256, size_and_time
from kinema.whitening import Basis

if TYPE_CHECKING:
    from kinema.search.classifier import Classifier
    from kinema.search.embedding import Embedder
    from kinema.search.watching import Labelled
    from kinema.search.windows import SeenWindow

LOCK = "lock"
"""File by which one process at a time adds to an index."""


class Library(Contents):
    """An index on disk, and what can be asked of it. Threads may share one, and several processes may search while one
    adds; each search sees one complete state.

    Args:
        path: the index, a folder; made by the first :meth:`add`.
        encoder: whatever :func:`kinema.models.open_encoder` takes; None for the encoder of an index that exists, and
            for motion, which comes with kinema, where a new one is to be made.
        windowing: how videos are cut, for an index that does not exist yet; one that does keeps to its own.
        mirror: whether a movement and its mirror image count as alike (True unless it is given), likewise.
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
        mirror: bool | None = None,
        device: str = "auto",
    ):
        super().__init__(path)
        self._device = device
        self._embedder: Embedder | None = None
        self._named = encoder is not None
        self._source: str | Path | None = encoder
        self._fingerprint: str | None = None
        self._basis: Basis | None = None
        self._asked, self.windowing = windowing, windowing or Windowing()
        self.mirror = mirror is None or mirror
        self._ranker = Ranker(self.path)
        if database.has_tables(self.path):
            self._read_about()
            if mirror not in (None, self.mirror):
                raise ConfigError(
                    f"in {self.path} mirror images count as {'alike' if self.mirror else 'different'}: leave mirror "
                    "out, or name another folder for a new index"
                )
        elif encoder is None:
            raise connection.no_index(self.path)

    @property
    def embedder(self) -> Embedder:
        """The index's encoder, loaded on first use.

        Raises:
            CheckpointError: it cannot be loaded.
            DataError: it is not the one that the index was made with.
        """
        if self._embedder is None:
            from kinema.search.embedding import open_embedder

            assert self._source is not None
            embedder = open_embedder(self._source, self._device)
            if self._fingerprint not in (None, embedder.fingerprint):
                raise DataError(
                    f"{self.path} was made with another encoder than {self._source}; name the one it was made with "
                    "(--encoder), or another folder for a new index (--index)"
                )
            embedder.basis = self._basis
            self._embedder = embedder
        return self._embedder

    def add(
        self,
        folder: str | Path,
        *,
        batch_size: int = 64,
        workers: int | None = None,
        cluster: str | None = None,
    ) -> Added:
        """Bring the index up to date with a folder: embed what is new or has changed, forget what is gone.

        What was done is kept when this is stopped, by whatever; the next call goes on.

        Args:
            folder: or its address; searched with all folders in it. What was added from other folders stays.
            batch_size: windows per forward pass.
            workers: threads that decode; None for as many as there are cores, at most 16.
            cluster: whose machines decode and embed, all of which see the folder and the encoder under their names
                (:mod:`kinema.cluster`); None for this process.

        Raises:
            DataError: there is no such folder or no video in it.
            OutputError: another process is adding, or the index cannot be written.
        """
        from kinema.search.adding import bring_up_to_date
        from kinema.search.windows import WindowReader

        embedder = self.embedder
        reader = WindowReader(embedder.clip, self.windowing)
        make_folder(self.path)
        busy = f"another process is adding to {self.path}; wait until it has ended"
        with locked(self.path / LOCK, busy), connected(self.path) as db:
            root = resolved(folder)
            self._claim(db, embedder, root)
            return bring_up_to_date(
                db,
                self.path,
                root,
                embedder,
                reader,
                batch_size=batch_size,
                workers=workers,
                cluster=cluster,
                device=self._device,
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
        within: bool = False,
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
            within: but other places of it are, those that do not overlap the clip.
            exact: compare with every window instead of those that the approximate index names.

        Raises:
            ConfigError: ``top`` is not positive, or the part is empty.
            VideoError: the clip cannot be read.
            DataError: there is no index, or it was made with another encoder.
        """
        return self.search_all(
            clip,
            start,
            end,
            top=top,
            by=(by,),
            filters=filters,
            exclude=exclude,
            exclude_own=exclude_own,
            within=within,
            exact=exact,
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
        within: bool = False,
        exact: bool = False,
    ) -> list[Answer]:
        """As :meth:`search`, for several ways to compare; the clip is read once."""
        if top < 1:
            raise ConfigError(f"a search gives at least one hit, not {top}")
        asked = clip if isinstance(clip, EmbeddedQuery) else self.embed(clip, start, end)
        query, vectors = asked.query, asked.vectors
        without, apart, own = [content_sha256(path) for path in exclude], None, False
        if exclude_own and within:
            apart = self._content(query.path), query.start, query.end
        elif exclude_own:
            content = self._content(query.path)
            without.append(content)
            with snapshot(self.path) as db:
                where, bound = database.condition(filters or Filters())
                own = bool(database.ids_where(db, f"{where} AND videos.sha256 = ?", [*bound, content]).size)
        allowed = database.condition(filters or Filters(), without, apart)
        answers = []
        for way in by:
            began = time.perf_counter()
            hits = self._ranker.nearest(vectors[way], way, top, allowed, exact)
            seconds = time.perf_counter() - began
            typical = self._ranker.typical(vectors[way], way)
            warnings = warnings_about(query, way, hits, top, own)
            if complaint := self._ranker.complaint(way):
                warnings = complaint, *warnings
            answers.append(Answer(query, way, hits, warnings, seconds, *typical))
        return answers

    def train_classifier(self, labels: Mapping[int, str]) -> Classifier:
        """A classifier of windows from some that were labelled.

        Args:
            labels: by the windows' numbers; at least two different ones.

        Raises:
            DataError: there are not two different labels, or there is no such window.
        """
        from kinema.search.classifier import fit_classifier

        assert self._fingerprint is not None, "an index that exists has one"
        return fit_classifier(self.vectors(list(labels)), list(labels.values()), self._fingerprint)

    def watch(self, source: str, classifier: Classifier) -> Iterator[Labelled]:
        """Label the windows of a video file, camera or network stream as they come; see :func:`~.watching.watch`.

        Raises:
            DataError: the classifier was trained with another encoder.
            VideoError: the source cannot be opened, or breaks off.
        """
        from kinema.search.watching import watch
        from kinema.search.windows import WindowReader

        embedder = self.embedder
        if classifier.fingerprint != embedder.fingerprint:
            raise DataError(
                f"the classifier was trained with another encoder than {embedder.source}; train it on this index"
            )

        def label(seen: SeenWindow) -> np.ndarray:
            (embedded,) = embedder([seen])
            return classifier.predict(embedded.motion[None])[0]

        return watch(source, WindowReader(embedder.clip, self.windowing), classifier.classes, label)

    def export(self, out: str | Path, thumbnails: bool = False) -> int:
        """Write all windows with their vectors to a Parquet file; return how many there are.

        See :func:`~kinema.search.export.write_parquet` for the columns and what is raised.
        """
        from kinema.search.export import write_parquet

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
        """Give a clip the vectors that searches compare.

        Args:
            clip: a video file, in the library or not, or a window of the library. A whole file that the library knows
                and that has not changed is not read, since its vectors are there, unless an encoder was named.
            start: seconds; only this part of the file is read. Of a window's video nothing is read: with a start or an
                end it stands for that part of its video, whose vectors are known.
            end: seconds.
            progress: told now and then up to which second the file has been read.

        Raises:
            ConfigError: the part is empty.
            VideoError: the clip cannot be read.
            DataError: the index was made with another encoder.
        """
        if isinstance(clip, Window):
            return self._kept(clip, start, end)
        if (start, end) == (None, None) and not self._named and (windows := self._unchanged(clip)):
            return self._query(windows, 0.0, windows[-1].end)
        with snapshot(self.path):  # no index is a better reason to fail than an encoder that cannot be loaded
            pass
        from kinema.search.windows import WindowReader

        reader = WindowReader(self.embedder.clip, self.windowing)
        return embed_clip(clip, start, end, self.embedder, reader, progress)

    def _kept(self, window: Window, start: float | None, end: float | None) -> EmbeddedQuery:
        """A window, or a part of its video, with the vectors that the index keeps."""
        windows, span = [window], (window.start, window.end)
        if (start, end) != (None, None):
            span = bounds(start, end)
            windows = part_of(self.windows_of(window.path), *span)
            span = span[0], min(span[1], max(window.end for window in windows))
        return self._query(windows, *span)

    def _unchanged(self, clip: str | Path) -> list[Window]:
        """The windows of a whole video of the library that is as it was when it was indexed; otherwise none."""
        path = shown(resolved(clip))
        with snapshot(self.path) as db:
            query = "SELECT size, mtime FROM videos WHERE path = ? AND error = ''"
            known = db.execute(query, (path,)).fetchone()
            if known is None or known != size_and_time(path):
                return []
            return list(database.windows_where(db, "path = ?", [path]))

    def _query(self, windows: Sequence[Window], start: float, end: float) -> EmbeddedQuery:
        """Windows of a video with the vectors that the index keeps."""
        ids = [window.id for window in windows]
        strength = sum(window.strength for window in windows) / len(windows)
        vectors = {way: self.vectors(ids, way) for way in WAYS}
        return EmbeddedQuery(Query(windows[0].path, start, end, strength, len(windows)), vectors)

    def _content(self, path: str) -> str:
        with snapshot(self.path) as db:
            row = db.execute("SELECT sha256 FROM videos WHERE path = ?", (path,)).fetchone()
        return row[0] if row else content_sha256(path)

    def _read_about(self) -> None:
        with snapshot(self.path) as db:
            made = get_about(db, "format", int)
            if made != FORMAT:
                raise DataError(
                    f"{self.path} is an index of format {made}, this version of kinema reads {FORMAT}; "
                    "delete it and run `kinema index` again"
                )
            self._fingerprint = get_about(db, "fingerprint", str)
            self._source = self._source or get_about(db, "encoder", str)
            if None in (self._fingerprint, self._source):
                raise sqlite3.DatabaseError("it does not say which encoder it belongs to")
            kept = get_record(db, "windowing", Windowing) or Windowing()
            self.mirror = get_about(db, MIRROR, bool) is True
            self._basis = kept_basis(db)
        if self._asked not in (None, kept):
            raise ConfigError(
                f"{self.path} keeps to windows of {_said(kept)}, not of {_said(self._asked)}: leave length and stride "
                "out, or name another folder for a new index"
            )
        self.windowing = kept

    def _claim(self, db: sqlite3.Connection, embedder: Embedder, root: Path) -> None:
        """Make the tables if there are none, with what vectors are compared by, as far as the folder's videos tell."""
        if database.has_tables(self.path):
            return
        from kinema.search.fitting import copied_features, fit_basis, fit_whitening, some_places
        from kinema.video import find_videos

        paths = find_videos(root)[0]
        features = copied_features(some_places(paths, embedder) if paths else [], embedder, self.mirror)
        basis = fit_basis(features, embedder)
        whitening = fit_whitening(features, basis)
        about = {
            "encoder": embedder.source,
            "fingerprint": embedder.fingerprint,
            "windowing": asdict(self.windowing),
            MIRROR: self.mirror,
            "kinema": __version__,
        }
        db.execute("BEGIN IMMEDIATE")
        database.create_tables(db, about)
        set_map(db, BASIS, basis.to_bytes())
        set_map(db, WHITENING, None if whitening is None else whitening.to_bytes())
        db.execute("COMMIT")
        self._fingerprint, self._basis = embedder.fingerprint, basis
        embedder.basis = basis


def _said(windowing: Windowing) -> str:
    length, stride = (f"{value:g} s" if value else "its own" for value in (windowing.length, windowing.stride))
    return f"length {length} and stride {stride}"
