"""Trainings in phases: HCML on its own and together with MSCL."""

from __future__ import annotations

import csv
import dataclasses
import itertools
import json
import os
import signal
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import forked
import pytest
import torch
from safetensors.torch import load_file, save_file

from kinema import load_encoder
from kinema.cli import main
from kinema.config import HCMLConfig
from kinema.data.pairs import ClipPairs
from kinema.errors import CheckpointError, ConfigError
from kinema.models import VideoResNet, build_encoder
from kinema.training import pretrain
from kinema.training.checks import check_pretraining
from kinema.training.metrics import METRICS, read_metrics
from kinema.training.module import TrainingModule

SMALL = HCMLConfig(levels=1, reduction=1, radius=1, places=8, others=16)
"""In four epochs: the prime motion for one, level 1 for one, all for two."""
MSCL_TERMS = {"loss_rgb", "loss_flow", "loss_rgb2flow", "loss_flow2rgb", "loss_lmcl", "lmcl_accuracy"}
MSCL_TERMS |= {"loss_fra_flow", "loss_fra_rgb2flow", "loss_fra_flow2rgb"}
LEVEL1 = {"loss_level1", "level1_accuracy"}
ALWAYS = {"step", "epoch", "loss", "phase"}


@pytest.fixture(scope="module")
def settings(tiny):
    """Makes the settings of a tiny run with a motion hierarchy, with changes by dotted name."""
    return lambda changes=None, **plain: tiny(changes, **{"hcml": SMALL, **plain})


@pytest.fixture(scope="module")
def whole(videos, settings, tmp_path_factory) -> Path:
    """Four epochs of HCML."""
    return pretrain(videos, tmp_path_factory.mktemp("whole"), settings(), method="hcml").out


@pytest.fixture(scope="module")
def joint(videos, settings, tmp_path_factory) -> Path:
    """Four epochs of both methods together."""
    return pretrain(videos, tmp_path_factory.mktemp("joint"), settings(), method="mscl+hcml").out


def losses(run: Path) -> list[dict[str, float]]:
    return [row for row in read_metrics(run / METRICS) if "loss" in row]


def state(run: Path) -> dict[str, torch.Tensor]:
    return torch.load(run / "last.ckpt", weights_only=True)["state_dict"]


# phases


def test_each_phase_logs_its_number_its_name_and_its_own_terms(whole, joint):
    assert [set(row) for row in losses(whole)[::3]] == [
        ALWAYS | {"loss_prime"},
        ALWAYS | LEVEL1,
        *[ALWAYS | {"loss_prime"} | LEVEL1] * 2,
    ]
    assert [set(row) for row in losses(joint)[::3]] == [
        ALWAYS | {"loss_prime", "momentum"},
        ALWAYS | LEVEL1 | {"momentum"},
        *[ALWAYS | {"loss_prime", "momentum"} | LEVEL1 | MSCL_TERMS] * 2,
    ]
    for run in (whole, joint):
        with (run / METRICS).open(newline="") as file:
            rows = [row for row in csv.DictReader(file) if row["loss"]]
        named = [(row["phase"], row["phase_name"]) for row in rows]
        assert named == [("0.0", "prime")] * 3 + [("1.0", "level 1")] * 3 + [("2.0", "all")] * 6
        for row in losses(run):
            terms = [value for name, value in row.items() if name.startswith("loss_")]
            assert row["loss"] == pytest.approx(sum(terms), rel=1e-5)


def test_the_lines_of_progress_name_the_phase_and_forget_the_terms_of_the_last(videos, settings, tmp_path, capsys):
    pretrain(videos, tmp_path, settings({"trainer.stop_after": 2}), method="hcml")
    first, second = [line for line in capsys.readouterr().err.splitlines() if line.startswith("step")]
    assert first.startswith("step 3/6 (phase 'prime'): loss ") and "loss_prime" in first
    assert second.startswith("step 6/6 (phase 'level 1'): level1_accuracy ") and "loss_prime" not in second


@pytest.mark.parametrize("name", ["adamw", "sgd"])
def test_what_is_frozen_does_not_move(videos, settings, tmp_path, monkeypatch, name):
    """Neither by weight decay nor by momentum of an earlier phase."""
    seen = []
    start = TrainingModule.enter

    def watch(self, step):
        start(self, step)
        seen.append((self.phase.name, {n: v.clone() for n, v in self.state_dict().items()}))

    monkeypatch.setattr(TrainingModule, "enter", watch)
    changes = {"optimizer.name": name, "optimizer.weight_decay": 0.5, "optimizer.lr": 0.01}
    pretrain(videos, tmp_path, settings(changes), method="mscl+hcml")
    moved = {"prime": set(), "level 1": set(), "all": set()}
    for (phase, before), (_, after) in itertools.pairwise(seen):
        moved[phase] |= {n.removeprefix("method.") for n, v in before.items() if not torch.equal(v, after[n])}
    keys = {name for name in moved["level 1"] if name.startswith("rgb_key.")}  # they follow, in every phase
    motion = "rgb.encoder.backbone."
    assert {".".join(n.split(".")[:2]) for n in moved["level 1"] - keys if n.startswith("objective")} == {
        "objective.predictors"
    }
    assert all(n.startswith((f"{motion}levels.1.", "objective.predictors.1.")) for n in moved["level 1"] - keys)
    allowed = (f"{motion}backbone.", f"{motion}prime.", "objective.displacement.", "rgb_key.")
    assert all(n.startswith(allowed) for n in moved["prime"])
    still = {n for n in moved["prime"] if "running" not in n and "num_batches" not in n}
    assert not any(n.startswith(f"{motion}backbone.layer{stage}") for n in still for stage in (2, 3, 4))
    assert {"flow_queue.keys", "rgb.projector.0.weight", f"{motion}fusions.0.weight"} <= moved["all"]
    for n, value in seen[0][1].items():  # all but what no loss reaches has moved in the end
        if n.endswith("weight") and "_key." not in n:
            assert not torch.equal(value, seen[-1][1][n]), n


# stopped and resumed


@pytest.mark.parametrize("stop_after", [2, 3])  # between two phases, in the middle of the last
def test_four_epochs_are_some_and_the_rest(videos, settings, tmp_path, whole, differences, stop_after):
    pretrain(videos, tmp_path, settings({"trainer.stop_after": stop_after}), method="hcml")
    pretrain(videos, tmp_path, settings(), method="hcml", resume=True)
    assert not differences(tmp_path, whole)
    assert (tmp_path / METRICS).read_text().count("level 1") == 3


KILL = """
import os, signal
from kinema.training.module import TrainingModule
train = TrainingModule.forward
def forward(self, batch, step):
    if step == 4:
        os.kill(os.getpid(), signal.SIGKILL)
    return train(self, batch, step)
TrainingModule.forward = forward
"""


def test_killed_in_the_middle_of_a_frozen_epoch(videos, settings, options, tmp_path, joint, differences):
    config = settings({"trainer.checkpoint_minutes": 0.00001})
    words = ["pretrain", str(videos), "--method", "mscl+hcml", "--out", str(tmp_path), *options(config)]
    assert forked.ended(forked.start(words, tmp_path / "log", KILL)) == -signal.SIGKILL
    assert torch.load(tmp_path / "last.ckpt", weights_only=True)["global_step"] == 4
    pretrain(videos, tmp_path, settings(), method="mscl+hcml", resume=True)
    assert not differences(tmp_path, joint)


@pytest.mark.slow
def test_two_processes_train_what_each_phase_trains(videos, settings, options, tmp_path):
    config = settings({"trainer.devices": 2, "trainer.batch_size": 3}, epochs=4)
    words = ["pretrain", str(videos), "--method", "mscl+hcml", "--out", str(tmp_path), *options(config)]
    done = subprocess.run(
        [sys.executable, "-m", "kinema.cli", *words],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert [row["phase"] for row in losses(tmp_path)] == [0, 0, 1, 1, 2, 2, 2, 2]
    assert json.loads((tmp_path / "card.json").read_text())["training"]["clips_seen"] == 4 * 2 * 3 + 4 * 2 * 3 * 2
    assert load_encoder(tmp_path)(torch.rand(2, 3, 4, 32, 32)).shape == (2, 32)


@pytest.mark.parametrize(
    ("method", "changes", "words"),
    [
        ("mscl", {}, "was made with the method hcml, not mscl; use the same, or another folder"),
        ("hcml", {"hcml.levels": 0}, "made with other settings (hcml.levels was 1, is 0); use the same"),
        ("hcml", {"epochs": 8}, "made with other settings (epochs was 4, is 8); use the same"),
    ],
)
def test_another_method_hierarchy_or_schedule_is_refused(videos, settings, whole, method, changes, words):
    plain = {"epochs": changes.pop("epochs")} if "epochs" in changes else {}
    with pytest.raises(CheckpointError) as error:
        pretrain(videos, whole, settings(changes, **plain), method=method, resume=True)
    assert words in str(error.value)


# a run made before there was a hierarchy


def test_a_run_of_mscl_has_the_weights_it_always_had(videos, tiny, tmp_path, differences):
    whole = pretrain(videos, tmp_path / "whole", tiny(epochs=2)).out
    names = {name.removeprefix("method.") for name in state(whole)}
    plain = {f"rgb.encoder.backbone.{n}" for n in build_encoder(tiny().model).backbone.state_dict()}
    assert plain == {n for n in names if n.startswith("rgb.encoder.")}
    tops = {"rgb", "rgb_key", "rgb_queue", "flow", "flow_key", "flow_queue", "pyramid"}
    assert {n.split(".")[0] for n in names} == tops
    assert not any(word in n for n in names for word in ("objective", "motion", "prime", "levels", "fusions"))

    earlier = pretrain(videos, tmp_path / "earlier", tiny({"trainer.stop_after": 1}, epochs=2)).out
    at_once = dataclasses.replace(SMALL, progressive=False)
    with pytest.raises(CheckpointError, match="was made with the method mscl, not hcml"):
        pretrain(videos, earlier, tiny(epochs=2, hcml=at_once), method="hcml", resume=True)
    pretrain(videos, earlier, tiny(epochs=2, hcml=at_once), resume=True)  # which plays no part
    assert not [name for name in differences(earlier, whole) if ".config.hcml" not in name]

    card = json.loads((whole / "card.json").read_text())
    assert "hcml" not in card
    del card["config"]["hcml"]
    save_file(load_file(whole / "encoder.safetensors"), tmp_path / "old.safetensors", {"card": json.dumps(card)})
    clips = torch.rand(2, 3, 4, 32, 32)
    assert torch.equal(load_encoder(tmp_path / "old.safetensors")(clips), load_encoder(whole)(clips))


# what is left


@pytest.mark.parametrize("method", ["hcml", "mscl+hcml"])
def test_the_encoder_on_disk_is_the_one_that_was_trained_with_its_hierarchy_alone(method, whole, joint, settings):
    run, top = (whole, "encoder") if method == "hcml" else (joint, "rgb.encoder")
    encoder = load_encoder(run)
    assert encoder.card["hcml"] == json.loads(json.dumps(asdict(SMALL)))
    assert (encoder.card["method"], encoder.card["model"]) == (method, asdict(settings().model))
    trained, names = state(run), load_file(run / "encoder.safetensors").keys()
    assert {name.split(".")[0] for name in names} == {"backbone", "prime", "levels", "fusions"}
    for name, value in encoder.backbone.state_dict().items():
        assert torch.equal(value, trained[f"method.{top}.backbone.{name}"]), name
    inner = encoder.backbone.backbone
    assert isinstance(inner, VideoResNet)
    clips = torch.rand(2, 3, 4, 32, 32)
    taking_part = not torch.allclose(encoder(clips), inner(encoder.normalise(clips)))
    assert taking_part == (method == "mscl+hcml")  # one level alone asks nothing of what comes after its fusion


def test_evaluation_rebuilds_the_hierarchy_trained_or_not(whole, evaluation, tmp_path, capsys):
    for words in ([whole], ["random", "--like", whole]):
        assert main([str(word) for word in ["evaluate", "retrieval", *words, *evaluation]]) == 0
        written = json.loads((tmp_path / "figures.json").read_text())
        assert written["encoder"]["card"]["hcml"]["levels"] == 1


# what is not needed


def test_hcml_reads_one_clip_a_video_and_no_flow(videos, settings, tmp_path, monkeypatch):
    def never(*_):
        raise AssertionError("flow was estimated")

    seen = []
    item = ClipPairs.__getitem__

    def watch(self, draw):
        seen.append(example := item(self, draw))
        return example

    monkeypatch.setattr("kinema.flow.estimators.DIS._estimate", never)
    monkeypatch.setattr(ClipPairs, "__getitem__", watch)
    config = settings({"hcml.progressive": False, "sampling.key_shift": 1.0}, epochs=1)
    run = pretrain(videos, tmp_path, config, method="hcml")
    assert {frozenset(example) for example in seen} == {frozenset(("video", "query"))}
    assert run.card["training"]["clips_seen"] == 3 * 4
    assert not any("key" in name or "queue" in name for name in state(tmp_path))


def test_both_together_read_pairs_and_flow_once_mscl_learns(joint, videos, settings, tmp_path, monkeypatch):
    seen = []
    train = TrainingModule.forward

    def watch(self, batch, step):
        seen.append(sorted(set(batch) - {"video"}))
        return train(self, batch, step)

    monkeypatch.setattr(TrainingModule, "forward", watch)
    pretrain(videos, tmp_path, settings({"trainer.stop_after": 3}), method="mscl+hcml")
    assert seen == [["query"]] * 6 + [["flow_seconds", "key", "key_flow", "query", "query_flow"]] * 3
    assert json.loads((joint / "card.json").read_text())["training"]["clips_seen"] == 6 * 4 + 6 * 4 * 2


# settings


@pytest.mark.parametrize("method", ["hcml", "mscl+hcml"])
@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"hcml.levels": 2, "hcml.deltas": (2,)}, "level 2: features of 2 steps hold no target 2 later: take longer"),
        (
            {"hcml.radius": 8},
            "hcml on clips of 4 x 32 x 32: radius 8 with dilation 1 does not fit feature maps of 8 x 8",
        ),
        ({"hcml.shares": (0.5, 0.5)}, "hcml.shares must have a positive number for each phase (prime, level 1, all)"),
        ({"hcml.shares": (0.5, 0.2, 0.2)}, "and add up to 1, not be 0.5, 0.2, 0.2"),
        ({"hcml.levels": 3}, "the phase 'level 2' gets nothing of a training of 4: train longer"),
        ({"hcml.levels": 5, "hcml.progressive": False}, "hcml.levels is 5, but VideoResNet has 4 stages"),
        ({"hcml.temperature": 0.0}, "settings: hcml.temperature must be positive"),
        ({"hcml.contrast": 0.0}, "hcml.progressive needs hcml.prime, and hcml.photometric and hcml.contrast above 0"),
    ],
)
def test_hierarchies_that_cannot_work_are_refused_before_anything_is_written(
    videos, settings, tmp_path, method, changes, words
):
    plain = {"epochs": 12} if changes.get("hcml.levels") == 2 else {}
    with pytest.raises(ConfigError) as error:
        pretrain(videos, tmp_path / "run", settings(changes, **plain), method=method)
    assert words in str(error.value)
    assert "\n" not in str(error.value)
    assert not (tmp_path / "run").exists()


def test_a_method_checks_its_own_settings_alone(videos, settings, tmp_path):
    nothing = {"hcml.photometric": 0.0, "hcml.contrast": 0.0, "hcml.progressive": False}
    with pytest.raises(ConfigError, match="settings: hcml has no loss"):
        check_pretraining(settings(nothing), "hcml")
    check_pretraining(settings(nothing), "mscl+hcml")  # MSCL's losses reach the hierarchy
    check_pretraining(settings({"hcml.temperature": 0.0}), "mscl")
    check_pretraining(settings({"mscl.temperature": 0.0, "flow.estimator": "farneback"}), "hcml")
    with pytest.raises(ConfigError, match=r"unknown method 'byol': choose one of mscl, moco, hcml, mscl\+hcml"):
        pretrain(videos, tmp_path / "run", settings(), method="byol")
    assert not (tmp_path / "run").exists()
