"""The videos that labels belong to: where they lie, how fast their frames follow, how long they are."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path, PurePosixPath

from kinema.annotations.interval import Interval
from kinema.errors import DataError, first_few
from kinema.video import Video, VideoInfo, find_videos
from kinema.video.folder import SUFFIXES

SLACK = 0.05  # seconds by which a label may outlast its video, beside one frame: tools and headers round


class LabelledVideos:
    """What is known of videos: from the user, and from a folder that holds them, below which they have their names.

    Args:
        folder: searched with all folders in it; None where there is none.
        fps: frames a second of all videos, over what files say; None to go by them.

    Attributes:
        searched: where videos are looked for, as sentences name it; empty where nowhere.
        mend: what to do where one is not there.

    Raises:
        DataError: there is no such folder.
    """

    mend = "name their folder with --videos"

    def __init__(self, folder: str | Path | None = None, fps: float | None = None):
        self.folder = None if folder is None else Path(folder)
        self.searched = "" if folder is None else str(folder)
        self._fps = fps
        self._known: dict[str, VideoInfo] = {}
        self.notes: list[str] = []
        """Sentences about what was left out or changed on the way."""
        if self.folder is not None and not self.folder.is_dir():
            raise DataError(f"{folder} is not a folder; --videos names the folder that holds the videos")

    def fps(self, file: str, said: object = None) -> float:
        """Frames a second: what the user says, else what the file of labels says, else what the video's header does.

        Args:
            file: the video.
            said: what the file of labels says of it, if anything.

        Raises:
            DataError: nothing says.
            VideoError: the video cannot be read.
        """
        if self._fps is not None:
            return self._fps
        if isinstance(said, int | float) and 0 < said < math.inf:
            return float(said)
        info = self.info(file)
        if info is None or not info.fps:
            raise DataError(
                f"its times are frames, and nothing says how many of {file} make a second; give --fps N, or the folder "
                "of videos with --videos"
            )
        return info.fps

    def info(self, file: str) -> VideoInfo | None:
        """What the header of a video says; None where no videos are searched.

        Raises:
            DataError: it is not there, or nobody can say which one is meant.
            VideoError: it cannot be read.
        """
        if not self.searched:
            return None
        name = self.find(file)
        if name is None:
            raise DataError(f"there is no {file} in {self.searched}; bring it, or {self.mend}")
        if name not in self._known:
            with Video(self._paths[name]) as video:
                self._known[name] = video.info
        return self._known[name]

    def find(self, file: str) -> str | None:
        """What the video is called that a path, name or name without ending means; None if there is none.

        Of a path that was written on another machine counts as much of its end as is known.

        Raises:
            DataError: several could be meant.
        """
        path = PurePosixPath(file)
        for mark in ((), ("",))[: 1 if path.suffix.lower() in SUFFIXES else 2]:
            for count in range(len(path.parts), 0, -1):
                found = self._by_tail.get((*path.parts[-count:], *mark), [])
                if file in found or len(found) == 1:
                    return file if file in found else found[0]
                if found:
                    raise DataError(
                        f"{file} could be any of {first_few(found)} in {self.searched}; write its path there"
                    )
        return None

    def path(self, name: str) -> str:
        """Where a video lies that :meth:`find` has named."""
        return str(self._paths[name])

    def placed(self, intervals: Sequence[Interval]) -> list[Interval]:
        """The intervals, their videos as those that are searched are called, if any are.

        Raises:
            DataError: videos are not there, or a label goes beyond the end of its video.
            VideoError: a video cannot be read.
        """
        if not self.searched:
            return list(intervals)
        names = {file: self.find(file) for file in dict.fromkeys(one.file for one in intervals)}
        gone = [file for file, name in names.items() if name is None]
        if gone:
            labels = sum(names[one.file] is None for one in intervals)
            counted = f"names {len(gone)} video{'s' * (len(gone) > 1)} ({labels} label{'s' * (labels > 1)})"
            raise DataError(f"{counted} not in {self.searched}: {first_few(gone)}; correct them or {self.mend}")
        found = [replace(one, file=names[one.file] or "") for one in intervals]
        for one in found:
            check_end(one.file, one.end, one.label, *self._length(one.file))
        return found

    def _length(self, name: str) -> tuple[float, float]:
        """Seconds and frames a second of a video; 0 where nothing says."""
        info = self.info(name)
        assert info is not None
        return info.duration, info.fps

    @cached_property
    def _paths(self) -> Mapping[str, Path]:
        """Where the videos lie, by what they are called."""
        assert self.folder is not None
        return {path.relative_to(self.folder).as_posix(): path for path in find_videos(self.folder)[0]}

    @cached_property
    def _by_tail(self) -> dict[tuple[str, ...], list[str]]:
        """The videos by each end of their paths, and by each without the suffix, marked by an empty part."""
        found: dict[tuple[str, ...], list[str]] = {}
        for name in self._paths:
            path = PurePosixPath(name)
            for count in range(1, len(path.parts) + 1):
                tail = path.parts[-count:]
                for key in (tail, (*tail[:-1], path.stem, "")):
                    found.setdefault(key, []).append(name)
        return found


def check_end(video: str, end: float, label: str, lasts: float, fps: float) -> None:
    """Make sure that a label ends with its video.

    Args:
        video: its name.
        end: of the label, in seconds.
        label: its class.
        lasts: seconds of the video; 0 where nothing says.
        fps: its frames a second; 0 where nothing says.

    Raises:
        DataError: it goes beyond the end, by more than a frame and what tools and headers round.
    """
    if lasts and end > lasts + SLACK + (1 / fps if fps else 0):
        raise DataError(
            f"an interval of {label!r} goes to {end:.3f} s, and {video} lasts only {lasts:.3f} s; mend the label, or "
            "the frame rate (--fps) if its times are frames"
        )
