from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from kinema.common.vectors import unit
from kinema.search import Filters, approximate, database, recent, segments
from kinema.search.comparing import comparison
from kinema.search.connection import connected, transaction
from kinema.search.database import FileState, condition
from kinema.search.embedder import EmbeddedWindow
from kinema.search.ranking import Ranker
from kinema.search.recent import Recent
from kinema.search.segments import covered

pytest.importorskip("faiss")
KINDS = np.random.default_rng(9).standard_normal((40, 8), np.float32)
LIFT = np.random.default_rng(8).standard_normal((8, 32), np.float32)


def vectors(count: int, seed: int) -> np.ndarray:
    """Around forty kinds, and off the origin, as features are."""
    rng = np.random.default_rng(seed)
    points = KINDS[rng.integers(40, size=count)] + 0.3 * rng.standard_normal((count, 8), np.float32)
    return unit(points @ LIFT + 2)


def put(db, name: str, count: int, seed: int) -> None:
    strength = np.random.default_rng(seed).random(count)
    windows = [
        EmbeddedWindow(float(n), n + 1.0, float(strength[n]), one, other, b"")
        for n, (one, other) in enumerate(zip(vectors(count, seed), vectors(count, seed + 500), strict=True))
    ]
    with transaction(db):
        database.put_video(db, 0, FileState(name, 1, 1, name), windows, "")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Ten videos of 300 windows under an approximate index, which begins at 1,000 windows here."""
    monkeypatch.setattr(approximate, "EXACT", 1000)
    with connected(tmp_path) as db:
        database.create_tables(db, {})
        for number in range(10):
            put(db, f"/{number}", 300, number)
        approximate.refresh(db, tmp_path)
    return tmp_path


def files(folder) -> set[str]:
    return {path.name for path in folder.glob("*.faiss")}


def agreement(folder, by="motion", filters=None, queries=40) -> float:
    """The share of the true ten nearest that are found; the nearest one always has to be."""
    ranker, shares = Ranker(folder), []
    for query in vectors(queries, 99):
        found, true = (
            [hit.window.id for hit in ranker.nearest(query, by, 10, condition(filters or Filters()), exact)]
            for exact in (False, True)
        )
        assert len(found) == 10
        shares.append(len(set(found) & set(true)) / 10)
    return float(np.mean(shares))


def test_it_finds_what_comparing_with_every_window_finds(folder):
    assert files(folder) == {"motion.1.faiss", "appearance.1.faiss"}
    assert agreement(folder) >= 0.95 and agreement(folder, "appearance") >= 0.95


def test_filters_hold_however_few_windows_they_leave(folder):
    assert agreement(folder, filters=Filters(min_strength=0.5)) >= 0.95
    assert agreement(folder, filters=Filters(path="/3", after=100.0)) == 1
    hits = Ranker(folder).nearest(vectors(1, 1)[0], "motion", 10, condition(Filters(path="/3", before=5.0)), False)
    assert len(hits) == 5 and {hit.path for hit in hits} == {"/3"}
    assert Ranker(folder).nearest(vectors(1, 1)[0], "motion", 10, condition(Filters(path="/nowhere")), False) == ()


def test_what_is_added_is_found_at_once_and_later_by_the_index(folder):
    ranker = Ranker(folder)
    query = vectors(300, 77)[5]
    with connected(folder) as db:
        put(db, "/new", 300, 77)
        assert ranker.nearest(query, "motion", 1, condition(Filters()), False)[0].path == "/new"
        approximate.refresh(db, folder)
        assert files(folder) == {"motion.1.faiss", "appearance.1.faiss"}  # too little to put in
        for number in range(20, 24):
            put(db, f"/{number}", 300, number)
        approximate.refresh(db, folder)
        assert covered(db).count == 4500 and covered(db).groups.trained == 3000
    assert files(folder) == {f"{by}.{number}.faiss" for by in ("motion", "appearance") for number in (1, 2)}
    best = ranker.nearest(query, "motion", 1, condition(Filters()), False)[0]
    assert best.path == "/new" and best.score == pytest.approx(1, abs=1e-5)
    assert agreement(folder) >= 0.95


def test_what_is_deleted_is_never_found_and_the_groups_are_made_anew(folder):
    with connected(folder) as db:
        with transaction(db):
            database.drop_videos(db, ["/1", "/2"])
        hits = Ranker(folder).nearest(vectors(300, 1)[5], "motion", 50, condition(Filters()), False)
        assert not {"/1", "/2"} & {hit.path for hit in hits} and len(hits) == 50
        assert agreement(folder) >= 0.95
        with transaction(db):
            database.drop_videos(db, ["/3"])
        approximate.refresh(db, folder)
        assert covered(db).count == 2100
        with transaction(db):
            database.drop_videos(db, [f"/{number}" for number in range(4, 10)])
        approximate.refresh(db, folder)
    assert files(folder) == set()  # small again
    assert agreement(folder) == 1


def test_a_library_that_grows_is_sealed_bit_by_bit_and_searched_meanwhile(tmp_path, monkeypatch):
    monkeypatch.setattr(approximate, "EXACT", 250)
    ranker = Ranker(tmp_path)
    sizes = []
    with connected(tmp_path) as db:
        database.create_tables(db, {})
        for number in range(40):
            put(db, f"/{number}", 100, number)
            approximate.grow(db, tmp_path)
            sizes.append([segment.count for segment in covered(db).segments])
            asked = vectors(100, number)[50], "motion", 5, condition(Filters())
            assert ranker.nearest(*asked, False)[0].path == f"/{number}"
            assert ranker.nearest(*asked, False) == Ranker(tmp_path).nearest(*asked, False)
        assert sizes[:4] == [[], [], [300], [300]]
        assert max(map(len, sizes)) == 7 and sizes[-1] == [2400, 300, 300, 300, 300, 300]
        names = {f"{by}.{segment.number}.faiss" for by in ("motion", "appearance") for segment in covered(db).segments}
        assert files(tmp_path) == names
        assert agreement(tmp_path) >= 0.95
        with transaction(db):
            database.drop_videos(db, ["/1", "/39"])
        assert not {"/1", "/39"} & {hit.path for hit in ranker.nearest(*asked[:2], 60, asked[3], False)}
        approximate.refresh(db, tmp_path)
        assert [segment.count for segment in covered(db).segments] == [2400, 1500]
    assert agreement(tmp_path) >= 0.95


def joined(blocks):
    """What several blocks of windows hold."""
    empty = np.zeros(0, np.int64), np.zeros((0, 32), np.float32), np.zeros(0, np.int64)
    return tuple(np.concatenate(parts) for parts in zip(empty, *blocks, strict=True))


def test_what_is_recent_is_followed_through_all_that_can_happen(tmp_path, monkeypatch):
    """Beside a reader that begins anew each time."""
    monkeypatch.setattr(approximate, "EXACT", 300)
    monkeypatch.setattr(recent, "BLOCK", 64)
    rng, following = np.random.default_rng(0), Recent("motion")
    with connected(tmp_path) as db:
        database.create_tables(db, {})
        for number in range(60):
            act = rng.integers(5)
            if act < 2:
                put(db, f"/{number}", int(rng.integers(1, 90)), number)
            elif act == 2:
                approximate.grow(db, tmp_path)
            elif act == 3:
                with transaction(db):
                    database.drop_videos(db, [f"/{rng.integers(60)}" for _ in range(3)])
            else:
                approximate.refresh(db, tmp_path)
            asked = db, comparison(db), covered(db).last
            ids, found, videos = joined(following.windows(*asked))
            anew = joined(Recent("motion").windows(*asked))
            there = np.isin(ids, anew[0])
            for ours, theirs in zip((ids[there], found[there], videos[there]), anew, strict=True):
                np.testing.assert_array_equal(ours, theirs)
            left = database.ids_where(db, "windows.id > ?", [asked[2]])
            np.testing.assert_array_equal(left, ids[there])


def test_a_search_whose_segments_are_gone_begins_again(folder, monkeypatch):
    """The files of the state that it saw are gone when it opens them."""
    ranker, opened = Ranker(folder), segments.open_segment

    def late(*asked):
        with connected(folder) as db:
            monkeypatch.setattr("kinema.search.following.open_segment", opened)
            for number in range(30, 34):
                put(db, f"/{number}", 300, number)
            approximate._build(db, folder, None)
            approximate.refresh(db, folder)
        return opened(*asked)

    monkeypatch.setattr("kinema.search.following.open_segment", late)
    (hit,) = ranker.nearest(vectors(300, 31)[7], "motion", 1, condition(Filters()), False)
    assert hit.path == "/31" and files(folder) == {"motion.2.faiss", "appearance.2.faiss"}


def foreign(path, tmp_path) -> None:
    """A file of the same size and kind, of other vectors."""
    other = tmp_path / "other"
    other.mkdir()
    with connected(other) as db:
        database.create_tables(db, {})
        for number in range(10):
            put(db, f"/{number}", 300, 40 + number)
        approximate.refresh(db, other)
    content = (other / path.name).read_bytes()
    assert len(content) == path.stat().st_size
    path.write_bytes(content)


DAMAGE = {
    "empty": lambda path, _: path.write_bytes(b""),
    "cut": lambda path, _: path.write_bytes(path.read_bytes()[:5000]),
    "foreign": foreign,
    "words": lambda path, _: path.write_text("these are words\n" * 1000),
    "another kind": lambda path, _: path.write_bytes(path.with_name("appearance.1.faiss").read_bytes()[:-8]),
    "a wrong byte": lambda path, _: path.write_bytes(path.read_bytes()[:40] + b"\xff" * 8 + path.read_bytes()[48:]),
    "gone": lambda path, _: path.unlink(),
    "a folder": lambda path, _: (path.unlink(), path.mkdir()),
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_a_damaged_file_is_done_without_named_and_made_anew(folder, tmp_path, kind):
    asked = vectors(1, 1)[0], "motion", 10, condition(Filters())
    opened = Ranker(folder)
    before = opened.nearest(*asked, False)
    DAMAGE[kind](folder / "motion.1.faiss", tmp_path)
    ranker = Ranker(folder)
    for _ in range(2):
        assert ranker.nearest(*asked, False) == ranker.nearest(*asked, True) == before
        said = ranker.complaint("motion")
        state = "gone" if kind in ("gone", "a folder") else "damaged or cannot be read"
        assert said.startswith(f"{folder.name}/motion.1.faiss is {state}, so that every window was compared; ")
    assert len(ranker.nearest(vectors(1, 501)[0], "appearance", 10, condition(Filters()), False)) == 10
    assert ranker.complaint("appearance") == ""
    with connected(folder) as db:
        assert approximate.refresh(db, folder) == (f"{folder.name}/motion.1.faiss",)
        assert approximate.refresh(db, folder) == ()
    assert {"motion.2.faiss", "appearance.2.faiss"} <= files(folder)
    assert ranker.nearest(*asked, False) == before and ranker.complaint("motion") == ""
    assert agreement(folder) >= 0.95


def test_a_wrong_byte_among_the_vectors_is_found_when_the_library_is_brought_up_to_date(folder):
    path = folder / "appearance.1.faiss"
    content = bytearray(path.read_bytes())
    content[-100] ^= 255
    path.write_bytes(content)
    with connected(folder) as db:
        assert approximate.refresh(db, folder) == (f"{folder.name}/appearance.1.faiss",)


def test_files_that_nothing_is_known_of_are_not_opened_but_made_anew(folder):
    with connected(folder) as db, transaction(db):
        db.execute("DELETE FROM about WHERE name LIKE 'seal of %'")
    ranker = Ranker(folder)
    assert len(ranker.nearest(vectors(1, 1)[0], "motion", 10, condition(Filters()), False)) == 10
    assert "motion.1.faiss is damaged" in ranker.complaint("motion")
    with connected(folder) as db:
        assert len(approximate.refresh(db, folder)) == 2
    assert Ranker(folder).complaint("motion") == "" and agreement(folder) >= 0.95


@pytest.mark.parametrize("length", [1, 3, 40])
@pytest.mark.parametrize("by", ["motion", "appearance"])
def test_what_is_typical_is_of_stretches_as_long_as_the_query(tmp_path, length, by, monkeypatch):
    """A slow reference: the score of every place, one after the other. Videos have 5 to 60 windows."""
    monkeypatch.setattr("kinema.search.stretches.BACKGROUND_WINDOWS", 10**9)
    sizes = np.random.default_rng(0).integers(5, 60, size=12).tolist()
    with connected(tmp_path) as db:
        database.create_tables(db, {})
        for number, count in enumerate(sizes):
            put(db, f"/{number}", count, number)
        with transaction(db):
            database.drop_videos(db, ["/3"])  # so that numbers have gaps
        approximate.refresh(db, tmp_path)
    query = vectors(length, 99)
    kept = {n: vectors(count, n + 500 * (by == "appearance")) for n, count in enumerate(sizes) if n != 3}
    centre = np.concatenate(list(kept.values())).mean(0) if by == "motion" else 0
    asked = unit(unit(query - centre).mean(0))
    scores = []
    for own in kept.values():
        for place in range(len(own)):
            near = range(place - (length - 1) // 2, place + length // 2 + 1)
            cosines = [float(unit(own[n] - centre) @ asked) for n in near if 0 <= n < len(own)]
            scores.append(sum(cosines) / length)
    typical, spread = Ranker(tmp_path).typical(query, by)
    assert typical == pytest.approx(np.median(scores), abs=1e-5)
    assert spread == pytest.approx(1.4826 * np.median(np.abs(scores - np.median(scores))), abs=1e-5)
    (best,) = Ranker(tmp_path).nearest(query, by, 1, condition(Filters()), True)
    assert best.score == pytest.approx(max(scores), abs=1e-5)


def test_a_large_library_is_judged_by_stretches_drawn_evenly(folder, monkeypatch):
    from kinema.search import stretches

    query = vectors(6, 99)
    monkeypatch.setattr(stretches, "CHUNK", 240)
    drawn = Ranker(folder).typical(query, "motion")
    monkeypatch.setattr(stretches, "BACKGROUND", 10**6)
    monkeypatch.setattr(stretches, "BACKGROUND_WINDOWS", 10**9)
    assert drawn == pytest.approx(Ranker(folder).typical(query, "motion"), abs=0.02)


def test_an_index_in_a_folder_whose_name_is_no_utf8(folder):
    other = Path(os.fsdecode(os.fsencode(folder) + b"/caf\xe9\nname"))
    other.mkdir()
    with connected(other) as db:
        database.create_tables(db, {})
        for number in range(5):
            put(db, f"/{number}", 300, number)
        approximate.refresh(db, other)
    ranker = Ranker(other)
    assert len(ranker.nearest(vectors(1, 1)[0], "motion", 10, condition(Filters()), False)) == 10
    assert ranker.complaint("motion") == "" and files(other) == {"motion.1.faiss", "appearance.1.faiss"}


def test_without_faiss_the_windows_are_kept_and_the_sentence_says_what_to_install(tmp_path, monkeypatch):
    import sys

    from kinema.errors import ConfigError

    monkeypatch.setattr(approximate, "EXACT", 100)
    monkeypatch.setitem(sys.modules, "faiss", None)
    with connected(tmp_path) as db:
        database.create_tables(db, {})
        put(db, "/0", 300, 0)
        with pytest.raises(ConfigError, match=r"so many windows needs faiss: pip install \"kinema\[search\]\""):
            approximate.refresh(db, tmp_path)
    assert len(Ranker(tmp_path).nearest(vectors(1, 0)[0], "motion", 10, condition(Filters()), False)) == 10
