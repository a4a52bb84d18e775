"""What the page asks for, over HTTP."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import shutil
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from page_questions import searched, sentence
from starlette.testclient import TestClient

from kinema.data.synthetic.files import write_video
from kinema.search import Classifier, Library
from kinema.serve import catalog, listing
from kinema.serve.cache import Cache
from kinema.serve.catalog import project
from kinema.video import Video


def test_the_page_and_its_parts_and_nothing_else(page: TestClient) -> None:
    index = page.get("/")
    assert index.headers["content-type"].startswith("text/html")
    for name in ("main.js", "frame.css", "parts.css", "icon.svg"):
        assert page.get(f"/static/{name}").status_code == 200
    assert page.get("/static/main.js").headers["content-type"].startswith("text/javascript")
    for address in ("/static/", "/static/index.html", "/static/app.py", "/x", "/media/", "/docs"):
        answer = page.get(address)
        assert (answer.status_code, sentence(answer.json()["error"])) == (404, True)


def test_about_the_library(page: TestClient, library: Library) -> None:
    about = page.get("/api/library").json()
    assert (about["videos"], about["windows"]) == (12, library.count())
    assert about["folders"] == ["left", "right"] and about["mirror"] is True
    assert {video["name"].partition("/")[0] for video in about["samples"]} == {"left", "right"}, "drawn from all"
    assert str(library.path.parent) not in json.dumps(about), "paths of this machine stay here"


def test_videos_are_listed_and_found_by_name(page: TestClient) -> None:
    listed = page.get("/api/videos").json()
    names = [video["name"] for video in listed["videos"]]
    assert listed["total"] == len(names) == 12
    assert names == sorted(names) and names[0].startswith("left/")
    found = page.get("/api/videos", params={"text": "RIGHT/"}).json()
    assert found["total"] == 6
    assert page.get("/api/videos", params={"text": "'; DROP", "offset": 3}).json()["videos"] == []


def test_pictures_of_windows_come_and_are_kept(page: TestClient, library: Library) -> None:
    window = library.windows()[3]
    for kind, start in (("still", b"\xff\xd8"), ("strip", b"RIFF"), ("clip", b"RIFF"), ("flow", b"RIFF")):
        first = page.get(f"/media/window/{window.id}/{kind}")
        assert (first.status_code, first.content[: len(start)]) == (200, start)
        assert page.get(f"/media/window/{window.id}/{kind}").content == first.content
    assert len(list((library.path / "previews").iterdir())) >= 3
    assert page.get(f"/media/window/{window.id}/exe").status_code == 400
    assert page.get(f"/media/window/{window.id}/clip", params={"start": "nan"}).status_code == 400
    assert page.get("/media/window/999999/clip").status_code == 404
    assert page.get(f"/media/window/{10**30}/clip").status_code == 400


def test_more_like_a_window_is_what_the_library_finds(page: TestClient, library: Library) -> None:
    window = library.windows()[0]
    *_, answer = searched(page, {"like": window.id}, top=5)
    for by in ("motion", "appearance"):
        expected = library.search(window, top=5, by=by)
        assert [hit["id"] for hit in answer[by]["hits"]] == [hit.window.id for hit in expected.hits]
        assert [hit["score"] for hit in answer[by]["hits"]] == pytest.approx(
            [hit.score for hit in expected.hits], abs=1e-4
        )
    assert answer["query"]["name"] == f"left/{Path(window.path).name}"
    assert all(hit["name"] != answer["query"]["name"] for hit in answer["motion"]["hits"]), "never its own video"


def test_a_part_of_a_video_of_the_library(page: TestClient, library: Library) -> None:
    window = library.windows()[0]
    *told, answer = searched(page, {"window": window.id, "start": 0.1, "end": 0.6}, top=3)
    assert not any("Reading" in line["doing"] for line in told), "its vectors are known"
    expected = library.search(window, 0.1, 0.6, top=3)
    assert [hit["id"] for hit in answer["motion"]["hits"]] == [hit.window.id for hit in expected.hits]
    outstanding = [expected.outstanding(hit) for hit in expected.hits]
    assert [hit["outstanding"] for hit in answer["motion"]["hits"]] == pytest.approx(outstanding, abs=0.051)


def test_a_clip_is_sent_looked_at_searched_with_and_deleted(page: TestClient, library: Library) -> None:
    path = Path(library.windows()[0].path)
    sent = page.post("/api/uploads", params={"name": "my clip.mp4"}, content=path.read_bytes()).json()
    assert (sent["name"], sent["duration"]) == ("my clip.mp4", pytest.approx(0.75))
    token = sent["token"]
    for kind in ("strip", "clip", "flow"):
        assert page.get(f"/media/upload/{token}/{kind}").content.startswith(b"RIFF")
    *told, answer = searched(page, {"upload": token}, top=3)
    assert answer["query"]["name"] == "my clip.mp4"
    assert any("read" in line["doing"] for line in told)
    own = f"left/{path.name}"
    assert all(hit["name"] != own for hit in answer["motion"]["hits"]), (
        "a copy of an indexed video does not find itself"
    )
    *told, again = searched(page, {"upload": token}, top=3)
    assert again == answer and not any("Reading" in line["doing"] for line in told), "what was embedded is remembered"
    *_, late = searched(page, {"upload": token, "start": 5, "end": 6})
    assert late["error"] == "my clip.mp4 ends before 0:05.0: start earlier"
    assert page.delete(f"/api/uploads/{token}").status_code == 204
    assert page.get(f"/media/upload/{token}/clip").status_code == 404
    (gone,) = searched(page, {"upload": token})
    assert "choose it again" in gone["error"]


def test_filters_are_those_of_the_library(page: TestClient, library: Library) -> None:
    window = library.windows()[0]
    *_, answer = searched(page, {"like": window.id}, filters={"folder": "right"})
    names = {hit["name"] for hit in answer["motion"]["hits"]}
    assert names and all(name.startswith("right/") for name in names)
    middle = float(np.median([window.strength for window in library.windows()]))
    *_, answer = searched(page, {"like": window.id}, filters={"min_strength": middle, "after": 0.1})
    hits = answer["motion"]["hits"]
    assert hits and all(hit["strength"] >= round(middle, 4) - 1e-4 and hit["start"] >= 0.1 for hit in hits)
    for wrong in ({"folder": "../.."}, {"folder": "*"}, {"folder": [1]}, {"after": "x"}, {"max_strength": [1]}):
        (refused,) = searched(page, {"like": window.id}, filters=wrong)
        assert sentence(refused["error"])


def test_folders_with_signs_of_patterns_are_taken_as_they_are(
    make_library: Callable[[Path], Library], encoder: Path, tmp_path: Path, serve_page: Callable[..., TestClient]
) -> None:
    made = make_library(tmp_path)
    (tmp_path / "videos" / "left").rename(tmp_path / "videos" / "[a]*?")
    made.add(tmp_path / "videos")
    with serve_page(made.path) as page:
        assert page.get("/api/library").json()["folders"] == ["[a]*?", "right"]
        *_, answer = searched(page, {"like": made.windows()[-1].id}, filters={"folder": "[a]*?"})
    assert {hit["name"].split("/")[0] for hit in answer["motion"]["hits"]} == {"[a]*?"}


def test_the_map_shows_every_window_once(page: TestClient, library: Library) -> None:
    shown = page.get("/api/map").json()
    assert sorted(point[0] for point in shown["points"]) == sorted(window.id for window in library.windows())
    assert shown["total"] == library.count()
    places = np.array([point[1:3] for point in shown["points"]])
    np.testing.assert_allclose([places.min(0), places.max(0)], [[0, 0], [1, 1]])


def test_the_map_keeps_neighbours_together_and_is_the_same_again() -> None:
    rng = np.random.default_rng(0)
    group = np.arange(90) % 3
    vectors = (np.eye(8)[group] + rng.normal(0, 0.1, (90, 8))).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    places = project(vectors)
    far = np.linalg.norm(places[:, None] - places[None], axis=2) + np.eye(90)
    assert (group[far.argmin(1)] == group).all()
    np.testing.assert_array_equal(project(vectors), places)


@pytest.mark.parametrize("count", [0, 1, 3, 4, 5])
def test_a_map_of_few_or_equal_windows_is_one(count: int) -> None:
    for vectors in (np.ones((count, 6), np.float32), np.eye(6, dtype=np.float32)[:count]):
        places = project(vectors)
        assert places.shape == (count, 2)
        assert np.isfinite(places).all() and (places >= 0).all() and (places <= 1).all()


def test_labels_train_a_classifier_that_says_what_scikit_learn_says(
    make_library: Callable[[Path], Library], serve_page: Callable[..., TestClient], tmp_path: Path
) -> None:
    library = make_library(tmp_path)
    with serve_page(library.path) as page:
        _labels_and_classes(page, library, tmp_path)
    with serve_page(library.path) as page:
        assert page.get("/api/labels").json()["total"] == 6, "they outlive the page"


def _labels_and_classes(page: TestClient, library: Library, tmp_path: Path) -> None:
    windows = library.windows()
    labels = {str(window.id): ("calm", "lively")[n % 2] for n, window in enumerate(windows[:6])}
    for window, name in labels.items():
        acts = [{"act": "add", "window": int(window), "class": name}]
        state = page.post("/api/labels", json={"acts": acts}).json()
    counts = [(one["name"], one["count"]) for one in state["classes"]]
    assert (counts, state["kept"], state["missing"]) == ([("calm", 3), ("lively", 3)], True, 0)
    said = page.get("/api/labels", params={"windows": ",".join(map(str, labels))}).json()["windows"]
    assert {number: one["classes"] for number, one in said.items()} == {
        number: [name] for number, name in labels.items()
    }
    assert said.items() <= page.get("/api/labels", params={"windows": "map"}).json()["windows"].items()
    assert page.get("/api/labels", params={"since": state["version"]}).status_code == 204
    said = page.post("/api/classify", json={}).json()
    file = tmp_path / "classifier.safetensors"
    file.write_bytes(page.post("/api/export/classifier.safetensors", json={}).content)
    classifier = Classifier.load(file)
    shares = classifier.predict(library.vectors([window.id for window in windows]))
    assert said["windows"] == len(windows)
    for window, share in zip(windows, shares, strict=True):
        place, sure = said["predicted"][str(window.id)]
        assert (place, sure) == (int(share.argmax()), pytest.approx(share.max(), abs=1e-3))
    assert [one["name"] for one in said["classes"]] == ["calm", "lively"]
    assert [one["windows"] for one in said["classes"]] == [int((shares.argmax(1) == n).sum()) for n in range(2)]
    for one in said["classes"]:
        shown = [window["share"] for window in one["surest"]]
        assert shown == sorted(shown, reverse=True)


def test_every_point_of_the_map_is_coloured_however_few_windows_a_classifier_is_counted_over(
    library: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catalog, "MAP_POINTS", 9)
    monkeypatch.setattr(catalog, "CLASSIFIED", 7)
    monkeypatch.setattr(catalog, "AT_A_TIME", 4)
    ids = [window.id for window in library.windows()]
    said = catalog.Catalog(library, Cache(tmp_path)).classified(library.train_classifier({ids[0]: "a", ids[9]: "b"}))
    assert said["windows"] == 7 == sum(one["windows"] for one in said["classes"])
    assert said["predicted"].keys() == {point[0] for point in catalog.Catalog(library, Cache(tmp_path)).map()["points"]}
    assert len(said["predicted"]) == 9


def test_hits_can_be_taken_away(page: TestClient, library: Library, tmp_path: Path) -> None:
    *_, answer = searched(page, {"like": library.windows()[0].id}, top=2)
    keys = ("id", "start", "end", "score")
    hits = [{"by": by, **{k: hit[k] for k in keys}} for by in ("motion", "appearance") for hit in answer[by]["hits"]]
    table = page.post("/api/export/hits.csv", json={"hits": hits})
    assert 'filename="hits.csv"' in table.headers["content-disposition"]
    rows = list(csv.DictReader(io.StringIO(table.text)))
    assert [(row["by"], row["rank"]) for row in rows] == [
        ("motion", "1"),
        ("motion", "2"),
        ("appearance", "1"),
        ("appearance", "2"),
    ]
    assert rows[0]["video"] == hits[0].get("name", answer["motion"]["hits"][0]["name"])
    archive = zipfile.ZipFile(io.BytesIO(page.post("/api/export/clips.zip", json={"hits": hits}).content))
    clips = [name for name in archive.namelist() if name.endswith(".mp4")]
    assert len(clips) == 4 and "problems.txt" not in archive.namelist()
    archive.extract(clips[0], tmp_path)
    with Video(tmp_path / clips[0]) as video:
        assert len(video.read().frames) == pytest.approx(16 * (hits[0]["end"] - hits[0]["start"]), abs=1)


def test_the_page_sees_what_is_added_meanwhile(
    make_library: Callable[[Path], Library], tmp_path: Path, serve_page: Callable[..., TestClient]
) -> None:
    made = make_library(tmp_path)
    with serve_page(made.path) as page:
        before = page.get("/api/library").json()["videos"]
        frames = np.random.default_rng(0).integers(0, 255, (12, 32, 32, 3), np.uint8)
        write_video(tmp_path / "videos" / "left" / "new.mp4", frames, 16.0)
        made.add(tmp_path / "videos")
        assert page.get("/api/library").json()["videos"] == before + 1
        assert page.get("/api/videos", params={"text": "new"}).json()["total"] == 1
        assert page.get("/api/map").json()["total"] == made.count()


def test_a_library_that_takes_long_to_list_is_not_listed_each_time(
    make_library: Callable[[Path], Library], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = make_library(tmp_path)
    listed, videos, page = [], made.videos, catalog.Catalog(made, Cache(tmp_path / "cache"))
    monkeypatch.setattr(made, "videos", lambda: listed.append(1) or videos())
    monkeypatch.setattr(listing, "SLOW", 0.0)
    monkeypatch.setattr(listing, "PATIENCE", 1e6)
    before = page.about()["videos"]
    frames = np.random.default_rng(0).integers(0, 255, (12, 32, 32, 3), np.uint8)
    write_video(tmp_path / "more" / "new.mp4", frames, 16.0)
    made.add(tmp_path / "more")
    assert page.about()["videos"] == before and len(listed) == 1
    assert page.file(str((tmp_path / "more" / "new.mp4").resolve())).is_file()  # what is found can be shown at once
    page._listing._contents = dataclasses.replace(page._listing._contents, good_until=0.0)
    end = time.monotonic() + 60
    while page.about()["videos"] == before and time.monotonic() < end:
        time.sleep(0.01)
    assert page.about()["videos"] == before + 1 and len(listed) == 2


def test_several_folders_are_told_apart(
    make_library: Callable[[Path], Library], videos: Path, tmp_path: Path, serve_page: Callable[..., TestClient]
) -> None:
    made = make_library(tmp_path)
    other = tmp_path / "elsewhere"
    other.mkdir()
    shutil.copy(sorted(videos.glob("*.mp4"))[0], other / "copy.mp4")
    made.add(other)
    with serve_page(made.path) as page:
        names = [video["name"] for video in page.get("/api/videos").json()["videos"]]
        assert "elsewhere/copy.mp4" in names and any(name.startswith("videos/left/") for name in names)
        assert "elsewhere" in page.get("/api/library").json()["folders"]
