"""Processes that write something while others search it once a second, and what either takes."""

from __future__ import annotations

import multiprocessing
import time
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import Any, NamedTuple

context = multiprocessing.get_context("spawn")

Ask = Callable[[int], bool]
"""Ask a question, the number of which counts those that were answered before; whether there was an answer."""


class Measured(NamedTuple):
    """What writers and searchers took."""

    seconds: float
    """From the beginning to the end of the last writer."""
    cpu: float
    """Seconds of processor time of all writers, all of their threads included."""
    results: list[Any]
    """What each writer returned."""
    times: list[float]
    """Milliseconds of each question that had an answer, of all searchers."""


class Failed(NamedTuple):
    """What went wrong in a process."""

    said: str


def written_while_searched(writers: Sequence[Callable[[], Any]], searchers: Sequence[Callable[[], Ask]]) -> Measured:
    """Let processes write while others search.

    Args:
        writers: called in a process each, when all processes are there.
        searchers: called in a process each; what they return is asked once a second until the last writer has ended.

    Raises:
        RuntimeError: something went wrong in a process, whose traceback it holds; the others are ended.
    """
    lines, processes = [], []
    for target, work in [*((_write, work) for work in writers), *((_search, work) for work in searchers)]:
        mine, theirs = context.Pipe()
        processes.append(context.Process(target=target, args=(work, theirs), daemon=True))
        processes[-1].start()
        theirs.close()  # so that a process that is killed is noticed
        lines.append(mine)
    try:
        for line in lines:
            _answer(line)
        began = time.perf_counter()
        for line in lines[: len(writers)]:
            line.send("go")
        written = [_answer(line) for line in lines[: len(writers)]]
        seconds = time.perf_counter() - began
        for line in lines[len(writers) :]:
            with suppress(BrokenPipeError):  # of which there is more to say when it does not answer
                line.send("stop")
        times = [one for line in lines[len(writers) :] for one in _answer(line)]
    finally:
        for process in processes:
            process.terminate()
            process.join()
    return Measured(seconds, sum(cpu for cpu, _ in written), [result for _, result in written], times)


def _answer(line: Connection) -> Any:
    try:
        said = line.recv()
    except (EOFError, ConnectionError):
        raise RuntimeError("a process was killed") from None
    if isinstance(said, Failed):
        raise RuntimeError(said.said)
    return said


def _write(work: Callable[[], Any], line: Connection) -> None:
    try:
        line.send("here")
        line.recv()
        cpu = time.process_time()
        result = work()
        line.send((time.process_time() - cpu, result))
    except Exception:
        line.send(Failed(traceback.format_exc()))


def _search(work: Callable[[], Ask], line: Connection) -> None:
    try:
        ask, times, last = work(), list[float](), 0.0
        line.send("here")
        while not line.poll(max(0.0, 1.0 - last)):
            start = time.perf_counter()
            if ask(len(times)):
                last = time.perf_counter() - start
                times.append(1e3 * last)
        line.send(times)
    except Exception:
        line.send(Failed(traceback.format_exc()))
