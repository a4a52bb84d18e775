"""A real index of twelve videos with labels: two classes of bouts, one with signs that no file name holds."""

from __future__ import annotations

from pathlib import Path

import pytest

from kinema.annotations import Interval
from kinema.config import ModelConfig
from kinema.models import random_encoder, save_encoder
from kinema.search import Labels, Library

ODD = "a/b: 走る"


@pytest.fixture(scope="session")
def index(videos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The index, with labels; not to be written to."""
    folder = tmp_path_factory.mktemp("overview")
    made = random_encoder(ModelConfig(width=4), seed=1)
    clip = {"frames": 4, "step": 0.125, "short_side": 32, "size": [32, 32]}
    encoder = save_encoder(made, folder / "encoder.safetensors", {**made.card, "clip": clip})
    library = Library(folder / "index", encoder)
    library.add(videos)
    labels = Labels(library.path)
    labels.add_intervals(bouts(videos))
    labels.close()
    return library.path


def bouts(videos: Path) -> list[Interval]:
    names = sorted(path.name for path in videos.glob("*.mp4"))
    found = [Interval(name, 0.0, 0.25, "wave", confidence=0.5 + 0.04 * at) for at, name in enumerate(names[:8])]
    found += [Interval(names[0], 0.25 + 0.125 * at, 0.375 + 0.125 * at, "wave", confidence=0.99) for at in range(3)]
    found += [Interval(names[8], 0.25, 0.75, ODD), Interval(names[9], 0.5, 0.5, ODD)]
    return found
