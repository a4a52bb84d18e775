"""Runs of a few seconds on tiny synthetic videos."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from itertools import zip_longest
from pathlib import Path
from typing import Any

import forked
import pytest
import torch
from safetensors.torch import load_file
from together import IN_PARTS, free_port, undisturbed
from torch import Tensor

from kinema.config import (
    AugmentConfig,
    ClipConfig,
    FlowConfig,
    HCMLConfig,
    ModelConfig,
    MSCLConfig,
    OptimizerConfig,
    PretrainConfig,
    TrainerConfig,
)
from kinema.training.metrics import METRICS, read_metrics

TINY = PretrainConfig(
    epochs=4,
    clip=ClipConfig(frames=4, step=0.125, short_side=32, size=(32, 32)),
    augment=AugmentConfig(flip=0.5, jitter=0.8, grey=0.2, blur=0.5),
    flow=FlowConfig(),
    model=ModelConfig(width=4, flow_width=4, embedding=8, input="difference"),
    mscl=MSCLConfig(rgb=0.5, lmcl=3.0, queue=8, fra_negatives=True, fra_clips=0.5),
    hcml=HCMLConfig(reduction=4),
    optimizer=OptimizerConfig(lr=2e-3),
    trainer=TrainerConfig(batch_size=4, workers=0, threads=1, precision="32", accelerator="cpu"),
)
"""Three steps an epoch on twelve videos; every random choice that a run can make."""


@pytest.fixture(scope="session")
def tiny() -> Callable[..., PretrainConfig]:
    """Makes the settings of a tiny run, with changes by dotted name."""

    def make(changes: dict[str, Any] | None = None, **plain: Any) -> PretrainConfig:
        config = dataclasses.replace(TINY, **plain)
        for name, value in (changes or {}).items():
            section, _, field = name.partition(".")
            config = dataclasses.replace(
                config, **{section: dataclasses.replace(getattr(config, section), **{field: value})}
            )
        return config

    return make


def tensors(value: Any, name: str = "") -> dict[str, Any]:
    """All leaves of nested containers by their path."""
    if isinstance(value, dict):
        return {path: leaf for key in value for path, leaf in tensors(value[key], f"{name}.{key}").items()}
    if isinstance(value, (list, tuple)):
        return {path: leaf for key, item in enumerate(value) for path, leaf in tensors(item, f"{name}.{key}").items()}
    return {name: value}


def checkpoint(run: Path) -> dict[str, Any]:
    """Weights, queues, optimiser, schedule and settings in ``last.ckpt``."""
    content = torch.load(run / "last.ckpt", weights_only=True)
    return tensors({name: content[name] for name in ("state_dict", "optimizer_states", "lr_schedulers", "global_step")})


def same(first: dict[str, Any], second: dict[str, Any]) -> list[str]:
    """The paths at which two trees differ in a single bit."""
    return [
        name
        for name in sorted(first.keys() | second.keys())
        if not (
            name in first
            and name in second
            and (
                torch.equal(first[name], second[name])
                if isinstance(first[name], Tensor)
                else first[name] == second[name]
            )
        )
    ]


@pytest.fixture(scope="session")
def differences() -> Callable[[Path, Path], list[str]]:
    """Names what differs between two runs: in their checkpoints, encoders or metrics."""

    def find(first: Path, second: Path) -> list[str]:
        found = same(checkpoint(first), checkpoint(second))
        if (first / "encoder.safetensors").exists() or (second / "encoder.safetensors").exists():
            weights, others = (load_file(run / "encoder.safetensors") for run in (first, second))
            found += [f"encoder {name}" for name in same(weights, others)]
        rows, other_rows = (read_metrics(run / METRICS) for run in (first, second))
        for row in (*rows, *other_rows):
            row.pop("data_wait", None)  # it is measured with a clock
        return found + [f"row {n}: {a}, {b}" for n, (a, b) in enumerate(zip_longest(rows, other_rows)) if a != b]

    return find


@pytest.fixture(scope="session")
def options(tmp_path_factory: pytest.TempPathFactory) -> Callable[[PretrainConfig], list[str]]:
    """All settings as a command line takes them, whatever the preset says."""

    def make(config: PretrainConfig) -> list[str]:
        path = tmp_path_factory.mktemp("settings") / "settings.json"  # JSON is YAML
        path.write_text(json.dumps(dataclasses.asdict(config)))
        return ["--config", str(path)]

    return make


@pytest.fixture
def begin(tmp_path, videos, options, tiny) -> Callable[..., list]:
    """Begins processes of one training, as a job system does: all at once; they write to ``log-RANK``."""

    def start(out, *, ranks=(0, 1), count=2, nodes=1, before="", folder=videos, words=(), changes=None, epochs=4):
        changes = {"mscl.queue": 12, "trainer.batch_size": 3, **(changes or {})}
        config = tiny({**changes, "trainer.devices": count // nodes, "trainer.nodes": nodes}, epochs=epochs)
        port = str(free_port())
        begun = []
        for rank in ranks:
            place = {
                "LOCAL_RANK": str(rank % (count // nodes)),
                "NODE_RANK": str(rank // (count // nodes)),
                "MASTER_ADDR": "127.0.0.1",
                "MASTER_PORT": port,
            }
            said = words[rank] if isinstance(words, dict) else words
            call = ["pretrain", folder, "--out", out, *options(config), *said]
            setting = f"import os; os.environ.update({place!r})\n{before}"
            begun.append(forked.start(call, tmp_path / f"log-{rank}", setting))
        return begun

    return start


@pytest.fixture
def said(tmp_path) -> Callable[[], list[str]]:
    """What the processes have complained about so far; none has left a traceback."""

    def read() -> list[str]:
        text = "".join(path.read_text() for path in sorted(tmp_path.glob("log-*")))
        assert "Traceback" not in text, text
        return [line for line in text.splitlines() if line.startswith("kinema")]

    return read


@pytest.fixture(scope="session")
def whole(videos, tiny, options, tmp_path_factory) -> Path:
    """The run of two processes that nobody disturbed."""
    config = tiny({"mscl.queue": 12, "trainer.batch_size": 3, "trainer.devices": 2, "trainer.checkpoint_minutes": 0.0})
    return undisturbed(tmp_path_factory.mktemp("whole"), videos, config, options)


@pytest.fixture(scope="session")
def whole_in_parts(videos, tiny, options, tmp_path_factory) -> Path:
    """Another, with accumulation."""
    changes = {"mscl.queue": 12, "trainer.devices": 2, "trainer.checkpoint_minutes": 0.0, **IN_PARTS}
    return undisturbed(tmp_path_factory.mktemp("in-parts"), videos, tiny(changes), options)
