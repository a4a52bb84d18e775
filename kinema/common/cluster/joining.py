"""Becoming a part of a cluster, for a while."""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from kinema.common.extras import needed_for
from kinema.common.processes import available_cores
from kinema.errors import ConfigError, words_of

KNOCK = 10.0
"""Seconds in which an address has to answer."""
PER_GPU = 4
"""Workers that share a GPU at most: while one decodes, others compute."""

_SETTINGS = bytes((0, 0, 0, 4, 0, 0, 0, 0, 0))
"""A frame of HTTP/2, by which whoever speaks it begins; its fourth byte says what it is."""
_HELLO = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + _SETTINGS


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
    own: dict[str, Any] = {"num_cpus": available_cores()} if address == "local" else {}
    try:
        _knock(address)
        ray.init(address, **own, include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
    except (OSError, ValueError, RuntimeError) as error:
        ray.shutdown()  # of what has begun
        if "ersion mismatch" in str(error):
            raise ConfigError(
                f"the cluster at {address!r} has another Ray or Python than this machine ({words_of(error, 200)}); "
                "install the same everywhere"
            ) from error
        raise ConfigError(
            f"there is no cluster to join at {address!r} ({words_of(error, 200).partition('. ')[0]}); begin one with "
            "`ray start --head`, give its address, or say local"
        ) from error
    try:
        yield ray
    finally:
        ray.shutdown()


def _knock(address: str) -> None:
    """Whether a cluster may be what answers at an address: Ray itself waits for minutes, whatever does.

    Raises:
        OSError: nobody does, or something else.
        ValueError: it is none.
    """
    if address == "auto":
        with suppress(ImportError):  # of what is no promise of Ray's
            from ray._private.services import get_ray_address_from_environment

            address = get_ray_address_from_environment(address, None)
    if address in ("local", "auto"):
        return
    host, _, port = address.rpartition(":")
    if not (host and port.isascii() and port.isdigit()):
        raise ValueError("it is no HOST:PORT")
    with socket.create_connection((host, int(port)), KNOCK) as line:
        if os.environ.get("RAY_USE_TLS", "0") == "1":
            return
        line.settimeout(KNOCK)
        line.sendall(_HELLO)
        answer = line.recv(len(_SETTINGS))
        if answer[3:4] != _SETTINGS[3:4]:
            raise ConnectionError("what answers there is not Ray")


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
