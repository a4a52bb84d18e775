"""Two trainings in two processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
import torch

from kinema.errors import OutputError
from kinema.training import pretrain, pretrain_side_by_side

METHODS = ("moco", "mscl")

ENDLESS = """
import sys
from pathlib import Path
from kinema.config import *
from kinema.errors import KinemaError
from kinema.training import pretrain_side_by_side
if __name__ == "__main__":
    out = Path(sys.argv[2])
    config = PretrainConfig(
        epochs=100000,
        clip=ClipConfig(frames=4, short_side=32, size=(32, 32)),
        model=ModelConfig(width=4, flow_width=4, embedding=8),
        trainer=TrainerConfig(batch_size=4, workers=0, threads=1, precision="32", accelerator="cpu"),
    )
    jobs = {name: {"videos": sys.argv[1], "out": out / name, "method": name} for name in ("moco", "mscl")}
    try:
        pretrain_side_by_side(config, jobs)
    except KeyboardInterrupt:
        sys.exit(130)
"""


@pytest.fixture(autouse=True)
def two_cores(monkeypatch):
    monkeypatch.setattr(os, "cpu_count", lambda: 2)


def jobs(videos: Path, out: Path) -> dict[str, dict[str, object]]:
    return {name: {"videos": videos, "out": out / name, "method": name} for name in METHODS}


def test_each_is_what_it_would_be_alone_and_says_its_name(videos, tiny, tmp_path, differences, capfd):
    config = tiny(epochs=2)
    runs = pretrain_side_by_side(config, jobs(videos, tmp_path))
    said = capfd.readouterr().err.splitlines()
    assert list(runs) == list(METHODS)
    for name in METHODS:
        assert sum(line.startswith(f"{name}: epoch ") for line in said) == 2
        alone = pretrain(videos, tmp_path / f"{name} alone", config, method=name)
        assert not differences(runs[name].out, alone.out)


def test_the_error_of_one_stops_the_other_which_keeps_its_work(videos, tiny, tmp_path):
    (tmp_path / "moco").mkdir()
    (tmp_path / "moco" / "last.ckpt").write_bytes(b"of an earlier run")
    with pytest.raises(OutputError, match=r"moco holds a run already"):
        pretrain_side_by_side(tiny(epochs=100000), jobs(videos, tmp_path))
    assert (tmp_path / "moco" / "last.ckpt").read_bytes() == b"of an earlier run"


@pytest.fixture
def endless(videos, tmp_path):
    """A process with two trainings that have begun, and the processes of these."""
    (tmp_path / "endless.py").write_text(ENDLESS)
    process = subprocess.Popen(
        [sys.executable, str(tmp_path / "endless.py"), str(videos), str(tmp_path)],
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    deadline = time.monotonic() + 200
    while not all((tmp_path / name / "last.ckpt").exists() for name in METHODS):
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.2)
    children = psutil.Process(process.pid).children(recursive=True)
    yield process, children
    for left in [process, *children]:
        if left.poll() is None if left is process else left.is_running():
            left.kill()


def test_ctrl_c_leaves_a_checkpoint_of_both(endless, tmp_path):
    process, children = endless
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 130
    assert "Traceback" not in errors
    for name in METHODS:
        assert f"{name}: stopping after this step" in errors
        assert torch.load(tmp_path / name / "last.ckpt", weights_only=True)["global_step"] > 0
    assert not psutil.wait_procs(children, timeout=20)[1]


def test_no_training_outlives_its_parent(endless):
    process, children = endless
    process.kill()
    process.communicate(timeout=60)
    assert not psutil.wait_procs(children, timeout=60)[1]
