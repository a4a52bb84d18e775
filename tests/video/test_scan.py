from __future__ import annotations

import csv
import errno
import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from kinema.errors import DataError, OutputError
from kinema.video import find_videos, passed_over, read_manifest, scan, scan_folder, write_manifest
from kinema.video.scanned import Scanned


def test_agrees_with_what_is_known_of_every_asset(shared_data) -> None:
    with (shared_data / "assets.csv").open() as file:
        truth = {row["file"]: row for row in csv.DictReader(file)}
    entries = scan_folder(shared_data / "assets", workers=2, progress=False)
    assert [entry.path for entry in entries] == sorted(truth)
    # plain decoding took the first of two streams, and stopped at the first packet that does not decode
    truth["tc_nasa_13013.mp4"] |= {"width": "480", "height": "270", "frames": "390", "min_step_s": "0.0333"}
    truth["tc_nasa_13013.mp4"] |= {"max_step_s": "0.0334", "last_s": "12.9797"}
    truth["decord_corrupted.mp4"] |= {"frames": "49", "last_s": "4.9", "max_step_s": "0.2"}
    for entry in entries:
        row = truth[entry.path]
        found = {name: str(getattr(entry, name) or "") for name in ("frames", "width", "height", "rotation", "codec")}
        assert found == {name: row[name].removeprefix("0") for name in found}, entry.path
        assert (entry.status == "ok") == (row["error"] == ""), entry.path
        assert entry.bytes == int(row["bytes"])
        if row["frames"]:
            tail = entry.duration - (float(row["last_s"]) - float(row["first_s"]))  # the last frame's time on screen
            assert 0 < tail < 0.2, entry.path
            steps = [float(row[name] or 0) for name in ("min_step_s", "max_step_s")]
            assert entry.variable_rate == (steps[1] - steps[0] > 0.002), entry.path


def test_one_row_tells_what_decodes(write_video, tmp_path: Path) -> None:
    write_video("videos/deep/uneven.mkv", 4, times=[1.0, 1.1, 1.5, 1.6], rotation=None)
    (entry,) = scan_folder(tmp_path / "videos")
    assert (entry.path, entry.status, entry.error) == ("deep/uneven.mkv", "ok", "")
    assert (entry.frames, entry.width, entry.height, entry.codec) == (4, 64, 48, "h264")
    assert entry.variable_rate
    assert entry.start == pytest.approx(1.0)
    assert entry.fps == pytest.approx(3 / 0.6)
    assert 0.6 < entry.duration < 0.75


def test_unreadable_files_have_a_row_with_the_reason(write_video, tmp_path: Path) -> None:
    write_video("videos/good.mp4", 3)
    (tmp_path / "videos/diary.mp4").write_text("Dear diary")
    (tmp_path / "videos/empty.avi").touch()
    (tmp_path / "videos/gone.mov").symlink_to("nowhere")
    reasons = {entry.path: (entry.status, entry.error) for entry in scan_folder(tmp_path / "videos", progress=False)}
    assert reasons == {
        "diary.mp4": ("unreadable", "it is not a video, or its header is damaged"),
        "empty.avi": ("unreadable", "the file is empty"),
        "gone.mov": ("unreadable", "no such file or directory"),
        "good.mp4": ("ok", ""),
    }


def test_videos_are_found_by_suffix_in_all_folders(tmp_path: Path) -> None:
    for name in ("b/x.MP4", "b/notes.txt", "a/y.gif", ".git/z.mp4", "._x.mp4", "README"):
        (tmp_path / "root" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "root" / name).touch()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere/far.webm").touch()
    (tmp_path / "root/linked").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere/circle").symlink_to(tmp_path / "root")
    (tmp_path / "root/itself").symlink_to("itself")
    videos, others = find_videos(tmp_path / "root")
    assert [path.relative_to(tmp_path / "root").as_posix() for path in videos] == [
        "a/y.gif",
        "b/x.MP4",
        "linked/far.webm",
    ]
    assert [path.name for path in others] == ["README", "notes.txt", "itself"]


def test_a_folder_that_cannot_be_listed_is_named(tmp_path: Path, monkeypatch) -> None:
    """The real call fails as it does for a user without the right to read; root may read everything."""
    locked, scandir = tmp_path / "locked", os.scandir
    locked.mkdir()

    def guarded(path):
        if Path(path) == locked:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", guarded)
    with pytest.raises(DataError, match=r"cannot list .*/locked: permission denied; give access"):
        find_videos(tmp_path)


def test_folders_without_videos_are_refused_in_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="there is no folder"):
        scan_folder(tmp_path / "none")
    with pytest.raises(DataError, match="holds no videos, nor any other file"):
        scan_folder(tmp_path)
    for name in ("a.txt", "b.md"):
        (tmp_path / name).write_text("words")
    with pytest.raises(
        DataError, match="holds no videos, only 2 files with other suffixes; a video's name ends in"
    ) as caught:
        scan_folder(tmp_path)
    assert "\n" not in str(caught.value)


def test_what_cameras_write_without_a_container_is_a_video_too(tmp_path: Path) -> None:
    names = ["a.h264", "b.dv", "c.MJPEG", "d.m2t", "e.mod", "f.hevc"]
    for name in names:
        (tmp_path / name).touch()
    assert [path.name for path in find_videos(tmp_path)[0]] == names


def test_what_is_not_named_as_a_video_is_counted_by_its_suffix(tmp_path: Path) -> None:
    for name in ("a.mp4", "b.csv", "c.CSV", "d.txt", "README"):
        (tmp_path / name).touch()
    assert passed_over(tmp_path) == "passed over, since they are not named as videos are: 2 .csv, 1 no suffix, 1 .txt"
    for name in ("b.csv", "c.CSV", "d.txt", "README"):
        (tmp_path / name).unlink()
    assert passed_over(tmp_path) == ""
    for number in range(8):
        (tmp_path / f"x.{number}").touch()
    assert passed_over(tmp_path).endswith(", 1 .5, 2 more suffixes")


# ------------------------------------------------------------------ what was found before


@pytest.fixture
def folder(write_video, tmp_path: Path) -> Path:
    for number in range(6):
        write_video(f"videos/{number % 2}/{number}.mp4", 3 + number)
    return tmp_path / "videos"


@pytest.fixture
def decoded(monkeypatch) -> list[str]:
    """The names of files that were decoded."""
    names, scan_file = [], scan.scan_file

    def noting(path: Path, *rest):
        names.append(path.name)
        return scan_file(path, *rest)

    monkeypatch.setattr(scan, "scan_file", noting)
    return names


@pytest.mark.parametrize("name", ["manifest.csv", "manifest.parquet"])
def test_what_is_as_before_is_not_decoded_again(folder: Path, decoded: list[str], tmp_path: Path, name: str) -> None:
    out = tmp_path / "out" / name
    first = scan_folder(folder, out)
    assert len(decoded) == 6 and read_manifest(out) == first == scan_folder(folder)
    decoded.clear()
    assert scan_folder(folder, out) == first
    assert decoded == []
    (folder / "0" / "0.mp4").unlink()
    shutil.copy(folder / "1" / "5.mp4", folder / "1" / "1.mp4")
    (folder / "1" / "3.mp4").rename(folder / "1" / "4.mp4")
    again = scan_folder(folder, out)
    assert sorted(decoded) == ["1.mp4", "4.mp4"]
    assert {entry.path: entry.frames for entry in again} == {
        "0/2.mp4": 5,
        "0/4.mp4": 7,
        "1/1.mp4": 8,
        "1/4.mp4": 6,
        "1/5.mp4": 8,
    }
    assert read_manifest(out) == again == scan_folder(folder)
    assert [path.name for path in out.parent.iterdir()] == [name]


def test_a_scan_that_is_stopped_goes_on_with_what_it_had(folder: Path, monkeypatch, tmp_path: Path) -> None:
    done: list[str] = []
    scan_file = scan.scan_file

    def stopping(path: Path, *rest):
        if len(done) == 4:
            raise KeyboardInterrupt
        done.append(path.name)
        return scan_file(path, *rest)

    monkeypatch.setattr(scan, "scan_file", stopping)
    with pytest.raises(KeyboardInterrupt):
        scan_folder(folder, tmp_path / "m.csv", workers=1)
    left, done = done, []
    monkeypatch.setattr(scan, "scan_file", lambda path, *rest: done.append(path.name) or scan_file(path, *rest))
    found = scan_folder(folder, tmp_path / "m.csv", workers=1)
    assert not set(left) & set(done) and len(left) + len(done) == 6
    assert found == scan_folder(folder)


def test_what_a_failing_storage_left_is_decoded_again(folder: Path, decoded: list[str], tmp_path: Path) -> None:
    out = tmp_path / "m.parquet"
    entries = list(scan_folder(folder, out))
    failed = replace(entries[2], status="partial", frames=1, error=f"corrupt at its end ({os.strerror(errno.EIO)})")
    write_manifest([*entries[:2], failed, *entries[3:]], out)
    decoded.clear()
    assert scan_folder(folder, out) == entries
    assert decoded == ["4.mp4"]


def test_one_scan_writes_a_manifest_at_a_time(folder: Path, tmp_path: Path) -> None:
    with Scanned(tmp_path / "m.csv"), pytest.raises(OutputError, match=r"another scan writes .*m\.csv; wait until"):
        scan_folder(folder, tmp_path / "m.csv")
    assert len(scan_folder(folder, tmp_path / "m.csv")) == 6


def test_a_table_of_version_0_1_is_read_and_known_files_are_decoded_once(folder: Path, decoded, tmp_path: Path) -> None:
    """It says nothing of when files were changed."""
    out = tmp_path / "m.csv"
    entries = scan_folder(folder, out)
    out.write_text("".join(line.rpartition(",")[0] + "\n" for line in out.read_text().splitlines()))
    assert [replace(entry, modified=0) for entry in entries] == read_manifest(out)
    decoded.clear()
    assert scan_folder(folder, out) == entries
    assert len(decoded) == 6
