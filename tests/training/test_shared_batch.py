"""The same batch makes the same training, over however many processes and parts it is shared out."""

from __future__ import annotations

import socket
from pathlib import Path

import forked
import pytest
import torch

from kinema.training.metrics import METRICS, read_metrics

CHANGES = {
    "mscl.queue": 20,
    "mscl.motion": 1.0,
    "model.pyramid": 8,
    "optimizer.name": "sgd",
    "optimizer.lr": 0.05,
    "optimizer.lr_batch": 8,
}
"""With every loss, and every random choice of clips, colours and angles, of MSCL, and dense motion prediction. Adam
would take steps as long where a gradient is but rounding."""


def trained(count: int, parts: int, out: Path, videos, options, tiny) -> dict[str, torch.Tensor]:
    """What a training of four steps of eight clips in all leaves, in so many processes of so many parts."""
    changes = {**CHANGES, "trainer.devices": count, "trainer.batch_size": 8 // count, "trainer.accumulate": parts}
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = str(server.getsockname()[1])
    begun = []
    for rank in range(count):
        place = {"LOCAL_RANK": str(rank), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port} if count > 1 else {}
        call = ["pretrain", videos, "--out", out, *options(tiny(changes, epochs=None, steps=4))]
        begun.append(forked.start(call, out.with_suffix(".log"), forked.WITHOUT_BATCH_STATISTICS.format(place=place)))
    assert [forked.ended(process, 200) for process in begun] == [0] * count, out.with_suffix(".log").read_text()
    state = torch.load(out / "last.ckpt", weights_only=True)["state_dict"]
    told = {f"{name} {n}": value for n, row in enumerate(read_metrics(out / METRICS)) for name, value in row.items()}
    measured = {name: torch.tensor(value) for name, value in told.items() if not name.startswith("data_wait")}
    return {name: value.double() for name, value in (state | measured).items()}


@pytest.fixture(scope="module")
def alone(videos, options, tiny, tmp_path_factory) -> dict[str, torch.Tensor]:
    return trained(1, 1, tmp_path_factory.mktemp("alone") / "run", videos, options, tiny)


@pytest.mark.parametrize(
    ("count", "parts"), [(1, 4), (2, 1), (2, 2), *(pytest.param(*c, marks=pytest.mark.slow) for c in [(1, 2), (4, 1)])]
)
def test_weights_momentum_encoders_queues_and_metrics_are_the_same(
    count, parts, alone, videos, options, tiny, tmp_path
):
    shared = trained(count, parts, tmp_path / "run", videos, options, tiny)
    assert alone.keys() == shared.keys()
    moved = {name: (value - shared[name]).abs().max().item() for name, value in alone.items()}
    assert max(moved.values()) < 1e-5, sorted(moved.items(), key=lambda item: -item[1])[:5]
    weights, before = alone["method.rgb.projector.0.weight"], alone["method.rgb_key.module.projector.0.weight"]
    assert (weights - before).abs().max() > 1e-3, "the training has done something"
