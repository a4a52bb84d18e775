from __future__ import annotations

import errno
import os
from pathlib import Path

import fsspec
import pytest
from fsspec.implementations.memory import MemoryFileSystem

from kinema.common import storage
from kinema.common.addresses import address_of, resolved, shown
from kinema.common.object_cache import fetched
from kinema.errors import ConfigError, DataError, VideoError
from kinema.video import Video, find_videos, read_manifest, scan_folder
from kinema.video.damage import may_pass
from kinema.video.identity import content_sha256, quick_content_sha256, size_and_time


@pytest.mark.parametrize(
    ("path", "address"),
    [
        ("s3://bucket/videos", "s3://bucket/videos"),
        ("s3://bucket/videos/", "s3://bucket/videos/"),
        (Path("s3://bucket/videos/"), "s3://bucket/videos"),
        (Path("s3://bucket") / "a.mp4", "s3://bucket/a.mp4"),
        (Path("file:///home/a"), "file:///home/a"),
        ("gs://bucket/a\nb.mp4", "gs://bucket/a\nb.mp4"),
        ("/s3://bucket", None),
        ("videos", None),
        ("c:/videos", None),
        ("a:b", None),
        ("2024:/a", None),
    ],
)
def test_what_is_an_address(path, address):
    assert address_of(path) == address
    assert shown(path) == (address or str(path))


def test_an_address_stays_one_when_it_is_made_absolute(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert shown(resolved("s3://bucket/videos/")) == "s3://bucket/videos"
    assert resolved("videos") == tmp_path / "videos"


def test_a_bucket_is_read_as_a_folder_is(bucket, videos, memory):
    memory.pipe_file("/bucket/videos/more/notes.txt", b"no video")
    memory.pipe_file("/bucket/videos/.hidden/a.mp4", b"")
    found, others = find_videos(bucket)
    assert [shown(path) for path in found] == [f"{bucket}/{path.name}" for path in sorted(videos.glob("*.mp4"))]
    assert [shown(path) for path in others] == [f"{bucket}/more/notes.txt"]
    here, there = scan_folder(videos, progress=False), scan_folder(bucket, progress=False)
    plain = [(e.path, e.status, e.frames, e.bytes, e.duration) for e in here]
    assert [(e.path, e.status, e.frames, e.bytes, e.duration) for e in there] == plain
    assert all(entry.modified > 0 for entry in there)
    with Video(found[0]) as video, Video(videos / found[0].name) as same:
        assert (video.read().frames == same.read().frames).all()
        assert video.info.path == f"{bucket}/{found[0].name}"
    for contents in (content_sha256, quick_content_sha256):
        assert contents(found[0]) == contents(videos / found[0].name)


def test_a_file_address_is_the_file_itself(videos, copies):
    path = sorted(videos.glob("*.mp4"))[0]
    with fetched(f"file://{path}") as local:
        assert local == path
    assert size_and_time(f"file://{path}")[0] == path.stat().st_size
    assert len(scan_folder(f"file://{videos}", progress=False)) == 12
    assert not copies.exists()


def test_a_folder_of_pictures_in_a_bucket_is_a_video(memory, tmp_path):
    from PIL import Image

    for number in range(1, 9):
        Image.new("RGB", (32, 24), (30 * number, 0, 0)).save(tmp_path / f"{number:05d}.jpg")
        memory.pipe_file(f"/jester/all/7/{number:05d}.jpg", (tmp_path / f"{number:05d}.jpg").read_bytes())
    assert "pictures have no clock" in scan_folder("memory://jester/all", progress=False)[0].error
    memory.pipe_file("/jester/fps.txt", b"12")
    (entry,) = scan_folder("memory://jester/all", progress=False)
    assert (entry.path, entry.frames, entry.fps, entry.error) == ("7", 8, 12.0, "")
    with Video("memory://jester/all/7") as video:
        assert len(video.read().frames) == 8


def test_a_scan_decodes_what_is_new_or_replaced_alone(bucket, memory, videos, tmp_path, monkeypatch):
    out = tmp_path / "manifest.parquet"
    scan_folder(bucket, out, progress=False)
    from kinema.video import scan

    decoded, look = [], scan.scan_file
    monkeypatch.setattr(scan, "scan_file", lambda path, *more: (decoded.append(path.name), look(path, *more))[1])
    memory.pipe_file("/bucket/videos/00003.mp4", (videos / "00004.mp4").read_bytes())
    memory.pipe_file("/bucket/videos/new.mp4", (videos / "00005.mp4").read_bytes())
    assert len(scan_folder(bucket, out, progress=False)) == 13
    assert sorted(decoded) == ["00003.mp4", "new.mp4"]


def test_what_a_listing_has_said_is_believed_for_a_while(bucket, memory, tmp_path, monkeypatch):
    out = tmp_path / "manifest.parquet"
    scan_folder(bucket, out, progress=False)
    monkeypatch.setattr(storage, "FRESH", 300.0)
    asked = Failing(monkeypatch, "info", 0, TimeoutError())
    scan_folder(bucket, out, progress=False)
    assert asked.calls == 2, "whether the folder is one, to count its videos and to look at them"
    with Video(f"{bucket}/00001.mp4"):
        assert asked.calls == 2
    memory.rm("/bucket/videos/00002.mp4")
    monkeypatch.setenv("KINEMA_CACHE", str(tmp_path / "other"))
    for _ in range(2):
        with pytest.raises(VideoError, match=r"00002.mp4: there is no such object"):
            Video(f"{bucket}/00002.mp4")


def test_names_that_mean_something_elsewhere(memory, videos):
    names = ["100%.mp4", "what?.mp4", "[1]*.mp4", "é ü.mp4", "#1.mp4"]
    for name in names:
        memory.pipe_file(f"/bucket/odd/{name}", (videos / "00001.mp4").read_bytes())
    entries = scan_folder("memory://bucket/odd", progress=False)
    assert [(entry.path, entry.error) for entry in entries] == [(name, "") for name in sorted(names)]


@pytest.mark.parametrize("name", ["manifest.csv", "manifest.parquet"])
def test_a_manifest_may_lie_in_the_bucket(bucket, memory, name, monkeypatch, copies):
    out = f"memory://bucket/{name}"
    entries = scan_folder(bucket, out, progress=False)
    assert read_manifest(out) == entries
    from kinema.video import scan

    monkeypatch.setattr(scan, "scan_file", lambda *more: pytest.fail("it is known"))
    assert scan_folder(bucket, out, progress=False) == entries
    assert not [path for path in (copies / "kept").rglob("*") if path.is_file()]
    memory.pipe_file("/bucket/other.csv", b"file,label\n")
    with pytest.raises(DataError, match=r"^memory://bucket/other.csv is no manifest"):
        read_manifest("memory://bucket/other.csv")
    with pytest.raises(DataError, match=r"^cannot read the manifest memory://bucket/none.csv: .*no such object"):
        read_manifest("memory://bucket/none.csv")


def test_what_is_not_there_is_named(memory, bucket):
    with pytest.raises(DataError, match=r"^there is no folder memory://nobody/videos; name one that holds videos$"):
        find_videos("memory://nobody/videos")
    with pytest.raises(DataError, match=r"^there is no folder memory://bucket/videos/00001.mp4;"):
        find_videos("memory://bucket/videos/00001.mp4")
    with pytest.raises(VideoError, match=r"^cannot read memory://bucket/videos/no.mp4: there is no such object$"):
        Video("memory://bucket/videos/no.mp4")
    with pytest.raises(ConfigError, match=r"^nowhere://a/b: there is no such kind of storage"):
        find_videos("nowhere://a/b")
    assert storage.missing(Path(bucket), ["00001.mp4", "no.mp4", "no/folder.mp4", "00001.mp4/b"]) == [
        "no.mp4",
        "no/folder.mp4",
        "00001.mp4/b",
    ]


def test_a_package_that_is_missing_is_named(monkeypatch):
    def lacking(protocol):
        raise ImportError("Install s3fs to access S3")

    monkeypatch.setattr(fsspec, "get_filesystem_class", lacking)
    with pytest.raises(ConfigError, match=r"s3://a needs a package \(Install s3fs to access S3\); for s3: pip install"):
        find_videos("s3://a")


class Failing:
    """Lets a method of the storage fail so many times."""

    def __init__(self, monkeypatch, method: str, times: float, error: Exception):
        self.calls, whole = 0, getattr(MemoryFileSystem, method)

        def fail(system, *args, **settings):
            self.calls += 1
            if self.calls <= times:
                raise error
            return whole(system, *args, **settings)

        monkeypatch.setattr(MemoryFileSystem, method, fail)


@pytest.mark.parametrize("method", ["info", "ls", "get_file"])
def test_what_fails_for_a_while_is_asked_for_again(bucket, monkeypatch, method):
    failing = Failing(monkeypatch, method, 3, TimeoutError("read timed out"))
    assert scan_folder(bucket, progress=False, workers=1)[0].error == ""
    assert failing.calls > 3


def test_what_never_answers_is_one_sentence_with_its_name(bucket, monkeypatch):
    failing = Failing(monkeypatch, "get_file", float("inf"), TimeoutError("read timed out"))
    with pytest.raises(VideoError) as caught:
        Video(f"{bucket}/00001.mp4")
    said = f"cannot read {bucket}/00001.mp4: the storage does not answer (read timed out)"
    assert str(caught.value) == said and failing.calls == 4
    assert may_pass(caught.value.reason), "so that it is read again"


def test_what_is_not_permitted_is_not_asked_for_again(bucket, monkeypatch):
    failing = Failing(monkeypatch, "ls", float("inf"), PermissionError("Access Denied"))
    words = rf"^cannot list {bucket}: the storage does not permit it; see to the address, the credentials"
    with pytest.raises(DataError, match=words):
        find_videos(bucket)
    assert failing.calls == 1


def test_a_disk_without_room_is_not_the_storages_fault(bucket, monkeypatch, refused, tmp_path, copies):
    failing = Failing(monkeypatch, "get_file", float("inf"), OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))
    said = refused("scan", bucket, "--out", tmp_path / "m.csv", "--workers", 1)
    assert f"cannot write {copies}" in said and "No space left" in said and "KINEMA_CACHE" in said
    assert failing.calls <= 12, "each at most once"
