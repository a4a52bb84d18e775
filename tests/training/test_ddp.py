"""Two real processes on one machine, which talk by gloo."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import Tensor

from kinema.training.metrics import METRICS, read_metrics

SPY = """
import sys
from pathlib import Path
import torch
from kinema.cli import main
from kinema.training import module
from kinema.training.module import TrainingModule
from kinema.training.trainer import Trainer

gather, train, fit, draw = module.gather, TrainingModule.forward, Trainer.fit, module.draw
seen = {"own": [], "videos": [], "orders": [], "angles": []}

def spied_draw(*args):
    draws = draw(*args)
    seen["orders"].append(draws.order.tolist())
    seen["angles"].append(draws.angles.tolist())
    return draws

def spied_gather(values):
    if len(values) == 3:  # the keys of this process, and not the figures of the step
        seen["own"].append(values.clone())
    return gather(values)

def spied_step(self, batch, step):
    seen["videos"].append(batch["video"].tolist())
    return train(self, batch, step)

def spied_fit(self, *args):
    rank = self.together.rank
    fit(self, *args)
    torch.save({**seen, "state": self.module.state_dict()}, Path(self.module.out) / f"rank{rank}.pt")

module.gather, TrainingModule.forward, Trainer.fit, module.draw = spied_gather, spied_step, spied_fit, spied_draw
sys.exit(main(sys.argv[1:]))
"""


NO_FLOW_CLIPS = {"mscl.flow": 0.0, "mscl.cross": 0.0, "mscl.fra_clips": 0.0, "mscl.shuffle": "devices"}
"""The flow projector is without a gradient."""

AS_IN_THE_CODE = {"mscl.fra_after_enqueue": True, "mscl.shuffle": "devices", "mscl.batch_negatives": False}
"""What looks at the clips and keys of all processes."""


@pytest.fixture(scope="module", params=[NO_FLOW_CLIPS, pytest.param(AS_IN_THE_CODE, marks=pytest.mark.slow)])
def run(request, videos, options, tiny, tmp_path_factory) -> tuple[Path, subprocess.CompletedProcess[str]]:
    """Two steps in two processes with three clips each."""
    folder = tmp_path_factory.mktemp("ddp")
    (folder / "spy.py").write_text(SPY)
    config = tiny({**request.param, "mscl.queue": 12, "trainer.devices": 2, "trainer.batch_size": 3}, epochs=1)
    words = ["pretrain", str(videos), "--out", str(folder / "run"), *options(config)]
    done = subprocess.run(
        [sys.executable, str(folder / "spy.py"), *words],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert done.returncode == 0, done.stderr
    return folder / "run", done


@pytest.fixture(scope="module")
def ranks(run) -> list[dict]:
    return [torch.load(run[0] / f"rank{rank}.pt", weights_only=True) for rank in (0, 1)]


def shared(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """All but the running statistics, which no loss looks at; the first process's count."""
    return {name: value for name, value in state.items() if "running_" not in name}


def test_both_processes_have_the_same_weights_and_queues(ranks, run):
    first, second = (shared(rank["state"]) for rank in ranks)
    saved = torch.load(run[0] / "last.ckpt", weights_only=True)["state_dict"]
    assert first.keys() == second.keys() == shared(saved).keys()
    assert [name for name, value in first.items() if not torch.equal(value, second[name])] == []
    assert [name for name, value in ranks[0]["state"].items() if not torch.equal(value, saved[name])] == []


def test_each_process_sees_its_own_half_of_the_videos(ranks):
    first, second = ([video for step in rank["videos"] for video in step] for rank in ranks)
    assert len(first) == len(second) == 6
    assert sorted(first + second) == list(range(12))


def test_processes_shuffle_alike_and_rotate_each_as_it_likes(ranks):
    first, second = (rank["orders"] for rank in ranks)
    assert first == second
    assert len(first) == 2 and first[0] != first[1]
    assert all(sorted(order) == list(range(6)) for order in first)
    assert ranks[0]["angles"] != ranks[1]["angles"]


def test_the_keys_of_both_processes_are_enqueued(ranks):
    state = ranks[0]["state"]
    for place, queue in enumerate(("rgb_queue", "flow_queue")):
        keys = [rank["own"][2 * step + place] for step in (0, 1) for rank in ranks]
        assert not torch.allclose(keys[0], keys[1], atol=1e-3)
        assert torch.equal(state[f"method.{queue}.keys"], torch.cat(keys))
        assert state[f"method.{queue}.age"].tolist() == [2] * 6 + [1] * 6
        assert state[f"method.{queue}.pointer"] == 0


def test_one_run_is_reported_and_not_two(run):
    out, done = run
    card = json.loads((out / "card.json").read_text())
    assert (card["training"]["steps"], card["training"]["clips_seen"]) == (2, 2 * 2 * 3 * 2)
    assert [row["step"] for row in read_metrics(out / METRICS) if "loss" in row] == [0, 1]
    assert done.stdout.count("encoder.safetensors") == 1
    assert done.stderr.count("videos are used") == 1
    assert done.stderr.count("step 2/2") == 1
    assert done.stderr.count("training for 2 steps of 6 clips") == 1
    said = [line for line in done.stderr.splitlines() if "reducer.cpp" not in line]  # torch's advice
    assert len(said) == 4, done.stderr
