"""Evaluations by two nodes: the features of this process, to the last bit."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from kinema.cli import main
from kinema.common.tensors import read_tensors
from kinema.config import ClipConfig
from kinema.errors import ConfigError, DataError
from kinema.evaluation import extract_features
from kinema.evaluation.batches import Arithmetic, Seeing, looking

pytestmark = pytest.mark.timeout(900)
CLIP = ClipConfig(frames=4, step=0.1, short_side=32, size=(24, 24))


def rows(store: Path) -> dict[tuple[str, str], bytes]:
    """What a store of features holds, by recipe and video."""
    found = {}
    for path in store.rglob("*.safetensors"):
        part, about = read_tensors(path)
        for number, video in enumerate(json.loads(about["videos"])):
            values = [part[name][number] for name in ("features", "duration", "short", "early")]
            found[path.parent.name, video] = b"".join(value.numpy().tobytes() for value in values)
    return found


def without_times(path: Path) -> dict[str, Any]:
    said: dict[str, Any] = json.loads(path.read_text())
    return {name: value for name, value in said.items() if name != "timings"}


SMALL = ["--clips", 2, "--batch-size", 8]
SLOW = [("diagnosis", SMALL), ("all", [])]


@pytest.mark.parametrize(
    ("protocol", "options"),
    [("knn", SMALL), ("knn", []), *(pytest.param(*one, marks=pytest.mark.slow) for one in SLOW)],
)
def test_results_and_rows_are_those_of_one_machine(
    protocol: str, options: list[Any], nodes: str, videos: Path, tmp_path: Path
) -> None:
    labels, found = tmp_path / "labels.csv", []
    names = sorted(path.name for path in videos.glob("*.mp4"))
    lines = (f"{name},{('left', 'right')[n % 2]}" for n, name in enumerate(names))
    labels.write_text("\n".join(["file,label", *lines]))
    for name, more in (("here", []), ("there", ["--cluster", nodes])):
        out = tmp_path / name / ("out" if protocol == "all" else "out.json")
        words = [protocol, "--data", videos, "--labels", labels, "--out", out, *options, *more]
        assert main(["evaluate", *map(str, words)]) == 0
        store = (out if protocol == "all" else out.parent) / "features"
        found.append((without_times(out / "results.json" if protocol == "all" else out), rows(store)))
    assert found[0] == found[1] and len(found[0][1]) >= 12


class Deadly(nn.Module):
    """The mean of a clip; some of which end the process."""

    def __init__(self, above: float):
        super().__init__()
        self.above = above

    def forward(self, clips: Tensor) -> Tensor:
        """(B, 3, T, H, W) -> (B, 3)."""
        if clips.mean((1, 2, 3, 4)).max() * 255 > self.above:
            os.kill(os.getpid(), signal.SIGKILL)
        return clips.mean((2, 3, 4))


@pytest.mark.slow
def test_a_video_over_which_workers_are_lost_is_named_and_the_others_are_kept(
    nodes: str, tmp_path: Path, write_levels: Any
) -> None:
    paths = [write_levels(tmp_path / f"{n}.mp4", 20 * n) for n in range(10)]
    with pytest.raises(DataError, match=r"1 of 10 videos cannot be used: 9.mp4 \(.*9.mp4: .* was lost 3 times\)"):
        extract_features(
            {"deadly": Deadly(170)}, paths, CLIP, clips=1, batch_size=4, cache=tmp_path / "c", cluster=nodes
        )
    assert len(rows(tmp_path / "c")) == 9


@pytest.fixture
def write_levels() -> Any:
    """Writes a grey video."""
    import numpy as np

    from kinema.data.synthetic.files import write_video

    def write(path: Path, level: int) -> Path:
        write_video(path, np.full((12, 32, 32, 3), level, np.uint8), 10.0)
        return path

    return write


def test_a_machine_that_computes_otherwise_is_refused() -> None:
    other = Arithmetic(torch.device("cuda"), True)
    with pytest.raises(ConfigError, match="it computes on cpu in 32, and others on cuda in bfloat16; say --device cpu"):
        looking(Seeing({}, CLIP, other, 64), "cpu", "32")
