"""Flow of whole videos on a GPU: threads decode and pack, and take turns on the device."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Event, Lock
from typing import TypeVar

import numpy as np
import torch

from kinema.common.device import find_device
from kinema.errors import ConfigError, KinemaError
from kinema.flow import FlowEstimator

T = TypeVar("T")


def flow_device(estimator: FlowEstimator, name: str) -> torch.device:
    """Where an estimator is to compute.

    Args:
        estimator: whose flow is wanted.
        name: "auto" (a GPU if there is one and the estimator can use it), "cpu", "cuda", "cuda:1", ...

    Raises:
        ConfigError: there is no such device here, or the estimator computes on the CPU alone.
    """
    device = find_device("cpu" if name == "auto" and not estimator.any_device else name)
    if device.type != "cpu" and not estimator.any_device:
        raise ConfigError(f"{estimator.name} computes on the CPU alone, not on {name}: use auto, or another estimator")
    return device


class DevicePairs:
    """An estimator's flow of arrays, on a device that several threads share: one batch at a time.

    Args:
        estimator: one that computes on any device.
        device: where.
    """

    def __init__(self, estimator: FlowEstimator, device: torch.device):
        self.estimator, self.device = estimator, device
        self._free, self._stopped = Lock(), Event()

    def __call__(self, first: np.ndarray, second: np.ndarray) -> np.ndarray:
        """See :meth:`~kinema.flow.FlowEstimator.pairs`.

        Raises:
            KinemaError: :meth:`stop` was called, or the device has too little memory.
        """
        with self._free:
            if self._stopped.is_set():
                raise KinemaError("stopped")
            try:
                one, other = (torch.from_numpy(frames).to(self.device) for frames in (first, second))
                flow: np.ndarray = self.estimator.pairs(one, other).cpu().numpy()
            except torch.OutOfMemoryError as error:
                height, width = first.shape[1:3]
                raise KinemaError(
                    f"{self.device} has too little memory for flow of {width} x {height} pixels: scale the frames down "
                    "(--short-side), or use --device cpu"
                ) from error
            return flow

    def stop(self) -> None:
        """Let whoever asks from now on break off."""
        self._stopped.set()


@contextlib.contextmanager
def in_threads(work: Callable[[int], T], count: int, threads: int, stop: Callable[[], None]) -> Iterator[Iterator[T]]:
    """What ``work`` makes of 0 to ``count`` - 1, in this order, made by several threads while the block lasts.

    Args:
        work: called by each thread with numbers of its own.
        count: of numbers.
        threads: at least one.
        stop: called at the end of the block, so that what is still under way ends soon.
    """
    pool = ThreadPoolExecutor(threads)
    try:
        yield pool.map(work, range(count))
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
        stop()
        pool.shutdown()
