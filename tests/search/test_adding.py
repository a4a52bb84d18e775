"""What an index takes in, keeps and lists."""

from __future__ import annotations

import errno
import os
import shutil
import threading
from pathlib import Path

import av
import numpy as np
import pytest
from a_server import IN_A_FOLDER

from kinema.common.locking import locked
from kinema.data.synthetic.files import write_video
from kinema.errors import DataError, OutputError
from kinema.search import Filters, Library
from kinema.search.connection import connected
from kinema.search.machines import ADDER, LOCK, alone
from kinema.video.scan import scan_file


def contents(library: Library) -> dict[tuple[str, float], bytes]:
    """The vector of each window, by its place."""
    windows = library.windows()
    vectors = library.vectors([window.id for window in windows]) if windows else []
    return {(window.path, window.start): vector.tobytes() for window, vector in zip(windows, vectors, strict=True)}


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


@pytest.mark.parametrize("after", ["back", "elsewhere", "another", "gone"])
def test_what_is_not_the_same_while_it_is_read_is_read_again(library, folder, monkeypatch, after):
    """As where a disk is away for a moment, or a recording is still written."""
    from kinema.search import adding

    path, aside = folder / "new.mp4", folder.parent / "aside"
    shutil.copy(folder / "00003.mp4", path)
    path.write_bytes(path.read_bytes() + b"x")
    embed = adding.embed_videos

    def disturbed(*asked, **settings):
        path.rename(aside)
        yield from embed(*asked, **settings)

    monkeypatch.setattr(adding, "embed_videos", disturbed)
    (problem,) = library.add(folder).problems
    assert problem.path == str(path) and "changed, moved or deleted while it was read" in problem.error
    monkeypatch.setattr(adding, "embed_videos", embed)
    if after == "another":
        shutil.copy(folder / "00004.mp4", path)
    elif after != "gone":
        aside.rename(path if after == "back" else folder / "elsewhere.mp4")
    again = library.add(folder)
    assert again.problems == () and again.windows == (0 if after == "gone" else 2)
    assert {Path(video.path) for video in library.videos()} == set(folder.glob("*.mp4"))
    assert {(video.windows, video.error) for video in library.videos()} == {(2, "")}
    assert library.add(folder).windows == 0


def test_a_storage_that_fails_for_a_while_costs_no_video(library, folder, monkeypatch):
    """The file is as before, so nothing else would have it read again."""
    from kinema.video import source

    path, packets = folder / "new.mp4", source.Source._packets
    shutil.copy(folder / "00003.mp4", path)
    path.write_bytes(path.read_bytes() + b"x")

    def failing(self):
        for number, packet in enumerate(packets(self)):
            if self.path == str(path) and number > 4:
                self.damage.broke_off(av.error.OSError(errno.EIO, os.strerror(errno.EIO)))
                return
            yield packet

    monkeypatch.setattr(source.Source, "_packets", failing)
    (problem,) = library.add(folder).problems
    assert problem.path == str(path) and os.strerror(errno.EIO) in problem.error
    monkeypatch.setattr(source.Source, "_packets", packets)
    again = library.add(folder)
    assert again.problems == () and (again.changed, again.windows) == (1, 2)
    assert library.add(folder).windows == 0


def test_an_index_holds_several_folders(library, folder, synthetic_videos):
    library.add(synthetic_videos / "test")
    assert len(library.videos()) == 15
    shutil.rmtree(folder)
    library.add(synthetic_videos / "test")
    assert len(library.videos()) == 15


def test_videos_that_cannot_be_read_are_listed_with_the_reason(folder, encoder, tmp_path):
    (folder / "words.mp4").write_text("no video")
    (folder / "empty.mp4").touch()
    with av.open(str(folder / "cut.avi"), "w") as container:
        stream = container.add_stream("mpeg4", rate=16)
        stream.width = stream.height = 32
        for frame in np.random.default_rng(0).integers(0, 255, (32, 32, 32, 3), np.uint8):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame)))
        container.mux(stream.encode())
    os.truncate(folder / "cut.avi", (folder / "cut.avi").stat().st_size // 2)
    write_video(folder / "tiny.mp4", [np.zeros((16, 16, 3), np.uint8)] * 3, 8.0)
    (folder / os.fsdecode(b"caf\xe9.mp4")).write_bytes(b"")
    library = Library(tmp_path / "index", encoder)
    added = library.add(folder)
    reasons = {os.fsencode(Path(video.path).name): video.error for video in added.problems}
    assert reasons == {
        b"words.mp4": "it is not a video, or its header is damaged",
        b"empty.mp4": "the file is empty",
        b"cut.avi": scan_file(folder / "cut.avi", folder).error,
        b"caf\xe9.mp4": "its name is not valid UTF-8; rename it",
    }
    assert "ends early" in reasons[b"cut.avi"]
    assert library.count() > 25
    assert library.add(folder).problems == added.problems
    assert {video.path for video in library.videos() if video.error} == {
        str(folder / "words.mp4"),
        str(folder / "empty.mp4"),
        str(folder / "cut.avi"),
    }


def test_a_folder_that_is_gone_or_empty_takes_nothing_from_the_index(library, folder, kind):
    shutil.move(folder, folder.with_name("elsewhere"))
    with pytest.raises(DataError, match="there is no folder"):
        library.add(folder)
    folder.mkdir()
    with pytest.raises(DataError, match=r"holds no videos; the index keeps the 12 that it knew"):
        library.add(folder)
    assert library.count() == 24
    added = library.add(folder.with_name("elsewhere"))
    assert (added.moved, added.new) == ((12, 0) if kind == "folder" else (0, 12))  # as another machine's folder may be


@IN_A_FOLDER
def test_one_adds_at_a_time(library, folder):
    with locked(library.path / LOCK, ""), pytest.raises(OutputError, match=r"another process is adding to .*; wait"):
        library.add(folder)


@IN_A_FOLDER
def test_while_a_machine_adds_the_others_that_see_the_folder_are_told(library, monkeypatch):
    with alone(library.path):
        assert library.count() == 24
        monkeypatch.setattr("kinema.search.machines.this_machine", lambda: "another")
        with pytest.raises(DataError, match=r".* is adding to .*, so that other machines cannot read it; wait"):
            library.count()
    assert library.count() == 24
    (library.path / ADDER).write_text("a-machine that-was-switched-off")
    assert library.count() == 24 and not (library.path / ADDER).exists()


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


@pytest.mark.slow
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
