"""A video that breaks during training is left out from then on, by name and number, and on resuming too."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from kinema.data import left_out
from kinema.data.training_data import TrainingData
from kinema.errors import DataError, OutputError, VideoError
from kinema.training import pretrain
from kinema.training.trainer import Trainer


@pytest.fixture(autouse=True)
def at_once(monkeypatch):
    monkeypatch.setattr(left_out, "PAUSE", 0.0)


@pytest.fixture
def folder(videos, tmp_path) -> Path:
    """Twelve videos that may be broken."""
    return shutil.copytree(videos, tmp_path / "videos")


@pytest.fixture
def during(monkeypatch):
    """Lets something happen just before a step; notes which videos each step sees."""
    take, seen = Trainer.take, []

    def arrange(step, action):
        def taken(self, batch, names):
            seen.append((self.step, [Path(name).name for name in names(batch["video"])]))
            take(self, batch, names)
            if self.step == step + 1:
                action()

        monkeypatch.setattr(Trainer, "take", taken)
        return seen

    return arrange


def lose(folder: Path, monkeypatch, name: str = "00003.mp4") -> None:
    """Let a video vanish between the scan and the first step."""
    batches = TrainingData.batches

    def vanish(self, at):
        (folder / name).unlink(missing_ok=True)
        return batches(self, at)

    monkeypatch.setattr(TrainingData, "batches", vanish)


def test_it_is_named_counted_and_met_no_more(folder, tiny, tmp_path, during, capsys):
    seen = during(3, (folder / "00003.mp4").unlink)
    card = pretrain(folder, tmp_path / "run", tiny()).card
    (left,) = card["data"]["left_out"]
    assert left["path"] == "00003.mp4" and left["step"] in (4, 5) and "no such file" in left["reason"]
    assert card["training"]["steps"] == 12 and [step for step, _ in seen] == list(range(12))
    assert {len(set(names)) for _, names in seen} == {4}, "batches are whole, and no video is in one twice"
    assert all("00003.mp4" not in names for step, names in seen if step >= left["step"])
    errors = capsys.readouterr().err
    assert f"left out (1 of 12 videos so far): 00003.mp4, from step {left['step']} on: cannot read" in errors
    assert "1 of 12 videos broke and were left out:\n  00003.mp4, from step" in errors
    assert json.loads((tmp_path / "run/card.json").read_text())["data"]["left_out"] == [left]


@pytest.mark.parametrize("workers", [0, 1])
def test_a_run_that_goes_on_is_the_one_never_stopped(folder, tiny, tmp_path, during, differences, monkeypatch, workers):
    lose(folder, monkeypatch)
    shutil.copytree(folder, tmp_path / "kept")
    pretrain(folder, tmp_path / "whole", tiny())
    shutil.copy(tmp_path / "kept/00003.mp4", folder)
    with monkeypatch.context() as patch:
        lose(folder, patch)
        pretrain(folder, tmp_path / "part", tiny({"trainer.stop_after": 2, "trainer.workers": workers}))
    shutil.copy(tmp_path / "kept/00003.mp4", folder)  # mended: what is left out stays so, or the rest would change
    monkeypatch.undo()
    card = pretrain(folder, tmp_path / "part", tiny({"trainer.workers": workers}), resume=True).card
    assert [left["path"] for left in card["data"]["left_out"]] == ["00003.mp4"]
    assert not differences(tmp_path / "part", tmp_path / "whole")


def test_what_was_removed_before_going_on_is_left_out(folder, tiny, tmp_path, capsys):
    pretrain(folder, tmp_path / "run", tiny({"trainer.stop_after": 1}))
    (folder / "00001.mp4").unlink()
    card = pretrain(folder, tmp_path / "run", tiny(), resume=True).card
    assert [left["path"] for left in card["data"]["left_out"]] == ["00001.mp4"]
    assert card["training"]["steps"] == 12


def test_an_error_that_passes_costs_nothing(videos, tiny, tmp_path, differences, monkeypatch):
    pretrain(videos, tmp_path / "whole", tiny(epochs=1))
    from kinema.data.fields import ClipReader

    opened, failed = ClipReader.open, []

    def open_late(self, entry):
        if entry.path == "00003.mp4" and not failed:
            failed.append(entry)
            raise VideoError(entry.path, "input/output error")
        return opened(self, entry)

    monkeypatch.setattr(ClipReader, "open", open_late)
    card = pretrain(videos, tmp_path / "run", tiny(epochs=1)).card
    assert failed and card["data"]["left_out"] == []
    assert not differences(tmp_path / "run", tmp_path / "whole")


def test_no_more_than_the_share_that_is_allowed(folder, tiny, tmp_path, during):
    def lose_two():
        for name in ("00003.mp4", "00004.mp4"):
            (folder / name).unlink(missing_ok=True)

    during(3, lose_two)
    words = (
        r"2 of 12 videos can no longer be read, more than the share of 0\.1 that may be left out \(now 0000\d"
        r"\.mp4: .*\); mend them, or allow a larger trainer\.max_bad_share, and go on with --resume"
    )
    with pytest.raises(DataError, match=words):
        pretrain(folder, tmp_path / "run", tiny())
    card = pretrain(folder, tmp_path / "run", tiny({"trainer.max_bad_share": 0.2}), resume=True).card
    assert sorted(left["path"] for left in card["data"]["left_out"]) == ["00003.mp4", "00004.mp4"]
    assert card["training"]["steps"] == 12


def test_a_folder_that_goes_away_as_a_whole_is_not_so_many_broken_videos(folder, tiny, tmp_path, during):
    during(3, lambda: folder.exists() and folder.rename(tmp_path / "elsewhere"))
    with pytest.raises(
        DataError, match=r"no video of step \d can be read \(the first: .*\); see to the folder of videos"
    ):
        pretrain(folder, tmp_path / "run", tiny({"trainer.max_bad_share": 0.9}))
    (tmp_path / "elsewhere").rename(folder)
    during(-1, None)
    card = pretrain(folder, tmp_path / "run", tiny({"trainer.max_bad_share": 0.9}), resume=True).card
    assert card["data"]["left_out"] == [] and card["training"]["steps"] == 12


def test_motion_sampling_leaves_out_what_it_cannot_score(folder, tiny, tmp_path, monkeypatch):
    prepare = TrainingData.prepare

    def vanish(self):
        (folder / "00003.mp4").unlink(missing_ok=True)
        prepare(self)

    monkeypatch.setattr(TrainingData, "prepare", vanish)
    card = pretrain(folder, tmp_path / "run", tiny({"sampling.mds": "sobel"}, epochs=1)).card
    assert [left["path"] for left in card["data"]["left_out"]] == ["00003.mp4"]


# several processes

SPY = """
import sys
from pathlib import Path
import torch
from kinema.cli import main
from kinema.data.training_data import TrainingData
from kinema.training.trainer import Trainer

take, fit, batches, seen = Trainer.take, Trainer.fit, TrainingData.batches, []

def lose(self, at):
    (Path(self.reader.folder) / "00003.mp4").unlink(missing_ok=True)
    return batches(self, at)

def spied(self, batch, names):
    seen.append(batch["video"].tolist())
    take(self, batch, names)

def spied_fit(self, data, *args):
    fit(self, data, *args)
    left, out = [vars(left) for left in data.left_out], Path(self.module.out)
    torch.save({"seen": seen, "left": left, "state": self.module.state_dict()}, out / f"rank{self.together.rank}.pt")

TrainingData.batches, Trainer.take, Trainer.fit = lose, spied, spied_fit
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.slow
def test_two_processes_agree(folder, options, tiny, tmp_path):
    (tmp_path / "spy.py").write_text(SPY)
    config = tiny({"mscl.queue": 12, "trainer.devices": 2, "trainer.batch_size": 3}, epochs=2)
    words = ["pretrain", str(folder), "--out", str(tmp_path / "run"), *options(config)]
    done = subprocess.run(
        [sys.executable, str(tmp_path / "spy.py"), *words],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=280,
    )
    assert done.returncode == 0, done.stderr
    one, other = (torch.load(tmp_path / f"run/rank{rank}.pt", weights_only=True) for rank in (0, 1))
    assert one["left"] == other["left"] and [left["path"] for left in one["left"]] == ["00003.mp4"]
    for step, together in enumerate(zip(one["seen"], other["seen"], strict=True)):
        seen = [video for part in together for video in part]
        assert len(seen) == len(set(seen)) == 6
        assert 3 not in seen or step < one["left"][0]["step"]
    names = [name for name in one["state"] if "running_" not in name]
    assert all(torch.equal(one["state"][name], other["state"][name]) for name in names)
    assert done.stderr.count("left out (1 of 12 videos so far)") == 1


# two runs in one folder


def test_a_second_run_in_the_same_folder_is_refused(videos, tiny, tmp_path, during):
    said = []

    def begin_another():
        for resume in (False, True):
            with pytest.raises(OutputError, match=r"another process is training in .*run; wait until it has") as no:
                pretrain(videos, tmp_path / "run", tiny(epochs=1), resume=resume)
            said.append(str(no.value))

    during(1, begin_another)
    pretrain(videos, tmp_path / "run", tiny(epochs=1))
    assert len(said) == 2 and not (tmp_path / "run/.lock").exists()
