"""Encoders as the Hugging Face Hub wants them."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path

import pytest
import torch
import yaml

import kinema
from kinema.common.provenance import file_sha256
from kinema.config import ClipConfig, HCMLConfig, ModelConfig
from kinema.errors import CheckpointError, ConfigError, OutputError
from kinema.models import VideoEncoder, random_encoder
from kinema.models.hub import save_pretrained
from kinema.models.model_card import model_card

CARD = {
    "method": "mscl+hcml",
    "preset": "tiny",
    "seed": 7,
    "clip": asdict(ClipConfig(frames=8, step=0.125, short_side=56, size=(48, 40))),
    "model": asdict(ModelConfig(width=4)),
    "hcml": asdict(HCMLConfig(levels=1, radius=1)),
    "config": {"epochs": 14},
    "training": {"steps": 518, "clips_seen": 33152},
    "data": {"videos": 1200, "hours": 2 / 3, "sha256": "d075"},
    "versions": {"kinema": "0.1.0", "torch": "2.13.0"},
}


@pytest.fixture
def encoder() -> VideoEncoder:
    encoder = random_encoder(ModelConfig(width=4), 3, HCMLConfig(levels=1, radius=1))
    encoder.card = CARD
    return encoder


def test_an_encoder_goes_out_and_comes_back(encoder, tmp_path):
    files = save_pretrained(encoder, tmp_path / "mine")
    assert [path.name for path in files] == ["encoder.safetensors", "config.json", "README.md"]
    back = kinema.from_pretrained(tmp_path / "mine")
    clips = torch.rand(2, 3, 4, 32, 32)
    assert torch.equal(back(clips), encoder(clips))
    assert back.card == json.loads(files[1].read_text()) == json.loads(json.dumps(CARD))


def test_the_readme_says_what_the_card_says(encoder, tmp_path):
    *_, readme = save_pretrained(encoder, tmp_path / "mine", "someone/mine")
    words = readme.read_text()
    head = yaml.safe_load(words.split("---")[1])
    assert head["library_name"] == "kinema" and "video" in head["tags"]
    for part in (
        'kinema.from_pretrained("someone/mine")',
        "features (B, 32). Its weights come from mscl+hcml.",
        "made for clips of 8 frames, 0.125 s apart, of 48x40 pixels cut from frames whose shorter side has 56.",
        "| method | mscl+hcml |",
        "| backbone | backbone r3d_18, width 4, patch 4, input both |",
        "| motion hierarchy | levels 1, prime True, fusion True, chain True |",
        "| training videos | 1200 |",
        "| hours of video | 0.667 |",
        "| fingerprint of the data (SHA-256) | d075 |",
        "| versions | kinema 0.1.0, torch 2.13.0 |",
        f"| SHA-256 of encoder.safetensors | {file_sha256(tmp_path / 'mine' / 'encoder.safetensors')} |",
        "* It has seen 1200 videos (0.667 h), and may know little of others; measure before you rely on it.",
        '"epochs": 14',
    ):
        assert part in words
    assert "None" not in words


def test_the_readme_invents_nothing():
    words = model_card({"model": asdict(ModelConfig())}, "x", 128, "00")
    assert "Its card does not say where its weights come from." in words
    assert "Its card does not say which clips it was made for." in words
    assert "does not say on which videos it was trained; measure" in words
    for unknown in ("| method", "| seed", "| training videos", "| motion hierarchy", "settings", "None"):
        assert unknown not in words


class Hub:
    """What is asked of the Hub."""

    asked: list[tuple[str, object]]

    def create_repo(self, repo: str, private: bool, exist_ok: bool) -> None:
        Hub.asked.append((repo, private))

    def upload_folder(self, repo_id: str, folder_path: str, commit_message: str) -> str:
        Hub.asked.append((repo_id, kinema.from_pretrained(folder_path)))
        Hub.asked.append((repo_id, (Path(folder_path) / "README.md").read_text()))
        return f"https://huggingface.co/{repo_id}/tree/main"


def test_an_encoder_is_pushed(encoder, monkeypatch):
    import huggingface_hub

    monkeypatch.setattr(huggingface_hub, "HfApi", Hub)
    Hub.asked = []
    assert kinema.push_to_hub(encoder, "someone/mine", private=True).endswith("someone/mine/tree/main")
    (made, private), (to, sent), (_, readme) = Hub.asked
    assert (made, private, to) == ("someone/mine", True, "someone/mine")
    clips = torch.rand(2, 3, 4, 32, 32)
    assert torch.equal(sent(clips), encoder(clips))
    assert 'from_pretrained("someone/mine")' in readme


def test_what_the_hub_refuses(encoder, monkeypatch, tmp_path):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(OutputError, match=r"no good/name/ cannot be pushed to the Hugging Face Hub \(.*check the name"):
        kinema.push_to_hub(encoder, "no good/name/")
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(ConfigError, match=r'needs huggingface_hub: pip install "kinema\[hub\]"'):
        kinema.push_to_hub(encoder, "someone/mine")
    with pytest.raises(CheckpointError, match="there is no encoder at"):
        kinema.from_pretrained(tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="cannot write"):
        save_pretrained(encoder, tmp_path / "file" / "mine")
