"""Trainings that begin with weights."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from kinema import load_encoder, open_encoder
from kinema.common.provenance import file_sha256
from kinema.config import HCMLConfig
from kinema.errors import CheckpointError
from kinema.jobs.adapting import ADAPTING_STEPS
from kinema.methods.beginning import begin_pretraining, settings_of
from kinema.models import WithMotion, create_model
from kinema.training import pretrain

SMALL = HCMLConfig(levels=1, reduction=1, radius=1, places=8, others=16)


@pytest.fixture(scope="module")
def first(videos, tiny, tmp_path_factory) -> Path:
    """A run of one epoch."""
    return pretrain(videos, tmp_path_factory.mktemp("weights") / "first", tiny(epochs=1), method="moco").out


@pytest.fixture(scope="module")
def moving(videos, tiny, tmp_path_factory) -> Path:
    """A run of HCML."""
    config = tiny(epochs=1, hcml=dataclasses.replace(SMALL, progressive=False))
    return pretrain(videos, tmp_path_factory.mktemp("weights") / "moving", config, method="hcml").out


def weights_of(run: Path) -> dict[str, torch.Tensor]:
    return load_file(run / "encoder.safetensors")


@pytest.mark.parametrize("method", ["mscl", "moco", "hcml", "mscl+hcml"])
def test_the_encoder_and_its_momentum_copy_begin_as_the_weights(first, tiny, method):
    _, make = begin_pretraining(method, tiny(hcml=SMALL), first)
    trained = make()
    encoder = trained.trained_encoder()
    inner = encoder.backbone.backbone if isinstance(encoder.backbone, WithMotion) else encoder.backbone
    state = inner.state_dict()
    assert state.keys() == weights_of(first).keys()
    assert all(torch.equal(value, state[name]) for name, value in weights_of(first).items())
    assert encoder.training and all(parameter.requires_grad for parameter in encoder.parameters())
    if "mscl" in method:
        copied = trained.rgb_key.module.state_dict()
        assert all(torch.equal(value, copied[name]) for name, value in trained.rgb.state_dict().items())


def test_a_training_begins_with_weights_and_its_card_says_with_which(first, videos, tiny, tmp_path):
    still = tiny({"optimizer.lr": 1e-30, "optimizer.weight_decay": 0.0}, epochs=1, seed=5)
    run = pretrain(videos, tmp_path / "second", still, weights=first)
    begun, ended = weights_of(first), weights_of(run.out)
    assert all(torch.equal(begun[name], ended[name]) for name in begun if "running" not in name and "num_" not in name)
    sha256 = file_sha256(first / "encoder.safetensors")
    assert run.card["began_with"] == {"name": "first", "sha256": sha256}
    assert load_encoder(run.out).card["began_with"]["name"] == "first"
    assert "too_short" not in run.card["training"]  # which is a rule for trainings from scratch
    other = pretrain(videos, tmp_path / "scratch", still)
    assert "began_with" not in other.card and "too_short" in other.card["training"]
    assert any(not torch.equal(begun[name], value) for name, value in weights_of(other.out).items())


def test_it_goes_on_bit_for_bit_with_the_same_weights_and_no_others(first, videos, tiny, tmp_path, differences):
    config = tiny(epochs=2)
    whole = pretrain(videos, tmp_path / "whole", config, weights=first).out
    part = tmp_path / "part"
    pretrain(videos, part, tiny({"trainer.stop_after": 1}, epochs=2), weights=first)
    sha256 = file_sha256(first / "encoder.safetensors")[:12]
    for others, said in ((whole, f"made with the weights {sha256}, not "), (None, f"the weights {sha256}, not none;")):
        with pytest.raises(CheckpointError, match=said):
            pretrain(videos, part, config, weights=others, resume=True)
    pretrain(videos, part, config, weights=first / "encoder.safetensors", resume=True)
    assert not differences(part, whole)
    assert json.loads((part / "card.json").read_text())["began_with"]["sha256"].startswith(sha256)


def test_a_run_from_scratch_does_not_go_on_with_weights(first, videos, tiny, tmp_path):
    pretrain(videos, tmp_path, tiny({"trainer.stop_after": 1}, epochs=2))
    with pytest.raises(CheckpointError, match=r"was made with the weights none, not \w{12}; use the same"):
        pretrain(videos, tmp_path, tiny(epochs=2), weights=first, resume=True)


def test_another_architecture_than_asked_for_is_refused(first, moving, videos, tiny, tmp_path):
    with pytest.raises(CheckpointError) as error:
        pretrain(videos, tmp_path / "run", tiny({"model.width": 8, "model.input": "rgb"}), weights=first)
    said = "first holds another network than the settings under model ask for "
    assert f"{said}(input was difference, is rgb; width was 4, is 8); ask for the same" in str(error.value)
    with pytest.raises(CheckpointError, match=r"holds another motion hierarchy \(levels was 1, is 0\)"):
        pretrain(
            videos, tmp_path / "run", tiny(hcml=dataclasses.replace(SMALL, levels=0)), method="hcml", weights=moving
        )
    with pytest.raises(CheckpointError, match=r"there is no encoder at .*nowhere"):
        pretrain(videos, tmp_path / "run", tiny(), weights=tmp_path / "nowhere")
    assert not (tmp_path / "run").exists()


def test_a_hierarchy_comes_with_its_encoder_and_learns_where_the_method_has_one(moving, tiny, tmp_path, videos):
    config, make = begin_pretraining("moco", tiny(), moving)
    encoder = make().trained_encoder()
    assert encoder.hierarchical and (config.hcml.levels, config.hcml.reduction) == (1, 1)
    run = pretrain(videos, tmp_path, tiny(epochs=1), method="moco", weights=moving)
    assert load_encoder(run.out).hierarchical
    _, make = begin_pretraining("hcml", tiny(hcml=SMALL), moving)
    state = make().trained_encoder().backbone.state_dict()
    assert all(torch.equal(value, state[name]) for name, value in weights_of(moving).items())


def test_the_command_takes_architecture_and_clips_from_the_weights(first, moving, tmp_path, monkeypatch, refused):
    asked = []

    def take(videos, out, config, **others):
        asked.append((config, others))
        raise CheckpointError("seen")

    with monkeypatch.context() as patch:
        patch.setattr("kinema.training.pretrain", take)
        for words in ([first], [first, "--clip.size", "[16,16]", "--mscl.queue", 8], [moving, "--method", "hcml"]):
            refused("pretrain", "VIDEOS", "--out", "RUN", "--weights", *words)
    (whole, others), (changed, _), (hierarchical, _) = asked
    assert (others["weights"], others["method"], others["preset"]) == (str(first), "moco", "tiny")
    assert (whole.model.width, whole.model.input, whole.model.embedding) == (4, "difference", 128)
    assert (whole.clip.frames, whole.clip.size, whole.steps) == (4, (32, 32), ADAPTING_STEPS)
    assert (changed.clip.frames, changed.clip.size, changed.mscl.queue) == (4, (16, 16), 8)
    assert (hierarchical.hcml.levels, hierarchical.hcml.reduction, hierarchical.hcml.places) == (1, 1, 32)
    said = refused("pretrain", "VIDEOS", "--out", tmp_path / "run", "--weights", first, "--model.width", 8)
    assert "holds another network than the settings under model ask for (width was 4, is 8)" in said


def test_published_weights(videos, tiny, tmp_path):
    torch.manual_seed(3)
    model = create_model("r3d_18", width=4)
    path = tmp_path / "published.pth"
    state = {**model.state_dict(), "fc.weight": torch.zeros(5, model.features), "fc.bias": torch.zeros(5)}
    torch.save(state, path)
    taken = settings_of(path, "none")
    assert (taken["model"]["backbone"], taken["model"]["width"], taken["model"]["input"]) == ("r3d_18", 4, "rgb")
    config = tiny({f"model.{name}": value for name, value in taken["model"].items()}, epochs=1)
    _, make = begin_pretraining("mscl", config, path)
    begun = make().trained_encoder().backbone.state_dict()
    assert all(torch.equal(value, begun[name]) for name, value in model.state_dict().items())
    run = pretrain(videos, tmp_path / "run", config, method="moco", weights=path)
    assert run.card["began_with"] == {"name": "published", "sha256": file_sha256(path)}


# by name


def test_an_encoder_that_comes_with_kinema(first, tmp_path, monkeypatch, refused):
    place = tmp_path / "motion"
    monkeypatch.setattr("kinema.models.weights.resources.files", lambda package: tmp_path)
    with pytest.raises(CheckpointError, match=r"this installation of kinema lacks the encoder 'motion'; .*: \./motion"):
        load_encoder("motion")
    assert "lacks the encoder 'motion'" in refused(
        "pretrain", "VIDEOS", "--out", tmp_path / "run", "--weights", "motion"
    )
    place.mkdir()
    (place / "encoder.safetensors").write_bytes((first / "encoder.safetensors").read_bytes())
    opened = open_encoder("motion")
    assert (opened.name, opened.sha256) == ("motion", file_sha256(first / "encoder.safetensors"))
    clips = torch.rand(2, 3, 4, 32, 32)
    assert torch.equal(opened.module(clips), load_encoder(first)(clips))
