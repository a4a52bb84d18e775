"""Checkpoints that others publish, by the names in their files."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path

import pytest
import torch
from published_layouts import random_state
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

import kinema
from kinema.config import ClipConfig
from kinema.errors import CheckpointError
from kinema.models import Backbone, create_model, list_models, load_encoder, save_encoder
from kinema.models.normalise import HALF, IMAGENET, KINETICS, Colours
from kinema.models.sources import clip_of

Weights = dict[str, Tensor]

MIXED = {"3b": 5, "3c": 6, "4b": 8, "4c": 9, "4d": 10, "4e": 11, "4f": 12, "5b": 14, "5c": 15}


def backbone(name: str, classes: int | None = None, **settings: int) -> Backbone:
    """A network with weights and statistics that are not those of a fresh one."""
    network = create_model(name, classes=classes, **{"width": 8, **settings}).eval()
    network.load_state_dict(random_state({n: tuple(v.shape) for n, v in network.state_dict().items()}))
    return network


def features(network: nn.Module, colours: Colours, clips: Tensor) -> Tensor:
    """What the network makes of clips from 0 to 1."""
    mean, std = (torch.tensor(part).view(3, 1, 1, 1) for part in colours)
    with torch.inference_mode():
        return network((clips - mean) / std)


def loaded_features(path: Path, clips: Tensor) -> Tensor:
    with torch.inference_mode():
        return load_encoder(path)(clips)


CLIPS = torch.rand(2, 3, 8, 32, 32, generator=torch.Generator().manual_seed(1))


def coclr_names(theirs: Weights) -> Weights:
    """The names that CoCLR's S3D gives to what torchvision's names say; each module is there twice."""

    def separable(new: str, old: str) -> None:
        for part in (1, 2):
            names[f"{new}.conv{part}"], names[f"{new}.bn{part}"] = f"{old}.{part - 1}.0", f"{old}.{part - 1}.1"

    def point(new: str, old: str) -> None:
        names[f"{new}.conv"], names[f"{new}.bn"] = f"{old}.0", f"{old}.1"

    names: dict[str, str] = {}
    separable("Conv_1a", "features.0")
    point("Conv_2b", "features.2")
    separable("Conv_2c", "features.3")
    for block, place in MIXED.items():
        new, old = f"Mixed_{block}", f"features.{place}"
        point(f"{new}.branch0.0", f"{old}.branch0")
        for branch in ("branch1", "branch2"):
            point(f"{new}.{branch}.0", f"{old}.{branch}.0")
            separable(f"{new}.{branch}.1", f"{old}.{branch}.1")
        point(f"{new}.branch3.1", f"{old}.branch3.1")
    known = {old: new for new, old in names.items()}
    state = {f"{known[name.rpartition('.')[0]]}.{name.rpartition('.')[2]}": v for name, v in theirs.items()}
    sequences = {"Conv_1a": "block1.0", "Conv_2b": "block2.1", "Conv_2c": "block2.2"}
    sequences |= {f"Mixed_{block}": f"block{block[0]}.{'abcdef'.index(block[1])}" for block in MIXED}
    for name, value in list(state.items()):
        first, rest = name.split(".", 1)
        state[f"{sequences[first]}.{rest}"] = value
    return state


@pytest.mark.slow
def test_coclr(tmp_path):
    network = backbone("s3d")
    state = coclr_names(network.state_dict())
    assert {"Conv_1a.conv1.weight", "block1.0.bn2.running_var", "Mixed_5c.branch3.1.conv.weight"} <= state.keys()
    assert {"block5.2.branch1.1.bn1.weight", "Mixed_4f.branch0.0.bn.bias"} <= state.keys()
    assert len(state) == 2 * len(network.state_dict())
    checkpoint = {f"encoder_q.0.{name}": value for name, value in state.items()}
    checkpoint |= {f"encoder_k.0.{name}": torch.zeros_like(value) for name, value in state.items()}
    checkpoint |= {"encoder_q.2.weight": torch.zeros(8, 8, 1, 1, 1), "queue": torch.zeros(8, 4)}
    path = tmp_path / "epoch300.pth.tar"
    torch.save({"epoch": 300, "best_acc": 0.5, "state_dict": checkpoint, "optimizer": {"state": {}}}, path)
    encoder = load_encoder(path)
    assert (encoder.card["source"], encoder.card["model"]["backbone"]) == ("CoCLR", "s3d")
    assert encoder.report is not None and encoder.report.complete
    assert encoder.report.counts == {
        "matched": len(network.state_dict()),
        "missing": 0,
        "unexpected": 0,
        "reshaped": 0,
        "left_out": len(state) + 2,
    }
    for module in network.modules():
        if isinstance(module, nn.BatchNorm3d):
            module.eps = 1e-5  # as its authors' network
    torch.testing.assert_close(loaded_features(path, CLIPS), features(network, IMAGENET, CLIPS))
    torch.save(
        {"state_dict": {f"backbone.{n}": v for n, v in state.items()} | {"final_fc.1.bias": torch.ones(3)}}, path
    )
    assert load_encoder(path).card["source"] == "CoCLR, fine-tuned"
    torch.testing.assert_close(loaded_features(path, CLIPS), features(network, IMAGENET, CLIPS))


def pyslowfast_names(theirs: Weights) -> Weights:
    """The names that PySlowFast gives to what PyTorchVideo's names say."""
    state = {}
    for name, value in theirs.items():
        parts = name.split(".")
        if parts[1] == "0":
            new = ["s1", "pathway0_stem", {"conv": "conv", "norm": "bn"}[parts[2]], parts[3]]
        elif parts[1] == "5":
            new = ["head", "projection", parts[3]]
        else:
            new = [f"s{int(parts[1]) + 1}", f"pathway0_res{parts[3]}"]
            if parts[4] == "branch2":
                kind, letter = parts[5].split("_")
                new += ["branch2", letter if kind == "conv" else f"{letter}_bn", parts[6]]
            else:
                new += [{"branch1_conv": "branch1", "branch1_norm": "branch1_bn"}[parts[4]], parts[5]]
        state[".".join(new)] = value
    return state


@pytest.mark.parametrize("prefix", ["", "backbone."])
def test_pyslowfast(tmp_path, prefix):
    network = backbone("slowonly_r50", classes=5)
    state = pyslowfast_names(network.state_dict())
    assert {"s1.pathway0_stem.bn.bias", "s5.pathway0_res2.branch2.c_bn.running_mean"} <= state.keys()
    assert {"s2.pathway0_res0.branch1.weight", "s4.pathway0_res5.branch2.a.weight"} <= state.keys()
    path = tmp_path / "SLOW_8x8_R50.pyth"
    content = {prefix + name: value for name, value in state.items()} | ({"ptr": torch.zeros(1)} if prefix else {})
    torch.save({"epoch": 196, "model_state": content, "optimizer_state": {}, "cfg": "MODEL:\n  ARCH: slow\n"}, path)
    encoder = load_encoder(path)
    assert encoder.card["source"] == ("PySlowFast, contrastive" if prefix else "PySlowFast")
    assert encoder.report is not None and len(encoder.report.left_out) == (3 if prefix else 2)
    headless = backbone("slowonly_r50")
    headless.load_state_dict(network.state_dict(), strict=False)
    torch.testing.assert_close(loaded_features(path, CLIPS), features(headless, HALF, CLIPS))
    classifier = create_model("slowonly_r50", path, classes=5, width=8)
    assert all(torch.equal(value, classifier.state_dict()[name]) for name, value in network.state_dict().items())


def test_the_slow_pathway_of_slowfast_is_refused_unless_told(tmp_path):
    state = pyslowfast_names(backbone("slowonly_r50").state_dict())
    first = "s3.pathway0_res0.branch2.a.weight"
    state |= {"s1.pathway1_stem.conv.weight": torch.zeros(1, 3, 5, 7, 7), "s1_fuse.conv_f2s.weight": torch.zeros(2, 1)}
    state[first] = torch.cat([state[first], state[first][:, :4]], dim=1)  # features of the fast pathway come in
    path = tmp_path / "SLOWFAST.pyth"
    torch.save({"model_state": state}, path)
    with pytest.raises(CheckpointError, match=r"0 missing, 2 unexpected, 1 reshaped, .*reshaped: blocks\.2\.res") as no:
        load_encoder(path)
    assert "\n" not in str(no.value) and "; take what matches with partial, or name" in str(no.value)
    report = load_encoder(path, partial=True).report
    assert report is not None and not report.complete
    assert report.unexpected == ("s1.pathway1_stem.conv.weight", "s1_fuse.conv_f2s.weight")
    assert report.reshaped == ("blocks.2.res_blocks.0.branch2.conv_a.weight 16x36x1x1x1, not 16x32x1x1x1",)


@pytest.mark.parametrize("prefix", ["recognizer.encoder_q.", "backbone."])
def test_the_released_code_of_mscl(tmp_path, prefix):
    network = backbone("r3d_18")
    state = {prefix + name: value for name, value in network.state_dict().items()}
    others = ("recognizer.encoder_k.stem.0.weight", "flow.encoder_q.conv1.weight", "recognizer.queue", "cls_head.bias")
    path = tmp_path / "epoch_400.pth"
    torch.save({"meta": {"epoch": 400}, "state_dict": state | {name: torch.zeros(2, 2) for name in others}}, path)
    encoder = load_encoder(path)
    assert encoder.card["source"].startswith("MSCL's released code")
    assert encoder.report is not None and encoder.report.left_out == others
    assert clip_of(encoder) == ClipConfig(frames=8, step=None, step_frames=16, short_side=128, size=(112, 112))
    torch.testing.assert_close(loaded_features(path, CLIPS), features(network, IMAGENET, CLIPS))


COLOURS = {"resnet18": IMAGENET, "resnet50": IMAGENET, "slowonly_r50": HALF}


@pytest.mark.parametrize("name", list_models())
def test_torchvisions_and_pytorchvideos_files(tmp_path, name):
    suffix = "pth" if name.startswith("r") else "safetensors"
    network, path = backbone(name, classes=7), tmp_path / f"weights.{suffix}"
    weights = network.state_dict()
    torch.save({f"module.{n}": v for n, v in weights.items()}, path) if suffix == "pth" else save_file(weights, path)
    encoder = kinema.load_encoder(path)
    assert (encoder.card["model"]["backbone"], encoder.card["model"]["width"]) == (name, 8)
    assert encoder.report is not None and len(encoder.report.left_out) == 2
    headless = backbone(name)
    headless.load_state_dict(weights, strict=False)
    expected = features(headless, COLOURS.get(name, KINETICS), CLIPS)
    torch.testing.assert_close(loaded_features(path, CLIPS), expected)
    classifier = kinema.create_model(name, pretrained=path, classes=7, width=8)
    assert all(torch.equal(value, classifier.state_dict()[n]) for n, value in weights.items())


@pytest.mark.parametrize(("name", "settings"), [("r3d_18", {"patch": 4}), ("mc3_18", {"channels": 6, "width": 4})])
def test_a_quick_stem_and_six_channels_are_recognised(tmp_path, name, settings):
    save_file(backbone(name, **settings).state_dict(), tmp_path / "odd.safetensors")
    model = load_encoder(tmp_path / "odd.safetensors").card["model"]
    assert (model["backbone"], model["width"], model["patch"]) == (
        name,
        settings.get("width", 8),
        settings.get("patch"),
    )
    assert model["input"] == ("both" if "channels" in settings else "rgb")


def test_a_published_encoder_becomes_one_of_kinema(tmp_path):
    torch.save(pyslowfast_names(backbone("slowonly_r50").state_dict()), tmp_path / "slow.pyth")
    encoder = load_encoder(tmp_path / "slow.pyth")
    save_encoder(encoder, tmp_path / "own.safetensors", encoder.card)
    own = load_encoder(tmp_path / "own.safetensors")
    assert own.card["source"] == "PySlowFast" and own.card["clip"] == {**asdict(clip_of(encoder)), "size": [256, 256]}
    torch.testing.assert_close(own(CLIPS), loaded_features(tmp_path / "slow.pyth", CLIPS), rtol=0, atol=0)


def test_counts_of_batches_may_be_missing_but_nothing_else(tmp_path):
    weights = backbone("r3d_18").state_dict()
    path = tmp_path / "old.safetensors"
    save_file({name: value for name, value in weights.items() if "num_batches" not in name}, path)
    report = load_encoder(path).report
    assert report is not None and report.complete
    save_file({name: value for name, value in weights.items() if name != "layer3.0.conv1.0.weight"}, path)
    with pytest.raises(CheckpointError, match=r"1 missing, 0 unexpected, .*missing: layer3\.0\.conv1\.0\.weight; take"):
        load_encoder(path)
    encoder = load_encoder(path, partial=True)
    assert encoder.report is not None and encoder.report.missing == ("layer3.0.conv1.0.weight",)
    assert "matched, 1 missing, 0 unexpected" in str(encoder.report)
    assert torch.equal(encoder.backbone.state_dict()["layer4.1.conv2.0.weight"], weights["layer4.1.conv2.0.weight"])


def test_weights_for_another_model(tmp_path):
    path = tmp_path / "r3d.safetensors"
    save_file(backbone("r3d_18", classes=4).state_dict(), path)
    with pytest.raises(CheckpointError, match=r"holds another architecture than VideoResNet: .* 2 reshaped"):
        create_model("r3d_18", path, classes=5, width=8)
    assert create_model("r3d_18", path, classes=5, width=8, partial=True).fc.out_features == 5
    with pytest.raises(CheckpointError, match=r"holds another architecture than SlowOnly: .* 0 matched.*trained as$"):
        create_model("slowonly_r50", path, width=8, partial=True)


def refused(path: Path) -> str:
    with pytest.raises(CheckpointError) as caught:
        load_encoder(path)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)
    return str(caught.value)


class Trap:
    """Leaves a file when it is unpickled."""

    def __init__(self, mark: Path):
        self.mark = mark

    def __reduce__(self):
        return Path.touch, (self.mark,)


@pytest.mark.parametrize("kind", ["settings", "trap"])
def test_pickled_code_is_not_run(tmp_path, kind):
    mark = tmp_path / "mark"
    extra = argparse.Namespace(lr=0.1) if kind == "settings" else Trap(mark)
    torch.save({"state_dict": backbone("r3d_18").state_dict(), "args": extra}, tmp_path / "w.pth")
    assert "holds pickled objects beside its weights, which kinema does not run; if you" in refused(tmp_path / "w.pth")
    assert not mark.exists()


def test_files_that_hold_no_encoder(tmp_path):
    path = tmp_path / "w.pth"
    torch.save({"state_dict": {"encoder.weight": torch.zeros(3)}}, path)
    words = refused(path)
    assert "no encoder of a layout that kinema knows (MSCL's released code, " in words
    assert words.endswith("its first weight is called encoder.weight")
    for content in (["words"], {"epoch": 3}):
        torch.save(content, path)
        assert refused(path).endswith("it holds no weights by name")
    path.write_bytes(b"these are no weights at all")
    sentence = refused(path)
    assert "is damaged or no file of weights (torch.save did not write it, or not all of it)" in sentence
    assert "weights_only" not in sentence, "no advice to run what a strange file holds"
    torch.save({"stem.0.weight": torch.zeros(8, 3, 3, 7, 7)}, path)
    assert "does not say how wide its network is; it lacks layer1.0.conv1.1.weight" in refused(path)
    torch.save(backbone("r3d_18", channels=2).state_dict(), path)
    assert "sees 2 channels; kinema's see three or six" in refused(path)


def test_only_weights_are_written_to_a_file_of_kinema(tmp_path):
    save_file(backbone("r3d_18", classes=3).state_dict(), tmp_path / "w.safetensors")
    encoder = load_encoder(tmp_path / "w.safetensors")
    save_encoder(encoder, tmp_path / "own.safetensors", encoder.card)
    assert not any(name.startswith("fc.") for name in load_file(tmp_path / "own.safetensors"))
