from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from kinema.config import ModelConfig
from kinema.data.synthetic.files import write_video
from kinema.models import random_encoder, save_encoder
from kinema.search import Library


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
def indexed(videos: Path, encoder: Path, tmp_path_factory: pytest.TempPathFactory) -> Library:
    """A library of the twelve videos; not to be written to."""
    library = Library(tmp_path_factory.mktemp("library") / "index", encoder)
    library.add(videos)
    return library


@pytest.fixture
def copied(indexed: Library, tmp_path: Path) -> Library:
    """A copy of the library of the twelve videos, to be labelled; the videos are not to be changed."""
    return Library(shutil.copytree(indexed.path, tmp_path / "copied"))


@pytest.fixture
def library(folder, encoder, tmp_path) -> Library:
    """Of the twelve videos, and to be written to."""
    library = Library(tmp_path / "index", encoder)
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
