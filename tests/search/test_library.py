from __future__ import annotations

import os
import shutil
import threading
from pathlib import Path

import numpy as np
import pytest

from kinema.data.synthetic.files import write_video
from kinema.errors import ConfigError, DataError
from kinema.search import Filters, Library, Windowing
from kinema.search.database import connected
from kinema.search.ranking import merge
from kinema.search.results import Window


def contents(library: Library) -> dict[tuple[str, float], bytes]:
    """The vector of each window, by its place."""
    windows = library.windows()
    vectors = library.vectors([window.id for window in windows]) if windows else []
    return {(window.path, window.start): vector.tobytes() for window, vector in zip(windows, vectors, strict=True)}


@pytest.fixture
def library(folder, encoder, tmp_path) -> Library:
    """Of the twelve videos, and to be written to."""
    library = Library(tmp_path / "index", encoder)
    library.add(folder)
    return library


# adding


def test_each_video_has_its_windows_and_each_window_its_vectors(indexed, videos):
    found = indexed.videos()
    assert [video.path for video in found] == sorted(str(path) for path in videos.glob("*.mp4"))
    assert {(video.windows, video.error) for video in found} == {(2, "")}  # 0.75 s: 0 to 0.5, 0.25 to 0.75
    vectors = indexed.vectors([window.id for window in indexed.windows()])
    assert vectors.dtype == np.float32 and np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert indexed.count() == len(vectors) == 24


def test_vectors_are_those_of_the_encoder_on_the_frames(indexed, encoder):
    """A slow reference: one window, read and embedded on its own, in single precision (bfloat16 has 3 digits)."""
    import torch

    import kinema
    from kinema.video import Video, View

    window = indexed.windows()[5]
    with Video(window.path, View(short_side=32)) as video:
        frames = video.at_times([window.start + 0.03125 + 0.125 * n for n in range(4)]).frames
    clip = torch.from_numpy(frames).permute(3, 0, 1, 2)[None].float() / 255
    with torch.inference_mode():
        feature = kinema.load_encoder(encoder)(clip)[0].numpy()
    np.testing.assert_allclose(indexed.vectors([window.id])[0], feature / np.linalg.norm(feature), atol=0.02)


def test_what_is_as_before_is_not_embedded_again(library, folder):
    again = library.add(folder)
    assert (again.unchanged, again.new, again.changed, again.windows) == (12, 0, 0, 0)


def test_new_changed_moved_touched_and_deleted_videos_are_noticed(library, folder):
    before = contents(library)
    paths = sorted(folder.glob("*.mp4"))
    shutil.copy(paths[0], folder / "copy.mp4")  # new, with content that is known and still there
    shutil.copy(paths[2], paths[1])  # changed
    (folder / "deeper").mkdir()
    paths[3].rename(folder / "deeper" / "moved.mp4")
    paths[4].unlink()
    os.utime(paths[5])
    added = library.add(folder)
    assert (added.new, added.changed, added.moved, added.deleted, added.unchanged) == (1, 1, 1, 1, 9)
    assert added.windows == 4
    after = contents(library)
    assert after[str(paths[1]), 0.0] == after[str(paths[2]), 0.0] != before[str(paths[1]), 0.0]
    assert after[str(folder / "deeper" / "moved.mp4"), 0.25] == before[str(paths[3]), 0.25]
    assert not any(path in (str(paths[3]), str(paths[4])) for path, _ in after)
    assert library.add(folder).unchanged == 12


def test_an_index_holds_several_folders(library, folder, synthetic_videos):
    library.add(synthetic_videos / "test")
    assert len(library.videos()) == 15
    shutil.rmtree(folder)
    library.add(synthetic_videos / "test")
    assert len(library.videos()) == 15


def test_videos_that_cannot_be_read_are_listed_with_the_reason(folder, encoder, tmp_path):
    (folder / "words.mp4").write_text("no video")
    (folder / "empty.mp4").touch()
    write_video(folder / "tiny.mp4", [np.zeros((16, 16, 3), np.uint8)] * 3, 8.0)
    (folder / os.fsdecode(b"caf\xe9.mp4")).write_bytes(b"")
    library = Library(tmp_path / "index", encoder)
    added = library.add(folder)
    reasons = {os.fsencode(Path(video.path).name): video.error for video in added.problems}
    assert reasons == {
        b"words.mp4": "it is not a video, or its header is damaged",
        b"empty.mp4": "the file is empty",
        b"caf\xe9.mp4": "its name is not valid UTF-8; rename it",
    }
    assert library.count() == 25
    assert library.add(folder).problems == added.problems
    assert {video.path for video in library.videos() if video.error} == {
        str(folder / "words.mp4"),
        str(folder / "empty.mp4"),
    }


def test_a_folder_that_is_gone_or_empty_takes_nothing_from_the_index(library, folder):
    shutil.move(folder, folder.with_name("elsewhere"))
    with pytest.raises(DataError, match="there is no folder"):
        library.add(folder)
    folder.mkdir()
    with pytest.raises(DataError, match=r"holds no videos; the index keeps the 12 that it knew"):
        library.add(folder)
    assert library.count() == 24
    assert library.add(folder.with_name("elsewhere")).moved == 12


def test_one_adds_at_a_time(library, folder):
    from kinema.search.locking import locked

    with locked(library.path), pytest.raises(DataError, match=r"another process is adding to .*; wait until"):
        library.add(folder)


def test_a_long_video_waits_in_the_database_until_it_is_complete(folder, encoder, tmp_path, monkeypatch):
    write_video(folder / "long.mp4", [np.full((32, 32, 3), n % 256, np.uint8) for n in range(160)], 16.0)
    plain = Library(tmp_path / "plain", encoder)
    plain.add(folder)
    monkeypatch.setattr("kinema.search.database.STAGE", 3)
    staged = Library(tmp_path / "staged", encoder)
    staged.add(folder, batch_size=8)
    one, other = contents(plain), contents(staged)
    assert one.keys() == other.keys() and sum(path.endswith("long.mp4") for path, _ in one) == 39
    with connected(staged.path) as db:
        assert db.execute("SELECT count(*) FROM staged").fetchone() == (0,)


@pytest.mark.slow
def test_ten_thousand_tiny_files(encoder, tmp_path):
    folder = tmp_path / "videos"
    folder.mkdir()
    write_video(folder / "0.mp4", [np.full((32, 32, 3), 8 * n, np.uint8) for n in range(4)], 8.0)
    for number in range(1, 10_000):
        shutil.copy(folder / "0.mp4", folder / f"{number}.mp4")
    library = Library(tmp_path / "index", encoder)
    assert library.add(folder).new == library.count() == 10_000
    again = library.add(folder)
    assert again.unchanged == 10_000


@pytest.mark.shared
def test_the_assets_as_a_library(shared_data, encoder, tmp_path):
    from kinema.video import find_videos

    library = Library(tmp_path / "index", encoder)
    added = library.add(shared_data / "assets")
    listed = {video.path for video in added.problems if not video.windows}
    found = {video.path for video in library.videos() if video.windows}
    assert listed | found == {str(path.resolve()) for path in find_videos(shared_data / "assets")[0]}
    assert {Path(path).name for path in listed} >= {"made_empty.mp4"}
    assert all(video.error for video in added.problems)


# searching


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


def test_a_search_is_brute_force_on_centred_vectors(indexed):
    """A slow reference in plain NumPy."""
    windows = indexed.windows()
    vectors = indexed.vectors([window.id for window in windows])
    centre = vectors.mean(0)
    asked = windows[8]
    query = vectors[8] - centre
    best: dict[str, float] = {}
    for window, vector in zip(windows, vectors - centre, strict=True):
        score = float(vector @ query / np.linalg.norm(vector) / np.linalg.norm(query))
        if window.path != asked.path:
            best[window.path] = max(score, best.get(window.path, -2))
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
    by_window = indexed.search(indexed.windows()[1], top=1)
    assert answer.hits[0].score == pytest.approx(by_window.hits[0].score, abs=1e-4)
    assert indexed.search(path, 0.6).query.windows == 1  # shorter than a window
    with pytest.raises(ConfigError, match=r"the part from 2 to 1 s is empty"):
        indexed.search(path, 2, 1)
    with pytest.raises(ConfigError, match=r"ends before 5 s: start earlier"):
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


def test_no_index_an_empty_one_and_too_few_hits(tmp_path, encoder, folder):
    with pytest.raises(DataError, match=r"there is no index at .*none; make one with `kinema index`"):
        Library(tmp_path / "none")
    with pytest.raises(DataError, match=r"there is no index at .*none; make one with `kinema index`"):
        Library(tmp_path / "none", encoder).search(folder / "00000.mp4")


# consistency


def test_an_index_belongs_to_its_encoder_windows_and_format(library, folder, encoder, tmp_path):
    from kinema.models import random_encoder, save_encoder

    another = random_encoder(seed=5)
    other = save_encoder(another, tmp_path / "other.safetensors", another.card)
    with pytest.raises(DataError, match=r"was made with another encoder than .*other.safetensors; name the one"):
        Library(library.path, other).add(folder)
    with pytest.raises(ConfigError, match="there is no device 'abacus' here"):
        _ = Library(library.path, device="abacus").embedder
    with pytest.raises(ConfigError, match="keeps to windows of"):
        Library(library.path, windowing=Windowing(1.0))
    assert Library(library.path).search(folder / "00000.mp4").hits == library.search(folder / "00000.mp4").hits
    import sqlite3

    with sqlite3.connect(library.path / "windows.sqlite") as db:
        db.execute("UPDATE about SET value = '99' WHERE name = 'format'")
    with pytest.raises(DataError, match="is an index of format 99, this version of kinema reads 1; delete it and run"):
        Library(library.path)
    (library.path / "windows.sqlite").write_bytes(b"something else entirely" * 100)
    with pytest.raises(DataError, match="is damaged or no index"):
        Library(library.path)


def test_who_searches_while_videos_change_sees_old_or_new_and_never_a_mixture(library, folder):
    paths = sorted(folder.glob("*.mp4"))
    asked = library.windows(Filters(path=str(paths[0])))[0]
    originals = [path.read_bytes() for path in paths]
    failures: list[BaseException] = []
    done = threading.Event()

    def change() -> None:
        try:
            for turn in range(4):
                for number, path in enumerate(paths[1:], 1):
                    path.write_bytes(originals[(number + turn) % len(paths) or 1])
                library.add(folder)
        except BaseException as error:
            failures.append(error)
        finally:
            done.set()

    thread = threading.Thread(target=change)
    thread.start()
    searches = 0
    while not done.is_set() or not searches:
        hits = library.search(asked, top=11, exclude_own=False).hits
        assert len(hits) == 11 and len({hit.path for hit in hits}) == 11
        assert library.count() == 24
        searches += 1
    thread.join()
    assert not failures and searches > 3
