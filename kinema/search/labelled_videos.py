"""The videos of an index: what they are called, as labels name them, and what labels know of them."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from os.path import commonpath
from pathlib import Path

from kinema.annotations.videos import LabelledVideos, check_end
from kinema.common.addresses import shown
from kinema.errors import DataError, KinemaError, blaming
from kinema.search import values
from kinema.search.about import get_list
from kinema.search.connection import named, snapshot
from kinema.search.store import Database

AT_A_TIME = 500
"""Values of a query."""


@dataclass(frozen=True)
class VideoRow:
    """An indexed video.

    Attributes:
        path: absolute.
        content: SHA-256.
        first: the number of its first window.
        end: where its last window ends, in seconds.
    """

    path: str
    content: str
    first: int
    end: float


class IndexedVideos(LabelledVideos):
    """The videos of an index, called by their paths below its folders, as the page calls them.

    Args:
        index: its folder.
        fps: frames a second of all videos, over what files say; None to go by them.

    Raises:
        DataError: there is no index.
    """

    mend = "run `kinema index` on the folder that holds them"

    def __init__(self, index: str | Path, fps: float | None = None):
        super().__init__(fps=fps)
        self.searched = f"the index {named(index)}"
        with snapshot(index) as db:
            rows = _videos(db, "1 = 1", ())
            roots = naming_roots([Path(root) for root in get_list(db, "roots", str) or ()], [row.path for row in rows])
        self._rows: dict[str, VideoRow] = {}
        self._names: dict[str, str] = {}
        for row in rows:
            name = short_name(row.path, roots)
            name = shown(row.path) if name in self._rows else name  # two folders of one name hold one of its name
            self._rows[name] = row
            self._names.setdefault(row.content, name)
        self._lengths: dict[str, tuple[float, float]] = {}

    def content(self, name: str) -> str:
        """The content of a video that :meth:`find` has named."""
        return self._rows[name].content

    def path(self, name: str) -> str:
        """The absolute path of a video that :meth:`find` has named."""
        return self._rows[name].path

    def name(self, content: str) -> str | None:
        """What the first video with a content is called; None if there is none."""
        return self._names.get(content)

    @cached_property
    def _paths(self) -> Mapping[str, Path]:
        return {name: Path(row.path) for name, row in self._rows.items()}

    def _length(self, name: str) -> tuple[float, float]:
        if name not in self._lengths:
            self._lengths[name] = length(self._rows[name])
        return self._lengths[name]


def check_ends(
    index: Path, labels: Sequence[tuple[str, float, str]], lengths: dict[str, tuple[float, float]], gone: bool = False
) -> None:
    """Make sure that labels end with their videos.

    Args:
        index: what is called so.
        labels: content, end in seconds and class of each.
        lengths: those of videos that have been looked up, by content; others are put there.
        gone: whether videos may be missing.

    Raises:
        DataError: a label goes beyond its video's end, or there is no such video.
    """
    if not labels:
        return
    with snapshot(index) as db:
        rows = videos_with(db, (content for content, _, _ in labels))
    for content, end, label in labels:
        if content in rows:
            if content not in lengths:
                lengths[content] = length(rows[content])
            check_end(Path(rows[content].path).name, end, label, *lengths[content])
        elif not gone:
            raise DataError("the library no longer holds the video that is to be labelled; index it again")


def length(row: VideoRow) -> tuple[float, float]:
    """Seconds of a video, or up to where its last window ends if that is later, and frames a second.

    Both are 0 where it cannot be read: an index knows windows, which may end before their video does.
    """
    from kinema.data.clips import timeline
    from kinema.video import Video

    try:
        with blaming(row.path), Video(row.path) as video:
            lasts = timeline(video)
    except KinemaError:
        return 0.0, 0.0
    return max(lasts.duration, row.end), lasts.fps


def video_of_window(db: Database, number: int) -> VideoRow:
    """The video that a window belongs to.

    Raises:
        DataError: there is no such window.
    """
    found = _videos(db, "videos.id = (SELECT video FROM windows WHERE id = ?)", (number,))
    if not found:
        raise DataError(f"the library has no window {number}, or no longer; search again")
    return found[0]


def place_of_window(db: Database, number: int) -> tuple[str, float, float]:
    """The content of a window's video, and its start and end in seconds, which stay when the index is made anew.

    Raises:
        DataError: there is no such window.
    """
    query = 'SELECT sha256, start, "end" FROM windows JOIN videos ON windows.video = videos.id WHERE windows.id = ?'
    place = db.execute(query, (number,)).fetchone()
    if place is None:
        raise DataError(f"the library has no window {number}, or no longer; search again")
    return place


def videos_with(db: Database, contents: Iterable[str]) -> dict[str, VideoRow]:
    """The first video with each of the contents that there are."""
    wanted, found = list(dict.fromkeys(contents)), dict[str, VideoRow]()
    for at in range(0, len(wanted), AT_A_TIME):
        part = wanted[at : at + AT_A_TIME]
        for row in _videos(db, f"sha256 IN ({', '.join('?' * len(part))})", part):
            found.setdefault(row.content, row)
    return found


def _videos(db: Database, where: str, bound: Iterable[object]) -> list[VideoRow]:
    """The videos that have windows, of those that meet a condition, in the order in which they were added."""
    query = f"""SELECT path, sha256, first, ending FROM (
                    SELECT videos.id AS id, path, sha256,
                    (SELECT id FROM windows WHERE video = videos.id ORDER BY start LIMIT 1) AS first,
                    (SELECT "end" FROM windows WHERE video = videos.id ORDER BY start DESC LIMIT 1) AS ending
                    FROM videos WHERE {where}
                ) AS found WHERE first IS NOT NULL ORDER BY path"""
    return [
        VideoRow(values.text(path), values.text(content), first, values.of_kind(ending, float))
        for path, content, first, ending in db.execute(query, tuple(bound))
    ]


def naming_roots(roots: Sequence[Path], paths: Sequence[str]) -> tuple[Path, ...]:
    """The folders that were indexed, or what all videos have in common, of an index of before folders were noted."""
    if not roots and paths:
        return (Path(commonpath([str(Path(path).parent) for path in paths])),)
    return tuple(roots)


def base_of(path: Path, roots: Sequence[Path]) -> Path | None:
    """Below which folder a video is named: its indexed folder, or the one around it if there are several."""
    root = next((root for root in roots if path.is_relative_to(root)), None)
    return root.parent if root is not None and len(roots) > 1 else root


def short_name(path: str, roots: Sequence[Path]) -> str:
    """A video's path below its indexed folder, which comes first where there are several; its bare name elsewhere."""
    base = base_of(Path(path), roots)
    return Path(path).name if base is None else Path(path).relative_to(base).as_posix()


def short_names(paths: Iterable[str], roots: Sequence[Path]) -> Iterator[str]:
    """As :func:`short_name`, of many: each folder is looked at once."""
    before: dict[str, str] = {}
    for path in paths:
        folder, name = os.path.split(path)
        if folder not in before:
            before[folder] = short_name(path, roots).removesuffix(name)
        yield before[folder] + name
