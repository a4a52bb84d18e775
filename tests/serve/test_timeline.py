"""The timeline of a video over HTTP: summaries of stretches, whatever is asked for."""

from __future__ import annotations

import numpy as np
import pytest
from page_questions import searched, sentence
from starlette.testclient import TestClient

from kinema.search import Library, Window
from kinema.search.doubtful import most_doubtful
from kinema.serve.summaries import Runs, Track, summary, visible

ALL = {"from": 0, "to": 10, "bins": 100}


def test_about_a_video(page: TestClient, library: Library) -> None:
    window = library.windows()[1]
    about = page.get(f"/api/timeline/{window.id}").json()
    windows = library.windows_of(window.path)
    assert about["id"] == windows[0].id, "a video goes by its first window"
    assert about["windows"] == len(windows)
    assert (about["fps"], about["duration"], about["gone"]) == (16, pytest.approx(0.75), "")


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


def test_a_summary_of_many_windows_keeps_what_stands_out() -> None:
    starts = np.arange(0, 14_400, 0.5)
    values = np.full(len(starts), 0.5, np.float32)
    values[20_001] = 9.0
    track = Track(starts, starts + 1, values)
    told = summary(track, 0, 14_400, 700)
    assert len(told["at"]) <= 702 and told["step"] > 0.5
    assert max(told["high"]) == 9.0 and min(told["low"]) == max(told["low"]) == 0.5
    peak = int(np.argmax(told["high"]))
    assert abs(told["at"][peak] - starts[20_001]) < 14_400 / 700
    near = summary(track, 10_000, 10_002, 700)
    assert 9.0 in near["mean"] and near["step"] == 0.5


def test_a_summary_beyond_the_end_is_empty_or_next_to_it() -> None:
    track = Track(np.arange(4.0), np.arange(4.0) + 1, np.ones(4, np.float32))
    assert len(summary(track, 100, 200, 10)["at"]) <= 2
    assert summary(Track(*[np.zeros(0)] * 3), 0, 1, 10)["at"] == []


def test_gaps_are_told_apart_from_steps() -> None:
    starts = np.array([0.0, 1, 2, 50, 51, 52])
    told = summary(Track(starts, starts + 1, np.ones(6, np.float32)), 0, 60, 100)
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
