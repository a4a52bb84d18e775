"""Trainings with dense objectives, on views of a camera, from flow over a frame of the file."""

from __future__ import annotations

import pytest
import torch

from kinema import load_encoder
from kinema.config import MSCLConfig, PretrainConfig
from kinema.methods import MSCL, Losses, Views, create_method
from kinema.training import pretrain
from kinema.training.cost import measure
from kinema.training.metrics import METRICS, read_metrics

MOTION = MSCLConfig(rgb=0, flow=0, cross=0, lmcl=0, motion=1.0, motion_boundaries=True, motion_stabilised=True)


@pytest.fixture
def dense(tiny) -> PretrainConfig:
    changes = {
        "model.pyramid": 8,
        "model.keep_time": True,
        "flow.step_frames": 1,
        "sampling.paces": (1, 2),
        "clip.squeeze": True,
        "clip.step": 1 / 16,
        "augment.shake": 0.4,
        "augment.still_texture": 0.1,
    }
    return tiny(changes, epochs=2, mscl=MOTION)


def test_a_training_without_keys(videos, dense, tmp_path):
    run = pretrain(videos, tmp_path / "run", dense)
    rows = [row for row in read_metrics(run.out / METRICS) if "loss" in row]
    assert [set(row) for row in rows] == [{"step", "epoch", "loss", "loss_motion"}] * 6
    assert run.card["training"]["clips_seen"] == 6 * 4  # queries alone
    encoder = load_encoder(run.out)
    stages = encoder.stages(torch.rand(2, 3, 4, 32, 32))
    assert stages["pyramid"].shape == (2, 8, 2, 4, 4)
    assert stages["layer4"].shape[2] == 2
    state = torch.load(run.out / "last.ckpt", weights_only=True)["state_dict"]
    assert {name.split(".")[1] for name in state} == {"rgb", "prediction"}
    for name, value in encoder.pyramid.state_dict().items():
        assert torch.equal(value, state[f"method.rgb.encoder.pyramid.{name}"]), name


def test_it_goes_on_where_it_was_stopped(videos, dense, tiny, tmp_path, differences):
    whole = pretrain(videos, tmp_path / "whole", dense)
    parts = {name: getattr(dense, name) for name in ("model", "flow", "sampling", "clip", "augment", "mscl", "epochs")}
    pretrain(videos, tmp_path / "parts", tiny({"trainer.stop_after": 1}, **parts))
    pretrain(videos, tmp_path / "parts", dense, resume=True)
    assert differences(whole.out, tmp_path / "parts") == []


def test_a_dry_run_takes_batches_without_keys(dense):
    cost = measure(lambda: create_method("mscl", dense), dense, videos=12)
    assert cost.phases[0].losses == ("loss_motion",)


def test_what_a_camera_does_the_student_alone_sees(videos, tiny, tmp_path, monkeypatch):
    seen = []

    def losses(method: MSCL, views: Views, *rest: object) -> Losses:
        seen.append(views)
        return whole(method, views, *rest)

    whole = MSCL.losses
    monkeypatch.setattr(MSCL, "losses", losses)
    still = {"augment.jitter": 0.0, "augment.grey": 0.0, "augment.blur": 0.0, "trainer.batch_size": 12}
    for name, changes in {"plain": {}, "filmed": {"augment.shake": 2.0}}.items():
        pretrain(videos, tmp_path / name, tiny({**still, **changes}, epochs=1))
    plain, filmed = seen
    others = (plain.query != filmed.query).flatten(1).any(dim=1)
    assert 0 < others.sum() < 12
    for name in ("key", "query_flow", "key_flow", "flow_seconds"):
        assert torch.equal(getattr(plain, name), getattr(filmed, name)), name
