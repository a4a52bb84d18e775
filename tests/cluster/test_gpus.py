"""Where work for GPUs is put; the GPUs are Ray's word, not there."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from kinema.common.cluster import ask, connected, spread
from kinema.common.cluster.joining import PER_GPU, places
from kinema.config import ClipConfig
from kinema.evaluation import extract_features
from kinema.search import Library

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


class Which:
    """Says which GPU its worker may use."""

    def __call__(self, item: Any) -> tuple[str, int]:
        time.sleep(0.1)
        return os.environ.get("CUDA_VISIBLE_DEVICES", ""), os.getpid()


class WhichOfFeatures(nn.Module):
    """Gives the number of the GPU that its process may use as a feature; -1 for none."""

    def forward(self, clips: Tensor) -> Tensor:
        """(B, 3, T, H, W) -> (B, 1)."""
        return torch.full((len(clips), 1), float(os.environ.get("CUDA_VISIBLE_DEVICES") or -1))


@pytest.fixture(scope="module")
def with_gpus(cluster_of: Callable[..., Any]) -> Iterator[str]:
    """A node of ten cores with two GPUs, and one of three without."""
    with cluster_of({"num_cpus": 10, "num_gpus": 2}, {"num_cpus": 3}) as made:
        yield made.address


def test_cores_share_gpus_where_the_work_is_for_them(with_gpus: str) -> None:
    with connected(with_gpus) as ray:
        assert places(ray, gpus=True) == (2 * PER_GPU, 1 / PER_GPU)
        assert places(ray, gpus=False) == (13, 0.0)
        found = [value for _, value in spread(with_gpus, range(60), Which, [], gpus=True)]
        workers = Counter(device for device, _ in set(found))
        assert set(workers) == {"0", "1"} and max(workers.values()) <= PER_GPU
        assert ask(with_gpus, os.getenv, "CUDA_VISIBLE_DEVICES", gpus=True) in {"0", "1"}
        assert ask(with_gpus, os.getenv, "CUDA_VISIBLE_DEVICES") in {None, ""}


def test_a_cluster_without_gpus_has_a_worker_for_each_core(nodes: str) -> None:
    with connected(nodes) as ray:
        assert places(ray, gpus=True) == places(ray, gpus=False) == (2, 0.0)


def test_work_for_gpus_is_done_where_they_are(with_gpus: str, noise: Path, tmp_path: Path) -> None:
    """There being none, by the processor."""
    assert Library(tmp_path / "index", "motion").add(noise, cluster=with_gpus).new == 9
    clip, paths = ClipConfig(frames=4, step=0.1, short_side=32, size=(24, 24)), sorted(noise.glob("?/*.mp4"))
    for device, expected in (("auto", {0.0, 1.0}), ("cpu", {-1.0})):
        settings = {"clips": 1, "batch_size": 1, "device": device, "precision": "32", "cluster": with_gpus}
        found = extract_features({"which": WhichOfFeatures()}, paths, clip, **settings)
        assert set(found["which"].flatten().tolist()) <= expected
