"""The list of a library that grows while the page is open."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import numpy as np
import pytest

from kinema.search import Library, database
from kinema.search.connection import connected, transaction
from kinema.search.database import FileState
from kinema.search.embedder import EmbeddedWindow
from kinema.search.labelled_videos import short_name, short_names
from kinema.serve import listing
from kinema.serve.cache import Cache
from kinema.serve.catalog import Catalog


def put(folder: Path, name: str) -> None:
    vector = np.ones(8, np.float32) / 8**0.5
    with connected(folder) as db, transaction(db):
        window = EmbeddedWindow(0.0, 1.0, 0.1, vector, vector, b"")
        database.put_video(db, 0, FileState(f"/videos/{name}", 1, 1, name), [window], "")


@pytest.fixture
def listed(tmp_path: Path) -> Catalog:
    with connected(tmp_path) as db:
        about = {"encoder": "motion", "fingerprint": "0", "mirror": True, "roots": ["/videos"], "windowing": {}}
        database.create_tables(db, about)
    put(tmp_path, "one.mp4")
    return Catalog(Library(tmp_path), Cache(tmp_path / "cache"))


def names(listed: Catalog) -> list[str]:
    return [video["name"] for video in listed.videos("", 0, 50)["videos"]]


def test_a_list_that_is_quickly_made_is_made_anew_at_once(listed: Catalog, monkeypatch) -> None:
    monkeypatch.setattr(listing, "SLOW", 60.0)
    assert names(listed) == ["one.mp4"]
    put(listed.library.path, "two.mp4")
    assert names(listed) == ["one.mp4", "two.mp4"]


def test_nobody_waits_for_a_list_that_takes_long_where_there_is_an_earlier_one(listed: Catalog, monkeypatch) -> None:
    monkeypatch.setattr(listing, "SLOW", -1.0)
    monkeypatch.setattr(listing, "PATIENCE", 0)
    assert names(listed) == ["one.mp4"]
    put(listed.library.path, "two.mp4")
    slow, go = listed.library.videos, threading.Event()
    monkeypatch.setattr(listed.library, "videos", lambda: go.wait(60) and slow())
    assert names(listed) == names(listed) == ["one.mp4"]  # the list cannot be made before this
    go.set()
    end = time.monotonic() + 60
    while names(listed) != ["one.mp4", "two.mp4"] and time.monotonic() < end:
        time.sleep(0.01)
    assert names(listed) == ["one.mp4", "two.mp4"]


@pytest.mark.parametrize("roots", [["/a"], ["/a", "/b/c"], [], ["/a/x"]])
def test_many_names_are_those_of_one_after_another(roots: list[str]) -> None:
    paths = ["/a/one.mp4", "/a/x/two.mp4", "/a/x/y/two.mp4", "/b/c/three.mp4", "/d/four.mp4", "/a/x/mp4.mp4", "/a/one"]
    folders = [Path(root) for root in roots]
    assert list(short_names(paths, folders)) == [short_name(path, folders) for path in paths]
