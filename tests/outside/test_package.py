"""A package of somebody else's: its backbone, method, estimator and readout in whatever kinema does."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from kinema.config import PretrainConfig
from kinema.errors import CheckpointError, ConfigError
from kinema.jobs.installation import look_around
from kinema.models import create_model, load_encoder
from kinema.training import pretrain


def test_a_backbone_by_name_or_function(theirs):
    named = create_model("their-small", depth=4, channels=6)
    assert named.stage_widths == {"low": 4, "high": 8} and named.low[0].in_channels == 6
    assert create_model("theirs:small").stage_widths == create_model("theirs:Small", depth=4).stage_widths
    with pytest.raises(
        ConfigError, match="model their-small has no setting 'width': it knows channels, classes, depth"
    ):
        create_model("their-small", width=4)
    with pytest.raises(ConfigError, match=r"model their-small cannot be made \(TypeError: "):
        create_model("their-small", depth="deep")
    with pytest.raises(ConfigError, match="the model 'their-broken' of the package theirs cannot be loaded"):
        create_model("their-broken")


@pytest.mark.parametrize("name", ["subprocess:run", "antigravity:fly", "pytest.__main__:main"])
def test_what_is_never_imported_for_a_backbone(name):
    with pytest.raises(ConfigError, match=f"{name} is no backbone"):
        create_model(name)


@pytest.mark.parametrize("name", ["theirs:unsaid", "torch.hub:load", "theirs:Brightness"])
def test_what_does_not_say_that_it_gives_a_backbone_is_never_called(theirs, name):
    """An encoder's file may come from anywhere, and names its backbone."""
    with pytest.raises(ConfigError, match=f"{name} does not say that it gives a backbone"):
        create_model(name)


def test_a_file_whose_backbone_is_not_there(tmp_path):
    from safetensors.torch import save_file

    path = tmp_path / "encoder.safetensors"
    for name, words in (
        ("their-small", "unknown model 'their-small'"),
        ("theirs:Small", "theirs:Small cannot be imported"),
    ):
        save_file({"x": torch.zeros(1)}, path, {"card": json.dumps({"model": {"backbone": name}})})
        with pytest.raises(CheckpointError, match=f"{path} cannot be loaded: {words}"):
            load_encoder(path)


def test_what_is_offered_is_told(theirs):
    found = look_around()
    assert found.offered["kinema.backbones"] == {"their-broken": "theirs", "their-small": "theirs"}
    told = r"\nbackbones +their-broken theirs, their-small theirs\nmethods +their-light theirs\n"
    assert re.search(told, found.summary())


def test_settings_of_methods(theirs, videos, tmp_path):
    for method, words in (
        ("their-light", r"the method their-light cannot begin \(TypeError: "),
        ("mscl", "mscl is kinema's"),
    ):
        with pytest.raises(ConfigError, match=words):
            pretrain(videos, tmp_path / "run", PretrainConfig(parameters={"wait": 3}), method=method)
    assert not (tmp_path / "run").exists()


def kinema(installed: Path, *words: object) -> str:
    """Run a command where the package is installed; what it writes of itself goes there, too."""
    path = os.pathsep.join([str(installed), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, "-m", "kinema.cli", *map(str, words)],
        cwd=installed,
        env=os.environ | {"PYTHONPATH": path, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
@pytest.mark.parametrize(
    ("backbone", "method"), [("their-small", "their-light"), ("theirs:Small", "mscl"), ("theirs:small", "tubelet")]
)
def test_from_training_to_export(installed, videos, evaluation, quick_settings, tmp_path, backbone, method):
    run = tmp_path / "run"
    words = ["pretrain", videos, "--out", run, "--config", quick_settings, "--method", method]
    words += ["--model.backbone", backbone, "--model.width", "null", "--model.patch", "null"]
    words += ["--flow.estimator", "nothing", "--readout.stage", "high", "--readout.by", "largest"]
    if method == "their-light":
        words += ["--parameters", '{"weight": 2.0}', "--model.parameters", '{"depth": 4}']
    kinema(installed, *words)
    card = json.loads((run / "card.json").read_text())
    assert (card["method"], card["model"]["backbone"], card["features"]) == (
        method,
        backbone,
        16 if method == "mscl" else 8,
    )
    kinema(installed, *words, "--resume", "--epochs", 2)
    kinema(installed, "evaluate", "retrieval", run, *evaluation)
    assert json.loads((tmp_path / "figures.json").read_text())["encoder"]["card"]["method"] == method
    kinema(installed, "index", videos, "--index", tmp_path / "index", "--encoder", run)
    assert ".mp4" in kinema(installed, "search", next(videos.glob("*.mp4")), "--index", tmp_path / "index")
    for name in ("torch", "hub"):
        kinema(installed, "export", name, run, "--out", tmp_path / f"exported.{name}")
    assert torch.export.load(tmp_path / "exported.torch").module()(torch.rand(3, 3, 4, 32, 32)).shape[0] == 3
    adapted = tmp_path / "adapted"
    kinema(installed, "pretrain", videos, "--out", adapted, "--weights", tmp_path / "exported.hub", *words[4:])
