"""Cores and processes."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
import torch

from kinema.common.processes import available_cores
from kinema.config import TrainerConfig
from kinema.training.hardware import use_threads


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="the system knows no affinity")
def test_only_the_cores_count_that_this_process_may_use():
    script = (
        "import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))}); "
        "from kinema.common.processes import available_cores; print(available_cores())"
    )
    found = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert found.stdout == "1\n"
    assert available_cores() == len(os.sched_getaffinity(0))


def test_the_threads_that_are_asked_for_count_where_a_cpu_trains_beside_a_gpu(monkeypatch):
    before = torch.get_num_threads()
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    try:
        use_threads(TrainerConfig(accelerator="cpu", threads=before + 1))
        assert torch.get_num_threads() == before + 1
        use_threads(TrainerConfig(accelerator="auto", threads=before + 2))
        assert torch.get_num_threads() == before + 1
    finally:
        torch.set_num_threads(before)
