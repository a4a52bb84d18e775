"""Labels beside the index: kept, renamed, undone, and by whom they are seen."""

from __future__ import annotations

import os
import shutil
import sqlite3
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
from a_server import IN_A_FOLDER

from kinema.annotations import Interval
from kinema.errors import ConfigError, DataError, OutputError
from kinema.search import Labels, Library
from kinema.search.label_acts import Add, Change, LabelConflict, MakeClass, Remove, Rename
from kinema.search.label_classes import PALETTE
from kinema.search.label_file import FILE


def given(labels: Labels) -> dict[int, str]:
    return labels.examples()


def names(labels: Labels) -> list[str]:
    return [one.name for one in labels.state().classes]


def test_what_is_given_is_kept_and_seen_by_others(copied):
    first, second = Labels(copied.path), Labels(copied.path)
    windows = [window.id for window in copied.windows()]
    assert first.add(" wave ", windows[0]) == 1
    assert second.add("jump", windows[1]) == 2, "neither writes over the other"
    assert given(first) == given(second) == {windows[0]: "wave", windows[1]: "jump"}
    assert names(first) == ["wave", "jump"]
    assert second.add("jump", windows[1]) == 2 and second.version() == 2, "an identical one is there already"
    first.remove(2)
    first.close()
    assert given(Labels(copied.path)) == {windows[0]: "wave"}


def test_labels_are_intervals_and_points_that_may_overlap(copied):
    labels, window = Labels(copied.path), copied.windows()[0]
    long = labels.add("wave", window.id, 0.1, 0.7, subject="left one", by="ann")
    point = labels.add("touch", window.id, 0.3, 0.3)
    within = labels.add("wave", window.id, 0.2, 0.4)
    count, (first, second, third) = labels.of_video(window.id)
    assert (count, first.id, second.id, third.id) == (3, long, within, point)
    assert (first.start, first.end, first.label, first.subject, first.by) == (0.1, 0.7, "wave", "left one", "ann")
    assert (third.start, third.end, third.by) == (0.3, 0.3, None) and abs(third.at - time.time()) < 600
    assert labels.of_video(window.id, 0.5, 9.0)[1] == [first]
    assert labels.of_video(window.id, most=1) == (3, [first])
    assert labels.of_class("wave") == [second, first], "newest first"
    wave, touch = labels.state().classes
    assert (wave.name, wave.count, wave.seconds) == ("wave", 2, pytest.approx(0.8))
    assert (touch.name, touch.count, touch.seconds) == ("touch", 1, 0)
    assert wave.colour != touch.colour and {wave.colour, touch.colour} <= set(PALETTE)


@pytest.mark.parametrize(
    ("start", "end", "said"),
    [
        (0.5, 0.2, "ends at 0.2 s, before it begins at 0.5 s"),
        (-1, 0.2, "before the video does"),
        (float("nan"), 0.5, "are no times"),
        (0, 9, "goes to 9.000 s, and .*.mp4 lasts only 0.750 s"),
    ],
)
def test_intervals_that_cannot_be(copied, start, end, said):
    labels, window = Labels(copied.path), copied.windows()[0]
    with pytest.raises(DataError, match=said):
        labels.add("wave", window.id, start, end)
    number = labels.add("wave", window.id)
    with pytest.raises(DataError, match=said):
        labels.change(number, start=start, end=end)
    assert labels.version() == 1


def test_changes_are_made_in_one_version_or_not_at_all(copied):
    labels, window = Labels(copied.path), copied.windows()[0]
    number = labels.add("wave", window.id, 0.0, 0.6)
    ((_, (whole,)), content) = labels.of_video(window.id), labels.with_ids([number])[0].content
    split = labels.do([Change(number, whole.version, end=0.3), Add(content, 0.3, 0.6, "wave")], by="ann")
    new = split.ids[1]
    assert split.version == 2 and split.ids[0] == number != new
    assert [(one.start, one.end, one.version) for one in labels.of_video(window.id)[1]] == [(0, 0.3, 2), (0.3, 0.6, 2)]
    merged = labels.do([Change(number, 2, end=0.6), Remove(new, 2)])
    assert [(one.id, one.end) for one in labels.of_video(window.id)[1]] == [(number, 0.6)]
    labels.undo(merged.version)
    assert len(labels.of_video(window.id)[1]) == 2
    before = labels.version()
    with pytest.raises(DataError, match="there is no class 'hop'"):
        labels.do([Remove(number), Rename("hop", "jump")])
    assert labels.version() == before and len(labels.of_video(window.id)[1]) == 2
    with pytest.raises(ConfigError, match="a label has 1 to 120"):
        labels.do([MakeClass("run"), MakeClass(" ")])
    assert names(labels) == ["wave"]


def test_a_label_that_another_has_changed_is_not_written_over(copied):
    mine, theirs = Labels(copied.path), Labels(copied.path)
    window = copied.windows()[0]
    number, other = mine.add("wave", window.id, 0.0, 0.5), mine.add("wave", window.id, 0.5, 0.6)
    seen = {one.id: one.version for one in mine.with_ids([number, other])}
    theirs.change(number, end=0.4)
    with pytest.raises(LabelConflict, match="changed by somebody else meanwhile") as refusal:
        mine.do([Remove(other, seen[other]), Change(number, seen[number], end=0.3)])
    assert refusal.value.ids == (number,)
    assert [one.end for one in mine.with_ids([number, other])] == [0.4, 0.6], "all or nothing"
    theirs.undo()
    assert mine.do([Change(number, seen[number], end=0.3)]).version, "it is again as it was seen"
    theirs.remove(number)
    with pytest.raises(LabelConflict):
        mine.change(number, end=0.2)


def test_renaming_keeps_the_place_among_the_names_and_may_join_two(copied):
    labels, windows = Labels(copied.path), [window.id for window in copied.windows()]
    for window, name in zip(windows, ("wave", "jump", "wave", "run"), strict=False):
        labels.add(name, window)
    labels.rename("wave", "hello")
    assert names(labels) == ["hello", "jump", "run"]
    joined = labels.rename("run", "jump")
    assert sorted(given(labels).values()) == ["hello", "hello", "jump", "jump"] and names(labels) == ["hello", "jump"]
    labels.undo(joined)
    assert sorted(given(labels).values()) == ["hello", "hello", "jump", "run"] and names(labels)[2:] == ["run"]
    with pytest.raises(DataError, match="there is no class 'wave', or no longer"):
        labels.rename("wave", "x")


def test_classes_have_colours_and_are_deleted_with_their_labels(copied):
    labels, windows = Labels(copied.path), [window.id for window in copied.windows()]
    labels.do([MakeClass("none yet"), MakeClass("red", "#FF0000")])
    assert [(one.colour, one.count) for one in labels.state().classes] == [(PALETTE[0], 0), ("#ff0000", 0)]
    for name in ("wave", "jump"):
        labels.add(name, windows[0])
    labels.recolour("wave", "#123abc")
    assert {one.name: one.colour for one in labels.state().classes}["wave"] == "#123abc"
    labels.delete("wave")
    assert names(labels) == ["none yet", "red", "jump"] and labels.state().total == 1
    labels.undo()
    assert {one.name: (one.colour, one.count) for one in labels.state().classes}["wave"] == ("#123abc", 1)
    for colour in ("red", "#12345", "#12345g", 3, None):
        with pytest.raises(ConfigError, match="is no colour"):
            labels.recolour("wave", colour)


@IN_A_FOLDER
def test_labels_stay_with_the_place_when_a_video_moves_and_the_index_is_made_anew(library, folder, encoder):
    labels, window = Labels(library.path), library.windows()[2]
    labels.add("wave", window.id)
    moved = folder / "moved.mp4"
    Path(window.path).rename(moved)
    shutil.copy(moved, folder / "zcopy.mp4")
    (library.path / "windows.sqlite").unlink()
    again = Library(library.path, encoder)
    again.add(folder)
    (interval,) = Labels(library.path).intervals()
    assert interval == Interval("moved.mp4", window.start, window.end, "wave")
    assert len(Labels(library.path).examples()) == 1, "a copy teaches nothing more"
    (copy,) = [one for one in again.windows() if one.path.endswith("zcopy.mp4") and one.start == window.start]
    assert Labels(library.path).of_windows([copy.id])[copy.id].classes == ("wave",)


def test_labels_of_what_is_gone_are_kept_aside(library, folder):
    labels, window = Labels(library.path), library.windows()[0]
    labels.add("wave", window.id)
    kept = Path(window.path).read_bytes()
    Path(window.path).unlink()
    library.add(folder)
    assert given(labels) == {} and labels.intervals() == [] and labels.state().total == labels.missing() == 1
    Path(window.path).write_bytes(kept)
    library.add(folder)
    assert list(given(labels).values()) == ["wave"] and labels.missing() == 0


@pytest.mark.parametrize("name", ["", "  ", "x" * 121, "half \ud800", "two\nlines", "nul\0", 3, ["x"]])
def test_names_that_cannot_be(copied, name):
    labels = Labels(copied.path)
    with pytest.raises(ConfigError, match="a label h"):
        labels.add(name, copied.windows()[0].id)
    assert labels.version() == 0
    with pytest.raises(DataError, match="the library has no window 999999"):
        labels.add("wave", 999999)


def test_many_at_once_lose_nothing(copied):
    windows = [window.id for window in copied.windows()]

    def give(part: list[int]) -> None:
        mine = Labels(copied.path)
        for window in part:
            mine.add(f"label {window}", window)

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(give, (windows[n::4] for n in range(4))))
    labels = Labels(copied.path)
    assert given(labels) == {window: f"label {window}" for window in windows}
    assert labels.version() == len(windows)


@IN_A_FOLDER
def test_a_file_of_labels_that_another_makes_meanwhile_is_kept(copied, monkeypatch):
    real, path = os.access, copied.path / FILE
    assert not path.exists()

    def access(asked, mode):
        there = real(asked, mode)
        if Path(asked) == path and not there:
            path.touch()
        return there

    monkeypatch.setattr(os, "access", access)
    assert Labels(copied.path).kept


@IN_A_FOLDER
def test_a_damaged_file_is_named(copied):
    (copied.path / FILE).write_bytes(b"no database" * 100)
    with pytest.raises(DataError, match=f"{FILE} is damaged or holds no labels"):
        Labels(copied.path)


@IN_A_FOLDER
def test_a_file_that_is_refused_does_not_stay_locked(copied):
    with sqlite3.connect(copied.path / FILE) as db:
        db.execute("CREATE VIEW labels AS SELECT 1")  # no table, which comes out after others have been written
    with pytest.raises(OutputError, match="cannot keep labels in") as refusal:
        Labels(copied.path)
    assert refusal.value.__traceback__ is not None, "what it held on to is still referred to"
    with sqlite3.connect(copied.path / FILE, timeout=0) as db:
        db.execute("BEGIN IMMEDIATE")


def test_too_many_are_refused_and_the_rest_stays(copied, monkeypatch):
    from kinema.search import labels as module

    monkeypatch.setattr(module, "MOST", 1)
    labels, windows = Labels(copied.path), copied.windows()
    labels.add("wave", windows[0].id)
    with pytest.raises(ConfigError, match="up to 1 labels"):
        labels.add("wave", windows[1].id)
    assert len(given(labels)) == labels.version() == 1


@contextmanager
def who_may_not_write(folder: Path) -> Iterator[None]:
    """This process as one that may read a folder and not write it; a superuser has to become nobody for that."""
    paths = [folder, *folder.iterdir()]
    for path in paths:
        path.chmod(0o555 if path.is_dir() else 0o444)
    for parent in folder.parents[:4]:
        parent.chmod(parent.stat().st_mode | 0o055)
    user = os.getuid()
    if user == 0:
        os.setresuid(65534, 65534, 0)
    try:
        yield
    finally:
        if user == 0:
            os.setresuid(0, 0, 0)
        for path in paths:
            path.chmod(0o755)


@IN_A_FOLDER
def test_a_read_only_index_is_searched_and_its_labels_stay_as_they_are(library):
    windows = library.windows()
    Labels(library.path).add("theirs", windows[1].id)
    expected = library.search(windows[0], top=3).hits
    before = {path.name: path.read_bytes() for path in library.path.iterdir()}
    with who_may_not_write(library.path):
        assert Library(library.path).search(windows[0], top=3).hits == expected
        labels = Labels(library.path)
        assert (labels.kept, given(labels)) == (False, {windows[1].id: "theirs"})
        labels.add("mine", windows[0].id)
        assert given(labels) == {windows[1].id: "theirs", windows[0].id: "mine"}
        with pytest.raises(OutputError, match="cannot write"):
            library.add(Path(windows[0].path).parent)
    assert {path.name: path.read_bytes() for path in library.path.iterdir()} == before
    assert given(Labels(library.path)) == {windows[1].id: "theirs"}
