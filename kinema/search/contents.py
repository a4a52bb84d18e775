"""What an index holds."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from kinema.boxes.box import Place
from kinema.common.addresses import shown
from kinema.errors import DataError
from kinema.search import database
from kinema.search.about import get_about, get_list
from kinema.search.connection import snapshot, store_of
from kinema.search.placing import places_of
from kinema.search.results import By, Filters, IndexedVideo, Window
from kinema.search.sampling import evenly
from kinema.search.values import among
from kinema.search.video_windows import ComparedVideo, VideoWindows, compared_video, video_windows


class Contents:
    """Reads an index, each time in its state of that moment.

    Everything raises :class:`~kinema.errors.DataError` if there is no index.

    Args:
        path: the index: a folder, or the address of a server.

    Raises:
        ConfigError: it is no such address.
        OutputError: it is an address of something else.
    """

    def __init__(self, path: str | Path):
        self.path = store_of(path).path

    @property
    def name(self) -> str:
        """What the index is called among others: the last part of its path or address."""
        return store_of(self.path).name

    @property
    def roots(self) -> list[Path]:
        """The folders that were added."""
        with snapshot(self.path) as db:
            return [Path(root) for root in get_list(db, "roots", str) or ()]

    @property
    def state(self) -> int:
        """A number that grows with every change of the library."""
        with snapshot(self.path) as db:
            return get_about(db, "state", int) or 0

    def window(self, number: int) -> Window:
        """A window by its number.

        Raises:
            DataError: there is no such window, or no longer.
        """
        with snapshot(self.path) as db:
            found = list(database.windows_where(db, "windows.id = ?", [number]))
        if not found:
            raise self._missing(number)
        return found[0]

    def windows(self, filters: Filters | None = None) -> list[Window]:
        """The windows of the library that the filters allow, sorted by path and time."""
        with snapshot(self.path) as db:
            return list(database.windows_where(db, *database.condition(filters or Filters())))

    def windows_of(self, path: str) -> list[Window]:
        """The windows of a video, sorted by time."""
        with snapshot(self.path) as db:
            return list(database.windows_where(db, "path = ?", [path]))

    def video_windows(self, path: str) -> VideoWindows:
        """The windows of a video as columns, for one that has many; none where there is no such video."""
        with snapshot(self.path) as db:
            return video_windows(db, path)

    def compared_video(self, path: str) -> ComparedVideo:
        """The windows of a video with their motion as searches compare it, which takes as much memory as is stored.

        Raises:
            DataError: there is no such video, or no longer.
        """
        with snapshot(self.path) as db:
            found = compared_video(db, path)
        if not len(found.windows):
            raise DataError(f"{self.path} has no windows of {path}, or no longer; ask for its videos again")
        return found

    def places(self, ids: Sequence[int]) -> dict[int, Place]:
        """Where in the picture windows lie, by their numbers; nothing of an index of whole frames."""
        with snapshot(self.path) as db:
            return places_of(db, ids)

    def count(self) -> int:
        """How many windows there are."""
        with snapshot(self.path) as db:
            return db.execute("SELECT count(*) FROM windows").fetchone()[0]

    def sample(self, count: int) -> list[Window]:
        """At most ``count`` windows, drawn evenly from all by their numbers; sorted by path and time."""
        with snapshot(self.path) as db:
            ids = database.all_ids(db)
            drawn = ids[evenly(len(ids), count)].tolist()
            return list(database.windows_where(db, f"windows.id {among(drawn)}", []))

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
            raise self._missing(missing[0])
        return vectors[np.searchsorted(found, np.asarray(ids, np.int64))]

    def thumbnail(self, window: Window | int) -> bytes:
        """The middle frame of a window as JPEG.

        Raises:
            DataError: there is no such window, or no longer.
        """
        number = window if isinstance(window, int) else window.id
        with snapshot(self.path) as db:
            picture = database.thumbnail_of(db, number)
        if picture is None:
            raise self._missing(number)
        return picture

    def _missing(self, number: int) -> DataError:
        return DataError(f"{shown(self.path)} has no window {number}, or no longer; ask for its windows again")
