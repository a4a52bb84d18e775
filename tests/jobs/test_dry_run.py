"""`--dry-run`: what it says, for every preset, and that it leaves nothing behind."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch

from kinema.cli import main
from kinema.config import PretrainConfig, TrainerConfig
from kinema.data.plan import make_plan
from kinema.jobs.dry_run import GPUS, UTILISATION, DryRun
from kinema.presets import list_presets
from kinema.training.cost import PhaseCost, StepCost

SMALL = "--model.width 4 --model.flow_width 4 --clip.short_side 48 --clip.size [32,32] --trainer.batch_size 2"
SMALL += " --trainer.threads 1 --hcml.pool 1 --hcml.reduction 2"


def dry(capsys: pytest.CaptureFixture[str], *words: object) -> str:
    assert main([str(word) for word in [*words, "--dry-run"]]) == 0
    return capsys.readouterr().out


@pytest.mark.parametrize(
    ("job", "preset"), [(job, preset) for job in ("pretrain", "finetune") for preset in list_presets(job)]
)
def test_every_preset_without_a_video(job: str, preset: str, tmp_path: Path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words = [*SMALL.split(), *(["--readout.grid", "[1,1,1]"] if preset == "motion" else [])]
    said = dry(capsys, job, "NOWHERE", "--out", "RUN", "--preset", preset, "--count", 1000, *words)
    assert "1000 videos (given with --count), 2 clips a step on one device; 500 an epoch" in said
    assert ("phase 'prime'" in said and "phase 'all'" in said) == preset.startswith("hcml")
    assert all(gpu in said for gpu in GPUS) and "an ESTIMATE" in said
    assert f"if {UTILISATION:.0%} of the peak" in said
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize(
    ("job", "preset"), [(job, preset) for job in ("pretrain", "finetune") for preset in list_presets(job)]
)
def test_every_preset_in_its_true_shapes(job: str, preset: str, capsys):
    said = dry(capsys, job, "NOWHERE", "--out", "RUN", "--preset", preset, "--count", 1000)
    assert "1000 videos (given with --count), 32 clips" in said or re.search("(16|128) clips", said)
    assert "GiB at the peak of a step" in said


def test_a_benchmark_tells_the_number_of_its_videos_and_classes(capsys):
    words = ["finetune", "NOWHERE", "--out", "RUN", "--preset", "tiny", *SMALL.split(), "--epochs", 3]
    said = dry(capsys, *words, "--benchmark", "ucf101", "--fold", 2, "--trainer.devices", 8)
    assert "recognition of 101 classes" in said
    assert "9586 videos (as published of UCF101), 2 clips a step on each of 8 devices; 599 an epoch" in said
    assert "3 epochs, 1797 in all" in said


def test_videos_are_counted_by_folder_and_by_labels(videos: Path, tmp_path: Path, capsys):
    said = dry(capsys, "pretrain", videos, "--out", "RUN", *SMALL.split(), "--method", "moco")
    assert f"12 videos (counted in {videos})" in said
    rows = [f"{path.name},{'ab'[n % 2]}\n" for n, path in enumerate(sorted(videos.iterdir()))]
    (tmp_path / "labels.csv").write_text("".join(["file,label\n", *rows]))
    words = ["finetune", videos, "--labels", tmp_path / "labels.csv", "--out", "RUN", *SMALL.split()]
    said = dry(capsys, *words)
    assert "recognition of 2 classes" in said and "10 videos each of 5 rounds (counted by the labels)" in said


def test_what_cannot_be_reckoned_is_refused(refused, tmp_path: Path):
    nowhere = tmp_path / "nowhere"
    said = refused("pretrain", nowhere, "--out", tmp_path / "run", "--dry-run")
    assert said.endswith(
        f"there is no folder {nowhere} to count the videos of; say with --count how many there will be"
    )
    assert "needs at least 2 videos, not 0" in refused("pretrain", tmp_path, "--out", tmp_path / "run", "--dry-run")
    assert "is not a folder" in refused("finetune", nowhere, "--out", tmp_path / "run", "--dry-run")
    many = ("--trainer.devices", 8, "--count", 9, "--dry-run")
    assert "an epoch of 9 clips is too short for 8 processes" in refused("pretrain", nowhere, "--out", "run", *many)
    assert "--count belongs to --dry-run" in refused("pretrain", nowhere, "--out", tmp_path / "run", "--count", 9)


def test_the_sums():
    """Two phases of 30 and 10 steps of 2 x 5 clips."""
    phases = (PhaseCost("a", 30, 2.0, 1e12, 5.0, ()), PhaseCost("b", 10, 4.0, 5e12, 7.0, ()))
    config = PretrainConfig(steps=40, trainer=TrainerConfig(devices=2, batch_size=5))
    plan = make_plan(config, 100, 2)
    cost = StepCost(phases, plan, measured=5, before=1, device=torch.device("cpu"), parameters=1, share=1.0)
    run = DryRun("x", config, videos=100, source="", rounds=3, cost=cost)
    assert run.steps == 40 * 3
    assert run.flops == 10 * 3 * 2 * (3 * 1e12 + 5e12)  # both devices
    assert run.hours_here == pytest.approx(10 * 3 * 2 * (3 * 2.0 + 4.0) / 3600)  # one after the other
    assert run.hours_on("A100") == pytest.approx(run.flops / (312e12 * UTILISATION) / 3600)
    assert run.hours_on("A100", 8) == run.hours_on("A100") / 8
    assert cost.peak == 7.0


def test_it_says_how_many_clips_are_in_memory_at_a_time():
    config = PretrainConfig(steps=40, trainer=TrainerConfig(devices=2, batch_size=6, accumulate=3))
    phase = PhaseCost("", 40, 2.0, 1e12, 5.0, ("loss_rgb",))
    cost = StepCost(
        (phase,), make_plan(config, 100, 2), 6, before=1, device=torch.device("cpu"), parameters=1, share=1.0
    )
    said = DryRun("x", config, videos=100, source="counted", rounds=1, cost=cost).summary()
    assert "6 clips a step on each of 2 devices, 2 at a time; " in said
