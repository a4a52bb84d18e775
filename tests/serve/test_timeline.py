"""The timeline of a video over HTTP: summaries of stretches, whatever is asked for."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest
from page_questions import searched, sentence
from PIL import Image
from starlette.testclient import TestClient

from kinema.search import Library, Window
from kinema.search.labelled_windows import most_doubtful
from kinema.search.video_windows import VideoWindows
from kinema.serve.summaries import Runs, summary, visible

ALL = {"from": 0, "to": 10, "bins": 100}


def test_about_a_video(page: TestClient, library: Library) -> None:
    window = library.windows()[1]
    about = page.get(f"/api/timeline/{window.id}").json()
    windows = library.windows_of(window.path)
    assert about["id"] == windows[0].id, "a video goes by its first window"
    assert about["windows"] == len(windows)
    assert (about["fps"], about["duration"], about["gone"]) == (16, pytest.approx(0.75), "")
    assert about["whole"], "the browser may be given the file"


def test_a_folder_of_pictures_is_played_in_pieces(
    encoder: Path, serve_page: Callable[..., TestClient], tmp_path: Path
) -> None:
    folder = tmp_path / "videos" / "walk"
    folder.mkdir(parents=True)
    for number in range(24):
        picture = np.roll(np.arange(32 * 32 * 3).reshape(32, 32, 3) % 251, number, 1).astype(np.uint8)
        Image.fromarray(picture).save(folder / f"{number:04d}.png")
    (tmp_path / "videos" / "fps.txt").write_text("16")
    library = Library(tmp_path / "index", encoder)
    library.add(tmp_path / "videos")
    number = library.windows()[0].id
    with serve_page(library.path) as page:
        about = page.get(f"/api/timeline/{number}").json()
        assert not about["whole"] and about["duration"] > 0
        assert page.get(f"/media/video/{number}").status_code == 404
        piece = page.get(f"/media/window/{number}/watch", params={"start": 0, "end": about["duration"]})
        assert piece.status_code == 200 and piece.headers["content-type"] == "video/mp4"


def test_the_keys_are_those_of_the_documentation() -> None:
    script = files("kinema.serve").joinpath("static", "keys.js").read_text()
    acts = re.findall(r'\w+: \{ keys: \[(.*?)\], said: "(.*?)" \}', script)
    rows = [f"| {' or '.join(f'`{key}`' for key in json.loads(f'[{keys}]'))} | {said} |" for keys, said in acts]
    assert len(rows) > 25
    assert "\n".join(rows) in (Path(__file__).parents[2] / "docs" / "timeline.md").read_text()


def test_strength_is_that_of_the_windows(page: TestClient, library: Library) -> None:
    windows = library.windows_of(library.windows()[0].path)
    told = page.get(f"/api/timeline/{windows[0].id}/strength", params=ALL).json()
    assert told["at"] == pytest.approx([(window.start + window.end) / 2 for window in windows])
    assert told["mean"] == pytest.approx([window.strength for window in windows], abs=1e-4)
    assert told["low"] == told["mean"] == told["high"]


def test_similarity_is_what_a_search_says(page: TestClient, library: Library) -> None:
    asked, other = library.windows()[0], library.windows()[-1]
    *_, answer = searched(page, {"like": asked.id}, top=60)
    told = page.get(f"/api/timeline/{other.id}/similarity", params={**ALL, "like": asked.id}).json()
    hits = [hit for hit in answer["motion"]["hits"] if hit["name"].endswith(other.path.rpartition("/")[2])]
    assert hits
    assert max(told["mean"]) == pytest.approx(hits[0]["outstanding"], abs=0.06)


def test_similarity_of_a_part_and_of_a_clip_that_was_sent(page: TestClient, library: Library, clip: str) -> None:
    window = library.windows()[0]
    where = f"/api/timeline/{library.windows()[-1].id}/similarity"
    part = page.get(where, params={**ALL, "window": window.id, "start": 0, "end": 0.5})
    assert part.status_code == 200 and part.json()["at"]
    with open(clip, "rb") as file:
        token = page.post("/api/uploads", params={"name": "clip.mp4"}, content=file.read()).json()["token"]
    before = page.get(where, params={**ALL, "upload": token, "start": 0, "end": 0.5})
    assert before.status_code == 400 and "search with the clip first" in before.json()["error"]
    searched(page, {"upload": token, "start": 0, "end": 0.5})
    after = page.get(where, params={**ALL, "upload": token, "start": 0, "end": 0.5})
    assert after.status_code == 200 and len(after.json()["at"]) == len(part.json()["at"])
    gone = page.get(where, params={**ALL, "upload": "none"})
    assert gone.status_code == 404 and sentence(gone.json()["error"])


@pytest.mark.parametrize(
    "wrong",
    [
        {"to": 0}, {"from": 5, "to": 2}, {"from": -1}, {"to": "nan"}, {"to": "9" * 400}, {"from": "9" * 400},
        {"to": ""}, {"bins": 0}, {"bins": 10**9}, {"bins": "9" * 500}, {"bins": -3}, {"bins": "many"}, {"bins": "inf"},
    ],
)  # fmt: skip
@pytest.mark.parametrize("what", ["strength", "similarity", "predicted"])
def test_wrong_stretches_are_refused_in_a_sentence(
    page: TestClient, library: Library, what: str, wrong: dict[str, object]
) -> None:
    window = library.windows()[0].id
    answer = page.get(f"/api/timeline/{window}/{what}", params={"like": window, **ALL, **wrong})
    assert answer.status_code == 400
    assert sentence(answer.json()["error"])


@pytest.mark.parametrize("what", ["", "/strength", "/similarity", "/predicted"])
@pytest.mark.parametrize("number", ["999999", "9" * 30, "9" * 400])
def test_videos_that_are_not_there(page: TestClient, what: str, number: str) -> None:
    answer = page.get(f"/api/timeline/{number}{what}", params={"like": 1, **ALL})
    assert answer.status_code in (400, 404)
    assert sentence(answer.json()["error"])


@pytest.mark.parametrize("source", [{}, {"like": "x"}, {"like": "9" * 400}, {"window": 1, "start": 3, "end": 1}])
def test_similarity_to_nothing(page: TestClient, library: Library, source: dict[str, object]) -> None:
    answer = page.get(f"/api/timeline/{library.windows()[0].id}/similarity", params={**ALL, **source})
    assert answer.status_code in (400, 404)
    assert sentence(answer.json()["error"])


def test_without_labels_nothing_is_predicted_and_nothing_doubtful(page: TestClient, library: Library) -> None:
    told = page.get(f"/api/timeline/{library.windows()[0].id}/predicted", params=ALL).json()
    assert (told["names"], told["bouts"]) == ([], [])
    answer = page.get("/api/doubtful")
    assert answer.status_code == 400 and "label a few places" in answer.json()["error"]


def test_the_file_itself_comes_in_ranges(page: TestClient, library: Library) -> None:
    window = library.windows()[0]
    with open(window.path, "rb") as file:
        content = file.read()
    whole = page.get(f"/media/video/{window.id}")
    assert (whole.status_code, whole.content) == (200, content)
    part = page.get(f"/media/video/{window.id}", headers={"Range": "bytes=10-19"})
    assert (part.status_code, part.content) == (206, content[10:20])
    assert part.headers["content-security-policy"].startswith("default-src 'none'")
    assert page.get(f"/media/video/{window.id}", headers={"Range": "bytes=9999999-"}).status_code == 416
    assert page.get("/media/video/999999").status_code == 404


def seconds_from(starts: np.ndarray) -> VideoWindows:
    return VideoWindows(np.arange(len(starts)), starts, starts + 1, np.zeros(len(starts)))


def test_a_summary_of_many_windows_keeps_what_stands_out() -> None:
    starts = np.arange(0, 14_400, 0.5)
    values = np.full(len(starts), 0.5, np.float32)
    values[20_001] = 9.0
    told = summary(seconds_from(starts), values, 0, 14_400, 700)
    assert len(told["at"]) <= 702 and told["step"] > 0.5
    assert max(told["high"]) == 9.0 and min(told["low"]) == max(told["low"]) == 0.5
    peak = int(np.argmax(told["high"]))
    assert abs(told["at"][peak] - starts[20_001]) < 14_400 / 700
    near = summary(seconds_from(starts), values, 10_000, 10_002, 700)
    assert 9.0 in near["mean"] and near["step"] == 0.5


def test_a_summary_beyond_the_end_is_empty_or_next_to_it() -> None:
    ones = np.ones(4, np.float32)
    assert len(summary(seconds_from(np.arange(4.0)), ones, 100, 200, 10)["at"]) <= 2
    assert summary(seconds_from(np.zeros(0)), np.zeros(0), 0, 1, 10)["at"] == []


def test_gaps_are_told_apart_from_steps() -> None:
    starts = np.array([0.0, 1, 2, 50, 51, 52])
    told = summary(seconds_from(starts), np.ones(6, np.float32), 0, 60, 100)
    assert max(np.diff(told["at"])) > 1.6 * told["step"]


def test_more_runs_than_bins_are_told_by_what_fills_each_bin() -> None:
    starts = np.arange(0.0, 1000.0)
    runs = Runs(starts, starts + 1, (np.arange(1000) % 10 == 0).astype(np.int64), np.full(1000, 0.9))
    told = visible(runs, 0, 1000, 50)
    assert len(told) == 50 and {kind for *_, kind, _ in told} == {0}
    assert len(visible(runs, 100, 110, 50)) in (10, 11)


def test_doubtful_places_are_unlabelled_and_of_different_videos_first() -> None:
    windows = [Window(n, "ab"[n // 5], n % 5 * 1.0, n % 5 + 2.0, 0.1) for n in range(10)]
    margin = np.array([0.0, 0.1, 0.2, 0.3, 0.9, 0.4, 0.5, 0.6, 0.7, 0.8])
    shares = np.stack([0.5 + margin / 2, 0.5 - margin / 2], 1)
    assert most_doubtful(windows, shares, {}, 2) == [0, 5], "not twice the same video"
    assert most_doubtful(windows, shares, {}, 4) == [0, 2, 5, 7], "then others of it, apart"
    assert most_doubtful(windows, shares, {"a": [(0.5, 0.5), (0.2, 2.5)]}, 1) == [3]
    assert most_doubtful(windows, shares, {"a": [(0.0, 9.0)], "b": [(0.0, 9.0)]}, 3) == []
    assert most_doubtful(windows, shares, {"a": [(1.5, 1.5)]}, 1) == [2], "a moment counts too"


@pytest.fixture
def labelled(
    serve_page: Callable[..., TestClient], make_library: Callable[[Path], Library], tmp_path: Path
) -> Iterator[tuple[TestClient, list[Window]]]:
    """A page of its own, and the windows of its library; the first video is called one, the second two, all of it."""
    library = make_library(tmp_path)
    windows = library.windows()
    paths = list(dict.fromkeys(window.path for window in windows))
    acts = []
    for path, name in zip(paths[:2], ("one", "two"), strict=True):
        first = library.windows_of(path)[0]
        acts.append({"act": "add", "video": first.id, "start": 0.0, "end": 0.75, "class": name})
    with serve_page(library.path) as page:
        assert page.post("/api/labels", json={"acts": acts}).status_code == 200
        yield page, windows


def test_bouts_are_predicted_once_two_classes_are_labelled(labelled: tuple[TestClient, list[Window]]) -> None:
    page, windows = labelled
    told = page.get(f"/api/timeline/{windows[0].id}/predicted", params=ALL).json()
    assert told["names"] == ["one", "two"]
    (start, end, kind, share), *_ = told["bouts"]
    assert (start, kind) == (0, 0) and end > 0.5 and share > 0.5
    before = told["version"]
    page.post("/api/labels", json={"acts": [{"act": "rename", "class": "one", "to": "first"}]})
    again = page.get(f"/api/timeline/{windows[0].id}/predicted", params=ALL).json()
    assert again["names"] == ["first", "two"] and again["version"] > before, "never of labels that have changed"


def test_doubtful_places_are_of_videos_without_labels(labelled: tuple[TestClient, list[Window]]) -> None:
    page, windows = labelled
    places = page.get("/api/doubtful").json()["places"]
    names = [place["name"] for place in places]
    assert len(set(names[:10])) == 10, "one of each of the ten other videos first"
    paths = list(dict.fromkeys(window.path for window in windows))[:2]
    assert not any(path.endswith(name) for path in paths for name in names)
    assert all(sorted(place["between"]) == ["one", "two"] and 0 <= place["margin"] <= 1 for place in places)


def test_time_budgets_of_a_video_and_of_the_library(labelled: tuple[TestClient, list[Window]]) -> None:
    page, windows = labelled
    told = page.get(f"/api/timeline/{windows[0].id}/budget").json()
    one, two = told["hand"]
    assert (one["name"], one["seconds"], one["bouts"], one["mean"]) == ("one", 0.75, 1, 0.75)
    assert (two["seconds"], two["bouts"], two["mean"]) == (0, 0, None)
    assert one["share"] == pytest.approx(0.75 / told["seconds"], rel=0.01)
    assert [row["name"] for row in told["predicted"]] == ["one", "two"]
    assert told["agreement"]["learned"] == 1, "without these labels there is one class alone"
    whole = page.get("/api/budget").json()
    assert whole["videos"] == 12 and whole["agreement"]["videos"] == 2
    assert [row["bouts"] for row in whole["hand"]] == [1, 1]
    assert sum(row["seconds"] for row in whole["predicted"]) <= whole["seconds"] + 1e-6


def test_agreement_is_of_videos_whose_labels_were_not_learned_from(labelled: tuple[TestClient, list[Window]]) -> None:
    page, windows = labelled
    firsts = list({window.path: window.id for window in reversed(windows)}.values())
    acts = [
        {"act": "add", "video": number, "start": 0.0, "end": 0.75, "class": ("one", "two")[place % 2]}
        for place, number in enumerate(firsts[:10])
    ]
    page.post("/api/labels", json={"acts": acts})
    agreement = page.get("/api/budget").json()["agreement"]
    assert agreement["learned"] == 0 and agreement["videos"] >= 10
    assert {"kappa", "frame_f1", "bout_f1", "classes"} <= set(agreement)


def test_budgets_without_labels(page: TestClient, library: Library) -> None:
    told = page.get(f"/api/timeline/{library.windows()[0].id}/budget").json()
    assert (told["hand"], told["predicted"], told["agreement"]) == ([], None, None)
    assert page.get("/api/timeline/999999/budget").status_code == 404
