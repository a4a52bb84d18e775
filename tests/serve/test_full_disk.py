"""An index on a disk that is full: it is searched and shown; what cannot be kept is said in a sentence."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from page_questions import searched
from starlette.testclient import TestClient

from kinema.errors import OutputError
from kinema.search import Labels, Library

SmallDisk = tuple[Path, Callable[[], None]]


@pytest.fixture
def crowded(library: Library, small_disk: SmallDisk) -> Library:
    """The library on a disk without room for another byte, with one label."""
    disk, fill = small_disk
    index = shutil.copytree(library.path, disk / "index", ignore=shutil.ignore_patterns("labels*", "previews"))
    Labels(index).add("theirs", 1)
    fill()
    return Library(index)


def test_it_is_searched_as_ever_and_labels_that_cannot_be_kept_are_refused(crowded: Library, library: Library) -> None:
    window = library.windows()[0]
    assert crowded.search(window, top=3).hits == library.search(window, top=3).hits
    labels = Labels(crowded.path)
    for _ in range(2):
        with pytest.raises(OutputError, match=r"cannot keep labels in .*labels\.sqlite: .*full; give .* free space"):
            labels.add("mine", 9)
    assert set(labels.examples().values()) == {"theirs"}
    with pytest.raises(OutputError, match="give write permission and free space"):
        crowded.add(Path(window.path).parent)


def test_the_page_goes_on_without_room(
    crowded: Library, small_disk: SmallDisk, serve_page: Callable[..., TestClient], monkeypatch: pytest.MonkeyPatch
) -> None:
    (crowded.path / "labels.sqlite").unlink()
    small_disk[1]()
    with serve_page(crowded.path) as page:
        monkeypatch.setattr(tempfile, "tempdir", str(crowded.path.parent))
        assert page.get("/media/window/1/clip").status_code == page.get("/api/map").status_code == 200
        *_, answer = searched(page, {"like": 1}, top=2)
        assert len(answer["motion"]["hits"]) == 2
        said = page.post("/api/labels", json={"acts": [{"act": "add", "window": 1, "class": "mine"}]}).json()
        assert ([one["name"] for one in said["classes"]], said["kept"]) == (["mine"], False)


def test_an_upload_without_room_is_refused_in_a_sentence(
    library: Library, small_disk: SmallDisk, serve_page: Callable[..., TestClient], monkeypatch: pytest.MonkeyPatch
) -> None:
    disk, fill = small_disk
    monkeypatch.setattr(tempfile, "tempdir", str(disk))
    with serve_page(library.path) as page:
        fill()
        answer = page.post("/api/uploads", params={"name": "a.mp4"}, content=bytes(1 << 20))
        assert answer.status_code == 507
        assert answer.json()["error"].startswith("the clip a.mp4 cannot be kept: no space left on device; free some")
        assert sum(path.stat().st_size for path in disk.rglob("*") if path.is_file() and path.name != "filling") == 0
