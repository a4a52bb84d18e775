"""What a library is asked, and what it answers."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from kinema.common.addresses import resolved, shown
from kinema.config.windows import Windowing
from kinema.errors import ConfigError
from kinema.search import database
from kinema.search.asking import WAYS, bounds, embed_clip, part_of, query_clip, warnings_about
from kinema.search.connection import snapshot
from kinema.search.contents import Contents
from kinema.search.ranking import Ranker
from kinema.search.results import Answer, By, EmbeddedQuery, Filters, Query, Window
from kinema.search.video_windows import ComparedVideo
from kinema.video.fragment import fragment_of, whole_of
from kinema.video.identity import content_sha256, size_and_time

if TYPE_CHECKING:
    from kinema.search.embedder import Embedder


class Queries(Contents):
    """An index that exists, its encoder, and searches; :class:`~kinema.search.Library` is one.

    Args:
        path: the index.
        named: whether the encoder was named by the caller, who means that one and no vectors made before.

    Attributes:
        windowing: how videos are cut.
    """

    windowing: Windowing

    def __init__(self, path: str | Path, named: bool):
        super().__init__(path)
        self._named = named
        self._ranker = Ranker(self.path)

    @property
    def embedder(self) -> Embedder:
        """The index's encoder."""
        raise NotImplementedError

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
        without, apart, own = [content_sha256(whole_of(path)) for path in exclude], None, False
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

    def outstanding(self, query: EmbeddedQuery, video: ComparedVideo) -> np.ndarray:
        """How far each window of a video stands out of the library with a query, in spreads.

        Args:
            query: what :meth:`embed` gave.
            video: what :meth:`compared_video` gave.

        Returns:
            (N,) float32, in the order of time: what :meth:`~.results.Answer.outstanding` says of a hit.
        """
        vectors = query.vectors["motion"]
        middle, spread = self._ranker.typical(vectors, "motion")
        return (video.scores(vectors) - np.float32(middle)) / np.float32(spread)

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
        clip, start, end = _whole(clip, start, end)
        if (start, end) == (None, None) and not self._named and (windows := self._unchanged(clip)):
            return self._query(windows, 0.0, windows[-1].end)
        with snapshot(self.path):  # no index is a better reason to fail than an encoder that cannot be loaded
            pass
        from kinema.search.windows import WindowReader

        reader = WindowReader(query_clip(self.embedder.clip, clip), self.windowing)
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


def _whole(clip: str | Path, start: float | None, end: float | None) -> tuple[str | Path, float | None, float | None]:
    """The video that a clip is a part of, which is what must not be found, and the seconds of it that are asked for."""
    if (part := fragment_of(clip)) is None:
        return clip, start, end
    return part.path, part.start + (start or 0.0), part.end if end is None else min(part.end, part.start + end)
