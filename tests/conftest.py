"""Fixtures that every room's tests share."""

from __future__ import annotations

from pathlib import Path

import pytest

SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real videos and flow truth that lies beside a development checkout."""
    if not SHARED_DATA.is_dir():
        pytest.skip("needs ../shared/data, which is not here")
    return SHARED_DATA


@pytest.fixture(scope="session")
def synthetic_videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve training and three test videos, 32 pixels a side, 0.75 seconds long, with labels.csv."""
    from kinema.data.synthetic import synthesise

    folder = tmp_path_factory.mktemp("synthetic")
    synthesise(folder, videos=15, difficulty="easy", size=32, frames=12, fps=16.0)
    return folder
