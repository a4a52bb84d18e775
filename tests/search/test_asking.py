"""What is found in an index, and what it refuses."""

from __future__ import annotations

import shutil
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kinema.common.whitening import Whitening
from kinema.data.synthetic.files import write_video
from kinema.errors import ConfigError
from kinema.search import Filters, Library
from kinema.search.about import get_map
from kinema.search.comparing import WHITENING
from kinema.search.connection import snapshot
from kinema.search.ranking import merge
from kinema.search.results import EmbeddedQuery, Query, Window
from kinema.search.stretches import along, around


def test_a_window_is_most_like_itself_and_its_own_video_is_left_out(indexed):
    window = indexed.windows()[3]
    own = indexed.search(window, exclude_own=False).hits[0]
    assert own.window == window and own.score == pytest.approx(1, abs=1e-5)
    for by in ("motion", "appearance"):
        answer = indexed.search(window.path, by=by, top=50)
        assert window.path not in {hit.path for hit in answer.hits}
        assert {hit.path for hit in answer.hits} == {video.path for video in indexed.videos()} - {window.path}
        scores = [hit.score for hit in answer.hits]
        assert scores == sorted(scores, reverse=True)


def test_a_whole_file_of_the_library_is_asked_for_by_the_vectors_that_are_there(indexed, tmp_path, monkeypatch):
    path = indexed.windows()[3].path
    encoder = Library(indexed.path).embedder.source
    known, read = Library(indexed.path).embed(path), Library(indexed.path, encoder).embed(path)
    assert known.query == read.query
    for way in known.vectors:
        np.testing.assert_allclose(known.vectors[way], read.vectors[way], atol=1e-5)
    changed = tmp_path / "changed.mp4"
    shutil.copyfile(path, changed)
    monkeypatch.setattr(Library, "_query", None)  # which what is not known must not come to
    assert Library(indexed.path).embed(changed).query.windows == read.query.windows
    assert Library(indexed.path).embed(path, 0.2).query.start == 0.2


def test_a_search_for_a_file_of_the_library_imports_nothing_heavy(indexed):
    path = indexed.windows()[3].path
    script = (
        "import sys; from kinema.search import Library; "
        f"found = Library({str(indexed.path)!r}).search({path!r}); "
        "print(len(found.hits), [name for name in ('torch', 'sklearn', 'cv2') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == f"{len(indexed.search(path).hits)} []\n"


def as_compared(library: Library, vectors: np.ndarray) -> np.ndarray:
    """Vectors (N, D) whitened by what the index keeps, from the closed form, and of length 1."""
    with snapshot(library.path) as db:
        kept = Whitening.from_bytes(get_map(db, WHITENING))
    change = kept.rest * (np.eye(len(kept.mean)) - kept.directions.T @ kept.directions)
    whitened = (vectors - kept.mean) @ (change + kept.directions.T @ np.diag(kept.gains) @ kept.directions)
    return whitened / np.linalg.norm(whitened, axis=1, keepdims=True)


def test_a_search_is_brute_force_on_whitened_vectors(indexed):
    """A slow reference in plain NumPy."""
    windows = indexed.windows()
    vectors = as_compared(indexed, indexed.vectors([window.id for window in windows]))
    asked = windows[8]
    best: dict[str, float] = {}
    for window, vector in zip(windows, vectors, strict=True):
        if window.path != asked.path:
            best[window.path] = max(float(vector @ vectors[8]), best.get(window.path, -2))
    expected = sorted(best.values(), reverse=True)
    # the two windows of a video overlap, so that each video is one hit
    assert [hit.score for hit in indexed.search(asked, top=11).hits] == pytest.approx(expected, abs=1e-4)


def test_copies_of_the_query_are_left_out_too(indexed, tmp_path):
    path = indexed.videos()[0].path
    answer = indexed.search(shutil.copy(path, tmp_path / "copy.mp4"), top=20)
    assert path not in {hit.path for hit in answer.hits}
    other = indexed.videos()[1].path
    assert other not in {hit.path for hit in indexed.search(path, exclude=[other], top=20).hits}


def test_filters(indexed):
    strengths = sorted(window.strength for window in indexed.windows())
    cases = {
        Filters(path="*/0000?.mp4"): lambda w: Path(w.path).name < "00010.mp4",
        Filters(after=0.2): lambda w: w.start >= 0.2,
        Filters(before=0.6): lambda w: w.end <= 0.6,
        Filters(min_strength=strengths[12]): lambda w: w.strength >= strengths[12],
        Filters(max_strength=strengths[3], before=0.6): lambda w: w.strength <= strengths[3] and w.end <= 0.6,
    }
    for filters, allowed in cases.items():
        windows = indexed.windows(filters)
        assert windows == [window for window in indexed.windows() if allowed(window)]
        hits = indexed.search(indexed.windows()[0], top=50, filters=filters, exclude_own=False).hits
        assert {hit.path for hit in hits} == {window.path for window in windows}
        assert all(allowed(hit.window) for hit in hits)


def test_hits_of_one_place_are_merged():
    def window(number, start, path="a"):
        return Window(number, path, start, start + 1.0, 0.1)

    ranked = [(window(1, 5.0), 0.9), (window(2, 5.5), 0.8), (window(3, 6.0), 0.7), (window(4, 5.0, "b"), 0.6),
              (window(5, 4.5), 0.5), (window(6, 9.0), 0.4)]  # fmt: skip
    hits = merge(ranked, 3)
    assert [(hit.path, hit.start, hit.end, hit.window.id) for hit in hits] == [
        ("a", 5.0, 6.5, 1),
        ("a", 6.0, 7.0, 3),
        ("b", 5.0, 6.0, 4),
    ]
    assert merge([], 3) == ()


def test_part_of_a_clip_is_asked_for(indexed):
    path = indexed.videos()[0].path
    answer = indexed.search(path, 0.25, 0.75, top=1)
    assert (answer.query.start, answer.query.end, answer.query.windows) == (0.25, 0.75, 1)
    kept = indexed.embed(indexed.windows()[1]).vectors["motion"]
    np.testing.assert_allclose(indexed.embed(path, 0.25, 0.75).vectors["motion"], kept, atol=0.01)
    assert indexed.search(path, 0.6).query.windows == 1  # shorter than a window
    with pytest.raises(ConfigError, match=r"the part from 0:02.0 to 0:01.0 is empty"):
        indexed.search(path, 2, 1)
    with pytest.raises(ConfigError, match=r"ends before 0:05.0: start earlier"):
        indexed.search(path, 5)


def test_a_query_without_motion_is_answered_with_a_warning(indexed, tmp_path, moving_texture):
    answer = indexed.search(moving_texture(tmp_path / "still.mp4", 0.0), top=3)
    assert len(answer.hits) == 3
    assert answer.warnings == (
        f"next to nothing moves in {tmp_path / 'still.mp4'} ({answer.query.strength:.3f} widths per second), so that "
        "its motion says little; choose a part that moves, or search by appearance",
    )
    assert indexed.search(tmp_path / "still.mp4", top=3, by="appearance").warnings == ()


def test_a_hit_that_is_gone_and_too_few_hits_are_said(library, folder):
    asked, gone = library.windows()[0], library.windows()[2].path
    Path(gone).unlink()
    answer = library.search(asked, top=30)
    assert answer.warnings == (
        f"{gone} is no longer there; run `kinema index` again",
        "the library has only 11 places that the search allows",
    )


def test_filters_that_allow_nothing_are_said(indexed):
    answer = indexed.search(indexed.videos()[0].path, top=3, filters=Filters("*/nowhere/*"))
    assert answer.hits == ()
    assert answer.warnings == (
        "the library has nothing that the search allows; widen its filters, or index more videos",
    )


def test_appearance_finds_colours_and_motion_does_not_depend_on_them(tmp_path, encoder):
    """Two colours crossed with two speeds: the middle frame's colour decides by appearance."""
    rng = np.random.default_rng(0)
    folder = tmp_path / "videos"
    folder.mkdir()
    for number in range(8):
        colour = np.array([220, 60, 40] if number % 2 else [30, 80, 220], np.float32)
        texture = (colour * rng.uniform(0.6, 1, (32, 32, 1))).astype(np.uint8)
        frames = [np.roll(texture, (number // 2 % 2) * n, 1) for n in range(12)]
        write_video(folder / f"{number}.mp4", frames, 16.0)
    library = Library(tmp_path / "index", encoder)
    library.add(folder)
    for number in range(8):
        hits = library.search(folder / f"{number}.mp4", by="appearance", top=3).hits
        assert {int(Path(hit.path).stem) % 2 for hit in hits} == {number % 2}


def test_a_part_of_an_indexed_video_is_its_kept_vectors_and_nothing_is_read(encoder, moving_texture, tmp_path):
    moving_texture(tmp_path / "v" / "long.mp4", 0.2, seconds=4.0)
    library = Library(tmp_path / "index", encoder)
    library.add(tmp_path / "v")
    own = library.windows()
    Path(own[0].path).unlink()
    asked = library.embed(own[0], own[3].start, own[4].end)
    np.testing.assert_array_equal(asked.vectors["motion"], library.vectors([own[3].id, own[4].id]))
    assert (asked.query.start, asked.query.end, asked.query.windows) == (own[3].start, own[4].end, 2)
    short = library.embed(own[0], own[3].start + 0.3, own[3].start + 0.32)
    assert short.query.windows == 1, "a part shorter than a window is the window that most of it lies in"
    with pytest.raises(ConfigError, match="is empty"):
        library.embed(own[0], 0.5, 0.5)
    with pytest.raises(ConfigError, match=r"ends before 0:07.0: start earlier"):
        library.embed(own[0], 7.0)


def test_other_places_of_the_clips_own_video_are_found_when_asked_for(encoder, moving_texture, tmp_path):
    for name, speed in (("long", 0.2), ("other", 0.4)):
        moving_texture(tmp_path / "v" / f"{name}.mp4", speed, seconds=4.0)
    library = Library(tmp_path / "index", encoder)
    library.add(tmp_path / "v")
    window = next(w for w in library.windows() if w.start > 1)
    assert {Path(hit.path).name for hit in library.search(window, top=50).hits} == {"other.mp4"}
    part = f"{window.path}#t=1,3"
    assert {Path(hit.path).name for hit in library.search(part, top=50).hits} == {"other.mp4"}
    assert {Path(hit.path).name for hit in library.search(window, top=50, exclude=[part], exclude_own=False).hits} == {
        "other.mp4"
    }
    asked = library.search(part, top=50, within=True)
    assert (asked.query.path, asked.query.start) == (window.path, 1.0)
    assert all(hit.end <= 1 or hit.start >= 3 for hit in asked.hits if hit.path == window.path)
    assert any(hit.path == window.path for hit in asked.hits)
    by_times, by_name = library.embed(window.path, 1.0, 3.0), library.embed(part)
    assert np.array_equal(by_times.vectors["motion"], by_name.vectors["motion"])
    own = [hit for hit in library.search(window, top=50, within=True).hits if hit.path == window.path]
    assert own and all(hit.end <= window.start or hit.start >= window.end for hit in own)


def test_what_is_typical_of_the_library_is_its_median(indexed):
    windows = indexed.windows()
    vectors = as_compared(indexed, indexed.vectors([window.id for window in windows]))
    scores = vectors @ vectors[8]
    answer = indexed.search(windows[8], top=3)
    assert answer.typical == pytest.approx(np.median(scores), abs=1e-4)
    assert answer.spread == pytest.approx(1.4826 * np.median(np.abs(scores - np.median(scores))), abs=1e-4)
    best = answer.hits[0]
    assert answer.outstanding(best) == pytest.approx((best.score - answer.typical) / answer.spread)


@pytest.mark.parametrize("length", [1, 2, 3, 50])
def test_scores_along_videos_by_a_slow_loop(length):
    rng = np.random.default_rng(length)
    videos = np.repeat([4, 2, 9], [5, 1, 7])
    scores = rng.normal(size=13).astype(np.float32)
    expected = []
    for place, video in enumerate(videos):
        near = range(place - (length - 1) // 2, place + length // 2 + 1)
        expected.append(sum(scores[n] for n in near if 0 <= n < 13 and videos[n] == video) / length)
    np.testing.assert_allclose(along(scores, videos, length), expected, rtol=1e-5)


@given(st.sets(st.integers(1, 60)), st.integers(1, 9))
def test_numbers_around_others(ids, length):
    expected = {near for number in ids for near in range(number - length + 1, number + length)}
    assert around(np.array(sorted(ids), np.int64), length).tolist() == sorted(expected)


def test_a_query_of_several_windows_finds_stretches_that_are_alike_all_along(indexed):
    """Whether all windows are compared or only those that are allowed."""
    some = indexed.windows()
    query = next([a, b] for a, b in pairwise(some) if a.path == b.path)
    ids = [window.id for window in query]
    asked = EmbeddedQuery(Query("elsewhere.mp4", 0, 1, 1.0, 2), {"motion": indexed.vectors(ids)})
    compared = as_compared(indexed, indexed.vectors([window.id for window in some]))
    mean = compared[[some.index(window) for window in query]].mean(0)
    scores = along(compared @ mean / np.linalg.norm(mean), np.array([hash(w.path) for w in some]), 2)
    for filters in (Filters(), Filters(min_strength=-1.0)):
        hits = indexed.search(asked, top=500, exclude_own=False, filters=filters).hits
        found = {hit.window.id: hit.score for hit in hits}
        known = {window.id: score for window, score in zip(some, scores, strict=True)}
        assert found == pytest.approx({number: known[number] for number in found}, abs=1e-4)
        assert hits[0].score == pytest.approx(scores.max(), abs=1e-4)
