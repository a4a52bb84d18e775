"""Encoders in other runtimes: the same features, for any number of clips."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from kinema.config import ClipConfig, HCMLConfig, ModelConfig
from kinema.errors import ConfigError, OutputError
from kinema.models import VideoEncoder, list_models, random_encoder
from kinema.models.export import export_onnx, export_torch

CLIP = ClipConfig(frames=8, size=(32, 36))
HIERARCHY = HCMLConfig(levels=2, radius=1, pool=2)


def make(backbone: str, hcml: HCMLConfig | None = None) -> VideoEncoder:
    patch = 4 if backbone == "r3d_18" else None
    encoder = random_encoder(ModelConfig(backbone=backbone, width=4, patch=patch, input="both"), 1, hcml)
    if hcml is not None:
        for fusion in encoder.backbone.fusions.values():
            nn.init.normal_(fusion.weight, generator=torch.Generator().manual_seed(0))
    return encoder


def in_torch(path: Path) -> Callable[[Tensor], Tensor]:
    return torch.export.load(path).module()


def in_onnxruntime(path: Path) -> Callable[[Tensor], Tensor]:
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    (given,), (made,) = session.get_inputs(), session.get_outputs()
    assert (given.name, given.shape[1:], made.name) == ("clips", [3, 8, 32, 36], "features")
    assert isinstance(given.shape[0], str)
    return lambda clips: torch.from_numpy(np.asarray(session.run(None, {"clips": clips.numpy()})[0]))


def agree(encoder: VideoEncoder, run: Callable[[Tensor], Tensor]) -> None:
    for count in (1, 2, 5):
        clips = torch.rand(count, 3, CLIP.frames, *CLIP.size, generator=torch.Generator().manual_seed(count))
        with torch.inference_mode():
            expected = encoder(clips)
        assert expected.std() > 0.01
        torch.testing.assert_close(run(clips), expected, rtol=1e-3, atol=1e-4 * float(expected.abs().max()))


@pytest.mark.parametrize("hcml", [None, HIERARCHY], ids=["plain", "hierarchy"])
def test_r3d_in_torch(tmp_path, hcml):
    encoder = make("r3d_18", hcml)
    agree(encoder, in_torch(export_torch(encoder, CLIP, tmp_path / "encoder.pt2")))


@pytest.mark.slow
def test_r3d_with_a_hierarchy_in_onnx(tmp_path):
    encoder = make("r3d_18", HIERARCHY)
    path = export_onnx(encoder, CLIP, tmp_path / "encoder.onnx")
    agree(encoder, in_onnxruntime(path))
    assert [file.name for file in tmp_path.iterdir()] == ["encoder.onnx"]


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("hcml", [None, HIERARCHY], ids=["plain", "hierarchy"])
@pytest.mark.parametrize("backbone", list_models())
def test_every_backbone(tmp_path, backbone, hcml):
    encoder = make(backbone, hcml)
    agree(encoder, in_torch(export_torch(encoder, CLIP, tmp_path / "encoder.pt2")))
    agree(encoder, in_onnxruntime(export_onnx(encoder, CLIP, tmp_path / "encoder.onnx")))


class Strange(nn.Module):
    def forward(self, clips):
        return clips.mean((2, 3, 4)) * float(clips.sum().item() > 0) if input() else clips


def test_what_cannot_be_exported(tmp_path, monkeypatch):
    with pytest.raises(ConfigError, match=r"x\.pt2 cannot be made: this encoder has no form in torch\.export \(") as no:
        export_torch(Strange(), CLIP, tmp_path / "x.pt2")
    assert "\n" not in str(no.value)
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="cannot write"):
        export_torch(nn.AdaptiveAvgPool3d(1), CLIP, tmp_path / "file" / "x.pt2")
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(ConfigError, match=r'x\.onnx needs onnx: pip install "kinema\[onnx\]"'):
        export_onnx(nn.Identity(), CLIP, tmp_path / "x.onnx")
