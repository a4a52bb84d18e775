"""Loaders whose processes do not get in each other's way, and say in a sentence what ends them."""

from __future__ import annotations

import io
import multiprocessing
import os
import pickle
import re
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from kinema.errors import ConfigError, KinemaError
from kinema.flow import set_opencv_threads

Made = TypeVar("Made", covariant=True)

FULL = (
    "processes that read videos hand them over in shared memory, and /dev/shm is full; make it larger (docker run "
    "--shm-size=2g), or use fewer workers, or 0 to read in this process"
)


def make_loader(data: Dataset[Any], workers: int, **options: Any) -> DataLoader[Any]:
    """A loader with one thread in each of its processes: there is about one process for each core.

    Iterating raises a :class:`~kinema.errors.ConfigError` if one of the processes is killed, or cannot hand over what
    it has read.

    Args:
        data: what to load.
        workers: number of processes; 0 to load in this one.
        options: of the :class:`~torch.utils.data.DataLoader`.
    """
    if workers:  # OpenCV's threads do not outlive a fork, and the new process would wait for them for ever
        set_opencv_threads(1)
        options["collate_fn"] = partial(_into_shared_memory, options.get("collate_fn"))
    return _Loader(data, num_workers=workers, worker_init_fn=partial(_start_worker, os.getpid()), **options)


@dataclass(eq=False, repr=False)
class Each(Dataset[Made]):
    """What ``work`` makes of each of the items, when it is asked for."""

    work: Callable[[Any], Made]
    items: Sequence[Any]

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: int) -> Made:
        return self.work(self.items[index])


class _Loader(DataLoader[Any]):
    def __iter__(self) -> Iterator[Any]:  # type: ignore[override]
        try:
            loaded = super().__iter__()
        except OSError as error:  # a queue of a process is in shared memory too
            raise ConfigError(FULL) from error
        while True:
            try:
                with explaining():
                    batch = next(loaded)
            except StopIteration:
                return
            yield batch


@contextmanager
def explaining() -> Iterator[None]:
    """Around work on what a loader brings: PyTorch says that a process died wherever the program happens to be then.

    Raises:
        ConfigError: one of the loader's processes was killed.
    """
    try:
        yield
    except RuntimeError as error:
        raise _explained(error) or error from error


def _into_shared_memory(collate: Callable[[Any], Any] | None, items: Any) -> Any:
    """Collate what a process has read, and put its tensors where another process can see them.

    PyTorch would do so later, in a thread whose errors are printed and lost: the batch would be waited for for ever.
    """
    batch = items if collate is None else collate(items)
    _Sharing(io.BytesIO()).dump(batch)
    return batch


class _Sharing(pickle.Pickler):
    """Goes through whatever can be handed over; shares its tensors and writes none of the numbers."""

    def reducer_override(self, value: Any) -> Any:
        if isinstance(value, torch.Tensor):
            value.share_memory_()
        return (int, ()) if isinstance(value, torch.Tensor | np.ndarray) else NotImplemented


def _explained(error: RuntimeError) -> KinemaError | None:
    """What PyTorch's error about a loader's process means; None if it is another error."""
    text = str(error)
    if "shared memory" in text or "unable to write to file </torch" in text:
        return ConfigError(FULL)
    died = re.search(r"DataLoader worker .*(killed by signal: \w+|exited unexpectedly)", text)
    if died is None:
        return None
    return ConfigError(
        f"a process that reads videos was {died[1]}, as it happens where memory is short; use fewer workers"
    )


def _start_worker(parent: int, _worker: int) -> None:
    if _orphaned(parent):  # whoever loads was killed already, and the worker would wait for ever
        os._exit(1)
    # Ctrl-C in a terminal, timeout and job systems signal a whole group; whoever loads decides what that means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if hasattr(os, "setpgid"):
        os.setpgid(0, 0)
    torch.set_num_threads(1)
    set_opencv_threads(1)


def _orphaned(parent: int) -> bool:
    """Whether the process that began this one has ended; ``parent`` is its number."""
    if multiprocessing.get_start_method() != "forkserver":
        return os.getppid() != parent
    began = multiprocessing.parent_process()  # a server forks for it, so that it is nobody's parent
    return began is None or not began.is_alive()
