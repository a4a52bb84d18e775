"""Several trainings at the same time, each in a process of its own."""

from __future__ import annotations

import contextlib
import dataclasses
import io
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Iterator, Mapping
from multiprocessing.connection import Connection, wait
from typing import Any

import torch

from kinema.config import PretrainConfig
from kinema.training.pretrain import Run, pretrain


def pretrain_side_by_side(config: PretrainConfig, jobs: Mapping[str, Mapping[str, Any]]) -> dict[str, Run]:
    """Call :func:`~kinema.training.pretrain` for every job, all at the same time where the cores suffice.

    A small encoder keeps one core busy and its loader another one half, so two trainings take little longer than one.
    One after another where a GPU, or a single core, would be shared.

    Args:
        config: the settings of all.
        jobs: by name, which begins each line of what a training says: the other arguments.

    Returns:
        The runs, by the names of the jobs.

    Raises:
        KinemaError: of the first job that failed; the others are stopped, and leave checkpoints.
        Stopped: the user asked to stop; checkpoints were left.
    """
    cores = os.cpu_count() or 1
    if cores == 1 or len(jobs) == 1 or torch.cuda.is_available():
        return {name: pretrain(config=config, **job) for name, job in jobs.items()}
    threads = config.trainer.threads or max(1, cores // len(jobs) - config.trainer.workers)
    config = dataclasses.replace(config, trainer=dataclasses.replace(config.trainer, threads=threads))
    context = multiprocessing.get_context("spawn")
    processes: dict[str, Any] = {}
    pipes: dict[str, Connection] = {}
    results: dict[str, Run] = {}
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})  # until a process can answer for itself
    try:
        for name, job in jobs.items():
            pipes[name], theirs = context.Pipe(duplex=False)
            processes[name] = context.Process(target=_work, args=(theirs, name, config, job), name=name)
            processes[name].start()
            theirs.close()
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        for name in _arriving(pipes):
            try:
                result = pipes[name].recv()
            except EOFError:
                raise RuntimeError(f"the training of {name} ended without a word") from None
            if isinstance(result, BaseException):
                raise result
            results[name] = result
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        for process in processes.values():
            if process.is_alive():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(process.pid, signal.SIGINT)  # it saves and stops
        for process in processes.values():
            process.join()
    return {name: results[name] for name in jobs}


def _arriving(pipes: Mapping[str, Connection]) -> Iterator[str]:
    """The names of the pipes, each as soon as something has come through it."""
    waiting = {pipe: name for name, pipe in pipes.items()}
    while waiting:
        for pipe in wait(list(waiting)):
            assert isinstance(pipe, Connection)
            yield waiting.pop(pipe)


def _work(pipe: Connection, name: str, config: PretrainConfig, job: Mapping[str, Any]) -> None:
    os.setsid()  # a terminal's Ctrl-C reaches the parent alone, which passes it on once
    threading.Thread(target=_end_with_parent, daemon=True).start()
    sys.stderr = _Prefixed(f"{name}: ")
    try:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
        pipe.send(pretrain(config=config, **job))
    except BaseException as error:
        pipe.send(error)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    wait([parent.sentinel])
    os.kill(os.getpid(), signal.SIGKILL)


class _Prefixed(io.TextIOBase):
    """Standard error with something before every line; no terminal, so that nobody draws bars on it."""

    def __init__(self, prefix: str):
        self.prefix, self.begun = prefix, ""

    def write(self, text: str) -> int:
        *lines, self.begun = (self.begun + text).split("\n")
        assert sys.__stderr__ is not None
        sys.__stderr__.write("".join(f"{self.prefix}{line}\n" for line in lines))
        sys.__stderr__.flush()
        return len(text)

    def writable(self) -> bool:
        return True
