"""The same against a server that answers as S3 does."""

from __future__ import annotations

import multiprocessing
import socket

import fsspec
import pytest

from kinema.cli import main
from kinema.common import storage
from kinema.common.object_cache import fetched
from kinema.common.storage import state_of
from kinema.errors import DataError, VideoError
from kinema.video import Video, find_videos, read_manifest, scan_folder

pytestmark = pytest.mark.slow


@pytest.fixture
def bucket(s3, videos):
    """The address of a folder of the twelve videos."""
    system, name = s3
    system.put(str(videos) + "/", f"{name}/videos/", recursive=True)
    return f"s3://{name}/videos"


def test_scan_and_read(bucket, videos, s3, capsys):
    system, name = s3
    system.pipe_file(f"{name}/videos/empty/", b"")  # as consoles make a folder
    out = f"s3://{name}/manifest.parquet"
    assert main(["scan", bucket, "--out", out]) == 0
    assert f"{out}: 12 videos, 12 ok" in capsys.readouterr().out
    here = scan_folder(videos, progress=False)
    assert [(e.path, e.frames, e.bytes) for e in read_manifest(out)] == [(e.path, e.frames, e.bytes) for e in here]
    with Video(f"{bucket}/00001.mp4") as video, Video(videos / "00001.mp4") as same:
        assert (video.read().frames == same.read().frames).all()


def test_names_that_mean_something_elsewhere(s3, videos):
    system, bucket = s3
    names = ["a::b.mp4", "100%.mp4", "what?.mp4", "[1]*.mp4", "é ü.mp4", "#1.mp4", "a+b.mp4"]
    for name in names:
        system.pipe_file(f"{bucket}/odd/{name}", (videos / "00001.mp4").read_bytes())
    entries = scan_folder(f"s3://{bucket}/odd", progress=False)
    assert [(entry.path, entry.error) for entry in entries] == [(name, "") for name in sorted(names)]


def test_an_object_is_the_same_however_it_is_asked_for(bucket, s3, monkeypatch):
    alone = state_of(f"{bucket}/00001.mp4")
    (listed,) = [state for name, state in storage.listed(bucket) if name == "00001.mp4"]
    assert alone == listed and alone.modified > 0
    system, name = s3
    content = system.cat_file(f"{name}/videos/00001.mp4")
    system.pipe_file(f"{name}/videos/00001.mp4", content[:-1] + b"?")  # as long, and within the same second
    replaced = state_of(f"{bucket}/00001.mp4")
    assert replaced.size == alone.size and replaced.modified != alone.modified
    with fetched(f"{bucket}/00001.mp4") as local:
        assert local.read_bytes()[-1:] == b"?"


@pytest.mark.parametrize("workers", [0, 2])
def test_pretrain(bucket, quick_settings, tmp_path, workers):
    words = ["pretrain", bucket, "--out", tmp_path / "run", "--config", quick_settings, "--steps", 3]
    assert main([*map(str, words), "--epochs", "null", "--trainer.workers", str(workers)]) == 0
    assert (tmp_path / "run/encoder.safetensors").is_file()


def test_what_is_not_there(bucket, s3):
    with pytest.raises(DataError, match=r"^there is no folder s3://no-such-bucket/videos; name one that holds videos$"):
        find_videos("s3://no-such-bucket/videos")
    with pytest.raises(DataError, match=r"^there is no folder s3://no-such-bucket;"):
        find_videos("s3://no-such-bucket")
    with pytest.raises(VideoError, match=rf"^cannot read {bucket}/no.mp4: there is no such object$"):
        Video(f"{bucket}/no.mp4")


def test_without_permission(bucket, monkeypatch):
    from moto import settings

    monkeypatch.setattr(settings, "INITIAL_NO_AUTH_ACTION_COUNT", 0)  # from now on nobody may do anything
    with pytest.raises(DataError, match=rf"^cannot list {bucket}: the storage does not permit it; see to the"):
        find_videos(bucket)
    with pytest.raises(VideoError, match=rf"^cannot read {bucket}/00001.mp4: the storage does not permit it$"):
        Video(f"{bucket}/00001.mp4")


def test_without_credentials(bucket, monkeypatch, tmp_path):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    for name in ("AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    fsspec.get_filesystem_class("s3").clear_instance_cache()
    with pytest.raises(DataError, match=rf"^cannot list {bucket}: no credentials for its storage were found"):
        find_videos(bucket)


@pytest.mark.parametrize("listening", [False, True])
def test_a_server_that_does_not_answer(bucket, monkeypatch, listening):
    with socket.socket() as door:
        door.bind(("127.0.0.1", 0))
        if listening:  # but nobody comes to the door
            door.listen()
        address = "{}:{}".format(*door.getsockname())
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://{address}")
        monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
        for name in ("retries", "read_timeout"):
            monkeypatch.setattr(fsspec.get_filesystem_class("s3"), name, 1)
        fsspec.get_filesystem_class("s3").clear_instance_cache()
        with pytest.raises(DataError, match=rf"^cannot list {bucket}: the storage does not answer \(.*{address}"):
            find_videos(bucket)


def _read(address: str) -> None:
    with Video(address) as video:
        assert len(video.read().frames) == 12


def test_processes_that_were_forked_ask_for_themselves(bucket):
    _read(f"{bucket}/00000.mp4")
    context = multiprocessing.get_context("fork")
    children = [context.Process(target=_read, args=(f"{bucket}/0000{number % 3}.mp4",)) for number in range(4)]
    for child in children:
        child.start()
    for child in children:
        child.join(60)
    assert [child.exitcode for child in children] == [0] * 4
