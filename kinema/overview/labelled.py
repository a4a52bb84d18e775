"""Labels with the files of their videos and the colours of their classes, from an index or from a file of labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from kinema.annotations.files import read_intervals
from kinema.annotations.interval import Interval, by_file
from kinema.annotations.videos import LabelledVideos
from kinema.errors import DataError, KinemaError, first_few
from kinema.search.connection import named
from kinema.search.label_classes import next_colour
from kinema.search.labelled_videos import IndexedVideos
from kinema.search.labels import Labels


@dataclass(frozen=True)
class LabelledFiles:
    """Labels of videos that are there.

    Attributes:
        intervals: the labels.
        paths: where the video lies that they name, by that name.
        colours: of each class as ``#rrggbb``, in the order in which classes are shown.
        notes: sentences on what was left out.
    """

    intervals: tuple[Interval, ...]
    paths: Mapping[str, str]
    colours: Mapping[str, str]
    notes: tuple[str, ...] = ()

    def of(self, label: str) -> list[Interval]:
        """The labels of a class."""
        return [one for one in self.intervals if one.label == label]


class _PassesOver(LabelledVideos):
    """Leaves labels out, by name, that are not of the videos that are there, where others refuse them."""

    def placed(self, intervals: Sequence[Interval]) -> list[Interval]:
        gone: list[str] = []
        found: list[Interval] = []
        for file, part in by_file(intervals).items():
            try:
                if self.find(file) is None:
                    gone.append(file)
                else:
                    found += super().placed(part)
            except KinemaError as error:
                self.notes.append(f"left out: {error}")
        if gone:
            self.notes.append(f"labels of videos that are not in {self.searched} are left out: {first_few(gone)}")
        return found


class _OfIndex(_PassesOver, IndexedVideos):
    pass


def labels_in_files(
    file: str | Path, videos: str | Path, format: str | None = None, fps: float | None = None
) -> LabelledFiles:
    """The labels of a file, of whatever format, and the videos in a folder that they belong to.

    Args:
        file: file of labels, or folder of files of one format.
        videos: folder of the videos.
        format: of the labels; None to go by name and content.
        fps: frames a second, where times are frames; None for what files say.

    Raises:
        ConfigError: there is no such format.
        DataError: the labels cannot be read, or are of none of the videos.
    """
    return _read(file, format, _PassesOver(videos, fps))


def labels_in_index(
    index: str | Path, file: str | Path | None = None, format: str | None = None, fps: float | None = None
) -> LabelledFiles:
    """The labels that are kept with an index, or those of a file, of its videos.

    Args:
        index: its folder.
        file: file of labels; None for the index's own, of which there may be none.
        format: of the labels; None to go by name and content.
        fps: frames a second, where times are frames; None for what files say.

    Raises:
        ConfigError: there is no such format.
        DataError: there is no index, or the labels cannot be read, or are of none of its videos.
    """
    videos = _OfIndex(index, fps)
    with closing(Labels(index, keep=False)) as labels:
        colours = {one.name: one.colour for one in labels.state().classes}
        if file is not None:
            return _read(file, format, videos, colours)
        return _with_colours(labels.intervals(videos), videos, colours)


def no_labels(index: str | Path) -> DataError:
    """What to say of an index without labels."""
    return DataError(
        f"{named(index)} has no labels of videos that it holds: give some on its page (`kinema serve`), bring a file "
        "of them in (`kinema labels import`), or name one (--labels)"
    )


def _read(
    file: str | Path, format: str | None, videos: _PassesOver, colours: Mapping[str, str] | None = None
) -> LabelledFiles:
    try:
        found = read_intervals(file, format, videos)[1]
    except DataError as error:
        if not videos.notes:
            raise
        raise DataError(f"{file} has no label of a video in {videos.searched}; {videos.mend}") from error
    return _with_colours(found, videos, colours or {})


def _with_colours(intervals: Sequence[Interval], videos: LabelledVideos, known: Mapping[str, str]) -> LabelledFiles:
    names = {one.label for one in intervals}
    colours = {name: colour for name, colour in known.items() if name in names}
    for name in sorted(names - colours.keys()):
        colours[name] = next_colour(colours.values())
    files = dict.fromkeys(one.file for one in intervals)
    return LabelledFiles(
        tuple(intervals), {file: videos.path(file) for file in files}, colours, tuple(dict.fromkeys(videos.notes))
    )
