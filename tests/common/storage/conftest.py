"""Storages in memory and in a server of this machine, with copies in a folder of the test's own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import fsspec
import pytest

from kinema.common import storage

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
