"""A small real library: twelve videos in two folders, indexed with an untrained encoder."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path

import pytest
import torch
from starlette.testclient import TestClient

from kinema.config import ClipConfig, ModelConfig
from kinema.models import build_encoder, save_encoder
from kinema.search import Library
from kinema.serve import create_app

ADDRESS = "http://127.0.0.1:7860"


@pytest.fixture(scope="session")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The weights of an untrained encoder of clips of 4 frames, 0.375 seconds."""
    torch.manual_seed(0)
    model = ModelConfig(width=4)
    card = {"model": asdict(model), "clip": asdict(ClipConfig(frames=4, step=0.125, short_side=32, size=(32, 32)))}
    return save_encoder(build_encoder(model), tmp_path_factory.mktemp("encoder") / "encoder.safetensors", card)


@pytest.fixture(scope="session")
def make_library(encoder: Path, videos: Path) -> Callable[[Path], Library]:
    """Makes a library in a folder: `index`, of the videos in `videos/left` and `videos/right`."""

    def make(folder: Path) -> Library:
        for number, path in enumerate(sorted(videos.glob("*.mp4"))):
            home = folder / "videos" / ("left", "right")[number % 2]
            home.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, home)
        library = Library(folder / "index", encoder)
        library.add(folder / "videos")
        return library

    return make


@pytest.fixture(scope="session")
def library(make_library: Callable[[Path], Library], tmp_path_factory: pytest.TempPathFactory) -> Library:
    """A library that is not to be changed."""
    return make_library(tmp_path_factory.mktemp("library"))


@pytest.fixture(scope="session")
def page(library: Library) -> Iterator[TestClient]:
    """The page of the library, asked as its own JavaScript asks."""
    with serving(library.path) as client:
        yield client


def serving(index: Path, **settings: object) -> TestClient:
    return TestClient(create_app(index, **settings), base_url=ADDRESS, headers={"Origin": ADDRESS})


@pytest.fixture(scope="session")
def serve_page() -> Callable[..., TestClient]:
    return serving
