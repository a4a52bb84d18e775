"""Trainings that adapt an encoder: what they do where nothing is said, and its pyramid with dense losses or without."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from kinema import load_encoder
from kinema.cli import main
from kinema.config import PretrainConfig
from kinema.errors import CheckpointError
from kinema.jobs.adapting import ADAPTING_RATE, ADAPTING_STEPS, adapting
from kinema.methods.beginning import begin_pretraining, settings_of
from kinema.models import build_encoder, save_encoder
from kinema.presets import settings_on
from kinema.training.checks import check_pretraining
from kinema.training.metrics import METRICS, read_metrics

NARROW = {
    "clip": {"frames": 4, "size": [48, 48]},
    "model": {"width": 4, "flow_width": 4, "pyramid": 8},
    "readout": {"grid": [2, 2, 2], "frames": 4},
    "hcml": {"levels": 1, "reduction": 1, "radius": 1},
}
TRAINER = {"batch_size": 4, "workers": 0, "threads": 1, "precision": "32", "accelerator": "cpu"}
QUICK = {"steps": 2, "trainer": TRAINER}


@pytest.fixture(scope="module")
def motion() -> PretrainConfig:
    """The preset ``motion`` with a narrow network on small clips."""
    return settings_on("motion", PretrainConfig, NARROW)


def saved(path: Path, config: PretrainConfig, **card: Any) -> Path:
    """An untrained encoder, with a card as a training would leave it."""
    settings = dataclasses.asdict(config)
    torch.manual_seed(1)
    card |= {name: settings[name] for name in ("model", "clip", "readout")}
    return save_encoder(build_encoder(config.model, readout=config.readout), path / "encoder.safetensors", card)


@pytest.fixture(scope="module")
def dense(motion, tmp_path_factory) -> Path:
    """An encoder with a pyramid, as dense motion prediction leaves it."""
    return saved(tmp_path_factory.mktemp("dense"), motion, method="mscl", preset="motion")


@pytest.fixture(scope="module")
def flat(motion, tmp_path_factory) -> Path:
    """The same network without a pyramid, as RGB MoCo leaves it."""
    model = dataclasses.replace(motion.model, pyramid=None)
    return saved(
        tmp_path_factory.mktemp("flat"), dataclasses.replace(motion, model=model), method="moco", preset="motion"
    )


@pytest.fixture
def asked(monkeypatch, refused) -> Callable[..., tuple[PretrainConfig, dict[str, Any]]]:
    """What a call of ``kinema pretrain`` asks for: all settings, and the method and the preset."""
    found = []

    def take(videos: str, out: str, config: PretrainConfig, **others: Any) -> None:
        found.append((config, {name: others[name] for name in ("method", "preset")}))
        raise CheckpointError("seen")

    def ask(*words: object) -> tuple[PretrainConfig, dict[str, Any]]:
        assert refused("pretrain", "VIDEOS", "--out", "RUN", *words).endswith("seen")
        return found[-1]

    monkeypatch.setattr("kinema.training.pretrain", take)
    return ask


# settings


def test_weights_alone_bring_preset_method_and_a_short_training_at_a_low_rate(asked, dense, flat, motion):
    config, named = asked("--weights", dense)
    check_pretraining(config)
    assert named == {"method": "mscl", "preset": "motion"}
    assert (config.steps, config.epochs) == (ADAPTING_STEPS, None)
    assert config.optimizer.lr == pytest.approx(motion.optimizer.lr * ADAPTING_RATE)
    assert (config.clip, config.readout, config.mscl) == (motion.clip, motion.readout, motion.mscl)
    assert (config.model.pyramid, config.model.width, config.augment) == (8, 4, motion.augment)
    assert asked("--weights", flat)[1] == {"method": "moco", "preset": "motion"}


def test_the_users_settings_go_on_top(asked, dense, tmp_path):
    words = ("--steps", 7, "--optimizer.lr", 0.5, "--method", "moco", "--readout.stage", "layer3")
    config, named = asked("--weights", dense, *words)
    assert (config.steps, config.optimizer.lr, config.readout.stage) == (7, 0.5, "layer3")
    assert named == {"method": "moco", "preset": "motion"}
    config, _ = asked("--weights", dense, "--epochs", 3)
    assert (config.steps, config.epochs) == (None, 3)
    assert asked("--weights", dense, "--steps", 7, "--epochs", 3)[0].steps == 7  # which the training then refuses
    (tmp_path / "settings.yaml").write_text(f"weights: {dense}\nepochs: 5\n")
    config, named = asked("--config", tmp_path / "settings.yaml")
    assert (config.steps, config.epochs, named["preset"]) == (None, 5, "motion")


def test_a_preset_that_is_named_means_what_it_says(asked, dense, flat, motion, tmp_path):
    whole, named = asked("--weights", flat, "--preset", "motion")
    assert (whole.steps, whole.optimizer.lr) == (motion.steps, motion.optimizer.lr)
    assert named == {"method": "mscl", "preset": "motion"}
    assert whole.model.pyramid == 64  # the weights have none, so the preset's is added
    (tmp_path / "settings.yaml").write_text("preset: tiny\n")
    for words in (("--preset", "tiny"), ("--config", tmp_path / "settings.yaml")):
        tiny, named = asked("--weights", dense, *words)
        assert (tiny.steps, tiny.mscl.lmcl, tiny.readout, named["preset"]) == (518, 8.0, motion.readout, "tiny")
    assert asked()[1] == {"method": "mscl", "preset": "tiny"}


def test_a_card_without_a_preset_of_kinemas_means_the_default(motion, tmp_path):
    for card in ({}, {"method": "recognition", "preset": "ucf101-finetune"}, {"method": None, "preset": ""}):
        found = adapting(saved(tmp_path, motion, **card))
        assert (found["preset"], "method" in found) == ("tiny", False)
    assert adapting(saved(tmp_path, motion, method="hcml", preset="hcml-r3d18-k400")) == {
        "preset": "hcml-r3d18-k400",
        "method": "hcml",
        "steps": ADAPTING_STEPS,
        "epochs": None,
        "optimizer": {"lr": pytest.approx(0.02 * ADAPTING_RATE)},
    }


# trainings


def test_an_encoder_is_adapted_by_the_losses_that_made_it(videos, dense, tmp_path):
    words = ["pretrain", videos, "--out", tmp_path / "run", "--weights", dense, "--config", json.dumps(QUICK)]
    assert main([str(word) for word in words]) == 0
    rows = [row for row in read_metrics(tmp_path / "run" / METRICS) if "loss" in row]
    assert [set(row) for row in rows] == [{"step", "epoch", "loss", "loss_motion"}] * 2
    encoder, begun = load_encoder(tmp_path / "run"), load_encoder(dense)
    assert (encoder.card["preset"], encoder.card["method"]) == ("motion", "mscl")
    assert encoder.card["began_with"]["name"] == dense.parent.name
    assert encoder.readout == begun.readout
    for name, value in begun.pyramid.state_dict().items():  # it went on from there, by two small steps
        assert torch.allclose(value, encoder.pyramid.state_dict()[name], atol=0.01), name


@pytest.mark.parametrize("begun", [True, False])
def test_rgb_moco_on_the_network_of_the_preset_has_no_pyramid(videos, dense, tmp_path, capsys, begun):
    words = ["pretrain", videos, "--out", tmp_path / "run", "--preset", "motion", "--method", "moco"]
    words += ["--weights", dense, "--config", json.dumps(QUICK)] if begun else ["--config", json.dumps(QUICK | NARROW)]
    assert main([*map(str, words), "--dry-run"]) == 0
    assert "losses: rgb\n" in capsys.readouterr().out
    assert main([str(word) for word in words]) == 0
    encoder = load_encoder(tmp_path / "run")
    assert (encoder.pyramid, encoder.readout.stage, encoder.card["model"]["pyramid"]) == (
        None,
        "layer1+layer2+layer3",
        None,
    )
    assert encoder(torch.rand(2, 3, 4, 48, 48)).shape == (2, encoder.features)


def test_a_dry_run_adapts_too(dense, capsys):
    words = ["pretrain", "NOWHERE", "--out", "RUN", "--weights", str(dense), "--count", "50", "--dry-run"]
    assert main([*words, "--config", json.dumps({"trainer": TRAINER})]) == 0
    said = capsys.readouterr().out
    assert f"{ADAPTING_STEPS} in all" in said and "losses: motion\n" in said


# the pyramid


@pytest.mark.parametrize("method", ["mscl", "moco", "hcml"])
def test_a_pyramid_is_kept_added_or_left_out_as_the_losses_want(dense, flat, motion, method):
    for weights in (dense, flat):
        begun, make = begin_pretraining(method, motion, weights)
        check_pretraining(begun, method)
        encoder = make().trained_encoder()
        assert encoder.training
        assert (encoder.pyramid is not None) == (begun.model.pyramid is not None) == (method == "mscl")
        inner = encoder.backbone.backbone if encoder.hierarchical else encoder.backbone
        state, trunk = inner.state_dict(), load_encoder(weights).backbone.state_dict()
        assert all(torch.equal(value, state[name]) for name, value in trunk.items())
        if method == "mscl" and weights == dense:
            kept = load_encoder(dense).pyramid.state_dict()
            assert all(torch.equal(value, kept[name]) for name, value in encoder.pyramid.state_dict().items())
    assert settings_of(dense, "none")["model"]["pyramid"] == 8
    assert "pyramid" not in settings_of(flat, "none")["model"]


def test_a_pyramid_of_another_width_is_refused(dense, motion):
    wider = dataclasses.replace(motion, model=dataclasses.replace(motion.model, pyramid=16))
    with pytest.raises(CheckpointError, match=r"holds another network .*\(pyramid was 8, is 16\)"):
        begin_pretraining("mscl", wider, dense)
