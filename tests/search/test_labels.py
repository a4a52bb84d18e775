"""Labels beside the index: kept, renamed, undone, and by whom they are seen."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from kinema.errors import ConfigError, DataError, OutputError
from kinema.search import Labels, Library
from kinema.search.labels import FILE


def given(labels: Labels) -> dict[int, str]:
    return labels.examples()


def test_what_is_given_is_kept_and_seen_by_others(library):
    first, second = Labels(library.path), Labels(library.path)
    windows = [window.id for window in library.windows()]
    assert first.set(windows[0], " wave ") == 1
    assert second.set(windows[1], "jump") == 2, "neither writes over the other"
    assert given(first) == given(second) == {windows[0]: "wave", windows[1]: "jump"}
    assert first.state().names == ("wave", "jump")
    assert second.set(windows[1], "jump") == 2, "nothing has changed"
    first.set(windows[1], None)
    first.close()
    assert given(Labels(library.path)) == {windows[0]: "wave"}


def test_renaming_keeps_the_place_among_the_names_and_may_join_two(library):
    labels, windows = Labels(library.path), [window.id for window in library.windows()]
    for window, name in zip(windows, ("wave", "jump", "wave", "run"), strict=False):
        labels.set(window, name)
    labels.rename("wave", "hello")
    assert labels.state().names == ("hello", "jump", "run")
    joined = labels.rename("run", "jump")
    assert sorted(given(labels).values()) == ["hello", "hello", "jump", "jump"]
    labels.undo(joined)
    assert sorted(given(labels).values()) == ["hello", "hello", "jump", "run"]
    with pytest.raises(DataError, match="nothing is labelled 'wave' any longer"):
        labels.rename("wave", "x")


def test_each_change_can_be_undone_once_and_never_over_later_ones(library):
    labels, windows = Labels(library.path), [window.id for window in library.windows()]
    for window in windows[:3]:
        labels.set(window, "wave")
    cleared = labels.clear()
    assert given(labels) == {} and labels.state().undoable == cleared
    labels.set(windows[0], "jump")
    labels.undo(cleared)
    assert given(labels) == {windows[0]: "jump", windows[1]: "wave", windows[2]: "wave"}
    with pytest.raises(DataError, match="undone already"):
        labels.undo(cleared)
    while (last := labels.state().undoable) is not None:
        labels.undo(last)
    assert given(labels) == {}


def test_labels_stay_with_the_place_when_a_video_moves_and_the_index_is_made_anew(library, folder, encoder):
    labels, window = Labels(library.path), library.windows()[2]
    labels.set(window.id, "wave")
    moved = folder / "moved.mp4"
    Path(window.path).rename(moved)
    shutil.copy(moved, folder / "zcopy.mp4")
    (library.path / "windows.sqlite").unlink()
    again = Library(library.path, encoder)
    again.add(folder)
    (label,) = Labels(library.path).state().labels
    assert {Path(one.path).name for one in label.windows} == {"moved.mp4", "zcopy.mp4"}
    assert {one.start for one in label.windows} == {window.start}
    assert len(Labels(library.path).examples()) == 1, "a copy teaches nothing more"


def test_labels_of_what_is_gone_are_kept_aside(library, folder):
    labels, window = Labels(library.path), library.windows()[0]
    labels.set(window.id, "wave")
    kept = Path(window.path).read_bytes()
    Path(window.path).unlink()
    library.add(folder)
    assert given(labels) == {} and len(labels.state().labels) == 1
    Path(window.path).write_bytes(kept)
    library.add(folder)
    assert list(given(labels).values()) == ["wave"]


@pytest.mark.parametrize("name", ["", "  ", "x" * 61, "half \ud800", "two\nlines", "nul\0", 3, ["x"]])
def test_names_that_cannot_be(library, name):
    labels = Labels(library.path)
    with pytest.raises(ConfigError, match="a label h"):
        labels.set(library.windows()[0].id, name)
    assert labels.version() == 0
    with pytest.raises(DataError, match="the library has no window 999999"):
        labels.set(999999, "wave")


def test_many_at_once_lose_nothing(library):
    windows = [window.id for window in library.windows()]

    def give(part: list[int]) -> None:
        mine = Labels(library.path)
        for window in part:
            mine.set(window, f"label {window}")

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(give, (windows[n::4] for n in range(4))))
    labels = Labels(library.path)
    assert given(labels) == {window: f"label {window}" for window in windows}
    assert labels.version() == len(windows)


def test_a_damaged_file_is_named(library):
    (library.path / FILE).write_bytes(b"no database" * 100)
    with pytest.raises(DataError, match=f"{FILE} is damaged or holds no labels"):
        Labels(library.path)


def test_a_file_that_is_refused_does_not_stay_locked(library):
    with sqlite3.connect(library.path / FILE) as db:
        db.execute("CREATE VIEW steps AS SELECT 1")  # no table, which comes out after others have been written
    with pytest.raises(OutputError, match="cannot keep labels in") as refusal:
        Labels(library.path)
    assert refusal.value.__traceback__ is not None, "what it held on to is still referred to"
    with sqlite3.connect(library.path / FILE, timeout=0) as db:
        db.execute("BEGIN IMMEDIATE")


def test_too_many_are_refused_and_the_rest_stays(library, monkeypatch):
    from kinema.search import labels as module

    monkeypatch.setattr(module, "MOST", 1)
    labels, windows = Labels(library.path), library.windows()
    labels.set(windows[0].id, "wave")
    with pytest.raises(ConfigError, match="up to 1 labels"):
        labels.set(windows[1].id, "wave")
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


def test_a_read_only_index_is_searched_and_its_labels_stay_as_they_are(library):
    windows = library.windows()
    Labels(library.path).set(windows[1].id, "theirs")
    expected = library.search(windows[0], top=3).hits
    before = {path.name: path.read_bytes() for path in library.path.iterdir()}
    with who_may_not_write(library.path):
        assert Library(library.path).search(windows[0], top=3).hits == expected
        labels = Labels(library.path)
        assert (labels.kept, given(labels)) == (False, {windows[1].id: "theirs"})
        labels.set(windows[0].id, "mine")
        assert given(labels) == {windows[1].id: "theirs", windows[0].id: "mine"}
        with pytest.raises(OutputError, match="cannot write"):
            library.add(Path(windows[0].path).parent)
    assert {path.name: path.read_bytes() for path in library.path.iterdir()} == before
    assert given(Labels(library.path)) == {windows[1].id: "theirs"}
