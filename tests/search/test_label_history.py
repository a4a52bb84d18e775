"""The history of labels: undone, redone, never over what came later, and carried over from the first format."""

from __future__ import annotations

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from a_server import IN_A_FOLDER

from kinema.errors import DataError
from kinema.search import Labels, Library
from kinema.search.connection import snapshot
from kinema.search.label_acts import Add, Change, Clear, Delete, LabelConflict, MakeClass, Recolour, Remove, Rename
from kinema.search.label_file import FILE
from kinema.search.labelled_videos import place_of_window

OLD = Path(__file__).parent / "samples" / "labels_1.sql"


def content(labels: Labels) -> list[tuple[object, ...]]:
    """All that labels say, but for versions."""
    classes = [(one.name, one.colour) for one in labels.state().classes]
    rows = [
        (one.id, one.content, one.start, one.end, one.label, one.subject, one.by, one.at)
        for name, _ in classes
        for one in labels.of_class(name)
    ]
    return [*classes, *sorted(rows, key=lambda row: row[0])]


def test_each_change_can_be_undone_once_and_never_over_later_ones(copied):
    labels, windows = Labels(copied.path), [window.id for window in copied.windows()]
    for window in windows[:3]:
        labels.add("wave", window)
    numbers = [one.id for one in labels.of_class("wave")]
    cleared = labels.clear()
    assert labels.examples() == {} and labels.state().undoable == cleared
    labels.undo(cleared)
    moved = labels.change(numbers[0], start=0.1)
    labels.redo(cleared)
    assert [one.id for one in labels.of_class("wave")] == [numbers[0]], "what was moved since stays"
    with pytest.raises(DataError, match="this change holds already"):
        labels.redo(cleared)
    labels.undo(moved)
    with pytest.raises(DataError, match="this change has been undone already"):
        labels.undo(moved)
    with pytest.raises(DataError, match="there is no change 99 of labels"):
        labels.undo(99)
    while labels.state().undoable is not None:
        labels.undo()
    assert content(labels) == []
    with pytest.raises(DataError, match="there is no change to undo"):
        labels.undo()


def test_later_changes_over_all_of_one_are_said(copied):
    labels, window = Labels(copied.path), copied.windows()[0].id
    number = labels.add("wave", window)
    labels.change(number, end=0.3)
    labels.rename("wave", "hello")
    labels.change(number, end=0.2)
    with pytest.raises(DataError, match="later changes lie over all that change 2 did"):
        labels.undo(2)


def test_undo_and_redo_go_back_and_forth_until_something_new_is_done(copied):
    labels, window = Labels(copied.path), copied.windows()[0].id
    states = [content(labels)]
    number = labels.add("wave", window)
    for change in (
        lambda: labels.change(number, end=0.2, label="jump"),
        lambda: labels.do([Change(number, end=0.1), Rename("jump", "hop"), Recolour("wave", "#000000")]),
        lambda: labels.rename("hop", "wave"),
        lambda: labels.do([Delete("wave"), MakeClass("wave")]),
        labels.clear,
    ):
        states.append(content(labels))
        change()
    states.append(content(labels))
    done = len({str(state) for state in states}) - 1
    for _ in range(2):
        for state in states[-2::-1][-done:]:
            labels.undo()
            assert content(labels) == state
        for state in states[1 : done + 1]:
            labels.redo()
            assert content(labels) == state
    labels.undo()
    assert labels.state().redoable is not None
    labels.add("new", window)
    assert labels.state().redoable is None
    with pytest.raises(DataError, match="there is no change to redo"):
        labels.redo()


def test_any_changes_are_taken_back_to_what_was_before(copied):
    """Random acts, and random undoing and redoing among them, against a list of what there was."""
    rng = np.random.default_rng(0)
    labels, windows = Labels(copied.path), copied.windows()
    with snapshot(copied.path) as db:
        contents = [place_of_window(db, window.id)[0] for window in windows]
    before: dict[int, list[object]] = {}

    def act():
        numbers = [one.id for one in labels.with_ids(range(100))] or [1]
        number, name, other = int(rng.choice(numbers)), *rng.choice(list("abcd"), 2).tolist()
        start, length = rng.integers(0, 3, 2).tolist()
        return [
            Add(str(rng.choice(contents)), start / 10, (start + length) / 10, name),
            Change(number, start=start / 10, end=(start + length) / 10),
            Change(number, label=name, subject=other),
            Remove(number),
            Rename(name, other),
            Delete(name),
            Clear(),
            Recolour(name, f"#{int(rng.integers(16**6)):06x}"),
        ][int(rng.choice(8, p=[0.35, 0.15, 0.15, 0.1, 0.1, 0.05, 0.05, 0.05]))]

    for _ in range(150):
        was, undoable = content(labels), labels.state().undoable
        try:
            version = labels.do([act() for _ in range(rng.integers(1, 4))]).version
        except (DataError, LabelConflict):
            assert content(labels) == was and labels.state().undoable == undoable
            continue
        if version is not None:
            before[version] = was
        if rng.random() < 0.2:
            now = content(labels)
            undone = [labels.state().undoable for _ in range(rng.integers(1, 4)) if labels.state().undoable]
            for _ in undone:
                if (change := labels.state().undoable) is not None:
                    labels.undo()
                    assert content(labels) == before[change]
            while labels.state().redoable is not None:
                labels.redo()
            assert content(labels) == now
    while (change := labels.state().undoable) is not None:
        labels.undo()
        assert content(labels) == before[change]
    assert content(labels) == []


def test_history_says_who_did_what(copied):
    labels, window = Labels(copied.path), copied.windows()[0].id
    number = labels.add("wave", window, by="ann")
    labels.do([Change(number, end=0.3), Add(labels.with_ids([1])[0].content, 0.3, 0.5, "jump")], by="ben")
    labels.undo(by="ann")
    rows = [(one.version, one.by, one.kind, one.of, one.done, one.added, one.changed, one.removed)
            for one in labels.history()]  # fmt: skip
    assert rows == [
        (3, "ann", "undo", 2, True, 0, 1, 1),
        (2, "ben", "change", 2, False, 1, 1, 0),
        (1, "ann", "change", 1, True, 1, 0, 0),
    ]
    assert [one.version for one in labels.history(before=3, count=1)] == [2]


def test_history_says_in_words_what_became_of_classes(copied):
    labels, window = Labels(copied.path), copied.windows()[0].id
    labels.add("wave", window)
    red, blue = "#ff0000", "#0000ff"
    labels.do([Recolour("wave", red), MakeClass("jump", red)])
    labels.rename("wave", "👋, hello")
    labels.do([Rename("jump", "sit"), Recolour("sit", blue)])
    labels.rename("👋, hello", "sit")
    labels.undo()
    labels.delete("sit")
    labels.do([Rename("👋, hello", "x"), Rename("x", "👋, hello")])
    said = [(one.version, [str(change) for change in one.classes]) for one in reversed(labels.history())]
    (first,) = labels.history(2)
    was = first.classes[0].new_colour
    assert said == [
        (1, ["class 'wave' added"]),
        (2, [f"class 'wave' recoloured from {was} to {red}", "class 'jump' added"]),
        (3, ["class 'wave' renamed '👋, hello'"]),
        (4, [f"class 'jump' renamed 'sit' and recoloured from {red} to {blue}"]),
        (5, ["class '👋, hello' removed"]),
        (6, ["class '👋, hello' added"]),
        (7, ["class 'sit' removed"]),
        (8, []),
    ]
    assert said[2:4] == [(one.version, list(map(str, one.classes))) for one in reversed(labels.history(5, 2))]


def carried(copied: Library) -> Labels:
    """The labels that an earlier version of kinema wrote, those of the library's first videos."""
    text = OLD.read_text()
    with snapshot(copied.path) as db:
        for number, window in enumerate(copied.windows()[:6:2]):
            text = text.replace(f"CONTENT{number}", place_of_window(db, window.id)[0])
    with closing(sqlite3.connect(copied.path / FILE)) as db:
        db.executescript(text)
    return Labels(copied.path)


@IN_A_FOLDER
def test_labels_of_the_first_format_are_carried_over_with_their_history(copied):
    windows = [window.id for window in copied.windows()]
    labels = carried(copied)
    now = {windows[0]: "wave", windows[2]: "jump", windows[3]: "jump", windows[4]: "wave"}
    assert labels.examples() == now
    state = labels.state()
    assert [(one.name, one.count) for one in state.classes] == [("wave", 2), ("jump", 2)]
    assert (state.version, state.undoable) == (11, 11)
    labels.undo()
    assert labels.examples() == now | {windows[3]: "run"}
    done = [one.version for one in labels.history() if one.kind == "change" and one.done]
    assert done == [10, 5, 4, 3, 2, 1], "6 and 8 were undone by 7 and 9"
    labels.undo()
    labels.undo()
    assert labels.examples() == {windows[0]: "wave", windows[1]: "wave", windows[2]: "jump", windows[3]: "run"}
    while labels.state().undoable is not None:
        labels.undo()
    assert labels.state().total == 0


@IN_A_FOLDER
def test_an_old_file_is_carried_over_once_by_many_at_once_and_a_later_one_is_refused(copied):
    expected = carried(copied)
    version = expected.version()
    expected.close()
    (copied.path / FILE).unlink()
    text = OLD.read_text()
    with closing(sqlite3.connect(copied.path / FILE)) as db:
        db.executescript(text)
    with ThreadPoolExecutor(4) as threads:
        opened = list(threads.map(lambda _: Labels(copied.path), range(4)))
    assert {(one.version(), one.state().total) for one in opened} == {(version, 4)}
    with closing(sqlite3.connect(copied.path / FILE)) as db:
        db.execute("PRAGMA user_version = 3")
    with pytest.raises(DataError, match="a later version of kinema made"):
        Labels(copied.path)
