"""A process that works on broken files, and what becomes of it: watched from outside, ended and started anew."""

from __future__ import annotations

import contextlib
import multiprocessing
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import psutil

from kinema.errors import KinemaError

PATIENCE = 10.0
"""Seconds of computing after which a task hangs: the same on a machine that other work keeps busy."""
ASLEEP = 60.0
"""Seconds in which a task that hangs does not compute at all."""
MEMORY = 1 << 30
"""Bytes."""


@dataclass(frozen=True)
class Outcome:
    """What became of a task.

    Attributes:
        kind: "done", "refused" (in a sentence), "traceback", "crash", "hang" or "memory".
        value: what it gave, or the words.
    """

    kind: str
    value: Any

    @property
    def fine(self) -> bool:
        """Whether a user would be content."""
        return self.kind in ("done", "refused")


class Watched:
    """Asks tasks of a process; use as a context manager.

    Args:
        make: called in the process, gives an object whose methods are the tasks.
        arguments: of it.
    """

    def __init__(self, make: Callable[..., object], *arguments: Any):
        self._make, self._arguments = make, arguments
        self._process: multiprocessing.process.BaseProcess | None = None
        self._pipe: Connection | None = None
        self.peak = 0  # bytes, of all processes so far

    def __enter__(self) -> Watched:
        return self

    def __exit__(self, *_: object) -> None:
        self._end()

    def ask(self, task: str, *arguments: Any) -> Outcome:
        """Do a task."""
        pipe = self._running()
        pipe.send((task, arguments))
        assert self._process is not None and self._process.pid is not None
        watched = psutil.Process(self._process.pid)
        used, computed = sum(watched.cpu_times()[:2]), 0.0
        awake = time.monotonic()
        while not pipe.poll(0.2):
            before = computed
            with contextlib.suppress(psutil.Error):
                computed = sum(watched.cpu_times()[:2]) - used
            if computed > before:
                awake = time.monotonic()
            if not self._process.is_alive() and not pipe.poll(0):
                code = self._process.exitcode
                self._end()
                return Outcome("crash", f"ended with {code}")
            if computed > PATIENCE or time.monotonic() - awake > ASLEEP:
                self._end()
                return Outcome("hang", f"{computed:.0f} s of computing")
        try:
            kind, value, peak = pipe.recv()
        except (EOFError, ConnectionError):
            self._process.join()
            code = self._process.exitcode
            self._end()
            return Outcome("crash", f"ended with {code}")
        self.peak = max(self.peak, peak)
        if peak > MEMORY:
            self._end()
            return Outcome("memory", f"{peak >> 20} MiB after {kind}: {value}")
        return Outcome(kind, value)

    def _running(self) -> Connection:
        if self._pipe is None:
            context = multiprocessing.get_context("spawn")
            self._pipe, theirs = context.Pipe()
            self._process = context.Process(target=_serve, args=(theirs, self._make, self._arguments))
            self._process.start()
            theirs.close()
            assert self._pipe.recv() == "ready"
        return self._pipe

    def _end(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.join()
        if self._pipe is not None:
            self._pipe.close()
        self._process = self._pipe = None


def _serve(pipe: Connection, make: Callable[..., object], arguments: tuple[Any, ...]) -> None:
    tasks = make(*arguments)
    pipe.send("ready")
    while True:
        try:
            task, given = pipe.recv()
        except EOFError:
            return
        try:
            kind, value = "done", getattr(tasks, task)(*given)
        except KinemaError as error:
            words = str(error)
            kind, value = (
                ("refused", words) if words and "\n" not in words else ("traceback", f"not a sentence: {words!r}")
            )
        except BaseException:
            kind, value = "traceback", traceback.format_exc()
        pipe.send((kind, value, _peak()))


def _peak() -> int:
    """Bytes of memory that this process has had at most; ``ru_maxrss`` would count its parent's."""
    (line,) = (line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024
