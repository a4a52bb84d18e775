"""Where work for GPUs is put; the GPUs are Ray's word, not there."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kinema.cluster import ask, connected, spread
from kinema.cluster.joining import PER_GPU, places
from kinema.evaluation.on_cluster import arithmetic_of
from kinema.search import Library

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]


class Which:
    """Says which GPU its worker may use."""

    def __call__(self, item: Any) -> tuple[str, int]:
        time.sleep(0.1)
        return os.environ.get("CUDA_VISIBLE_DEVICES", ""), os.getpid()


@pytest.fixture(scope="module")
def with_gpus(begin_cluster: Callable[..., Any]) -> str:
    """A node of ten cores with two GPUs, and one of three without."""
    return str(begin_cluster({"num_cpus": 10, "num_gpus": 2}, {"num_cpus": 3}).address)


def test_cores_share_gpus_where_the_work_is_for_them(with_gpus: str) -> None:
    with connected(with_gpus) as ray:
        assert places(ray, gpus=True) == (2 * PER_GPU, 1 / PER_GPU)
        assert places(ray, gpus=False) == (13, 0.0)
        found = [value for _, value in spread(with_gpus, range(60), Which, [], gpus=True)]
        workers = Counter(device for device, _ in set(found))
        assert set(workers) == {"0", "1"} and max(workers.values()) <= PER_GPU
        assert ask(with_gpus, os.environ.get, "CUDA_VISIBLE_DEVICES", gpus=True) in {"0", "1"}
        assert ask(with_gpus, os.environ.get, "CUDA_VISIBLE_DEVICES") in {None, ""}


def test_a_cluster_without_gpus_has_a_worker_for_each_core(nodes: str) -> None:
    with connected(nodes) as ray:
        assert places(ray, gpus=True) == places(ray, gpus=False) == (2, 0.0)


def test_work_for_gpus_is_done_where_they_are(with_gpus: str, noise: Path, tmp_path: Path) -> None:
    """There being none, by the processor."""
    assert Library(tmp_path / "index", "motion").add(noise, cluster=with_gpus).new == 9
    assert arithmetic_of(with_gpus, "auto", "auto").device.type == "cpu"
