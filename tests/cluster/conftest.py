"""Clusters of Ray nodes on this machine."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kinema.data.synthetic.files import write_video

pytest.importorskip("ray")


@pytest.fixture(scope="package")
def cluster_of() -> Callable[..., Any]:
    """A cluster while a block lasts: a head and other nodes, each by the settings of Ray's ``Cluster.add_node``."""
    from ray.cluster_utils import Cluster

    os.environ["PYTHONPATH"] = os.pathsep.join([str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")])

    @contextmanager
    def cluster(*nodes: dict[str, Any]) -> Iterator[Any]:
        head, *others = ({"num_cpus": 1, **node} for node in nodes)
        made = Cluster(initialize_head=True, head_node_args={"include_dashboard": False, **head})
        try:
            for node in others:
                made.add_node(**node)
            yield made
        finally:
            made.shutdown()

    return cluster


@pytest.fixture
def begin_cluster(cluster_of: Callable[..., Any]) -> Iterator[Callable[..., Any]]:
    """Begins a cluster that lasts as long as the test."""
    with ExitStack() as stack:
        yield lambda *nodes: stack.enter_context(cluster_of(*nodes))


@pytest.fixture(scope="package")
def caches(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Where the nodes keep copies of what lies in a storage; 64 KiB at most."""
    return [tmp_path_factory.mktemp(name) for name in ("one", "other")]


@pytest.fixture(scope="package")
def nodes(cluster_of: Callable[..., Any], caches: list[Path]) -> Iterator[str]:
    """The address of a cluster of two nodes, of a core each."""
    bound = {"KINEMA_CACHE_GIB": str(2**16 / 2**30)}
    with cluster_of(*({"env_vars": {"KINEMA_CACHE": str(cache), **bound}} for cache in caches)) as made:
        yield made.address


@pytest.fixture(scope="package")
def noise(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of eight videos of noise, and one file that is none."""
    folder = tmp_path_factory.mktemp("noise")
    for number in range(8):
        frames = np.random.default_rng(number).integers(0, 256, (20, 32, 32, 3), np.uint8)
        (folder / str(number % 2)).mkdir(exist_ok=True)
        write_video(folder / str(number % 2) / f"{number}.mp4", frames, 16.0)
    (folder / "broken.mp4").write_text("no video")
    return folder
