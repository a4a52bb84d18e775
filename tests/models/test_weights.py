from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

import kinema
from kinema.config import HCMLConfig, ModelConfig, ReadoutConfig
from kinema.errors import CheckpointError, ConfigError, OutputError
from kinema.models import VideoEncoder, build_encoder, load_encoder, save_encoder

MODEL = ModelConfig(width=4)
CARD = {"model": asdict(MODEL), "method": "mscl", "clip": {"frames": 8, "size": [48, 48]}}


@pytest.fixture
def trained() -> VideoEncoder:
    """An encoder whose running statistics are not those of a fresh one."""
    torch.manual_seed(0)
    encoder = build_encoder(MODEL).train()
    encoder(torch.rand(4, 3, 4, 16, 16))
    return encoder.eval()


@pytest.fixture
def run(trained, tmp_path) -> Path:
    save_encoder(trained, tmp_path / "encoder.safetensors", CARD)
    return tmp_path


@pytest.mark.parametrize("name", [".", "encoder.safetensors"])
def test_an_encoder_comes_back_with_its_card(trained, run, name):
    encoder = kinema.load_encoder(run / name)
    clips = torch.rand(2, 3, 4, 16, 16)
    assert torch.equal(encoder(clips), trained(clips))
    assert encoder.card == CARD
    assert encoder.input == MODEL.input
    assert not encoder.training


@pytest.mark.parametrize("input", ["rgb", "difference", "both"])
def test_the_architecture_comes_from_the_card(tmp_path, input):
    model = ModelConfig(width=4, patch=None, input=input)
    save_encoder(build_encoder(model), tmp_path / "other.safetensors", {"model": asdict(model)})
    encoder = load_encoder(str(tmp_path / "other.safetensors"))
    assert encoder.input == input
    assert encoder(torch.rand(1, 3, 4, 16, 16)).shape == (1, 32)
    assert "stem.0.weight" in encoder.backbone.state_dict()


def test_the_file_holds_the_backbone_alone_under_torchvisions_names(run):
    names = load_file(run / "encoder.safetensors").keys()
    assert {"layer1.0.conv1.0.weight", "layer2.0.downsample.1.running_mean"} <= names
    assert all(name.split(".")[0] in {"stem", "layer1", "layer2", "layer3", "layer4"} for name in names)


READOUT = ReadoutConfig("layer2", (2, 3, 2), root=True, unit="time", frames=6)


def test_a_readout_is_part_of_the_card(trained, run, tmp_path):
    clips = torch.rand(2, 3, 4, 24, 24)
    old = load_encoder(run)
    assert old.readout == ReadoutConfig() and torch.equal(old(clips), trained(clips))  # a card without one
    save_encoder(trained, tmp_path / "read.safetensors", json.loads(json.dumps({**CARD, "readout": asdict(READOUT)})))
    found = load_encoder(tmp_path / "read.safetensors")
    assert found.readout == READOUT and found.features == 2 * 3 * 2 * 8
    assert torch.equal(found(clips), trained.read_by(READOUT)(clips))
    assert torch.equal(found.pooled(clips), old(clips))


def test_another_readout_than_the_cards(trained, run, tmp_path):
    clips = torch.rand(2, 3, 4, 24, 24)
    found = load_encoder(run, readout=READOUT)
    assert torch.equal(found(clips), trained.read_by(READOUT)(clips))
    save_encoder(found, tmp_path / "again.safetensors", found.card)
    assert load_encoder(tmp_path / "again.safetensors").readout == READOUT
    pooled = load_encoder(tmp_path / "again.safetensors", readout=ReadoutConfig())
    assert torch.equal(pooled(clips), trained.pooled(clips))
    with pytest.raises(ConfigError, match="'layer7', which the network has not got"):
        load_encoder(run, readout=ReadoutConfig("layer7"))


def test_a_motion_hierarchy_comes_back(tmp_path):
    hcml = HCMLConfig(levels=2, reduction=2, radius=1, deltas=(1, 2))
    torch.manual_seed(0)
    encoder = build_encoder(MODEL, hcml).eval()
    for fusion in encoder.backbone.fusions.values():
        torch.nn.init.normal_(fusion.weight)
    save_encoder(encoder, tmp_path / "motion.safetensors", {"model": asdict(MODEL), "hcml": asdict(hcml)})
    loaded = load_encoder(tmp_path / "motion.safetensors")
    clips = torch.rand(2, 3, 4, 16, 16)
    assert torch.equal(loaded(clips), encoder(clips))
    assert loaded.backbone.config == hcml
    assert "first " in hierarchy_refused(encoder, tmp_path, HCMLConfig(levels=1, reduction=2, radius=1))
    assert "first prime.encode.0.0.weight" in hierarchy_refused(encoder, tmp_path, HCMLConfig(levels=2, reduction=2))


@pytest.mark.parametrize("hcml", [None, HCMLConfig(levels=1, reduction=2, radius=1)])
def test_a_pyramid_comes_back_with_its_encoder(tmp_path, hcml):
    model = ModelConfig(width=4, keep_time=True, pyramid=8)
    card = {"model": asdict(model), **({"hcml": asdict(hcml)} if hcml else {})}
    torch.manual_seed(0)
    encoder = build_encoder(model, hcml).eval()
    file = save_encoder(encoder, tmp_path / "pyramid.safetensors", card)
    assert {name.split(".")[0] for name in load_file(file)} == {"backbone", "pyramid"}
    clips = torch.rand(2, 3, 8, 32, 32)
    loaded, expected = load_encoder(file).stages(clips), encoder.stages(clips)
    assert list(loaded)[-1] == "pyramid"
    assert loaded["pyramid"].shape == (2, 8, 4, 4, 4)
    assert all(torch.equal(loaded[name], expected[name]) for name in expected)
    card["model"]["pyramid"] = None
    save_encoder(encoder, file, card)
    assert "another architecture" in message(file)


def hierarchy_refused(encoder: VideoEncoder, folder: Path, claimed: HCMLConfig) -> str:
    """What is said of an encoder whose card claims another hierarchy."""
    save_encoder(encoder, folder / "other.safetensors", {"model": asdict(MODEL), "hcml": asdict(claimed)})
    words = message(folder / "other.safetensors")
    assert "holds another architecture than its card says" in words
    return words


def message(path: Path) -> str:
    with pytest.raises(CheckpointError) as caught:
        load_encoder(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_there_is_no_file(tmp_path):
    assert "there is no encoder at" in message(tmp_path)
    assert "there is no encoder at" in message(tmp_path / "nothing.safetensors")


@pytest.mark.parametrize("damage", ["truncated", "empty", "text", "header"])
def test_a_damaged_file(run, damage):
    path = run / "encoder.safetensors"
    content = path.read_bytes()
    damaged = {
        "truncated": content[: len(content) // 2],
        "empty": b"",
        "text": b"these are no weights at all\n" * 40,
        "header": content[:20] + b"\xff" * 50 + content[70:],
    }[damage]
    path.write_bytes(damaged)
    assert "is damaged or no file of weights" in message(path)


@pytest.mark.parametrize(
    "card",
    [
        "no json",
        "[]",
        "{}",
        json.dumps({"model": {"depth": 50}}),
        json.dumps({"model": {"width": "wide"}}),
        json.dumps({"model": {"width": -4}}),
        json.dumps({"model": {"width": 4, "input": "infrared"}}),
        json.dumps({"model": {"width": 4}, "hcml": {"layers": 3}}),
        json.dumps({"model": {"width": 4}, "hcml": {"levels": 9}}),
        json.dumps({"model": {"width": 4}, "hcml": "deep"}),
        json.dumps({"model": {"width": 4}, "readout": {"stage": "layer9"}}),
        json.dumps({"model": {"width": 4}, "readout": {"places": [2, 2]}}),
    ],
)
def test_a_card_that_makes_no_sense(trained, tmp_path, card):
    path = tmp_path / "odd.safetensors"
    save_file(trained.backbone.state_dict(), path, metadata={"card": card})
    assert "has no card that this version of kinema understands" in message(path)


@pytest.mark.parametrize("model", [ModelConfig(width=8), ModelConfig(width=4, patch=None)])
def test_weights_of_another_architecture(trained, tmp_path, model):
    path = tmp_path / "other.safetensors"
    save_encoder(trained, path, {"model": asdict(model)})
    words = message(path)
    assert "holds another architecture than its card says" in words
    assert "first layer1.0.conv1.0.weight" in words or "first stem.0.weight" in words


def test_a_missing_or_surplus_weight(trained, tmp_path):
    weights = trained.backbone.state_dict()
    metadata = {"card": json.dumps(CARD)}
    path = tmp_path / "odd.safetensors"
    save_file({**weights, "fc.weight": torch.zeros(3, 32)}, path, metadata=metadata)
    assert "1 weights differ, first fc.weight" in message(path)
    save_file({n: w for n, w in weights.items() if n != "stem.0.weight"}, path, metadata=metadata)
    assert "1 weights differ, first stem.0.weight" in message(path)


def test_a_file_that_cannot_be_written(trained, tmp_path):
    too_long = tmp_path / ("x" * 250 + ".safetensors")
    with pytest.raises(OutputError, match="cannot write"):
        save_encoder(trained, too_long, CARD)
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot write"):
        save_encoder(trained, tmp_path / "file" / "encoder.safetensors", CARD)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_an_interrupted_save_leaves_the_old_file(run, trained):
    before = (run / "encoder.safetensors").read_bytes()
    with pytest.raises(TypeError):
        save_encoder(trained, run / "encoder.safetensors", {"model": object()})
    assert (run / "encoder.safetensors").read_bytes() == before
    assert len(list(run.iterdir())) == 1
