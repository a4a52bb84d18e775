"""Searches beside one who adds: what is read ahead, and that each answer is of one state."""

from __future__ import annotations

import gc
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from kinema.common.vectors import unit
from kinema.search import Filters, approximate, database, following, ranking
from kinema.search.connection import connected, transaction
from kinema.search.database import FileState, condition
from kinema.search.embedder import EmbeddedWindow
from kinema.search.ranking import Ranker

pytest.importorskip("faiss")


def vectors(count: int, seed: int) -> np.ndarray:
    return unit(np.random.default_rng(seed).standard_normal((count, 16), np.float32))


def put(db, name: str, count: int, seed: int, strength: float = 0.5) -> None:
    made = vectors(count, seed)
    windows = [EmbeddedWindow(float(n), n + 1.0, strength, made[n], made[n], b"") for n in range(count)]
    with transaction(db):
        database.put_video(db, 0, FileState(name, 1, 1, name), windows, "")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    with connected(tmp_path) as db:
        database.create_tables(db, {})
        put(db, "/first", 50, 0)
    return tmp_path


def ask(ranker: Ranker, query: np.ndarray, filters: Filters | None = None, top: int = 5):
    return ranker.nearest(query, "motion", top, condition(filters or Filters()), False)


def wait_for(something: Callable[[], bool]) -> bool:
    end = time.monotonic() + 60
    while not something() and time.monotonic() < end:
        time.sleep(0.005)
    return something()


def test_what_is_added_between_searches_is_there_when_the_next_one_comes(folder, monkeypatch):
    monkeypatch.setattr(following, "BITE", 40)
    ranker, query = Ranker(folder), vectors(50, 7)[3]
    ask(ranker, query)
    with connected(folder) as db:
        put(db, "/second", 50, 1)
        ask(ranker, query)  # which finds that somebody adds
        for number in range(2, 8):
            put(db, f"/{number}", 50, number)
    recent = ranker._following._recent["motion"]
    assert wait_for(lambda: recent.read == 400)
    monkeypatch.setattr("kinema.search.recent.vectors_after", lambda db, by, last: iter(()))  # nothing more is read
    (hit, *_) = ask(ranker, query)
    assert hit.path == "/7" and hit.score == pytest.approx(1, abs=1e-5)


def test_a_library_at_rest_or_that_nobody_asks_is_not_followed(folder, monkeypatch):
    ranker = Ranker(folder)
    ask(ranker, vectors(1, 1)[0])
    ask(ranker, vectors(1, 1)[0])
    assert ranker._following._thread is None
    with connected(folder) as db:
        put(db, "/second", 50, 1)
    monkeypatch.setattr(following, "PAUSE", 0.01)
    ask(ranker, vectors(1, 1)[0])
    thread = ranker._following._thread
    assert thread is not None and thread.is_alive()
    monkeypatch.setattr(following, "PATIENCE", 0.0)
    thread.join(60)
    assert not thread.is_alive()


def test_who_follows_ends_with_the_library(folder, monkeypatch):
    monkeypatch.setattr(following, "PAUSE", 0.01)
    ranker = Ranker(folder)
    ask(ranker, vectors(1, 1)[0])
    with connected(folder) as db:
        put(db, "/second", 50, 1)
    ask(ranker, vectors(1, 1)[0])
    thread = ranker._following._thread
    del ranker
    gc.collect()
    thread.join(60)
    assert not thread.is_alive()


def test_each_answer_is_of_one_state_whatever_is_added_sealed_and_replaced(folder, monkeypatch):
    """A video that is replaced again and again is found in one version, and in full."""
    monkeypatch.setattr(approximate, "EXACT", 200)
    monkeypatch.setattr(following, "BITE", 30)
    monkeypatch.setattr(following, "SHORT_PAUSE", 0.0)
    monkeypatch.setattr(following, "PAUSE", 0.001)
    done, failed = threading.Event(), list[BaseException]()

    def write() -> None:
        try:
            with connected(folder) as db:
                for number in range(10**6):
                    if done.is_set():
                        return
                    put(db, "/again", 20, 10**6 + number, float(number))
                    put(db, f"/{number}", 20, number)
                    approximate.grow(db, folder)
        except BaseException as error:
            failed.append(error)

    with connected(folder) as db:
        put(db, "/again", 20, 5)
    writer, ranker, seen = threading.Thread(target=write), Ranker(folder), set[float]()
    writer.start()
    try:
        number, end = 0, time.monotonic() + 60
        while (number < 40 or len(seen) < 4) and time.monotonic() < end:
            number += 1
            filters = Filters(path="/again") if number % 2 else Filters(path="/aga*", after=0.0)
            hits = ask(ranker, vectors(1, number)[0], filters, 40)
            assert len(hits) == 20 and len({hit.window.strength for hit in hits}) == 1
            assert sorted(hit.start for hit in hits) == list(range(20))
            seen.add(hits[0].window.strength)
            assert len(ask(ranker, vectors(1, number)[0], None, 40)) == 40
    finally:
        done.set()
        writer.join()
    assert not failed and len(seen) >= 4


@pytest.fixture
def large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Thirty videos of 50 windows under an approximate index, and one beside it; 100 are many."""
    monkeypatch.setattr(approximate, "EXACT", 500)
    monkeypatch.setattr(ranking, "FEW", 100)
    with connected(tmp_path) as db:
        database.create_tables(db, {})
        for number in range(30):
            put(db, f"/{number // 6}/{number}", 50, number)
        approximate.refresh(db, tmp_path)
        put(db, "/4/30", 50, 30)
    return tmp_path


@pytest.mark.parametrize("filters", [Filters(path="/4/*"), Filters(path="/4/*", after=10.0), Filters(path="/4/2[45]")])
def test_candidates_are_named_among_what_filters_leave(large, filters, monkeypatch):
    """As when all are compared: filters that leave a fifth, less of it, and few enough to compare all of them."""
    ranker, shares, compared, real = Ranker(large), [], [], ranking.scores_of
    for query in vectors(30, 99):
        true = {hit.window.id for hit in ranker.nearest(query, "motion", 5, condition(filters), True)}
        with monkeypatch.context() as patched:
            patched.setattr(ranking, "scores_of", lambda *given: compared.append(len(given[4])) or real(*given))
            found = {hit.window.id for hit in ranker.nearest(query, "motion", 5, condition(filters), False)}
        shares.append(len(found & true) / 5)
    assert np.mean(shares) >= 0.95
    assert max(compared) == (100 if filters.path == "/4/2[45]" else 40)
    assert ask(ranker, vectors(50, 24)[20], filters)[0].path == "/4/24"  # of the approximate index
    if filters.path == "/4/*":
        assert ask(ranker, vectors(50, 30)[20], filters)[0].path == "/4/30"  # of what it does not cover


def test_what_filters_leave_is_of_the_state_that_is_searched(large):
    ranker, filters = Ranker(large), Filters(path="/4/*")
    query = vectors(50, 3)[20]
    assert ask(ranker, query, filters)[0].path != "/4/3"
    with connected(large) as db:
        with transaction(db):
            database.restate_video(db, "/0/3", FileState("/4/3", 1, 2, "/0/3"))
        assert ask(ranker, query, filters)[0].path == "/4/3"
        with transaction(db):
            database.drop_videos(db, ["/4/3"])
        assert ask(ranker, query, filters)[0].path != "/4/3"
