"""Trainings whose encoders go through each batch in parts."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import pytest
import torch
from torch import nn

from kinema.config import FinetuneConfig, PretrainConfig, TrainerConfig
from kinema.data.plan import make_plan
from kinema.errors import CheckpointError, ConfigError, DataError
from kinema.methods import MSCL
from kinema.training import pretrain
from kinema.training.checks import check_finetuning, check_pretraining
from kinema.training.metrics import METRICS, read_metrics
from kinema.training.resuming import deciding
from kinema.training.trainer import share_statistics


@pytest.fixture(scope="module")
def whole(videos, tiny, tmp_path_factory) -> Path:
    """Two epochs of three steps, each of two parts of two clips."""
    return pretrain(videos, tmp_path_factory.mktemp("whole"), tiny({"trainer.accumulate": 2}, epochs=2)).out


# a step is a step


def test_a_step_is_of_the_whole_batch(whole):
    rows = [row for row in read_metrics(whole / METRICS) if "loss" in row]
    assert [row["step"] for row in rows] == list(range(6))
    training = json.loads((whole / "card.json").read_text())["training"]
    assert (training["steps"], training["steps_per_epoch"], training["clips_seen"]) == (6, 3, 6 * 4 * 2)
    state = torch.load(whole / "last.ckpt", weights_only=True)["state_dict"]
    assert state["method.rgb_queue.age"].tolist() == [2, 2, 2, 2, 1, 1, 1, 1]  # four keys a step, entered once


def test_it_goes_on_where_it_was_stopped(videos, tiny, tmp_path, whole, differences):
    pretrain(videos, tmp_path, tiny({"trainer.accumulate": 2, "trainer.stop_after": 1}, epochs=2))
    pretrain(videos, tmp_path, tiny({"trainer.accumulate": 2}, epochs=2), resume=True)
    assert not differences(tmp_path, whole)


def test_another_accumulation_is_refused_on_resuming(videos, tiny, whole):
    with pytest.raises(CheckpointError, match=r"other settings \(trainer.accumulate was 2, is 1\); use the same, or"):
        pretrain(videos, whole, tiny(epochs=2), resume=True)


def test_it_decides_a_result_where_there_are_several_parts():
    def decided(**settings) -> dict:
        config = PretrainConfig(trainer=TrainerConfig(**settings))
        return deciding(json.loads(json.dumps(asdict(config))), PretrainConfig, hierarchical=False)

    assert decided(accumulate=4) == decided() | {"trainer.accumulate": 4}
    assert decided(sync_batchnorm=True) == decided() | {"trainer.sync_batchnorm": True}


# how batches are cut


@pytest.mark.parametrize(
    ("batch", "parts", "words"),
    [
        (8, 0, "trainer.accumulate must be at least 1, not 0"),
        (8, 3, "trainer.accumulate must cut trainer.batch_size into equal parts of 2 clips or more, not 8 into 3"),
        (8, 8, "trainer.accumulate must cut trainer.batch_size into equal parts of 2 clips or more, not 8 into 8"),
    ],
)
def test_batches_that_cannot_be_cut(batch, parts, words):
    trainer = TrainerConfig(batch_size=batch, accumulate=parts)
    with pytest.raises(ConfigError, match=words):
        check_pretraining(PretrainConfig(trainer=trainer))
    with pytest.raises(ConfigError, match=words):
        check_finetuning(FinetuneConfig(trainer=trainer), "none")


def test_smaller_batches_of_few_videos_have_as_many_parts():
    config = PretrainConfig(trainer=TrainerConfig(batch_size=32, accumulate=4))
    assert [make_plan(config, videos).batch_size for videos in (100, 31, 13, 8)] == [32, 28, 12, 8]
    assert make_plan(config, 31, processes=2).batch_size == 12
    with pytest.raises(DataError, match=r"too short for one process with batches of 8;.*trainer.accumulate"):
        make_plan(config, 7)


# whose batch statistics


def test_all_that_is_trained_shares_statistics_and_key_encoders_do_not(tiny):
    method = MSCL(tiny().model, tiny().mscl)
    names = method.state_dict().keys()
    share_statistics(method)
    assert method.state_dict().keys() == names
    norms = {
        name: type(part) for name, part in method.named_modules() if isinstance(part, nn.modules.batchnorm._BatchNorm)
    }
    assert {name.split(".")[0] for name in norms} == {"rgb", "flow", "rgb_key", "flow_key"}
    assert all((kind is nn.SyncBatchNorm) != name.split(".")[0].endswith("_key") for name, kind in norms.items())


def test_shared_statistics_need_gpus(videos, tiny, tmp_path):
    with pytest.raises(ConfigError, match=r"trainer.sync_batchnorm needs GPUs.*on a CPU; leave it off"):
        pretrain(videos, tmp_path, tiny({"trainer.sync_batchnorm": True}))
