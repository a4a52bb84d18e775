"""Whatever is killed, and when: the same command once more ends with what it would have given undisturbed.

KINEMA_KILLS in the environment says how often each command is killed; 3 times by default.
"""

from __future__ import annotations

import csv
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from safetensors.torch import load_file

from kinema.data.synthetic import synthesise
from kinema.results.recipes import FIGURES

pytestmark = pytest.mark.slow

KILLS = int(os.environ.get("KINEMA_KILLS", 3))
TRAINING: dict[str, Any] = {
    "epochs": 4,
    "clip": {"frames": 4, "short_side": 32, "size": [32, 32]},
    "flow": {"parameters": None},
    "model": {"width": 4, "flow_width": 4, "embedding": 8},
    "trainer": {
        "batch_size": 4,
        "workers": 1,
        "threads": 1,
        "precision": "32",
        "accelerator": "cpu",
        "checkpoint_minutes": 0.005,
    },
}
RECIPES = {
    "videos": 30,
    "difficulty": "easy",
    "seeds": [0],
    "clips": 1,
    "per_class": 1,
    "tolerance": dict.fromkeys(FIGURES, 0.0),
    "encoders": {"moco": {"method": "moco", "settings": TRAINING}},
}


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    """A folder with 30 videos, settings, recipes and an untrained encoder."""
    from kinema.config import ModelConfig
    from kinema.models import random_encoder, save_encoder

    folder = tmp_path_factory.mktemp("killed")
    synthesise(folder / "videos", videos=30, difficulty="easy", size=32, frames=12, fps=16.0)
    (folder / "settings.yaml").write_text(yaml.safe_dump(TRAINING))
    (folder / "recipes.yaml").write_text(yaml.safe_dump(RECIPES, sort_keys=False))
    encoder = random_encoder(ModelConfig(width=4), seed=1)
    card = {**encoder.card, "clip": {"frames": 4, "step": 0.125, "short_side": 32, "size": [32, 32]}}
    save_encoder(encoder, folder / "encoder.safetensors", card)
    return folder


def weights(run: Path) -> dict[str, Any]:
    return {name: value.tolist() for name, value in load_file(run / "encoder.safetensors").items()}


def rows(run: Path) -> list[dict[str, str]]:
    with (run / "metrics.csv").open(newline="") as file:
        return [{name: cell for name, cell in row.items() if name != "data_wait"} for row in csv.DictReader(file)]


def windows(index: Path) -> dict[Any, Any]:
    from kinema.search import Library

    library = Library(index)
    found = library.windows()
    vectors = library.vectors([window.id for window in found])
    # which windows share a batch depends on which video was decoded first, and with it the last bits
    return {(w.path, w.start, w.end, w.strength): v.round(4).tolist() for w, v in zip(found, vectors, strict=True)}


def figures(out: Path) -> Any:
    return [json.loads((out / "results.json").read_text())[name] for name in ("results", "files")]


def recorded(out: Path) -> str:
    return (out.parent / "recipes.csv").read_text()


COMMANDS: dict[str, tuple[Callable[[Path, Path], list[object]], Callable[[Path], Any]]] = {
    "scan": (lambda made, out: ["scan", made / "videos", "--out", out], Path.read_bytes),
    "index": (
        lambda made, out: [
            "index", made / "videos", "--index", out, "--encoder", made / "encoder.safetensors", "--batch-size", 4,
        ],
        windows,
    ),
    "flow extract": (
        lambda made, out: ["flow", "extract", made / "videos", "--out", out, "--estimator", "dis", "--short-side", 32],
        lambda out: {path.name: path.read_bytes() for path in out.rglob("*.flow")},
    ),
    "pretrain": (
        lambda made, out: [
            "pretrain", made / "videos/train", "--out", out, "--config", made / "settings.yaml", "--resume",
        ],
        lambda out: (weights(out), rows(out)),
    ),
    "finetune": (
        lambda made, out: [
            "finetune", made / "videos", "--labels", made / "videos/labels.csv", "--label-column", "scene", "--out",
            out, "--config", made / "settings.yaml", "--resume",
        ],
        lambda out: (weights(out), rows(out), (out / "predictions.csv").read_bytes()),
    ),
    "evaluate": (
        lambda made, out: [
            "evaluate", "all", made / "encoder.safetensors", "--data", made / "videos", "--labels",
            made / "videos/labels.csv", "--label-column", "motion", "--out", out, "--batch-size", 10, "--workers", 1,
        ],
        figures,
    ),
    "reproduce": (
        lambda made, out: ["reproduce", "moco-0", "--out", out, "--recipes", out.parent / "recipes.yaml", "--record"],
        recorded,
    ),
}  # fmt: skip


def start(words: list[object]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "kinema.cli", *map(str, words)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )


@pytest.mark.timeout(7200)
@pytest.mark.parametrize("command", COMMANDS)
def test_what_is_killed_goes_on(command, made, tmp_path):
    words, result = COMMANDS[command]
    for place in ("whole", "often"):
        (tmp_path / place).mkdir()
        (tmp_path / place / "recipes.yaml").write_bytes((made / "recipes.yaml").read_bytes())
    whole, often = tmp_path / "whole" / "out", tmp_path / "often" / "out"
    began = time.perf_counter()
    process = start(words(made, whole))
    assert process.communicate() and process.returncode == 0
    usual, chance, died = time.perf_counter() - began, random.Random(0), 0
    for _ in range(KILLS):
        process = start(words(made, often))
        time.sleep(usual * chance.uniform(0.2, 1.0))
        with_workers = chance.random() < 0.5
        (os.killpg if with_workers else os.kill)(process.pid, signal.SIGKILL)
        died += process.wait() == -signal.SIGKILL
        assert process.stdout is not None
        process.stdout.close()
    process = start(words(made, often))
    said, _ = process.communicate()
    assert process.returncode == 0, said
    assert died
    assert result(often) == result(whole)
