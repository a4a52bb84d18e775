"""Networks of timm, torchvision and transformers as backbones."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from kinema.config import HCMLConfig, ModelConfig, ReadoutConfig
from kinema.errors import CheckpointError, ConfigError
from kinema.models import build_encoder, create_model, load_encoder, random_encoder, save_encoder
from kinema.models.adapted import Adapted, Layout
from kinema.models.hierarchy import MotionFeatures

SMALL = {
    "hidden_size": 24,
    "num_hidden_layers": 5,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "image_size": 32,
    "num_frames": 4,
}
PLAIN = ModelConfig(width=None, patch=None)
MODELS = {
    "timm:resnet10t": (None, {"stage1": (64, 4, 8, 8), "stage4": (512, 4, 1, 1)}),
    "timm:vit_tiny_patch16_224": ({"depth": 5, "embed_dim": 48}, dict.fromkeys(("stage1", "stage4"), (48, 4, 2, 2))),
    "timm:swin_tiny_patch4_window7_224": (
        {"img_size": 32, "window_size": 2, "embed_dim": 24, "depths": (1, 1, 1, 1)},
        {"stage1": (24, 4, 8, 8), "stage4": (192, 4, 1, 1)},
    ),
    "torchvision:swin3d_t": (None, {"stage1": (96, 2, 8, 8), "stage4": (768, 2, 1, 1)}),
    "transformers:videomae": (SMALL, dict.fromkeys(("stage1", "stage4"), (24, 2, 2, 2))),
    "transformers:vivit": (SMALL, dict.fromkeys(("stage1", "stage4"), (24, 2, 2, 2))),
    "transformers:timesformer": (SMALL, dict.fromkeys(("stage1", "stage4"), (24, 4, 2, 2))),
}


def clips(count: int = 2) -> Tensor:
    return torch.rand(count, 3, 4, 32, 32, generator=torch.Generator().manual_seed(0))


@pytest.fixture(params=MODELS)
def model(request) -> ModelConfig:
    """Settings of a small network of each library."""
    pytest.importorskip(request.param.partition(":")[0], reason="needs the library", exc_type=ImportError)
    return replace(PLAIN, backbone=request.param, parameters=MODELS[request.param][0])


def test_stages_features_and_gradients(model):
    torch.manual_seed(0)
    encoder = build_encoder(model).train()
    stages = encoder.stages(clips())
    assert list(stages) == list(encoder.stage_widths) == ["stage1", "stage2", "stage3", "stage4"]
    for name, shape in MODELS[model.backbone][1].items():
        assert stages[name].shape == (2, *shape)
    assert {name: stage.shape[1] for name, stage in stages.items()} == encoder.stage_widths
    features = encoder(clips())
    torch.testing.assert_close(encoder.eval()(clips()), encoder.stages(clips())["stage4"].mean(dim=(2, 3, 4)))
    features.square().sum().backward()
    first = next(p for p in encoder.parameters() if p.ndim >= 4)
    assert first.grad is not None and first.grad.abs().sum() > 0


def test_its_file_loads_again(model, tmp_path):
    encoder = random_encoder(model, seed=1, readout=ReadoutConfig("stage2", (2, 1, 1)))
    save_encoder(encoder, tmp_path / "encoder.safetensors", encoder.card)
    assert torch.equal(load_encoder(tmp_path)(clips()), encoder(clips()))


def test_a_motion_hierarchy_sees_its_stages_and_adds_to_them(model):
    hcml = HCMLConfig(levels=2, radius=1)
    encoder, motion = random_encoder(model, hcml=hcml), MotionFeatures()
    plain = encoder.stages(clips(), motion=motion)
    assert set(motion.levels) == {0, 1, 2} and encoder.backbone.hands_over
    fusion = encoder.backbone.fusions["1"]
    nn.init.normal_(fusion.weight)
    moved = encoder.stages(clips())
    added = nn.functional.interpolate(fusion(motion.levels[1]), plain["stage1"].shape[2:])
    torch.testing.assert_close(moved["stage1"], plain["stage1"] + added)
    assert not torch.equal(moved["stage4"], plain["stage4"])


@pytest.mark.parametrize(
    ("layout", "shape"),
    [
        (Layout(), (2, 6, 4, 3, 5)),
        (Layout(last=True), (2, 4, 3, 5, 6)),
        (Layout(frames=True), (8, 6, 3, 5)),
        (Layout(frames=True, last=True), (8, 3, 5, 6)),
        (Layout(frames=True, patch=(1, 2, 2), before=1), (8, 16, 6)),
        (Layout(patch=(1, 2, 2), before=1), (2, 61, 6)),
        (Layout(patch=(1, 2, 2), time_inside=True), (2, 60, 6)),
    ],
)
def test_maps_and_the_way_back(layout, shape):
    """Each place of the map is the value of that clip, time, row and column."""
    output = torch.randn(shape)
    x = layout.to_map(output, torch.Size((2, 3, 4, 6, 10)))
    assert x.shape == (2, 6, 4, 3, 5)
    assert torch.equal(layout.from_map(x, output), output)
    b, t, i, j = 1, 2, 1, 3
    place = {
        5: (b, t, i, j) if layout.last else (b, slice(None), t, i, j),
        4: (b * 4 + t, i, j) if layout.last else (b * 4 + t, slice(None), i, j),
        3: (b * 4 + t, layout.before + i * 5 + j) if layout.frames else (b, layout.before + (t * 3 + i) * 5 + j),
    }[output.ndim]
    if layout.time_inside:
        place = (b, (i * 5 + j) * 4 + t)
    assert torch.equal(x[b, :, t, i, j], output[place])


@pytest.mark.parametrize(
    ("name", "settings", "words"),
    [
        ("transformers:bert", {}, "transformers:bert cannot be trained: choose videomae, vivit, timesformer"),
        ("transformers:videomae", {"hiden_size": 3}, "transformers:videomae has no setting 'hiden_size': it knows"),
        ("transformers:videomae", {"hidden_size": 7}, "model transformers:videomae cannot be made"),
        ("transformers:videomae", {"width": 16}, "no setting 'width': leave model.width out, or set it to null"),
    ],
)
def test_what_cannot_be_built(name, settings, words):
    pytest.importorskip("transformers")
    with pytest.raises(ConfigError) as caught:
        create_model(name, **settings)
    assert words in str(caught.value) and "\n" not in str(caught.value)


def test_what_a_library_does_not_have():
    pytest.importorskip("timm", exc_type=ImportError)
    with pytest.raises(ConfigError, match="timm has no network 'resnet17': did you mean resnet"):
        create_model("timm:resnet17")
    with pytest.raises(ConfigError, match="timm has no network 'hf-hub:any/thing': choose"):
        create_model("timm:hf-hub:any/thing")
    with pytest.raises(ConfigError, match="random weights: leave out checkpoint_path"):
        create_model("timm:resnet18", checkpoint_path="weights.pt")
    pytest.importorskip("torchvision", exc_type=ImportError)
    with pytest.raises(ConfigError, match="torchvision:mvit_v2_s cannot be trained: choose swin3d_t"):
        create_model("torchvision:mvit_v2_s")


def test_a_library_that_is_absent(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "timm", None)
    with pytest.raises(ConfigError, match="timm:resnet18 needs timm: pip install timm"):
        create_model("timm:resnet18")
    encoder = random_encoder(ModelConfig(width=4))
    card = {"model": {"backbone": "timm:resnet18", "width": None, "patch": None}}
    save_encoder(encoder, tmp_path / "encoder.safetensors", card)
    with pytest.raises(CheckpointError, match=r"encoder\.safetensors cannot be loaded: timm:resnet18 needs timm"):
        load_encoder(tmp_path)


def test_clips_that_a_network_cannot_take():
    network = nn.Sequential(nn.Conv3d(3, 4, 1))
    adapted = Adapted("mine", network, lambda net, x: net(x), {"0": 4}, Layout(), (4, 0, 32))
    adapted(clips())
    with pytest.raises(ConfigError, match=r"mine is made for clips of 4xanyx32 .*, not 2x32x32: choose such clips"):
        adapted(clips()[:, :, :2])
    with pytest.raises(ConfigError, match=r"mine failed on clips of 4x32x32 \(RuntimeError: "):
        adapted(clips()[:, :2])
    other = Adapted("mine", network, lambda net, x: net(x), {"0": 5}, Layout())
    with pytest.raises(ConfigError, match=r"mine has stages that kinema cannot read: stage1 gave \(2, 4, 4, 32, 32\)"):
        other(clips())
