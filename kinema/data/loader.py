"""Loaders whose processes do not get in each other's way."""

from __future__ import annotations

import os
import signal
from functools import partial
from typing import Any

import torch
from torch.utils.data import DataLoader, Dataset

from kinema.flow import set_opencv_threads


def make_loader(data: Dataset[Any], workers: int, **options: Any) -> DataLoader[Any]:
    """A loader with one thread in each of its processes: there is about one process for each core.

    Args:
        data: what to load.
        workers: number of processes; 0 to load in this one.
        options: of the :class:`~torch.utils.data.DataLoader`.
    """
    if workers:  # OpenCV's threads do not outlive a fork, and the new process would wait for them for ever
        set_opencv_threads(1)
    return DataLoader(data, num_workers=workers, worker_init_fn=partial(_start_worker, os.getpid()), **options)


def _start_worker(parent: int, _worker: int) -> None:
    if os.getppid() != parent:  # it was killed already, and the worker would wait for ever
        os._exit(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal sends Ctrl-C to all; whoever loads decides what it means
    torch.set_num_threads(1)
    set_opencv_threads(1)
