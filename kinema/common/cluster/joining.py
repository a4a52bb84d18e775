"""Becoming a part of a cluster, for a while."""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from kinema.common.extras import needed_for
from kinema.common.processes import available_cores
from kinema.errors import ConfigError

KNOCK = 10.0
"""Seconds in which an address has to answer."""
PER_GPU = 4
"""Workers that share a GPU at most: while one decodes, others compute."""


@contextmanager
def connected(address: str) -> Iterator[Any]:
    """Ray, connected to a cluster for a while; one that this process is connected to already stays.

    Raises:
        ConfigError: Ray is not installed, or there is no such cluster.
    """
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")  # a warning about GPUs that nobody asked for
    with needed_for("work on a cluster"):
        import ray
    if ray.is_initialized():
        yield ray
        return
    where: dict[str, Any] = {"num_cpus": available_cores()} if address == "local" else {"address": address}
    try:
        _knock(address)
        ray.init(**where, include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
    except (OSError, ValueError, RuntimeError) as error:
        raise ConfigError(
            f"there is no cluster to join at {address!r} ({said(error).partition('. ')[0]}); begin one with "
            "`ray start --head`, give its address, or say local"
        ) from error
    try:
        yield ray
    finally:
        ray.shutdown()


def _knock(address: str) -> None:
    """Whether anybody answers at an address: Ray itself waits for minutes.

    Raises:
        OSError: nobody does.
        ValueError: it is none.
    """
    if address not in ("local", "auto"):
        host, _, port = address.rpartition("://")[2].rpartition(":")
        socket.create_connection((host, int(port)), KNOCK).close()


def places(ray: Any, gpus: bool) -> tuple[int, float]:
    """For how many workers there is room, and which share of a GPU each of them has.

    Each core has a worker, or, where the work is for GPUs and there are some, up to :data:`PER_GPU` cores of each.

    Args:
        ray: connected.
        gpus: whether the work is for GPUs.
    """
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    cores_of_gpus = [(int(node.get("CPU", 0)), int(node["GPU"])) for node in nodes if node.get("GPU", 0) >= 1]
    if not (gpus and cores_of_gpus):
        return max(1, sum(int(node.get("CPU", 0)) for node in nodes)), 0.0
    sharing = max(1, min(PER_GPU, *(cores // count for cores, count in cores_of_gpus)))
    return max(1, sum(min(cores, count * sharing) for cores, count in cores_of_gpus)), 1 / sharing


def said(error: Exception) -> str:
    """What an error of Ray's says, in one line that is not too long."""
    return " ".join(str(error).split())[:200]
