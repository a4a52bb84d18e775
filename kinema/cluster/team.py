"""The workers of a cluster, what each has in hand, and what becomes of it where one is lost."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

from kinema import __version__
from kinema.cluster.joining import connected, places, said
from kinema.cluster.pile import Pile
from kinema.cluster.worker import ATTEMPTS, Lost, Work, Worker
from kinema.errors import ConfigError, OutputError
from kinema.storage import settings

IN_HAND = 2
"""Items that a worker has at a time, unless they are large: the next one is there when it is done."""
PATIENCE = 120.0
"""Seconds in which some worker has to begin."""

Item = TypeVar("Item")


def spread(
    address: str,
    items: Iterable[Item],
    make: Callable[..., Work],
    arguments: Sequence[Any],
    *,
    shared: Sequence[Path] = (),
    gpus: bool = False,
    weigh: Callable[[Item], float] = lambda item: 1.0,
) -> Iterator[tuple[Item, Any]]:
    """Work on items on a cluster, and yield each with its result as it comes, in any order.

    Each core has a worker, or some cores of each GPU. One that is lost costs what it was working on, which another does
    anew.

    Args:
        address: of the cluster.
        items: taken as there is room, some thousands ahead.
        make: the work, made once in each worker.
        arguments: of ``make``.
        shared: files and folders that all machines have to see.
        gpus: whether the work is for GPUs, where the cluster has any.
        weigh: how much work an item is, in any unit; by size, so that nobody waits for a long one at the end.

    Raises:
        ConfigError: there is no such cluster, or a machine of it cannot do the work.
        OutputError: a machine cannot write what it has to.
    """
    with connected(address) as ray:
        yield from _Team(ray, make, arguments, shared, gpus, weigh).work(items)


def ask(address: str, question: Callable[..., Any], *arguments: Any, gpus: bool = False) -> Any:
    """What one worker of a cluster answers to a question.

    Raises:
        ConfigError: there is no such cluster, or a machine of it cannot answer.
        KinemaError: what the question raises.
    """
    ((_, answer),) = spread(address, [arguments], _Answering, [question], gpus=gpus)
    if isinstance(answer, Exception):
        raise answer
    return answer


class _Answering:
    def __init__(self, question: Callable[..., Any]):
        self._question = question

    def __call__(self, arguments: Sequence[Any]) -> Any:
        return self._question(*arguments)


class _Team:
    def __init__(
        self,
        ray: Any,
        make: Callable[..., Work],
        arguments: Sequence[Any],
        shared: Sequence[Path],
        gpus: bool,
        weigh: Callable[[Any], float],
    ):
        self._ray, self._weigh = ray, weigh
        self._size, of_a_gpu = places(ray, gpus)
        worker = ray.remote(num_cpus=1, num_gpus=of_a_gpu, max_restarts=0)(Worker)
        task = [ray.put(ray.cloudpickle.dumps((make, tuple(arguments))))]
        seen = [os.fspath(path) for path in shared]
        self._begin = lambda: worker.remote(task, seen, __version__, settings())
        self._asked: dict[Any, tuple[Any, int | None]] = {}  # what is waited for: the worker, and the item's number
        self._hands: dict[Any, deque[int]] = {}  # of each worker that is ready
        self._alone: set[int] = set()  # the numbers of large items that are worked on
        self._failures = 0  # of workers in a row that were never ready

    def work(self, items: Iterable[Item]) -> Iterator[tuple[Item, Any]]:
        """See :func:`spread`."""
        pile, lost = Pile(items, self._weigh, self._size), dict[int, int]()
        for _ in range(min(self._size, len(pile))):
            self._hire()
        while True:
            self._hand_out(pile)
            if not pile and not pile.held:
                return
            for worker, number, value in self._answers():
                if value is _GONE:
                    for place, dropped in enumerate(self._drop(worker)):
                        lost[dropped] = lost.get(dropped, 0) + (place == 0)  # the first of them was being worked on
                        if lost[dropped] >= ATTEMPTS:
                            yield pile.done(dropped), Lost()
                        else:
                            pile.put_back(dropped)
                elif isinstance(value, OutputError):
                    raise value
                elif number in pile.held and worker in self._hands:
                    self._hands[worker].remove(number)
                    yield pile.done(number), value

    def _hand_out(self, pile: Pile[Any]) -> None:
        for worker in sorted(self._hands, key=lambda worker: len(self._hands[worker])):
            hands = self._hands[worker]
            while len(hands) < IN_HAND and pile and not (hands and (pile.large or hands[0] in self._alone)):
                large, number = pile.large, pile.take()
                if large:
                    self._alone.add(number)
                hands.append(number)
                self._asked[worker.look.remote(pile.held[number])] = worker, number

    def _hire(self) -> None:
        worker = self._begin()
        self._asked[worker.ready.remote()] = worker, None

    def _drop(self, worker: Any) -> list[int]:
        """Forget a worker that is gone, and return the numbers that it had, in their order."""
        self._asked = {ref: asked for ref, asked in self._asked.items() if asked[0] is not worker}
        self._hire()
        return list(self._hands.pop(worker, ()))

    def _answers(self) -> Iterator[tuple[Any, int | None, Any]]:
        """What has come of those who are asked, once something has: the worker, the item's number, and its result."""
        asked, errors = list(self._asked), self._ray.exceptions
        done, _ = self._ray.wait(asked, num_returns=1, timeout=PATIENCE if not self._hands else None)
        if not done:
            raise ConfigError(
                f"no machine of the cluster has taken work in {PATIENCE:.0f} s; see to it with `ray status`"
            )
        done, _ = self._ray.wait(asked, num_returns=len(asked), timeout=0)  # whatever else has come
        for ref in done:
            if ref not in self._asked:  # of a worker that turned out to be gone
                continue
            worker, number = self._asked.pop(ref)
            try:
                value = self._ray.get(ref)
            except errors.RayTaskError:  # a fault of ours
                raise
            except errors.RayError as error:  # the process, the machine, or what it had made
                if number is None:
                    self._never_ready(error)
                yield worker, number, _GONE
                continue
            if number is not None:
                yield worker, number, value
            elif value is None:
                self._hands[worker], self._failures = deque(), 0
            else:
                raise value

    def _never_ready(self, error: Exception) -> None:
        self._failures += 1
        if getattr(error, "actor_init_failed", False) or self._failures > ATTEMPTS * self._size:
            raise ConfigError(
                f"the workers of the cluster end before they begin ({said(error)}); install kinema on all its machines"
            ) from error


_GONE = object()
