"""Tiny videos under the names of a benchmark, and lists as its authors write them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import pytest
from known_videos import numbered_frames, write


@pytest.fixture(scope="session")
def one_video(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The bytes of a real video of twelve frames, by suffix."""
    folder = tmp_path_factory.mktemp("one")
    frames = numbered_frames(12, 32)
    found = {suffix: write(folder / f"x{suffix}", frames).read_bytes() for suffix in (".avi", ".mp4", ".mkv")}
    return {**found, ".webm": found[".mkv"]}  # the decoder goes by what is inside


@pytest.fixture
def make_videos(one_video: dict[str, bytes]) -> Callable[[Path, Iterable[str]], Path]:
    """Writes a real video under each of the names below a folder, which it returns."""

    def make(root: Path, names: Iterable[str]) -> Path:
        for name in names:
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(one_video[path.suffix])
        return root

    return make


@pytest.fixture(scope="session")
def annotations(shared_data: Path) -> Path:
    """The true official lists, a folder a data set."""
    return shared_data / "annotations"


@pytest.fixture
def ssv2_lists(annotations: Path, tmp_path: Path) -> Path:
    """Something-Something v2's own labels and validation list, and a train list of the published length."""
    folder = tmp_path / "ssv2-lists"
    folder.mkdir()
    for name in ("labels", "validation"):
        source = annotations / "ssv2" / f"something-something-v2-{name}.json"
        (folder / source.name).write_bytes(source.read_bytes())
    templates = ["Holding [something]", "Dropping [something] onto [something]", "Showing that [something] is empty"]
    rows = (f'{{"id":"{10**6 + n}","template":"{templates[n % 3]}"}}' for n in range(168_913))
    (folder / "something-something-v2-train.json").write_text(f"[\n{','.join(rows)}\n]")
    return folder


@pytest.fixture
def jester_lists(annotations: Path, tmp_path: Path) -> Path:
    """Jester's own labels, and lists of the published lengths with every label, in the format of its own rows."""
    folder = tmp_path / "jester-lists"
    folder.mkdir()
    labels = (annotations / "jester/jester-v1-labels.csv").read_text()
    (folder / "jester-v1-labels.csv").write_text(labels)
    names = np.array(labels.splitlines())
    for part, count, first in (("train", 118_562, 1), ("validation", 14_787, 200_000)):
        rows = (f"{first + n};{names[n % 27]}\n" for n in range(count))
        (folder / f"jester-v1-{part}.csv").write_text("".join(rows))
    return folder
