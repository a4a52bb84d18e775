"""One function of a video, on many machines: Ray shares out the work and says where it is lost.

Where ``cluster`` is asked for, it is ``local`` (Ray's processes on this machine), ``auto`` (the cluster that this
machine belongs to, as after ``ray start``) or the address of one.
"""

from __future__ import annotations

import logging
import os
import socket
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from kinema import __version__
from kinema.addresses import shown
from kinema.errors import ConfigError, KinemaError
from kinema.extras import needed_for
from kinema.processes import available_cores
from kinema.storage import exists

ATTEMPTS = 3
"""How often a worker may be lost over the same item before that is passed over."""
IN_HAND = 2
"""Items that a worker has at a time: the next one is there when it is done."""
PATIENCE, KNOCK = 120.0, 10.0
"""Seconds in which some worker has to begin, and in which an address has to answer."""

Item = TypeVar("Item")
Work = Callable[[Any], Any]
"""What a worker does with an item; a :class:`~kinema.errors.KinemaError` that it raises is the result."""


class Lost(KinemaError):
    """The process or machine that worked on an item ended, several times over."""

    def __init__(self) -> None:
        super().__init__(f"the process that worked on it was lost {ATTEMPTS} times")

    def __reduce__(self) -> tuple[type[Lost], tuple[()]]:
        return Lost, ()


@contextmanager
def connected(address: str) -> Iterator[Any]:
    """Ray, connected to a cluster for a while.

    Raises:
        ConfigError: Ray is not installed, or there is no such cluster.
    """
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")  # a warning about GPUs that nobody asked for
    with needed_for("work on a cluster"):
        import ray
    where: dict[str, Any] = {"num_cpus": available_cores()} if address == "local" else {"address": address}
    try:
        _knock(address)
        ray.init(**where, include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
    except (OSError, ValueError, RuntimeError) as error:
        raise ConfigError(
            f"there is no cluster to join at {address!r} ({_said(error).partition('. ')[0]}); begin one with "
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


def spread(
    address: str,
    items: Iterable[Item],
    make: Callable[..., Work],
    arguments: Sequence[Any],
    *,
    shared: Sequence[Path] = (),
    gpus: bool = False,
) -> Iterator[tuple[Item, Any]]:
    """Work on items on a cluster, and yield each with its result as it comes, in any order.

    Each core has a worker, or each GPU. One that is lost costs what it was working on, which another does anew.

    Args:
        address: of the cluster.
        items: taken as there is room.
        make: the work, made once in each worker.
        arguments: of ``make``.
        shared: files and folders that all machines have to see.
        gpus: whether the work is for GPUs, where the cluster has any.

    Raises:
        ConfigError: there is no such cluster, or a machine of it cannot do the work.
    """
    with connected(address) as ray:
        team = _Team(ray, make, arguments, [os.fspath(path) for path in shared], gpus)
        yield from team.work(items)


class _Worker:
    """In a process of the cluster."""

    def __init__(self, make: Callable[..., Work], arguments: Sequence[Any], shared: Sequence[str], version: str):
        self._make, self._arguments, self._shared, self._version = make, arguments, shared, version

    def ready(self) -> KinemaError | None:
        """Why this machine cannot do the work; None if it can."""
        machine = os.uname().nodename if hasattr(os, "uname") else "a machine of the cluster"
        if self._version != __version__:
            return ConfigError(
                f"{machine} has kinema {__version__}, and this machine {self._version}; install the same everywhere"
            )
        if missing := [path for path in self._shared if not exists(path)]:
            return ConfigError(
                f"{machine} does not see {shown(missing[0])}; put it where all machines of the cluster do"
            )
        try:
            self._work = self._make(*self._arguments)
        except KinemaError as error:
            return error
        return None

    def look(self, item: Any) -> Any:
        """The result of an item."""
        try:
            return self._work(item)
        except KinemaError as error:
            return error


class _Team:
    def __init__(self, ray: Any, make: Callable[..., Work], arguments: Sequence[Any], shared: list[str], gpus: bool):
        resources = ray.cluster_resources()
        on_gpus = gpus and resources.get("GPU", 0) >= 1
        self._ray, self._size = ray, int(resources["GPU" if on_gpus else "CPU"])
        worker = ray.remote(num_cpus=1, num_gpus=int(on_gpus), max_restarts=0)(_Worker)
        self._begin = lambda: worker.remote(make, arguments, shared, __version__)
        self._asked: dict[Any, tuple[Any, int | None]] = {}  # what is waited for: the worker, and the item's number
        self._hands: dict[Any, deque[int]] = {}  # of each worker that is ready
        self._failures = 0  # of workers in a row that were never ready

    def work(self, items: Iterable[Item]) -> Iterator[tuple[Item, Any]]:
        """See :func:`spread`."""
        coming, again = enumerate(items), deque[int]()
        held: dict[int, Item] = {}
        lost: dict[int, int] = {}
        for _ in range(max(1, self._size)):
            self._hire()
        ended = False
        while True:
            for worker in sorted(self._hands, key=lambda worker: len(self._hands[worker])):
                while len(self._hands[worker]) < IN_HAND and not (ended and not again):
                    if not again:
                        new = next(coming, None)
                        if ended := new is None:
                            break
                        held[new[0]] = new[1]
                        again.append(new[0])
                    next_one = again.popleft()
                    self._hands[worker].append(next_one)
                    self._asked[worker.look.remote(held[next_one])] = worker, next_one
            if ended and not held:
                return
            for worker, number, value in self._answers():
                if number is None:
                    continue
                if value is _GONE:
                    for place, dropped in enumerate(self._drop(worker)):
                        lost[dropped] = lost.get(dropped, 0) + (place == 0)  # the first of them was being worked on
                        if lost[dropped] >= ATTEMPTS:
                            yield held.pop(dropped), Lost()
                        else:
                            again.append(dropped)
                elif number in held and worker in self._hands:
                    self._hands[worker].remove(number)
                    yield held.pop(number), value

    def _hire(self) -> None:
        worker = self._begin()
        self._asked[worker.ready.remote()] = worker, None

    def _drop(self, worker: Any) -> list[int]:
        """Forget a worker that is gone, and return the numbers that it had, in their order."""
        self._asked = {ref: asked for ref, asked in self._asked.items() if asked[0] is not worker}
        self._hire()
        return list(self._hands.pop(worker, ()))

    def _answers(self) -> Iterator[tuple[Any, int | None, Any]]:
        done, _ = self._ray.wait(list(self._asked), num_returns=1, timeout=PATIENCE if not self._hands else None)
        if not done:
            raise ConfigError(
                f"no machine of the cluster has taken work in {PATIENCE:.0f} s; see to it with `ray status`"
            )
        for ref in done:
            worker, number = self._asked.pop(ref)
            try:
                value = self._ray.get(ref)
            except self._ray.exceptions.RayActorError as error:
                if number is None:
                    self._failures += 1
                    if self._failures > ATTEMPTS * max(1, self._size):
                        raise ConfigError(
                            f"the workers of the cluster end before they begin ({_said(error)}); install kinema on all "
                            "its machines"
                        ) from error
                    self._hire()
                yield worker, number, _GONE
                continue
            if number is None:
                if value is not None:
                    raise value
                self._hands[worker], self._failures = deque(), 0
            yield worker, number, value


_GONE = object()


def _said(error: Exception) -> str:
    return " ".join(str(error).split())[:200]
