"""Labels over HTTP: acts, conflicts, undo and redo, files that come and go."""

from __future__ import annotations

import io
import shutil
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from kinema.annotations import FORMATS
from kinema.search import Library
from kinema.serve import files, labelling


@pytest.fixture
def page(library: Library, serve_page: Callable[..., TestClient], tmp_path: Path) -> Iterator[TestClient]:
    """The page of a copy of the library, whose labels are the test's own."""
    index = shutil.copytree(library.path, tmp_path / "index", ignore=shutil.ignore_patterns("labels*", "previews"))
    with serve_page(index) as client:
        yield client


@pytest.fixture
def firsts(library: Library) -> list[int]:
    """The numbers of the first windows of two videos."""
    return [video.first for video in library.videos()[:2]]


def act(page: TestClient, *acts: dict, status: int = 200, **about: object) -> dict:
    answer = page.post("/api/labels", json={"acts": acts, **about})
    assert answer.status_code == status, answer.text
    return answer.json()


def on(video: int, start: float, end: float, name: str, **more: object) -> dict:
    return {"act": "add", "video": video, "start": start, "end": end, "class": name, **more}


def test_what_is_done_is_answered_and_asked_for_again(page: TestClient, firsts: list[int]) -> None:
    one, two = firsts
    said = act(page, on(one, 0, 0.5, "wave", subject="hen", confidence=0.5), on(two, 0.1, 0.1, "peck"), by="ann")
    assert (said["version"], said["made"], said["total"], said["undoable"], said["redoable"]) == (1, 1, 2, 1, None)
    first, second = said["ids"]
    assert [(c["name"], c["count"], c["seconds"]) for c in said["classes"]] == [("wave", 1, 0.5), ("peck", 1, 0)]
    told = {label["id"]: label for label in said["labels"]}
    about = {"class": "wave", "subject": "hen", "confidence": 0.5, "by": "ann"}
    assert told[first].items() >= {"version": 1, "start": 0, "end": 0.5, **about}.items()
    assert page.get("/api/labels", params={"video": one}).json() == {"version": 1, "total": 1, "labels": [told[first]]}
    assert page.get("/api/labels", params={"video": two, "start": 0.2, "end": 1}).json()["total"] == 0
    listed = page.get("/api/labels", params={"class": "peck"}).json()
    assert (listed["total"], listed["labels"][0]["video"], listed["labels"][0]["id"]) == (1, two, second)
    assert listed["labels"][0]["window"].keys() >= {"id", "name", "start", "end", "gone"}
    assert page.get("/api/labels", params={"since": 1}).status_code == 204
    assert act(page, on(one, 0, 0.5, "wave", subject="hen"))["made"] is None, "it is there already"
    split = act(
        page, {"act": "change", "id": first, "version": 1, "end": 0.25}, on(one, 0.25, 0.5, "wave", subject="hen")
    )
    assert split["ids"][0] == first and split["version"] == 2
    undone = page.post("/api/labels/undo", json={"version": split["made"]}).json()
    assert (undone["made"], undone["undoable"], undone["redoable"], undone["total"]) == (3, 1, 2, 2)
    assert page.post("/api/labels/redo", json={}).json()["total"] == 3
    assert page.post("/api/labels/redo", json={}).status_code == 404
    history = page.get("/api/labels/history").json()["changes"]
    assert [(change["version"], change["kind"], change["of"]) for change in history] == [
        (4, "redo", 2), (3, "undo", 2), (2, "change", 2), (1, "change", 1),
    ]  # fmt: skip
    assert page.get("/api/labels/history", params={"before": 2}).json()["changes"] == history[-1:]
    assert [change["new_name"] for change in history[-1]["classes"]] == ["wave", "peck"]


def test_classes_are_made_renamed_coloured_and_deleted(page: TestClient, firsts: list[int]) -> None:
    act(page, {"act": "class", "name": "rest", "colour": "#FFFFFF"}, on(firsts[0], 0, 0.5, "wave"))
    said = act(
        page,
        {"act": "rename", "class": "wave", "to": "hello"},
        {"act": "colour", "class": "hello", "colour": "#000000"},
    )
    assert [(c["name"], c["colour"], c["count"]) for c in said["classes"]] == [
        ("rest", "#ffffff", 0),
        ("hello", "#000000", 1),
    ]
    said = act(
        page, {"act": "rename", "class": "rest", "to": "hello"}, {"act": "clear"}, {"act": "delete", "class": "hello"}
    )
    assert (said["classes"], said["total"]) == ([], 0)


def test_what_another_has_changed_is_said_with_what_is_there_now(page: TestClient, firsts: list[int]) -> None:
    said = act(page, on(firsts[0], 0, 0.5, "wave"), on(firsts[0], 0.5, 0.6, "wave"))
    first, second = said["ids"]
    act(
        page,
        {"act": "change", "id": first, "version": 1, "class": "jump"},
        {"act": "remove", "id": second, "version": 1},
    )
    late = [{"act": "change", "id": number, "version": 1, "start": 0.1} for number in (first, second)]
    said = act(page, on(firsts[0], 0.1, 0.2, "new"), *late, status=409)
    assert "changed by somebody else meanwhile" in said["error"] and said["version"] == 2
    assert said["gone"] == [second]
    assert [(label["id"], label["version"], label["class"]) for label in said["labels"]] == [(first, 2, "jump")]
    assert page.get("/api/labels").json()["total"] == 1, "nothing was written"


def test_windows_are_of_the_class_that_alone_covers_them_or_begins_and_ends_with_them(
    page: TestClient, library: Library, firsts: list[int]
) -> None:
    windows = [window for window in library.windows() if window.path == library.window(firsts[0]).path]
    ids = ",".join(str(window.id) for window in windows)
    one, other = windows[:2]
    assert other.start < one.end, "they overlap"
    act(page, {"act": "add", "window": one.id, "class": "wave"}, {"act": "add", "window": other.id, "class": "jump"})
    said = page.get("/api/labels", params={"windows": ids}).json()["windows"]
    assert {number: said[str(number)]["classes"] for number in (one.id, other.id)} == {
        one.id: ["wave"],
        other.id: ["jump"],
    }
    act(page, {"act": "clear"}, on(one.id, 0, windows[-1].end, "long"))
    said = page.get("/api/labels", params={"windows": ids}).json()["windows"]
    assert {one["classes"][0] for one in said.values()} == {"long"} and len(said) == len(windows)
    act(page, on(one.id, 0, windows[-1].end, "other"))
    said = page.get("/api/labels", params={"windows": ids}).json()["windows"]
    assert {tuple(one["classes"]) for one in said.values()} == {("long", "other")}, "no example of either"


def test_lists_are_no_longer_than_their_page(
    page: TestClient, firsts: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(labelling, "LISTED", 2)
    monkeypatch.setattr(labelling, "MOST_LABELS", 3)
    made = act(page, *(on(firsts[0], n / 10, n / 10 + 0.05, "wave") for n in range(5)))["ids"]
    pages = [page.get("/api/labels", params={"class": "wave", "offset": at}).json() for at in (0, 2, 4, 6)]
    assert [label["id"] for one in pages for label in one["labels"]] == made[::-1]
    assert [one["total"] for one in pages] == [5] * 4
    of_video = page.get("/api/labels", params={"video": firsts[0]}).json()
    assert (of_video["total"], [label["id"] for label in of_video["labels"]]) == (5, made[:3])


@pytest.mark.parametrize("name", [name for name in FORMATS if name != "nwb"])
def test_labels_are_taken_away_and_brought_back_in_every_format(
    page: TestClient, firsts: list[int], tmp_path: Path, name: str
) -> None:
    act(page, on(firsts[0], 0, 0.5, "wave"), on(firsts[1], 0.125, 0.5, "jump"))
    answer = page.post("/api/labels/export", json={"to": name})
    assert answer.status_code == 200 and answer.headers["x-notes"].startswith("[")
    sent = answer.headers["content-disposition"].split('"')[1]
    if sent == "labels.zip":
        archive = zipfile.ZipFile(io.BytesIO(answer.content))
        parts = [(Path(one).name, archive.read(one)) for one in archive.namelist()]
        assert len(parts) == 2
    else:
        parts = [(sent, answer.content)]
    act(page, {"act": "clear"})
    for number, (file, content) in enumerate(parts):
        said = page.post("/api/labels/import", params={"name": file, "from": name}, content=content)
        assert said.status_code == 200, said.text
        assert said.json()["added"] == 2 // len(parts) and said.json()["made"] == 3 + number
        assert (
            page.post("/api/labels/import", params={"name": file, "from": name}, content=content).json()["made"] is None
        )
    found = [page.get("/api/labels", params={"video": video}).json()["labels"] for video in firsts]
    assert [[label["class"] for label in one] for one in found] == [["wave"], ["jump"]]
    assert name in {one["name"] for one in page.get("/api/labels/formats").json()["formats"]}


def test_a_file_of_labels_that_is_too_long_is_refused(page: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "MOST_IMPORTED", 1 << 20)
    answer = page.post("/api/labels/import", params={"name": "x.csv"}, content=bytes((1 << 20) + 1))
    assert answer.status_code == 413 and "more than 1 MiB" in answer.json()["error"]


HEAD = b"file,start,end,label\n"
LATER = b'{"project_format_version": "9.0", "observations": {}, "behaviors_conf": {}, "subjects_conf": {}}'


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("mine.csv", HEAD + b"none.mp4,0,1,a\n", "mine.csv: names 1 video (1 label) not in the library"),
        (
            "mine.csv",
            HEAD + b"left/00000.mp4,0.5,0.25,a\n",
            "row 1: an interval of 'a' in left/00000.mp4 ends at 0.25 s",
        ),
        ("mine.csv", HEAD + b"left/00000.mp4,0,99,a\n", "'a' goes to 99.000 s, and left/00000.mp4 lasts only 0."),
        ("mine.csv", b"a,b\n1,2\n", "mine.csv is of no known format"),
        ("mine.json", b'{"images": []}', "mine.json is of no known format; known with such an ending are BORIS"),
        ("mine.boris", LATER, "mine.boris: its project format is 9.0, and known are those up to 7"),
        ("labels.sqlite", b"SQLite format 3\x00", "labels.sqlite is no file of labels, it is an index's own"),
    ],
)
def test_a_file_that_is_brought_in_names_itself_where_it_is_wrong(
    page: TestClient, name: str, content: bytes, said: str
) -> None:
    answer = page.post("/api/labels/import", params={"name": f"C:\\x\\{name}"}, content=content)
    assert answer.status_code == 404 and said in answer.json()["error"]
    assert page.get("/api/labels").json()["version"] == 0
    assert "at least two labels" in page.post("/api/classify", json={}).json()["error"]
