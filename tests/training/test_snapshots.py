"""Encoders that a run keeps on the way, and what is measured of them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from kinema import load_encoder
from kinema.config import HCMLConfig
from kinema.config.requests import MonitorConfig
from kinema.data.labels import LabelledSet
from kinema.data.synthetic import synthesise
from kinema.errors import CheckpointError, ConfigError, DataError, VideoError
from kinema.evaluation import evaluate
from kinema.jobs.monitoring import chosen_monitor, retrieval_monitor, synthetic_monitor
from kinema.training import pretrain
from kinema.training.fitted import encoder_from_checkpoint
from kinema.training.metrics import METRICS, read_metrics
from kinema.training.snapshots import Monitor

HIERARCHY = HCMLConfig(levels=1, progressive=False, pool=1)


def largest(encoder) -> float:
    """A figure that any change of the weights changes, of what an encoder gives; it spends random numbers, too."""
    assert not encoder.training
    with torch.no_grad():
        return float(encoder(torch.rand(1, 3, 4, 32, 32) * 0 + 0.5).abs().max())


@pytest.fixture(scope="module")
def kept(videos, tiny, tmp_path_factory) -> Path:
    """A whole run that kept an encoder of each epoch, and measured every two steps."""
    config = tiny({"trainer.keep_every": 1, "readout.stage": "layer2"})
    return pretrain(videos, tmp_path_factory.mktemp("kept"), config, monitor=Monitor(largest, 2, "largest")).out


def measured(run: Path) -> dict[int, float]:
    return {int(row["step"]) + 1: row["largest"] for row in read_metrics(run / METRICS) if "largest" in row}


def test_encoders_of_every_epoch_are_those_of_runs_that_stopped_there(videos, tiny, kept, tmp_path):
    names = [path.name for path in sorted((kept / "encoders").iterdir())]
    assert names == [f"step-{step:06}.safetensors" for step in (3, 6, 9, 12)]
    stopped = pretrain(videos, tmp_path, tiny({"trainer.stop_after": 2})).out
    here, there = load_file(kept / "encoders" / names[1]), load_file(stopped / "encoder.safetensors")
    assert here.keys() == there.keys() and all(torch.equal(here[name], there[name]) for name in here)
    card = load_encoder(kept / "encoders" / names[1]).card
    assert (card["training"]["steps"], card["training"]["steps_planned"], card["training"]["clips_seen"]) == (6, 12, 48)


def test_the_best_encoder_is_that_of_the_greatest_figure(kept):
    figures = measured(kept)
    assert list(figures) == [2, 4, 6, 8, 10, 12]
    best = load_encoder(kept / "best.safetensors")
    step = max(figures, key=figures.__getitem__)
    assert best.card["monitor"] == {"largest": figures[step], "step": step}
    assert largest(best) == pytest.approx(figures[step])


def test_measuring_changes_nothing(videos, tiny, kept, tmp_path, differences):
    plain = pretrain(videos, tmp_path, tiny({"readout.stage": "layer2"})).out
    assert all("row" in found and "largest" in found for found in differences(kept, plain)[:1])
    one, other = (load_file(run / "encoder.safetensors") for run in (kept, plain))
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_a_run_that_was_stopped_keeps_the_same_encoders(videos, tiny, kept, tmp_path, differences):
    monitor = Monitor(largest, 2, "largest")
    for stop_after, resume in ((3, False), (None, True)):
        config = tiny({"trainer.keep_every": 1, "readout.stage": "layer2", "trainer.stop_after": stop_after})
        pretrain(videos, tmp_path, config, monitor=monitor, resume=resume)
    found = [name for name in differences(kept, tmp_path) if not name.startswith("row")]
    assert not found
    assert (
        load_encoder(tmp_path / "best.safetensors").card["monitor"]
        == load_encoder(kept / "best.safetensors").card["monitor"]
    )


def test_a_figure_that_cannot_be_had_does_not_end_the_training(videos, tiny, tmp_path, capsys):
    def broken(encoder) -> float:
        raise VideoError("held/out.mp4", "it is gone")

    run = pretrain(videos, tmp_path, tiny(epochs=1), monitor=Monitor(broken, 2))
    assert "monitor is not known at step 2: cannot read held/out.mp4: it is gone" in capsys.readouterr().err
    assert run.card["training"]["steps"] == 3 and not (tmp_path / "best.safetensors").exists()


def test_what_is_refused(videos, tiny, tmp_path):
    with pytest.raises(ConfigError, match=r"trainer\.keep_every must be at least 1, not 0"):
        pretrain(videos, tmp_path / "a", tiny({"trainer.keep_every": 0}))
    with pytest.raises(ConfigError, match="a monitor measures every so many steps, at least 1, not 0"):
        pretrain(videos, tmp_path / "b", tiny(), monitor=Monitor(largest, 0))
    (tmp_path / "flat").mkdir()
    with pytest.raises(ConfigError, match="--monitor-labels are those of a folder: name it by --monitor"):
        MonitorConfig(monitor_labels="labels.csv")
    with pytest.raises(DataError, match="flat"):
        chosen_monitor(MonitorConfig(tmp_path / "flat"), tmp_path / "none", tiny().clip)


def test_retrieval_is_that_of_the_protocol(kept, tiny, tmp_path):
    synthesise(tmp_path, videos=30, seed=4)
    labelled = LabelledSet.read(tmp_path, tmp_path / "labels.csv", "motion")
    value = retrieval_monitor(labelled, tiny().clip, 1).measure(load_encoder(kept))
    found = evaluate(
        "retrieval", kept, tmp_path, labels=tmp_path / "labels.csv", label_column="motion", clips=1, workers=0
    )
    assert value == pytest.approx(found.result.plain.recall[1])


def test_generated_videos_fit_the_clips(tiny, kept, tmp_path, monkeypatch):
    monkeypatch.setattr("kinema.jobs.monitoring.VIDEOS", 24)
    monitor = synthetic_monitor(tmp_path, tiny().clip, 5)
    assert 0 <= monitor.measure(load_encoder(kept)) <= 1 and monitor.every == 5
    assert json.loads((tmp_path / "synth.json").read_text())["test_share"] == 0.5


# out of a checkpoint


@pytest.mark.parametrize("method", ["mscl", "moco", "hcml", "mscl+hcml", "tubelet", "masked"])
def test_the_encoder_of_a_checkpoint_is_that_of_the_run(videos, tiny, tmp_path, method):
    run = pretrain(videos, tmp_path, tiny({"readout.stage": "layer2"}, epochs=1, hcml=HIERARCHY), method=method).out
    saved, found = load_encoder(run), encoder_from_checkpoint(run)
    clips = torch.rand(2, 3, 4, 32, 32)
    assert torch.equal(saved(clips), found(clips)) and not found.training
    card = json.loads(json.dumps(found.card))
    assert card.pop("training") == {"steps": saved.card["training"]["steps"]}
    assert card == {name: saved.card[name] for name in card}


def test_a_folder_without_a_checkpoint_and_a_damaged_one(tmp_path):
    with pytest.raises(CheckpointError, match=r"holds no last\.ckpt: name the folder of a run"):
        encoder_from_checkpoint(tmp_path)
    (tmp_path / "last.ckpt").write_bytes(b"PK\x03\x04" + bytes(100))
    with pytest.raises(CheckpointError, match=r"last\.ckpt is damaged or no checkpoint of kinema"):
        encoder_from_checkpoint(tmp_path)
