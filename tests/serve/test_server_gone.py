"""A page of an index on a server that goes away: in the middle of a search, between questions, and back again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from a_server import Server
from page_questions import searched, sentence
from starlette.testclient import TestClient

from kinema.search import Labels, Library, ranking
from kinema.search.copying import copy_index

pytest.importorskip("psycopg")
ASKED = (
    "/api/library",
    "/api/videos",
    "/api/map",
    "/api/labels",
    "/api/labels/history",
    "/api/source/window/2",
    "/api/timeline/1",
    "/api/timeline/1/strength?from=0&to=1&bins=8",
    "/api/budget",
    "/media/window/1/still",
)
ADDING = {"acts": [{"act": "add", "window": 2, "class": "jump"}]}


def test_what_cannot_be_answered_is_a_sentence_until_the_server_is_back(
    postgres: Server, library: Library, serve_page: Callable[..., TestClient], monkeypatch: pytest.MonkeyPatch
) -> None:
    address = postgres.address("kinema")
    copy_index(library.path, address)
    Labels(address).add("jump", 1)
    scores_of, stopped = ranking.recent_scores, []

    def stopping(*arguments: Any) -> Any:
        if not stopped:
            stopped.append(True)
            postgres.stop()
        return scores_of(*arguments)

    with serve_page(address) as page:
        *_, before = searched(page, {"like": 1}, top=2)
        answers = {path: page.get(path) for path in ASKED}
        assert [path for path, answer in answers.items() if answer.status_code != 200] == []
        known = {path: answer.content for path, answer in answers.items()}
        monkeypatch.setattr(ranking, "recent_scores", stopping)
        *_, answer = searched(page, {"like": 1}, top=2)
        assert stopped and "went away or gave up" in answer["error"] and sentence(answer["error"])
        *_, answer = searched(page, {"like": 1}, top=2)
        assert "cannot reach the index" in answer["error"] and sentence(answer["error"])
        for path in ASKED:
            said = page.get(path)
            assert said.content == known[path] or (said.status_code == 503 and sentence(said.json()["error"])), path
        refused = page.post("/api/labels", json=ADDING)
        assert refused.status_code == 503 and sentence(refused.json()["error"])
        postgres.start()
        *_, after = searched(page, {"like": 1}, top=2)
        assert after == before
        assert {path: page.get(path).content for path in ASKED} == known
        assert page.get("/api/labels").json()["total"] == 1, "what was refused has not been done"
        assert page.post("/api/labels", json=ADDING).json()["total"] == 2
