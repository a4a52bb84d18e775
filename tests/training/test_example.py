"""examples/mscl.py, which is to be read, computes what ``kinema pretrain`` does."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
import torch

from kinema.config import PretrainConfig
from kinema.data.synthetic import synthesise
from kinema.models import load_encoder
from kinema.presets import settings_on
from kinema.training import pretrain
from kinema.training.hardware import threads_given_back
from kinema.training.metrics import METRICS, read_metrics

EXAMPLE = Path(__file__).parents[2] / "examples" / "mscl.py"
STEPS = 10
AS_IN_THE_CODE = {
    "mscl": {"fra_negatives": True, "fra_clips": 0.5, "fra_after_enqueue": True, "batch_negatives": False},
    "sampling": {"mds": "wheel", "key_shift": 1.0},
    "model": {"width": 4, "flow_width": 4, "input": "rgb", "colours": "imagenet", "flow_input": "wheel"},
}


@pytest.fixture(scope="module")
def example() -> ModuleType:
    spec = importlib.util.spec_from_file_location("mscl_example", EXAMPLE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def tiny(**others) -> PretrainConfig:
    """The preset in ten steps of four short clips, with colours augmented, and other settings on top."""
    run = {"batch_size": 4, "workers": 0, "threads": 1, "precision": "32", "accelerator": "cpu"}
    settings = {
        "steps": STEPS,
        "seed": 3,
        "trainer": run,
        "augment": {"jitter": 0.8, "blur": 0.5},
        "clip": {"step": 0.08},
    }
    return settings_on("tiny", PretrainConfig, {**settings, **others})


@pytest.mark.parametrize("settings", [{}, AS_IN_THE_CODE], ids=["as it is", "as in the authors' code"])
def test_it_gives_the_losses_of_kinema_pretrain(example, videos, tmp_path, settings):
    config = tiny(**settings)
    pretrain(videos, tmp_path / "run", config)
    expected = [row for row in read_metrics(tmp_path / "run" / METRICS) if "loss" in row]
    with threads_given_back():
        torch.set_num_threads(config.trainer.threads)  # convolutions may add up in another order in several
        found = list(example.train(videos, tmp_path, config))
    assert len(found) == len(expected) == STEPS
    for step, (ours, theirs) in enumerate(zip(found, expected, strict=True)):
        named = {name: value for name, value in theirs.items() if name.startswith("loss")}
        assert ours == named, step
    assert len({losses["loss"] for losses in found}) == STEPS
    clips = torch.rand(2, 3, 8, 48, 48, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        encoders = [load_encoder(place)(clips) for place in (tmp_path / "run", tmp_path)]
    torch.testing.assert_close(*encoders)


def test_it_is_short_and_uses_nothing_private():
    text = EXAMPLE.read_text()
    assert len(text.splitlines()) <= 150
    assert not re.search(r"kinema\.training|\._[a-z]|import _", text)


@pytest.mark.slow
def test_it_runs_from_the_command_line(tmp_path):
    synthesise(tmp_path / "videos", videos=6)
    run = f"import runpy, sys; runpy.run_path({str(EXAMPLE)!r}, None, '__main__'); "
    run += "sys.exit('kinema.training' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", run, str(tmp_path / "videos"), str(tmp_path / "out"), "3"],
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert done.returncode == 0, done.stderr
    assert [line.split()[:2] for line in done.stdout.splitlines()] == [[str(n), "loss"] for n in (0, 1, 2)]
    assert load_encoder(tmp_path / "out").card["method"] == "mscl"
