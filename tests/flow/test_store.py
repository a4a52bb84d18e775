"""A folder of flow: one recipe, one writer, nothing overwritten."""

from __future__ import annotations

import json
import multiprocessing
import shutil
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kinema.errors import ConfigError, DataError, OutputError
from kinema.flow import FlowStore
from kinema.flow.store import stored_names

FORK = multiprocessing.get_context("fork")  # a new interpreter would load all of torch first
RECIPE = {"estimator": "dis", "size": (3, 4)}


@pytest.fixture(scope="module")
def fields() -> list[tuple[float, np.ndarray]]:
    draw = np.random.default_rng(0)
    return [(0.1 * number, draw.normal(size=(2, 6, 5)).astype(np.float32)) for number in range(12)]


def test_names_are_those_of_the_manifest(tmp_path, fields):
    store = FlowStore(tmp_path / "new" / "store", RECIPE)
    names = ["a/b.mp4", "a/b.avi", "ä ö.mp4", "x.flow.mp4"]
    for name in names:
        assert not store.has(name)
        written = store.write(name, name[::-1], fields)
        assert store.has(name)
    assert stored_names(store.folder) == sorted(names)
    again = FlowStore(tmp_path / "new" / "store", RECIPE)
    assert all(np.array_equal(again.open(name, name[::-1]).read([3]), written.read([3])) for name in names)
    with pytest.raises(DataError, match=r"holds the flow of an earlier a/b.avi, which has changed since"):
        again.open("a/b.avi", "another")


def test_what_a_killed_writer_left_goes_when_the_video_is_written(tmp_path, fields):
    store = FlowStore(tmp_path, RECIPE)
    for left in (".a.mp4.1234.tmp.flow", ".aa.mp4.1234.tmp.flow"):
        (tmp_path / left).write_bytes(b"half")
    assert stored_names(tmp_path) == []
    store.write("a.mp4", "x", fields)
    assert sorted(path.name for path in tmp_path.glob("*.flow")) == [".aa.mp4.1234.tmp.flow", "a.mp4.flow"]


def test_another_recipe_is_refused_and_says_what_differs(tmp_path):
    FlowStore(tmp_path, RECIPE)
    FlowStore(tmp_path, dict(reversed(RECIPE.items())))
    before = (tmp_path / "store.json").read_bytes()
    with pytest.raises(
        ConfigError, match=r"was made otherwise \(level was None, is 2; size was \[3, 4\], is \[3, 5\]\); use the same"
    ):
        FlowStore(tmp_path, {"estimator": "dis", "size": [3, 5], "level": 2})
    assert (tmp_path / "store.json").read_bytes() == before


def test_a_folder_that_is_no_store_is_left_alone(tmp_path):
    (tmp_path / "thesis.tex").write_text("mine")
    with pytest.raises(ConfigError, match="is neither empty nor a flow store: choose another folder"):
        FlowStore(tmp_path, RECIPE)
    with pytest.raises(OutputError, match=r"cannot write .*thesis\.tex: Not a directory"):
        FlowStore(tmp_path / "thesis.tex", RECIPE)
    assert [path.name for path in tmp_path.iterdir() if not path.name.startswith(".")] == ["thesis.tex"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"format": 3, "recipe": {}}', "has format 3 of flow stores, this kinema reads 2: update kinema"),
        ('{"format": 1, "recipe": {}}', "has format 1 of flow stores, this kinema reads 2: extract it again"),
        ('{"format": 2}', r"store\.json is damaged, or no description of a flow store .*: put back a copy"),
        ("[]", r"store\.json is damaged"),
        ('{"format": "x", "recipe": {}}', r"store\.json is damaged"),
        ("\x00", r"store\.json is damaged"),
    ],
)
def test_a_description_of_another_version_or_a_damaged_one(tmp_path, text, words):
    (tmp_path / "store.json").write_text(text)
    with pytest.raises(DataError, match=words):
        FlowStore(tmp_path, RECIPE)
    assert (tmp_path / "store.json").read_text() == text


def test_a_flipped_byte_in_the_description_is_refused_or_changes_nothing(tmp_path):
    FlowStore(tmp_path / "a", RECIPE)
    whole = (tmp_path / "a" / "store.json").read_bytes()
    for place in range(len(whole)):
        for flip in (1, 32, 128):
            data = bytearray(whole)
            data[place] ^= flip
            (tmp_path / "a" / "store.json").write_bytes(data)
            try:
                store = FlowStore(tmp_path / "a", RECIPE)
            except (DataError, ConfigError):
                continue
            assert store.recipe == json.loads(whole)["recipe"]


# who writes


def hold(folder: Path, held: Any) -> None:
    """Write a store until the end."""
    with FlowStore(folder, RECIPE).writing():
        held.set()
        time.sleep(600)


@pytest.fixture
def holder(tmp_path):
    """Another process that writes the store until it is killed."""
    processes = []

    def begin() -> multiprocessing.Process:
        held = FORK.Event()
        processes.append(FORK.Process(target=hold, args=(tmp_path / "store", held)))
        processes[-1].start()
        assert held.wait(60)
        return processes[-1]

    yield begin
    for process in processes:
        process.kill()
        process.join()


def test_two_writers_of_one_store(tmp_path, holder):
    first = holder()
    store = FlowStore(tmp_path / "store", RECIPE)
    with (
        pytest.raises(OutputError, match="another process is writing to it; wait for it, or use another folder"),
        store.writing(),
    ):
        pass
    first.kill()  # and what it held is free
    first.join()
    with store.writing():
        pass


def begin(folder: Path, together: Any) -> None:
    together.wait()
    FlowStore(folder, RECIPE)


def test_processes_that_begin_a_store_together(tmp_path):
    for attempt in range(5):
        together = FORK.Barrier(4)
        processes = [FORK.Process(target=begin, args=(tmp_path / str(attempt), together)) for _ in range(4)]
        for process in processes:
            process.start()
        for process in processes:
            process.join()
        assert [process.exitcode for process in processes] == [0] * 4


def test_a_store_that_cannot_be_written_to(tmp_path):
    store = FlowStore(tmp_path / "store", RECIPE)
    (store.folder / ".writing").mkdir()
    with (
        pytest.raises(OutputError, match=r"cannot write .*\.writing: is a directory; choose a folder with"),
        store.writing(),
    ):
        pass
    shutil.rmtree(store.folder)
    Path(store.folder).write_text("in the way")
    with pytest.raises(OutputError, match="Not a directory"):
        store.write("a.mp4", "x", [(0.0, np.zeros((2, 2, 2), np.float32))])


def test_the_disk_is_full(tmp_path, fields):
    resource = pytest.importorskip("resource")
    store = FlowStore(tmp_path, RECIPE)
    store.write("a.mp4", "x", fields)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (400, limits[1]))
        with pytest.raises(OutputError, match=r"cannot write .*b\.mp4\.flow: File too large; choose a folder"):
            store.write("b.mp4", "x", fields)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert stored_names(tmp_path) == ["a.mp4"]
    assert not list(tmp_path.glob(".*.flow"))


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_is_refused_and_leaves_no_file(tmp_path, wrong):
    field = np.zeros((2, 4, 4), np.float32)
    field[1, 2, 3] = wrong
    store = FlowStore(tmp_path / "store", RECIPE)
    with pytest.raises(DataError, match="values that are not finite cannot be stored"):
        store.write("a.mp4", "x", [(0.0, np.zeros((2, 4, 4), np.float32)), (0.5, field)])
    assert stored_names(store.folder) == []
    assert not list(store.folder.glob("*.flow")) and not list(store.folder.glob(".*.flow"))
