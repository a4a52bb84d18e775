"""Labels: those of an index, and files of other tools."""

from __future__ import annotations

from datetime import datetime

from jsonargparse.typing import PositiveFloat, PositiveInt

from kinema.commands.printing import done_by, open_labels, print_change, print_notes
from kinema.common.addresses import shown
from kinema.common.streams import in_one_line
from kinema.errors import ConfigError, DataError


def convert_labels(
    source: str,
    target: str,
    from_: str | None = None,
    to: str | None = None,
    fps: PositiveFloat | None = None,
    videos: str | None = None,
) -> None:
    """Convert labels of stretches of videos from one format to another.

    Args:
        source: file of labels, or folder of files of one format.
        target: file to write, where nothing is yet; a folder of such files where its format holds one video each.
        from_: format of SOURCE; by its name and content by default.
        to: format of TARGET; by its name by default.
        fps: frames a second, where times are frames; what the files or the videos say by default.
        videos: folder of the videos that labels are checked against.
    """
    from kinema.annotations import convert

    done = convert(source, target, from_, to, fps, videos)
    print_notes(done.notes)
    print(in_one_line(str(done)))


def import_labels(
    file: str, index: str, from_: str | None = None, fps: PositiveFloat | None = None, by: str | None = None
) -> None:
    """Bring a file of labels into an index, as one change; labels that are there already stay single.

    Args:
        file: file of labels, or folder of files of one format.
        index: folder of the index, which holds the videos that are labelled.
        from_: format of FILE; by its name and content by default.
        fps: frames a second, where times are frames; what the file or the videos say by default.
        by: who made the labels.
    """
    from kinema.annotations import read_intervals
    from kinema.search.labelled_videos import IndexedVideos

    labels = open_labels(index, to_change=True)
    videos = IndexedVideos(index, fps)
    intervals = read_intervals(file, from_, videos)[1]
    try:
        done = labels.add_intervals(intervals, by, videos)
    except (ConfigError, DataError) as error:  # names that tools may give, and an index may not
        raise DataError(f"{file}: {error}") from error
    print_notes(videos.notes)
    there = f", {done.already} were there already" if done.already else ""
    version = "" if done.version is None else f" (change {done.version})"
    print(in_one_line(f"{shown(labels.path)}: {done.added} label{'s' * (done.added != 1)} added{there}{version}"))


def export_labels(file: str, index: str, to: str | None = None) -> None:
    """Write the labels of an index to a file of another tool.

    Args:
        file: file to write, where nothing is yet; a folder of such files where its format holds one video each.
        index: folder of the index, or its address.
        to: format of FILE; by its name by default.
    """
    from kinema.annotations import write_intervals
    from kinema.annotations.conversion import counted
    from kinema.search.connection import named
    from kinema.search.labelled_videos import IndexedVideos

    videos = IndexedVideos(index)
    intervals = open_labels(index).intervals(videos)
    if not intervals:
        raise DataError(
            f"{named(index)} has no labels of videos that it holds; label some on the page, or import a file"
        )
    files = write_intervals(file, intervals, to, videos)
    print_notes(videos.notes)
    print(in_one_line(counted(intervals, files)))


def list_labels(index: str) -> None:
    """List the classes of an index's labels: how many labels each has, and how long they are.

    Args:
        index: folder of the index, or its address.
    """
    labels = open_labels(index)
    state = labels.state()
    width = max([5, *(len(in_one_line(one.name)) for one in state.classes)])
    print(f"{'class':{width}}  colour   {'labels':>8}  {'seconds':>12}  {'mean':>9}")
    for one in state.classes:
        mean = f"{one.seconds / one.count:.2f}" if one.count else "-"
        print(f"{in_one_line(one.name):{width}}  {one.colour}  {one.count:8}  {one.seconds:12.2f}  {mean:>9}")
    if missing := labels.missing():
        print(f"note: {missing} of the {state.total} labels are of videos that the index does not hold now")


def rename_labels(old: str, new: str, index: str, by: str | None = None) -> None:
    """Give a class of an index's labels another name, as one change; where another class has that, they become one.

    Args:
        old: name of the class.
        new: what it is to be called.
        index: folder of the index.
        by: who renames it.
    """
    labels = open_labels(index, to_change=True)
    before = {one.name: one.count for one in labels.state().classes}
    change = labels.rename(old, new, by)
    old, new = old.strip(), new.strip()
    if change is None:
        print(in_one_line(f"{labels.path}: the class is called {new!r} already"))
        return
    count, joined = before[old], f", which has {before[new] + before[old]} now" if new in before else ""
    said = f"{count} label{'s' * (count != 1)} of {old!r} {'is' if count == 1 else 'are'} now of {new!r}{joined}"
    print(in_one_line(f"{labels.path}: {said} (change {change})"))


def undo_labels(index: str, change: PositiveInt | None = None) -> None:
    """Undo a change of an index's labels, as a change of its own, which kinema labels redo takes back.

    Args:
        index: folder of the index, or its address.
        change: its number in the history; the last one that has not been undone by default.
    """
    print_change(open_labels(index, to_change=True), "undo", change)


def redo_labels(index: str, change: PositiveInt | None = None) -> None:
    """Do a change of an index's labels again that was undone.

    Args:
        index: folder of the index, or its address.
        change: its number in the history; the one that was undone last by default.
    """
    print_change(open_labels(index, to_change=True), "redo", change)


def show_history(index: str, count: PositiveInt = 20) -> None:
    """Show who changed an index's labels when, newest first.

    Args:
        index: folder of the index, or its address.
        count: changes that are shown.
    """
    for one in open_labels(index).history(count=count):
        when = datetime.fromtimestamp(one.at).strftime("%Y-%m-%d %H:%M:%S")
        what = one.kind if one.kind == "change" else f"{one.kind} of {one.of}"
        what += "" if one.done else " (undone)"
        print(in_one_line(f"{one.version:6}  {when}  {what}: {done_by(one)}, by {one.by or '-'}"))
