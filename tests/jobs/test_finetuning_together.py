"""Training with labels in several processes, one round of the split after another."""

from __future__ import annotations

import csv
import json
import signal
import socket
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import forked
import pytest
import torch
from safetensors.torch import load_file

from kinema.config import AugmentConfig, ClipConfig, FinetuneConfig, ModelConfig, OptimizerConfig, TrainerConfig

ROUNDS = 3
STEPS = 4
BATCH = 8
CONFIG = FinetuneConfig(
    steps=STEPS,
    clip=ClipConfig(frames=4, step=0.125, short_side=32, size=(32, 32)),
    augment=AugmentConfig(jitter=0.8, grey=0.2, blur=0.5),
    model=ModelConfig(width=4, patch=4, input="rgb"),
    optimizer=OptimizerConfig("sgd", lr=0.05),
    trainer=TrainerConfig(workers=0, threads=1, precision="32", accelerator="cpu", checkpoint_minutes=0.0),
    clips=2,
    dropout=0.5,
)

DYING = """
import os
from kinema.common.processes import rank_and_count
train = TrainingModule.forward
def dying(self, batch, step):
    if rank_and_count()[0] == 1 and step == 2 and self.out.name == "round-2":
        os.kill(os.getpid(), 9)
    return train(self, batch, step)
TrainingModule.forward = dying
"""


@pytest.fixture(scope="module")
def labels(videos, tmp_path_factory) -> Path:
    """Every second video is of the one class; three groups of both."""
    path = tmp_path_factory.mktemp("labels") / "labels.csv"
    names = sorted(file.name for file in videos.iterdir())
    with path.open("w", newline="") as file:
        rows = [(name, "ab"[n % 2], f"group {n // 4}") for n, name in enumerate(names)]
        csv.writer(file).writerows([("file", "label", "person"), *rows])
    return path


@pytest.fixture(scope="module")
def train(videos, labels, tmp_path_factory) -> Callable[..., list[int | None]]:
    """Trains in so many processes, leaving one group out after another; gives how they ended."""
    path = tmp_path_factory.mktemp("settings") / "settings.json"
    path.write_text(json.dumps(asdict(CONFIG)))

    def run(count: int, parts: int, out: Path, *words: str, dropout: float = 0.0, before: str = ""):
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = str(server.getsockname()[1])
        call = ["finetune", videos, "--out", out, "--labels", labels, "--split", "group", "--group-column", "person"]
        call += ["--config", path, "--dropout", dropout, "--trainer.devices", count, "--trainer.accumulate", parts]
        begun = []
        for rank in range(count):
            place = {"LOCAL_RANK": str(rank), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port} if count > 1 else {}
            source = forked.WITHOUT_BATCH_STATISTICS.format(place=place) + before
            sized = [*call, "--trainer.batch-size", BATCH // count, *words]
            begun.append(forked.start(sized, out.with_suffix(".log"), source))
        return [forked.ended(process, 200) for process in begun]

    return run


def left(out: Path) -> dict[str, torch.Tensor]:
    """The weights of all rounds."""
    return {
        f"{number} {name}": value
        for number in range(1, ROUNDS + 1)
        for file in ("encoder.safetensors", "classifier.safetensors")
        for name, value in load_file(out / f"round-{number}" / file).items()
    }


def predictions(out: Path) -> list[dict[str, str]]:
    with (out / "predictions.csv").open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def alone(train, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("alone") / "run"
    assert train(1, 1, out) == [0], out.with_suffix(".log").read_text()
    return out


@pytest.mark.parametrize(("count", "parts"), [(1, 2), (2, 1), (2, 2)])
def test_every_round_is_that_of_one_process(count, parts, train, alone, tmp_path):
    out = tmp_path / "run"
    assert train(count, parts, out) == [0] * count, out.with_suffix(".log").read_text()
    expected, found = left(alone), left(out)
    assert expected.keys() == found.keys()
    assert max((expected[name] - found[name]).abs().max().item() for name in expected) < 1e-5
    results, others = (json.loads((run / "results.json").read_text()) for run in (alone, out))
    assert len(results["per_round"]) == ROUNDS and results["queries"] == 12
    assert (others["per_round"], others["per_class"]) == (results["per_round"], results["per_class"])
    for row, other in zip(predictions(alone), predictions(out), strict=True):
        assert float(row.pop("probability")) == pytest.approx(float(other.pop("probability")), abs=2e-4)
        assert row == other
    said = out.with_suffix(".log").read_text()
    assert said.count(f"round {ROUNDS} of {ROUNDS}") == said.count("leave one group out (3 groups)") == 1


@pytest.mark.slow
def test_killed_in_a_later_round_it_goes_on_as_if_it_never_had_been(train, tmp_path):
    assert train(2, 2, tmp_path / "whole", dropout=0.5) == [0, 0]
    out = tmp_path / "run"
    assert train(2, 2, out, dropout=0.5, before=DYING) == [1, -signal.SIGKILL]
    said = out.with_suffix(".log").read_text()
    assert said.count("was killed, or ended without a word; go on with --resume") == 1 and "Traceback" not in said
    assert not (out / "round-3").exists() and not (out / "results.json").exists()
    assert train(2, 2, out, "--resume", dropout=0.5) == [0, 0], out.with_suffix(".log").read_text()
    whole, parts = left(tmp_path / "whole"), left(out)
    assert [name for name in whole if not torch.equal(whole[name], parts[name])] == []
    assert predictions(tmp_path / "whole") == predictions(out)
