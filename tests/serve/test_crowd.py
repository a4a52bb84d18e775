"""Several people at once."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx2 as httpx
import pytest
from page_questions import sentence
from served_page import served

from kinema.search import Library
from kinema.serve.uploads import KEPT

pytestmark = pytest.mark.timeout(600)


def client(address: str) -> httpx.Client:
    return httpx.Client(base_url=address, headers={"Origin": address.rstrip("/")}, timeout=300)


def test_twelve_uploads_at_once_are_all_kept_and_more_than_there_is_room_for_are_told(library: Library) -> None:
    clip = Path(library.windows()[0].path).read_bytes()
    with served(library.path) as address, client(address) as page:

        def send(number: int) -> httpx.Response:
            return page.post("/api/uploads", params={"name": f"{number}.mp4"}, content=clip)

        with ThreadPoolExecutor(12) as people:
            answers = list(people.map(send, range(12)))
        assert [answer.status_code for answer in answers] == [200] * 12
        for answer in answers:
            assert page.get(f"/api/source/upload/{answer.json()['token']}").status_code == 200, "it is still kept"
        with ThreadPoolExecutor(8) as people:
            more = list(people.map(send, range(8)))
        assert sorted(answer.status_code for answer in more) == [200] * (KEPT - 12) + [503] * (8 - KEPT + 12)
        assert all(sentence(answer.json()["error"]) for answer in more if answer.status_code == 503)


@pytest.mark.slow
def test_who_leaves_a_search_gives_the_worker_free(library: Library, long_clip: Path) -> None:
    with served(library.path) as address, client(address) as page:
        sent = page.post("/api/uploads", params={"name": "long.mp4"}, content=long_clip.read_bytes()).json()
        question = {"source": {"upload": sent["token"]}}
        with page.stream("POST", "/api/search", json=question) as answer:
            lines = answer.iter_lines()
            assert "long.mp4" in next(lines)
            assert "s read" in next(lines)
        began = time.monotonic()
        short = page.post(
            "/api/uploads", params={"name": "a.mp4"}, content=Path(library.windows()[0].path).read_bytes()
        )
        found = page.post("/api/search", json={"source": {"upload": short.json()["token"]}})
        assert "motion" in json.loads(found.text.splitlines()[-1])
        quick = time.monotonic() - began
        began = time.monotonic()
        assert "motion" in page.post("/api/search", json=question).text
        assert quick < time.monotonic() - began, "it did not wait for the long one"


@pytest.mark.slow
def test_eight_people_do_everything_at_once(make_library: Callable[[Path], Library], tmp_path: Path) -> None:
    library = make_library(tmp_path)
    windows = library.windows()

    def visit(number: int) -> list[int]:
        """What one of them does; the statuses of all answers."""
        statuses = []
        mine = windows[number]
        with client(address) as page:

            def ask(method: str, path: str, **content: object) -> httpx.Response:
                answer = page.request(method, path, **content)
                statuses.append(answer.status_code)
                return answer

            for path in ("/", "/static/main.js", "/api/library", "/api/videos", "/api/map", "/api/labels"):
                ask("GET", path)
            sent = ask("POST", "/api/uploads", params={"name": "a.mp4"}, content=Path(mine.path).read_bytes()).json()
            for kind in ("strip", "clip", "flow"):
                ask("GET", f"/media/upload/{sent['token']}/{kind}")
            for source in ({"upload": sent["token"]}, {"like": mine.id}, {"window": mine.id, "start": 0.1, "end": 0.6}):
                answer = json.loads(ask("POST", "/api/search", json={"source": source}).text.splitlines()[-1])
                assert len(answer["motion"]["hits"]) == 11
                for hit in answer["motion"]["hits"][:4]:
                    for kind in ("clip", "flow", "still", "watch"):
                        ask("GET", f"/media/window/{hit['id']}/{kind}")
            act = {"act": "add", "window": mine.id, "class": ("wave", "jump")[number % 2]}
            ask("POST", "/api/labels", json={"acts": [act]})
            ask("DELETE", f"/api/uploads/{sent['token']}")
        return statuses

    with served(library.path) as address:
        with ThreadPoolExecutor(8) as people:
            statuses = [status for visit in people.map(visit, range(8)) for status in visit]
        assert set(statuses) == {200, 204}
        with client(address) as page:
            labels = page.get("/api/labels", params={"windows": "map"}).json()["windows"]
            exactly = {int(number) for number, one in labels.items() if one["labels"]}
            assert exactly == {window.id for window in windows[:8]}, "no label is lost"
            assert page.post("/api/classify", json={}).status_code == 200
