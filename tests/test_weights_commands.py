"""`kinema weights`, `kinema export`, and `kinema evaluate` of other people's encoders."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

import kinema
from kinema.cli import main
from kinema.config import ReadoutConfig
from kinema.models import create_model


@pytest.fixture
def published(tmp_path) -> Path:
    torch.manual_seed(0)
    save_file(create_model("mc3_18", width=4, classes=3).state_dict(), tmp_path / "published.safetensors")
    return tmp_path / "published.safetensors"


def test_published_weights_become_an_encoder(published, tmp_path, capsys, refused):
    words = ["weights", str(published), "--out", str(tmp_path / "own")]
    assert main(words) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[0] == f"{published} (torchvision): 120 matched, 0 missing, 0 unexpected, 0 reshaped, 2 left out"
    assert said[1] == "backbone mc3_18, width 4, input rgb"
    assert said[2:] == [str(tmp_path / "own" / name) for name in ("encoder.safetensors", "config.json", "README.md")]
    clips = torch.rand(1, 3, 4, 32, 32)
    assert torch.equal(kinema.load_encoder(tmp_path / "own")(clips), kinema.load_encoder(published)(clips))
    assert main(["weights", str(tmp_path / "own")]) == 0
    assert "(kinema): an encoder, complete\nbackbone mc3_18" in capsys.readouterr().out
    weights = create_model("mc3_18", width=4).state_dict()
    del weights["stem.1.bias"]
    save_file(weights, published)
    assert "1 missing, 0 unexpected, 0 reshaped, 0 left out; missing: stem.1.bias" in refused(*words)
    assert main([*words, "--partial"]) == 0
    assert "  missing: stem.1.bias\n" in capsys.readouterr().out


def test_an_encoder_is_exported(published, tmp_path, capsys, refused):
    assert main(["export", "hub", str(published), "--out", str(tmp_path / "hub")]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == str(tmp_path / "hub" / "README.md")
    words = ["export", "torch", published, "--out", tmp_path / "e.pt2"]
    assert "repo and private belong to the format hub, not to torch" in refused(*words, "--repo", "someone/mine")
    (tmp_path / "file").touch()
    assert "cannot write" in refused(*words[:3], "--out", tmp_path / "file" / "e.pt2")
    assert "there is no encoder at" in refused("export", "hub", tmp_path / "none", "--out", tmp_path / "hub")


def test_an_encoder_is_exported_with_another_readout(published, tmp_path, refused):
    def export(source: Path, name: str, *settings: str) -> ReadoutConfig:
        assert main(["export", "hub", str(source), "--out", str(tmp_path / name), *settings]) == 0
        return kinema.load_encoder(tmp_path / name).readout

    assert export(published, "plain") == ReadoutConfig()
    read = export(published, "read", "--readout.stage", "layer2", "--readout.grid", "[2, 1, 1]")
    assert read == ReadoutConfig("layer2", (2, 1, 1))
    assert export(tmp_path / "read", "root", "--readout.root", "true") == ReadoutConfig("layer2", (2, 1, 1), root=True)
    words = ["export", "torch", published, "--out", tmp_path / "e.pt2", "--readout.stage", "layer8"]
    assert "readout.stage is 'layer8', which the network has not got" in refused(*words)


MODULE = """
import torch

class Brightness(torch.nn.Module):
    clip = {"frames": 2, "step": 0.1, "short_side": 16, "size": [16, 16]}
    def forward(self, clips):
        return clips.mean((3, 4)).flatten(1)
"""


def test_an_encoder_of_the_users_is_evaluated(evaluation, tmp_path, monkeypatch):
    (tmp_path / "brightness.py").write_text(MODULE)
    monkeypatch.chdir(tmp_path)
    words = ["evaluate", "retrieval", "brightness:Brightness", *evaluation]
    try:
        assert main([str(word) for word in words]) == 0
    finally:
        sys.modules.pop("brightness", None)
    written = json.loads((tmp_path / "figures.json").read_text())
    assert written["encoder"]["name"] == "brightness:Brightness" and len(written["encoder"]["sha256"]) == 64
    assert written["spec"]["features"]["clip"]["size"] == [16, 16]
