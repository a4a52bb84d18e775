"""Real videos for the tests of reading clips."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from extracting import extract
from known_videos import FPS, numbered_frames, sliding_frames, write

from kinema.video import ManifestEntry, scan_folder


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three videos of 40 frames: one slides by (2, -1) pixels a frame, one turns back half-way, one counts."""
    path = tmp_path_factory.mktemp("videos")
    write(path / "slide.mp4", sliding_frames([(2 * t, -t) for t in range(40)]))
    write(path / "back.mp4", sliding_frames([(2 * min(t, 40 - t), 0) for t in range(40)]))
    write(path / "count.mp4", numbered_frames(40))
    return path


@pytest.fixture(scope="session")
def entries(folder: Path) -> dict[str, ManifestEntry]:
    """The videos of ``folder`` by name, without suffix."""
    return {Path(entry.path).stem: entry for entry in scan_folder(folder)}


@pytest.fixture
def make_video(tmp_path: Path) -> Callable[..., ManifestEntry]:
    """Write frames into ``tmp_path`` and scan the file."""

    def make(name: str, frames: np.ndarray, fps: int = FPS) -> ManifestEntry:
        write(tmp_path / name, frames, fps)
        return next(entry for entry in scan_folder(tmp_path) if entry.path == name)

    return make


@pytest.fixture(scope="session")
def many(tmp_path_factory) -> Path:
    """24 videos of 40 frames in two folders."""
    folder = tmp_path_factory.mktemp("many")
    (folder / "deep").mkdir()
    for number in range(24):
        name = f"{'deep/' if number % 3 else ''}{number:02}.mp4"
        write(folder / name, sliding_frames([(number % 4 * t, -(number % 3) * t) for t in range(40)], 48))
    return folder


@pytest.fixture(scope="session")
def whole(many, tmp_path_factory) -> Path:
    """The store of one uninterrupted extraction, in one process."""
    out = tmp_path_factory.mktemp("whole") / "store"
    assert extract(many, out, "--workers", 0) == 0
    return out
