"""Storages in memory and in a server of this machine, with copies in a folder of the test's own."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import fsspec
import pytest

from kinema import storage

Put = Callable[[str, Path], str]


@pytest.fixture(autouse=True)
def copies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of copies; storages are asked again at once, and believed for no time."""
    monkeypatch.setenv("KINEMA_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("KINEMA_CACHE_GIB", raising=False)
    monkeypatch.setattr(storage, "PAUSES", (0.0, 0.0, 0.0))
    monkeypatch.setattr(storage, "FRESH", 0.0)
    monkeypatch.setattr(storage, "_known", {})
    return tmp_path / "cache" / "storage"


@pytest.fixture
def memory() -> Iterator[Any]:
    """A storage in memory, empty at first."""
    system = fsspec.filesystem("memory")
    system.store.clear()
    yield system
    system.store.clear()


@pytest.fixture
def bucket(memory: Any, videos: Path) -> str:
    """The address of a folder of the twelve videos."""
    for path in sorted(videos.glob("*.mp4")):
        memory.pipe_file(f"/bucket/videos/{path.name}", path.read_bytes())
    return "memory://bucket/videos"


@pytest.fixture(scope="session")
def server() -> Iterator[str]:
    """The address of a server that answers as S3 does."""
    moto = pytest.importorskip("moto.server", reason="needs moto[server]: pip install 'kinema[dev]'")
    pytest.importorskip("s3fs", reason="needs s3fs: pip install 'kinema[storage]'")
    running = moto.ThreadedMotoServer(port=0, verbose=False)
    running.start()
    host, port = running.get_host_and_port()
    yield f"http://{host}:{port}"
    running.stop()


_names = (f"bucket-{number}" for number in itertools.count())


@pytest.fixture
def s3(server: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Any, str]]:
    """The server's file system, and the name of an empty bucket."""
    for name, value in {
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": server,
    }.items():
        monkeypatch.setenv(name, value)
    system, name = fsspec.filesystem("s3", skip_instance_cache=True), next(_names)
    system.mkdir(name)
    fsspec.get_filesystem_class("s3").clear_instance_cache()
    yield system, name
    fsspec.get_filesystem_class("s3").clear_instance_cache()
