"""Trainings that are set in steps: how long they are, what they say, and that they go on as if never stopped."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from kinema.cli import main
from kinema.config import PretrainConfig
from kinema.data.plan import Plan
from kinema.errors import CheckpointError
from kinema.methods.momentum import cosine_momentum
from kinema.models.model_card import model_card
from kinema.presets import settings_on
from kinema.training import pretrain
from kinema.training.checks import FEWEST_STEPS, SENSIBLE_STEPS, too_short
from kinema.training.metrics import METRICS, read_metrics
from kinema.training.module import warmup_steps

STEPS = 8


@pytest.fixture(autouse=True)
def short_epochs(monkeypatch):
    """Epochs of three steps: twelve videos in batches of four."""
    monkeypatch.setattr("kinema.data.plan.EPOCH_STEPS", 3)


@pytest.fixture(scope="module")
def settings(tiny):
    """Makes the settings of a tiny run of eight steps, with changes by dotted name."""
    return lambda changes=None, **plain: tiny(changes, **{"epochs": None, "steps": STEPS, **plain})


@pytest.fixture(scope="module")
def whole(videos, settings, tmp_path_factory) -> Path:
    """Two epochs and two thirds of one."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("kinema.data.plan.EPOCH_STEPS", 3)
        return pretrain(videos, tmp_path_factory.mktemp("whole"), settings()).out


def rows(run: Path) -> list[dict[str, float]]:
    return [row for row in read_metrics(run / METRICS) if "loss" in row]


def test_just_so_many_steps_are_trained_and_the_schedule_ends_with_them(whole, settings):
    found = rows(whole)
    assert [row["step"] for row in found] == list(range(STEPS))
    assert [row["epoch"] for row in found] == [0, 0, 0, 1, 1, 1, 2, 2]
    start = settings().mscl.momentum
    assert [row["momentum"] for row in found] == pytest.approx([cosine_momentum(n, STEPS, start) for n in range(STEPS)])
    state = torch.load(whole / "last.ckpt", weights_only=True)
    assert state["global_step"] == STEPS
    assert state["lr_schedulers"][0]["_last_lr"] == pytest.approx([0, 0], abs=1e-12)
    training = json.loads((whole / "card.json").read_text())["training"]
    assert (training["steps"], training["steps_planned"], training["clips_seen"]) == (8, 8, 8 * 4 * 2)


def test_a_small_folder_draws_more_clips_of_each_video(videos, settings, tmp_path, monkeypatch, capsys):
    monkeypatch.undo()
    card = pretrain(videos, tmp_path, settings(steps=2), method="moco", resume=True).card
    assert "anew" not in capsys.readouterr().err
    assert (card["training"]["clips_per_video"], card["training"]["steps_per_epoch"]) == (10, 30)


def test_who_asks_to_go_on_with_nothing_is_told(videos, tmp_path, monkeypatch, capsys):
    done = SimpleNamespace(seconds=1.0, data_wait=0.0, files=[])
    monkeypatch.setattr("kinema.training.pretrain", lambda *args, **words: done)
    words = ["pretrain", str(videos), "--out", str(tmp_path)]
    assert main(words) == 0 and "anew" not in capsys.readouterr().err
    assert main([*words, "--resume"]) == 0
    assert f"{tmp_path} holds no run to go on with, so this one begins anew\n" in capsys.readouterr().err
    (tmp_path / "last.ckpt").touch()
    assert main([*words, "--resume"]) == 0 and "anew" not in capsys.readouterr().err


def test_warm_up_takes_an_epoch_but_at_most_a_tenth_of_the_steps(settings):
    plan = Plan(videos=1200, clips_per_video=1, batch_size=32, processes=1, length=518, unit=1)
    assert warmup_steps(settings({"optimizer.warmup_epochs": 1.0}, steps=518), plan) == 37
    assert warmup_steps(settings({"optimizer.warmup_epochs": 5.0}, steps=518), plan) == 51
    assert warmup_steps(settings({"optimizer.warmup_epochs": 0.0}, steps=518), plan) == 0
    epochs = Plan(videos=1200, clips_per_video=1, batch_size=32, processes=1, length=14, unit=37)
    assert warmup_steps(settings({"optimizer.warmup_epochs": 5.0}, steps=None, epochs=14), epochs) == 5 * 37


@pytest.mark.parametrize("stop_after", [3, 5])  # at the end of an epoch, in the middle of one
def test_eight_steps_are_some_and_the_rest(videos, settings, tmp_path, whole, differences, stop_after):
    first = pretrain(videos, tmp_path, settings({"trainer.stop_after": stop_after}))
    assert first.card["training"]["steps"] == stop_after
    second = pretrain(videos, tmp_path, settings(), resume=True)
    assert not differences(tmp_path, whole)
    assert second.card["training"]["steps"] == STEPS
    again = pretrain(videos, tmp_path, settings(), resume=True)
    assert again.seconds == 0 and not differences(tmp_path, whole)


def test_a_finished_training_can_be_made_longer_but_not_set_in_epochs(videos, settings, tmp_path):
    pretrain(videos, tmp_path, settings(steps=4), method="moco")
    pretrain(videos, tmp_path, settings(steps=5), method="moco", resume=True)
    assert [row["step"] for row in rows(tmp_path)] == list(range(5))
    with pytest.raises(CheckpointError, match=r"made with other settings \(length was in steps, is in epochs\)"):
        pretrain(videos, tmp_path, settings(steps=None, epochs=3), method="moco", resume=True)


def test_phases_are_shares_of_the_steps(videos, settings, tmp_path, differences):
    hcml = {"hcml.levels": 1, "hcml.reduction": 1, "hcml.radius": 1, "hcml.places": 8, "hcml.others": 16}
    for name, changes in (("whole", {}), ("part", {"trainer.stop_after": 4}), ("part", {})):
        pretrain(videos, tmp_path / name, settings({**hcml, **changes}), method="hcml", resume=True)
    found = rows(tmp_path / "whole")
    assert [row["phase"] for row in found] == [0, 0, 1, 1, 1, 2, 2, 2]  # which change within an epoch
    assert ["loss_prime" in row for row in found] == [True] * 2 + [False] * 3 + [True] * 3
    assert not differences(tmp_path / "part", tmp_path / "whole")
    with pytest.raises(CheckpointError, match="steps was 8, is 9"):
        pretrain(videos, tmp_path / "part", settings(hcml, steps=9), method="hcml", resume=True)


# too short


def test_what_is_too_short_says_so_with_the_way_out():
    words = too_short(FEWEST_STEPS - 1)
    assert words.startswith("199 steps are too few to learn") and words.endswith(f"(--steps {SENSIBLE_STEPS})")
    assert too_short(FEWEST_STEPS) == too_short(SENSIBLE_STEPS) == ""


def test_a_short_training_says_so_before_it_begins_and_in_its_card(videos, settings, tmp_path, capsys, monkeypatch):
    run = pretrain(videos, tmp_path / "run", settings(steps=2), method="moco")
    lines = capsys.readouterr().err.splitlines()
    assert lines[1:3] == ["training for 2 steps of 4 clips; about 0.667 clips of each video", too_short(2)]
    assert lines[3].startswith("step 2/2: ")
    assert run.card["training"]["too_short"] == too_short(2)
    assert f"* Its training was short: {too_short(2)}.\n" in model_card(run.card, "run", 32, "0")
    monkeypatch.setattr("kinema.training.checks.FEWEST_STEPS", 2)
    run = pretrain(videos, tmp_path / "long", settings(steps=2), method="moco")
    assert "too_short" not in run.card["training"]
    assert "too few" not in capsys.readouterr().err


# steps and epochs on top of a preset


def test_what_is_said_on_top_takes_the_place_of_the_presets_length(monkeypatch, tmp_path, refused):
    assert (settings_on("tiny", PretrainConfig, {}).steps, settings_on("tiny", PretrainConfig, {}).epochs) == (
        518,
        None,
    )
    on_top = settings_on("tiny", PretrainConfig, {"epochs": 3})
    assert (on_top.steps, on_top.epochs) == (None, 3)
    asked = []
    monkeypatch.setattr("kinema.jobs.demo.job.demo", lambda out, config, **others: asked.append(config) or [])
    (tmp_path / "settings.yaml").write_text("epochs: 6\n")
    assert main(["demo", "--config", str(tmp_path / "settings.yaml")]) == 0
    assert main(["demo", "--epochs", "4"]) == main(["demo", "--steps", "9"]) == main(["demo"]) == 0
    assert [(config.steps, config.epochs) for config in asked] == [(None, 6), (None, 4), (9, None), (518, None)]
    both = ("--method", "moco", "--out", tmp_path / "run", "--steps", 4, "--epochs", 4)
    assert refused("pretrain", tmp_path, *both).endswith("settings: say either steps or epochs, not both")
    k400 = ("--preset", "mscl-r3d18-k400", "--out", tmp_path / "run", "--epochs", 400, "--steps", 4)
    assert refused("pretrain", tmp_path, *k400).endswith("settings: say either steps or epochs, not both")
