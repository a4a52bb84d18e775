"""Fixtures of labels and their videos."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from kinema.data.synthetic.files import write_video


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three videos of half a second at 16 frames a second, 64 pixels wide and 32 high; two have one name."""
    root = tmp_path_factory.mktemp("videos")
    frames = np.broadcast_to(np.arange(8, dtype=np.uint8)[:, None, None, None] * 20, (8, 32, 64, 3))
    for name in ("b.mp4", "barn/a.mp4", "yard/a.mp4"):
        (root / name).parent.mkdir(exist_ok=True)
        write_video(root / name, frames, 16.0)
    return root
