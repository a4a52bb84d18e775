"""What the page cannot do, said over HTTP in a sentence."""

from __future__ import annotations

import io
import json
import sqlite3
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from page_questions import searched, sentence
from starlette.testclient import TestClient

from kinema.data.synthetic.files import write_video
from kinema.errors import DataError
from kinema.search import Library
from kinema.serve import create_app


@pytest.mark.parametrize(
    "path",
    ["../app.py", "..%2fapp.py", "%2e%2e/app.py", "..%5capp.py", "/etc/passwd", "%2fetc%2fpasswd", "main.js%00.html",
     "%00", "....//app.py", "%252e%252e%252fapp.py", "file:///etc/passwd"],
)  # fmt: skip
@pytest.mark.parametrize(
    "before", ["/static/", "/media/window/", "/media/window/1/", "/media/upload/", "/api/source/window/"]
)
def test_no_path_leads_out(page: TestClient, before: str, path: str) -> None:
    answer = page.get(before + path)
    assert answer.status_code in (400, 404)
    assert "root:" not in answer.text and "import" not in answer.text


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [("notes.mp4", b"these are notes", "it is not a video"), ("empty.mp4", b"", "the file is empty")],
)
def test_what_is_no_video_is_refused_in_one_sentence(page: TestClient, name: str, content: bytes, said: str) -> None:
    answer = page.post("/api/uploads", params={"name": name}, content=content)
    assert answer.status_code == 400
    assert said in answer.json()["error"] and name in answer.json()["error"]
    assert "/tmp" not in answer.json()["error"]


def test_too_large_an_upload_is_413(library: Library, serve_page: Callable[..., TestClient]) -> None:
    with serve_page(library.path, max_upload=1) as page:
        for content in (bytes(1 << 21), (bytes(1 << 18) for _ in range(8))):  # with and without a length
            answer = page.post("/api/uploads", params={"name": "big.mp4"}, content=content)
            assert (answer.status_code, answer.json()["error"]) == (
                413, "the clip big.mp4 has more than 1 MiB; send a shorter clip, or raise --max-upload"
            )  # fmt: skip


def test_a_clip_shorter_than_a_window_and_one_without_motion_are_answered(page: TestClient, tmp_path: Path) -> None:
    write_video(tmp_path / "still.mp4", [np.full((32, 32, 3), 90, np.uint8)] * 3, fps=16.0)
    sent = page.post("/api/uploads", params={"name": "still.mp4"}, content=(tmp_path / "still.mp4").read_bytes()).json()
    *_, answer = searched(page, {"upload": sent["token"]}, top=2)
    assert len(answer["motion"]["hits"]) == 2
    warning, *_ = answer["motion"]["warnings"]
    assert warning.startswith("next to nothing moves in still.mp4 (")
    assert not any("moves" in warning for warning in answer["appearance"]["warnings"])


def test_a_deleted_video_is_said_and_the_rest_goes_on(
    make_library: Callable[[Path], Library], tmp_path: Path, serve_page: Callable[..., TestClient]
) -> None:
    made = make_library(tmp_path)
    window, gone, linked = made.windows()[0], made.windows()[-1], made.windows()[8]
    secret = tmp_path / "secret.mp4"
    Path(linked.path).rename(secret)
    Path(linked.path).symlink_to(secret)
    Path(gone.path).unlink()
    with serve_page(made.path) as page:
        *_, answer = searched(page, {"like": window.id}, top=60)
        hits = {hit["name"]: hit for hit in answer["motion"]["hits"]}
        name = f"right/{Path(gone.path).name}"
        assert hits[name]["gone"] == f"{Path(gone.path).name} has been moved or deleted; run `kinema index` again"
        assert sum(not hit["gone"] for hit in hits.values()) == len(hits) - 2
        for window in (gone, linked):
            assert page.get(f"/media/window/{window.id}/still").status_code == 200, "the index keeps a picture"
            for kind in ("clip", "flow", "strip"):
                refused = page.get(f"/media/window/{window.id}/{kind}")
                assert (refused.status_code, sentence(refused.json()["error"])) == (404, True)
            source = page.get(f"/api/source/window/{window.id}").json()
            assert source["gone"] and source["duration"] == pytest.approx(0.75), "its vectors can still be asked for"
            *_, answer = searched(page, {"window": window.id, "start": 0, "end": 0.5}, top=2)
            assert len(answer["motion"]["hits"]) == 2
        assert "outside of the indexed folders" in page.get(f"/media/window/{linked.id}/clip").json()["error"]
        chosen = [{"by": "motion", **{k: hit[k] for k in ("id", "start", "end", "score")}} for hit in hits.values()]
        archive = zipfile.ZipFile(io.BytesIO(page.post("/api/export/clips.zip", json={"hits": chosen}).content))
        assert len(archive.read("problems.txt").splitlines()) == 2


@pytest.mark.parametrize("path", ["/api/search", "/api/classify", "/api/export/hits.csv", "/api/export/clips.zip"])
@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"{", b"null", b'"x"', b"{}", b'{"source": 3}', b'{"source": {"like": "x"}}',
     b'{"source": {"like": -1}}', b'{"source": {"window": 1, "start": 1e15, "end": 2e15}}',
     b'{"hits": [3]}', b'{"hits": [{"by": "motion", "id": 1, "start": 0, "end": NaN, "score": 1}]}',
     b'{"source": {"like": 1}, "filters": {"after": 1' + b"0" * 400 + b"}}",
     b'{"source": {"like": 1}, "filters": {"min_strength": NaN}}',
     b'{"hits": {}}', b"\xff\xfe", b"[" * 5000],
)  # fmt: skip
def test_nonsense_is_refused_in_one_sentence(page: TestClient, path: str, body: bytes) -> None:
    answer = page.post(path, content=body)
    assert answer.status_code in (200, 400, 404)
    said = json.loads(answer.text.splitlines()[-1]) if answer.status_code == 200 else answer.json()
    assert sentence(said["error"])


def test_too_long_a_question_is_refused(page: TestClient) -> None:
    for path in ("/api/search", "/api/labels", "/api/export/hits.csv"):
        assert page.post(path, content=b" " * (1 << 20) + b"{} ").status_code == 413


def test_few_labels_are_said(page: TestClient) -> None:
    assert "at least two labels" in page.post("/api/classify", json={}).json()["error"]


@pytest.mark.parametrize(
    "body",
    [b"", b"{}", b'{"acts": 3}', b'{"acts": [3]}', b'{"acts": [{"act": "drop"}]}', b'{"acts": [{"act": ["add"]}]}',
     b'{"acts": [{"act": "add"}]}', b'{"acts": [{"act": "add", "window": "x", "class": "y"}]}',
     b'{"acts": [{"act": "add", "window": 999999, "class": "y"}]}', b'{"acts": [{"act": "add", "window": 1}]}',
     b'{"acts": [{"act": "add", "window": 1, "class": ""}]}', b'{"acts": [{"act": "add", "window": 1, "class": 2}]}',
     b'{"acts": [{"act": "add", "window": 1, "class": "half \\ud800"}]}',
     b'{"acts": [{"act": "add", "window": 1e15, "class": "y"}]}',
     b'{"acts": [{"act": "add", "video": 1, "start": 0.5, "end": 0.2, "class": "y"}]}',
     b'{"acts": [{"act": "add", "video": 1, "start": 0, "end": 1e9, "class": "y"}]}',
     b'{"acts": [{"act": "add", "video": 1, "start": 0, "end": 0.1, "class": "y", "confidence": 2}]}',
     b'{"acts": [{"act": "add", "video": 1, "start": 0, "end": 0.1, "class": "y", "subject": ""}]}',
     b'{"acts": [{"act": "add", "video": 1, "start": 0, "end": 0.1, "class": "y"}], "by": 3}',
     b'{"acts": [{"act": "rename", "class": "\\udfff", "to": "x"}]}', b'{"acts": [{"act": "delete", "class": "x"}]}',
     b'{"acts": [{"act": "class", "name": "x", "colour": "red"}]}', b'{"acts": [{"act": "class", "name": {}}]}',
     b'{"acts": [{"act": "class", "name": "x"}, {"act": "delete", "class": "y"}]}'],
)  # fmt: skip
def test_changes_of_labels_that_cannot_be(page: TestClient, body: bytes) -> None:
    answer = page.post("/api/labels", content=body)
    assert answer.status_code in (400, 404) and sentence(answer.json()["error"])
    assert page.get("/api/labels").json()["version"] == 0


@pytest.mark.parametrize(
    ("path", "status"),
    [("?video=x", 400), ("?video=999999", 404), ("?video=1&start=-1", 400), ("?video=1&end=1e400", 400),
     ("?windows=", 400), ("?windows=1,x", 400), ("?windows=" + "1," * 300 + "1", 400), ("?class=none", 404),
     ("?class=", 400), ("?class=x&offset=-1", 400), ("/history?before=x", 400), ("/undo", 405)],
)  # fmt: skip
def test_questions_about_labels_that_cannot_be(page: TestClient, path: str, status: int) -> None:
    answer = page.get(f"/api/labels{path}")
    assert answer.status_code == status and sentence(answer.json()["error"])


@pytest.mark.parametrize(
    ("path", "content", "status"),
    [("undo", b"{}", 404), ("redo", b"{}", 404), ("undo", b'{"version": 7}', 404), ("undo", b'{"version": "x"}', 400),
     ("drop", b"{}", 400), ("export", b'{"to": "word"}', 400), ("export", b'{"to": "boris"}', 404),
     ("import?name=x.csv", b"a,b", 404), ("import?name=x.txt", b"a,b", 404), ("import?name=x.nwb", b"a,b", 404),
     ("import?name=../../x.csv", b"file,start,end,label\nnone.mp4,0,1,a", 404), ("import?name=..", b"", 404),
     ("import?name=x.csv&from=word", b"file,start,end,label\nnone.mp4,0,1,a", 400),
     ("import?name=x.csv&fps=-1", b"", 400), ("import?name=" + "x" * 5000, b"", 404)],
)  # fmt: skip
def test_files_of_labels_that_cannot_be(page: TestClient, path: str, content: bytes, status: int) -> None:
    answer = page.post(f"/api/labels/{path}", content=content)
    assert answer.status_code == status and sentence(answer.json()["error"])
    assert "/tmp" not in answer.text and page.get("/api/labels").json()["version"] == 0


def test_an_index_of_another_version_is_refused(make_library: Callable[[Path], Library], tmp_path: Path) -> None:
    made = make_library(tmp_path)
    with sqlite3.connect(made.path / "windows.sqlite") as db:
        db.execute("UPDATE about SET value = '0' WHERE name = 'format'")
    with pytest.raises(DataError, match="is an index of format 0, this version of kinema reads"):
        create_app(made.path)
    with pytest.raises(DataError, match="there is no index at"):
        create_app(tmp_path / "none")


def test_another_encoder_is_said_on_the_page_which_goes_on(
    make_library: Callable[[Path], Library], encoder: Path, tmp_path: Path, serve_page: Callable[..., TestClient]
) -> None:
    from safetensors import safe_open
    from safetensors.torch import load_file, save_file

    made = make_library(tmp_path)
    weights = {name: value + 0.01 if value.is_floating_point() else value for name, value in load_file(encoder).items()}
    with safe_open(encoder, "pt") as file:
        save_file(weights, tmp_path / "other.safetensors", file.metadata())
    window = made.windows()[0]
    with serve_page(made.path, encoder=str(tmp_path / "other.safetensors")) as page:
        clip = Path(window.path).read_bytes()
        sent = page.post("/api/uploads", params={"name": "clip.mp4"}, content=clip).json()
        *_, said = searched(page, {"upload": sent["token"]})
        assert "was made with another encoder than" in said["error"]
        *_, answer = searched(page, {"like": window.id}, top=2)
        assert len(answer["motion"]["hits"]) == 2


@pytest.mark.parametrize("digits", ["1" + "0" * 400, "9" * 20, "NaN", "-Infinity"])
def test_numbers_of_any_length_are_refused_in_a_sentence(page: TestClient, digits: str) -> None:
    def refused(path: str, asked: str) -> str:
        answer = page.post(path, content=asked.replace("N", digits))
        assert answer.status_code in (200, 400)  # a search's status is sent before it begins
        return json.loads(answer.text.splitlines()[-1])["error"]

    for source in ('{"like":N}', '{"window":N}', '{"window":1,"start":N}'):
        assert "must not be negative, nor endless" in refused("/api/search", f'{{"source":{source}}}')
    assert "the top must not be" in refused("/api/search", '{"source":{"like":1},"top":N}')
    act = '{"acts":[{"act":"add","window":1,"class":"x","FIELD":N}]}'
    assert "the window must not be" in refused("/api/labels", act.replace('"window":1,', "").replace("FIELD", "window"))
    assert "the confidence must not be" in refused("/api/labels", act.replace("FIELD", "confidence"))
    assert "the version must not be" in refused("/api/labels/undo", '{"version":N}')
    hit = '{"by":"motion","id":1,"start":0,"end":1,"score":N}'
    assert "not understood" in refused("/api/export/hits.csv", f'{{"hits":[{hit}]}}')


@pytest.mark.parametrize(
    "path",
    [
        "/api/source/window/{}", "/media/window/{}/clip", "/media/video/{}", "/api/timeline/{}",
        "/api/timeline/{}/strength", "/api/timeline/{}/similarity", "/api/timeline/{}/predicted",
        "/api/timeline/{}/budget",
    ],
)  # fmt: skip
def test_addresses_with_thousands_of_digits_are_refused_in_a_sentence(page: TestClient, path: str) -> None:
    answer = page.get(path.format("9" * 5000))
    assert answer.status_code == 400 and "the window must not be" in answer.json()["error"]
