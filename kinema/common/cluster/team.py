"""The workers of a cluster, what each has in hand, and what becomes of it where one is lost."""

from __future__ import annotations

import os
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from math import inf
from pathlib import Path
from typing import Any, TypeVar

from kinema.common.cluster.joining import connected, places
from kinema.common.cluster.pile import Bundle, Pile
from kinema.common.cluster.worker import ATTEMPTS, Lost, Work, Worker, versions
from kinema.common.storage import settings
from kinema.errors import ConfigError, OutputError, words_of

IN_HAND = 2
"""Bundles of items that a worker has at a time, unless they are large: the next one is there when it is done."""
BUNDLE = 0.2
"""Seconds that a bundle of small items should take, so that handing it out does not count."""
LATEST = 0.1
"""What the latest bundle counts in the pace that is expected of the next one."""
COUNTED = 10.0
"""Seconds after which machines are counted anew."""
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
    wanted: Callable[[Item], bool] = lambda item: True,
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
        wanted: asked when an item is handed out, each time; False to pass it over, and nothing is yielded.

    Raises:
        ConfigError: there is no such cluster, or a machine of it cannot do the work.
        OutputError: a machine cannot write what it has to.
    """
    with connected(address) as ray:
        yield from _Team(ray, make, arguments, shared, gpus, weigh, wanted).work(items)


def ask(address: str, question: Callable[..., Any], *arguments: Any, gpus: bool = False) -> Any:
    """What one worker of a cluster answers to a question.

    Raises:
        ConfigError: there is no such cluster, or a machine of it cannot answer.
        KinemaError: what the question raises.
    """
    ((_, answer),) = spread(address, [None], _answering, [question, *arguments], gpus=gpus)
    if isinstance(answer, Exception):
        raise answer
    return answer


def _answering(question: Callable[..., Any], *arguments: Any) -> Work:
    return lambda _: question(*arguments)


class _Team:
    def __init__(
        self,
        ray: Any,
        make: Callable[..., Work],
        arguments: Sequence[Any],
        shared: Sequence[Path],
        gpus: bool,
        weigh: Callable[[Any], float],
        wanted: Callable[[Any], bool],
    ):
        self._ray, self._weigh, self._wanted, self._gpus = ray, weigh, wanted, gpus
        self._size, of_a_gpu = places(ray, gpus)
        self._counted, self._hired = time.monotonic(), 0
        worker = ray.remote(num_cpus=1, num_gpus=of_a_gpu, max_restarts=0)(Worker)
        task = [ray.put(ray.cloudpickle.dumps((make, tuple(arguments))))]
        seen = [os.fspath(path) for path in shared]
        self._begin = lambda: worker.remote(task, seen, versions(), settings())
        self._asked: dict[Any, tuple[Any, Bundle | None]] = {}  # what is waited for: the worker, and what it has
        self._hands: dict[Any, deque[Bundle]] = {}  # of each worker that is ready
        self._pace = inf  # seconds that a unit of weight takes
        self._failures = 0  # of workers in a row that were never ready

    def work(self, items: Iterable[Item]) -> Iterator[tuple[Item, Any]]:
        """See :func:`spread`."""
        pile, lost = Pile(items, self._weigh, self._size), Counter[int]()
        while True:
            if time.monotonic() - self._counted > COUNTED:  # machines may have come
                self._counted = time.monotonic()
                self._size = pile.workers = places(self._ray, self._gpus)[0]
            for _ in range(min(self._size, len(pile)) - self._hired):
                self._hire()
            self._hand_out(pile)
            if not pile and not pile.held:
                return
            for worker, bundle, values in self._answers():
                if values is _GONE:
                    hands = self._drop(worker)
                    lost.update(hands[0].numbers if hands else ())  # which were being worked on
                    for number in [number for dropped in hands for number in dropped.numbers]:
                        if lost[number] >= ATTEMPTS:
                            yield pile.done(number), Lost()
                        else:
                            pile.put_back(number)
                elif worker in self._hands:
                    self._hands[worker].remove(bundle)
                    done = list(zip(bundle.numbers, values, strict=True))
                    for number, value in sorted(done, key=lambda one: isinstance(one[1], OutputError)):
                        if isinstance(value, OutputError):
                            raise value
                        yield pile.done(number), value

    def _hand_out(self, pile: Pile[Any]) -> None:
        for worker in sorted(self._hands, key=lambda worker: len(self._hands[worker])):
            hands = self._hands[worker]
            while len(hands) < IN_HAND and pile and not (hands and (pile.large or hands[0].large)):
                bundle = self._still_wanted(pile, pile.take(BUNDLE / self._pace))
                if bundle.numbers:
                    hands.append(bundle)
                    items = [pile.held[number] for number in bundle.numbers]
                    self._asked[worker.look.remote(items)] = worker, bundle

    def _still_wanted(self, pile: Pile[Any], bundle: Bundle) -> Bundle:
        """What of a bundle is wanted; the rest is forgotten."""
        passed = [number for number in bundle.numbers if not self._wanted(pile.held[number])]
        if not passed:
            return bundle
        weight = bundle.weight - sum(self._weigh(pile.done(number)) for number in passed)
        left = tuple(number for number in bundle.numbers if number not in set(passed))
        return Bundle(left, max(0.0, weight), bundle.large)

    def _hire(self) -> None:
        self._hired += 1
        worker = self._begin()
        self._asked[worker.ready.remote()] = worker, None

    def _drop(self, worker: Any) -> list[Bundle]:
        """Forget a worker that is gone, and return what it had, in its order."""
        self._asked = {ref: asked for ref, asked in self._asked.items() if asked[0] is not worker}
        self._hired -= 1
        self._hire()
        return list(self._hands.pop(worker, ()))

    def _answers(self) -> Iterator[tuple[Any, Any, Any]]:
        """What has come of those who are asked, once something has: the worker, what it had, and the results."""
        asked, errors = list(self._asked), self._ray.exceptions
        done, _ = self._ray.wait(asked, num_returns=1, timeout=PATIENCE if not self._hands else None)
        if not done:
            raise ConfigError(
                f"no machine of the cluster has taken work in {PATIENCE:.0f} s; see to it with `ray status`"
            )
        done, _ = self._ray.wait(asked, num_returns=len(asked), timeout=0)  # whatever else has come
        ready = set(done)
        for ref in [ref for ref in asked if ref in ready]:  # as they were asked: what was done comes before a loss
            if ref not in self._asked:  # of a worker that turned out to be gone
                continue
            worker, bundle = self._asked.pop(ref)
            try:
                value = self._ray.get(ref)
            except errors.RayTaskError:  # a fault of ours
                raise
            except errors.RayError as error:  # the process, the machine, or what it had made
                if bundle is None:
                    self._never_ready(error)
                yield worker, bundle, _GONE
                continue
            if bundle is None:
                if value is not None:
                    raise value
                self._hands[worker], self._failures = deque(), 0
                continue
            seconds, results = value
            if bundle.weight:
                pace = seconds / bundle.weight
                self._pace = pace if self._pace == inf else (1 - LATEST) * self._pace + LATEST * pace
            yield worker, bundle, results

    def _never_ready(self, error: Exception) -> None:
        self._failures += 1
        if getattr(error, "actor_init_failed", False) or self._failures > ATTEMPTS * self._size:
            raise ConfigError(
                f"the workers of the cluster end before they begin ({words_of(error, 200)}); install kinema on all its "
                "machines"
            ) from error


_GONE = object()
