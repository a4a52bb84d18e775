from __future__ import annotations

import itertools
import json
import math
import shutil
import statistics
import sys
from dataclasses import asdict
from pathlib import Path

import pytest
import torch

from kinema import load_encoder
from kinema.common.provenance import ids_sha256, software_versions
from kinema.config import PretrainConfig
from kinema.errors import ConfigError, DataError, OutputError, TrainingError
from kinema.methods import MSCL
from kinema.methods.base import Losses
from kinema.training import pretrain
from kinema.training.checks import check_pretraining
from kinema.training.metrics import METRICS, read_metrics
from kinema.training.module import TrainingModule, learning_rate, warmup_cosine
from kinema.video import read_manifest

FLOW_TERMS = {"loss_flow", "loss_rgb2flow", "loss_flow2rgb", "loss_lmcl", "lmcl_accuracy"}
FRA_TERMS = {"loss_fra_flow", "loss_fra_rgb2flow", "loss_fra_flow2rgb"}


@pytest.fixture(scope="module")
def run(videos, tiny, tmp_path_factory):
    """A run of two epochs of three steps."""
    return pretrain(videos, tmp_path_factory.mktemp("run"), tiny(epochs=2), preset="tiny")


# what a run leaves


def test_the_files_of_a_run(run):
    assert [path.name for path in run.files] == [
        "encoder.safetensors",
        "card.json",
        "metrics.csv",
        "manifest.parquet",
        "last.ckpt",
    ]
    assert all(path.stat().st_size for path in run.files)
    assert list((run.out / "tensorboard").glob("events.*"))
    assert not list(run.out.glob("*.tmp*"))


def test_the_card_says_how_the_encoder_was_made(run, tiny):
    card = json.loads((run.out / "card.json").read_text())
    assert card == json.loads(json.dumps(run.card)) == load_encoder(run.out).card
    assert (card["method"], card["preset"], card["seed"], card["features"]) == ("mscl", "tiny", 0, 32)
    assert card["clip"] == {**asdict(tiny().clip), "size": [32, 32]}
    assert card["model"] == asdict(tiny().model)
    assert card["config"]["mscl"] == asdict(tiny().mscl)
    assert card["config"]["epochs"] == 2
    assert "cache" not in card["config"]["flow"]  # where it lies changes nothing
    training = card["training"]
    assert (training["steps"], training["clips_seen"]) == (6, 6 * 4 * 2)
    assert 0 <= training["data_wait"] <= 1
    assert training["data_wait"] == run.data_wait
    assert training["seconds"] == pytest.approx(run.seconds)
    assert card["versions"] == software_versions()


def test_the_card_holds_the_means_of_the_last_epoch(run):
    rows = [row for row in read_metrics(run.out / METRICS) if "loss" in row][3:]
    means = run.card["training"]["last_epoch_means"]
    assert set(means) == {"loss", "loss_rgb", *FLOW_TERMS, *FRA_TERMS}
    for name, mean in means.items():
        assert mean == pytest.approx(sum(row[name] for row in rows) / 3)


def test_the_fingerprint_of_the_data(run, videos, tiny, tmp_path):
    entries = read_manifest(run.out / "manifest.parquet")
    data = run.card["data"]
    assert (len(entries), data["videos"], data["hours"]) == (12, 12, pytest.approx(12 * 0.75 / 3600))
    assert data["sha256"] == ids_sha256([f"{path.name},{path.stat().st_size}" for path in videos.iterdir()])
    copy = shutil.copytree(videos, tmp_path / "copy")
    assert pretrain(copy, tmp_path / "same", tiny(epochs=1)).card["data"] == data
    next(iter(copy.iterdir())).unlink()
    assert pretrain(copy, tmp_path / "less", tiny(epochs=1)).card["data"]["sha256"] != data["sha256"]


def test_every_term_of_every_step_is_logged(run):
    rows = [row for row in read_metrics(run.out / METRICS) if "loss" in row]
    assert [row["step"] for row in rows] == list(range(6))
    assert [row["epoch"] for row in rows] == [0, 0, 0, 1, 1, 1]
    for row in rows:
        assert set(row) == {"step", "epoch", "momentum", "loss", "loss_rgb", *FLOW_TERMS, *FRA_TERMS}
        terms = [value for name, value in row.items() if name.startswith("loss_")]
        assert row["loss"] == pytest.approx(sum(terms), rel=1e-5)
    momenta = [row["momentum"] for row in rows]
    assert momenta[0] == pytest.approx(0.97)
    assert momenta == sorted(momenta)
    assert [row["step"] for row in read_metrics(run.out / METRICS) if "data_wait" in row] == [2, 5]


def test_the_encoder_that_was_trained_is_the_one_on_disk(run):
    encoder = load_encoder(run.out)
    state = torch.load(run.out / "last.ckpt", weights_only=True)["state_dict"]
    for name, value in encoder.backbone.state_dict().items():
        assert torch.equal(value, state[f"method.rgb.encoder.backbone.{name}"]), name
    assert encoder(torch.rand(2, 3, 4, 32, 32)).shape == (2, 32)
    assert not encoder.training


def test_moco_has_no_flow_anywhere(videos, tiny, tmp_path, monkeypatch):
    def never(*_):
        raise AssertionError("flow was estimated")

    monkeypatch.setattr("kinema.flow.estimators.DIS._estimate", never)
    run = pretrain(videos, tmp_path, tiny(epochs=1), method="moco")
    rows = [row for row in read_metrics(tmp_path / METRICS) if "loss" in row]
    assert all(set(row) == {"step", "epoch", "momentum", "loss", "loss_rgb"} for row in rows)
    assert run.card["method"] == "moco"
    assert run.card["config"]["mscl"]["rgb"] == 1
    assert run.card["config"]["mscl"]["lmcl"] == 0
    assert not any("flow" in name for name in torch.load(tmp_path / "last.ckpt", weights_only=True)["state_dict"])


def test_training_learns(videos, tiny, tmp_path):
    """The loss on clips that are always cut alike falls well below chance: gradient and optimiser do their work."""
    still = {"min_area": 1.0, "aspect": 1.0, "jitter": 0.0, "blur": 0.0, "grey": 0.0, "flip": 0.0}
    changes = {f"augment.{name}": value for name, value in still.items()}
    config = tiny({**changes, "mscl.queue": 0, "mscl.momentum": 0.5, "trainer.batch_size": 12}, epochs=40)
    pretrain(videos, tmp_path, config, method="moco")
    losses = [row["loss"] for row in read_metrics(tmp_path / METRICS) if "loss" in row]
    assert statistics.median(losses[-10:]) < 0.5 * math.log(12)  # twelve clips to choose from


# which videos


def test_what_is_left_out_is_said(videos, tiny, tmp_path, capsys):
    folder = shutil.copytree(videos, tmp_path / "videos")
    (folder / "broken.mp4").write_bytes(b"no video")
    run = pretrain(folder, tmp_path / "run", tiny(epochs=1))
    errors = capsys.readouterr().err
    assert "12 of 13 videos are used" in errors
    assert "left out, unreadable: broken.mp4" in errors
    assert run.card["data"]["videos"] == 12
    assert len(read_manifest(tmp_path / "run" / "manifest.parquet")) == 13


def test_a_manifest_saves_the_scan(run, videos, tiny, tmp_path, monkeypatch, differences):
    monkeypatch.setattr(sys.modules["kinema.training.folder"], "scan_folder", None)
    pretrain(videos, tmp_path, tiny(epochs=2), manifest=run.out / "manifest.parquet")
    assert not differences(tmp_path, run.out)
    with pytest.raises(DataError, match=r"cannot read the manifest .*nowhere\.csv"):
        pretrain(videos, tmp_path / "other", tiny(), manifest=tmp_path / "nowhere.csv")


# a loss that is not finite


def stopped_by(error: pytest.ExceptionInfo, out: Path, videos: Path, step: int) -> dict:
    assert f"the loss is not finite at step {step}; {out / 'nonfinite.json'} names the batch's files" in str(
        error.value
    )
    report = json.loads((out / "nonfinite.json").read_text())
    assert report["step"] == step
    assert len(report["files"]) == 4
    assert set(report["files"]) <= {str(path) for path in videos.iterdir()}
    if (out / "encoder.safetensors").exists():  # of a checkpoint
        assert load_encoder(out).card["training"]["steps"] <= step
    return report["losses"]


def test_a_learning_rate_that_bursts_the_weights(videos, tiny, tmp_path):
    changes = {"optimizer.lr": 1e30, "optimizer.name": "sgd", "optimizer.warmup_epochs": 0.0}
    with pytest.raises(TrainingError) as error:
        pretrain(videos, tmp_path, tiny(changes))
    stopped_by(error, tmp_path, videos, step=1)


def test_one_term_that_is_not_finite_is_named_and_earlier_steps_are_kept(videos, tiny, tmp_path, monkeypatch):
    losses = MSCL.losses
    calls = []

    def poisoned(self, *batch):
        terms, facts, keys = losses(self, *batch)
        calls.append(1)
        if len(calls) == 5:
            terms["lmcl"] = terms["lmcl"] * math.nan
        return Losses(terms, facts, keys)

    with monkeypatch.context() as patch:
        patch.setattr(MSCL, "losses", poisoned)
        with pytest.raises(TrainingError) as error:
            pretrain(videos, tmp_path, tiny({"trainer.checkpoint_minutes": 0.00001}))
    assert torch.load(tmp_path / "last.ckpt", weights_only=True)["global_step"] == 4
    found = stopped_by(error, tmp_path, videos, step=4)
    assert found["lmcl"] == "nan"
    assert all(math.isfinite(float(value)) for name, value in found.items() if name != "lmcl")
    assert pretrain(videos, tmp_path, tiny(), resume=True).card["training"]["steps"] == 12


# settings


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"mscl.flow": -1.0}, "mscl.flow must be at least 0, not -1"),
        ({"mscl.fra_clips": -0.5}, "mscl.fra_clips must be at least 0, not -0.5"),
        (
            {"mscl.fra_clips": 0.0, "mscl.fra_after_enqueue": True},
            "mscl.fra_after_enqueue needs mscl.fra_clips above 0 and a queue",
        ),
        (
            {"mscl.rgb": 0.0, "mscl.cross": 0.0, "mscl.lmcl": 0.0, "mscl.fra_clips": 0.0, "mscl.fra_negatives": False},
            "mscl.rgb, cross, lmcl, fra_clips, motion or dense_lmcl must be above 0, or the RGB encoder learns nothing",
        ),
        ({"mscl.lmcl": 0.0}, "mscl.fra_negatives needs mscl.lmcl above 0"),
        ({"mscl.queue": 0, "mscl.batch_negatives": False}, "mscl: without a queue there must be batch_negatives"),
        ({"mscl.queue": -1}, "mscl.queue must be at least 0, not -1"),
        ({"mscl.temperature": 0.0}, "mscl.temperature must be positive"),
        ({"mscl.momentum": 1.5}, "mscl.momentum must lie between 0 and 1"),
        ({"clip.frames": 5}, "clip.frames must be even and at least 4"),
        ({"clip.size": (8, 32)}, "clip.size must be at least 16 pixels a side"),
        ({"clip.short_side": 8}, "clip.short_side must be at least 16 pixels"),
        (
            {"flow.parameters": {"finest_scale": 2}},
            "clip.short_side must be at least 96 pixels for this flow estimator",
        ),
        (
            {"clip.step": None},
            "a clip needs either step (seconds) or step_frames (frames of the file), not both or neither",
        ),
        ({"clip.step": -0.1}, "the step between a clip's frames must be positive, not -0.1"),
        ({"flow.step_ratio": 1.5}, "flow.step_ratio must lie above 0 and not above 1"),
        ({"flow.estimator": "horn"}, "unknown flow estimator 'horn': choose one of dis, farneback, raft, tvl1"),
        ({"flow.estimator": "raft", "flow.parameters": {"weights": "/nowhere/raft.pth"}}, "raft "),
        ({"trainer.batch_size": 1}, "trainer.batch_size must be at least 2, not 1"),
        ({"trainer.devices": 0}, "trainer.devices must be at least 1, not 0"),
        ({"trainer.stop_after": 0}, "trainer.stop_after must be at least 1, not 0"),
        ({"steps": 10}, "say either steps or epochs, not both"),
        ({"epochs": None, "steps": 0}, "steps must be at least 1, not 0"),
        (
            {"epochs": None, "steps": 9, "optimizer.drops": (1,)},
            "optimizer.drops are epochs, so the training must be set in epochs, not in steps",
        ),
        ({"optimizer.lr": 0.0}, "optimizer.lr must be positive"),
        ({"augment.min_area": 0.0}, "augment.min_area must lie above 0 and not above 1"),
        ({"readout.stage": "layer5"}, "settings: readout.stage is 'layer5', which the network has not got: choose one"),
        ({"readout.stage": "layer2", "readout.grid": (1, 9, 9)}, "settings: readout.grid is 1x9x9 (time x height x"),
        ({"model.width": 0}, "model.width must be at least 1, not 0"),
        ({"mscl.motion": 1.0}, "mscl.motion and mscl.dense_lmcl look at the encoder's pyramid: set model.pyramid"),
        ({"model.pyramid": 8}, "model.pyramid learns from mscl.motion and mscl.dense_lmcl alone: set one of them"),
        ({"model.pyramid": 0, "mscl.motion": 1.0}, "model.pyramid must be at least 1, not 0"),
        ({"mscl.motion_stabilised": True}, "mscl.motion_boundaries and motion_stabilised need mscl.motion above 0"),
        ({"mscl.dense_lmcl": -1.0}, "mscl.dense_lmcl must be at least 0, not -1"),
        ({"mscl.dense_cells": 1}, "mscl.dense_cells must be at least 2"),
        (
            {"flow.step_frames": 1, "flow.cache": "store"},
            "flow.step_frames is for flow that is estimated while training",
        ),
        ({"flow.step_frames": 0}, "flow.step_frames must be at least 1, not 0"),
        ({"sampling.paces": ()}, "sampling.paces must be one or several whole numbers from 1, each once"),
        ({"sampling.paces": (1, 1)}, "sampling.paces must be one or several whole numbers from 1, each once"),
        ({"sampling.paces": (1, 2), "sampling.mds": "vectors"}, "sampling.mds scores clips at a pace of 1"),
        ({"augment.fading": 1.0}, "augment.fading must be at least 0 and below 1, not 1"),
        ({"augment.shake": -1.0}, "augment.shake must be at least 0"),
        ({"clip.squeeze": True, "clip.size": (8, 40)}, "clip.size must be at least 16 pixels a side"),
    ],
)
def test_settings_that_cannot_work_are_refused_in_a_sentence(tiny, changes, words):
    plain = {name: value for name, value in changes.items() if "." not in name}
    with pytest.raises(ConfigError) as error:
        check_pretraining(tiny({name: value for name, value in changes.items() if name not in plain}, **plain))
    assert words in str(error.value)
    assert "\n" not in str(error.value)


def test_settings_that_can_work(tiny):
    check_pretraining(PretrainConfig(steps=1))
    check_pretraining(tiny({"clip.squeeze": True, "clip.short_side": 8}))  # which plays no part
    check_pretraining(tiny({"mscl.rgb": 0.0, "mscl.flow": 0.0, "mscl.cross": 0.0, "mscl.fra_clips": 0.0}))
    check_pretraining(tiny({"flow.parameters": {"finest_scale": 2}}, mscl=tiny().mscl.rgb_only()))  # estimates no flow


def test_nothing_is_written_for_settings_that_cannot_work(videos, tiny, tmp_path):
    with pytest.raises(ConfigError):
        pretrain(videos, tmp_path / "run", tiny(epochs=0))
    assert not (tmp_path / "run").exists()


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_gpu_that_is_not_there(videos, tiny, tmp_path):
    with pytest.raises(ConfigError, match=r"trainer\.accelerator is gpu, but PyTorch sees none here"):
        pretrain(videos, tmp_path, tiny({"trainer.accelerator": "gpu"}))


def test_a_folder_that_cannot_be_written(videos, tiny, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OutputError, match=r"cannot write .*file/run: Not a directory"):
        pretrain(videos, tmp_path / "file" / "run", tiny())


# schedules


def test_the_learning_rate_warms_up_and_falls_on_a_cosine():
    shares = [warmup_cosine(step, 4, 20) for step in range(21)]
    assert shares[:4] == [0.25, 0.5, 0.75, 1.0]
    assert shares[4] == 1
    assert shares[12] == pytest.approx(0.5)
    assert shares[20] == pytest.approx(0)
    assert all(a > b for a, b in itertools.pairwise(shares[4:]))
    assert warmup_cosine(0, 0, 10) == 1


def test_the_learning_rate_scales_with_the_batch_if_asked(tiny):
    optimizer = tiny({"optimizer.lr": 0.03}).optimizer
    assert learning_rate(optimizer, 64) == 0.03
    assert learning_rate(tiny({"optimizer.lr": 0.03, "optimizer.lr_batch": 256}).optimizer, 64) == pytest.approx(0.0075)


@pytest.mark.parametrize("name", ["adamw", "sgd"])
def test_norms_and_biases_do_not_decay(run, videos, tiny, tmp_path, monkeypatch, name):
    found = {}
    make = TrainingModule.make_optimizer

    def watch(self):
        made = make(self)
        found.update(names={id(p): n for n, p in self.method.named_parameters()}, groups=made[0].param_groups)
        return made

    monkeypatch.setattr(TrainingModule, "make_optimizer", watch)
    pretrain(videos, tmp_path, tiny({"optimizer.name": name, "optimizer.weight_decay": 0.1}, epochs=1))
    decayed, free = ({found["names"][id(p)] for p in group["params"]} for group in found["groups"])
    assert [group["weight_decay"] for group in found["groups"]] == [0.1, 0.0]
    assert all(n.endswith("weight") for n in decayed)
    assert {n for n in free if n.endswith("weight")} and all("key" not in n for n in decayed | free)
    assert not any(".bias" in n or "stem.1" in n for n in decayed)


@pytest.mark.parametrize(
    ("held", "said"),
    [
        (None, "No such file or directory"),
        ("file,frame,x0,y0,x1,y1\n", "holds no rows"),
        ("file,frame,x0,y0,x1,y1\nother.mp4,0,1,1,9,9\n", r"has boxes of other\.mp4, and of none of the 12 videos"),
    ],
)
def test_wrong_boxes_are_refused_before_a_run_is_begun(videos, tiny, tmp_path, held, said):
    boxes = tmp_path / "boxes.csv"
    if held is not None:
        boxes.write_text(held)
    with pytest.raises(DataError, match=said):
        pretrain(videos, tmp_path / "run", tiny({"clip.crop": str(boxes)}))
    assert not (tmp_path / "run").exists()
