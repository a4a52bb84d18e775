"""The cores that there are for a piece of work, and the processes that share it."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from threadpoolctl import threadpool_limits
    from torch import Tensor

Piece = TypeVar("Piece")
Made = TypeVar("Made")

RANKS = ("RANK", "LOCAL_RANK", "NODE_RANK", "GROUP_RANK", "SLURM_PROCID")
"""Where those who begin the processes of one training say which is which."""


def available_cores() -> int:
    """Cores that this process may use: fewer than the machine has where a job system or a container says so."""
    affinity = getattr(os, "sched_getaffinity", None)  # Linux alone has it
    return len(affinity(0)) if affinity is not None else os.cpu_count() or 1


def on_a_core_each(work: Callable[[Piece], Made], parts: Sequence[Piece]) -> list[Made]:
    """What ``work`` makes of each part, on as many threads as PyTorch has for this one, which have a core each.

    To share out every small operation over the cores would cost more in waiting than it gains.
    """
    import torch

    threads = torch.get_num_threads()
    if threads == 1 or len(parts) < 2:
        return [work(part) for part in parts]
    try:
        with ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,)) as pool:
            return list(pool.map(work, parts))
    finally:
        torch.set_num_threads(threads)  # the setting of a thread is also that of threads to come


def one_product_thread() -> threadpool_limits:
    """NumPy's products take one thread from now until this is left: a second one waits, at work, between small ones."""
    from threadpoolctl import threadpool_limits

    return threadpool_limits(1, "blas")


def is_first() -> bool:
    """Whether this is the only process of a training, or the first: the one that speaks and writes."""
    return all(os.environ.get(name, "0") == "0" for name in RANKS)


def rank_and_count() -> tuple[int, int]:
    """The number of this process among those that train together, and how many they are; (0, 1) for one alone."""
    from torch import distributed

    if not (distributed.is_available() and distributed.is_initialized()):
        return 0, 1
    return distributed.get_rank(), distributed.get_world_size()


@dataclass(frozen=True)
class Part:
    """Which part of a batch a process has.

    Random numbers are drawn for the whole, and each process takes those of its own clips, so that it makes no
    difference over how many of them the batch is shared out.

    Attributes:
        rank: the number of the process, from 0.
        count: how many share the batch, in equal parts.
    """

    rank: int = 0
    count: int = 1

    def of(self, values: Tensor) -> Tensor:
        """The rows (B, ...) of this process among those of the whole batch (B * count, ...)."""
        size = len(values) // self.count
        return values[self.rank * size : (self.rank + 1) * size]


WHOLE = Part()
"""What a process has that trains alone."""


def gather(values: Tensor) -> Tensor:
    """(N, ...) of each process, one after another: (N * processes, ...), the same on all, without gradient.

    Every process that trains has to call it, with as many values.
    """
    import torch
    from torch import distributed

    _, count = rank_and_count()
    if count == 1:
        return values.detach()
    parts = [torch.empty_like(values, memory_format=torch.contiguous_format) for _ in range(count)]
    distributed.all_gather(parts, values.detach().contiguous())
    return torch.cat(parts)


def anywhere(*here: bool) -> list[bool]:
    """Whether each of these is so in any process, the same in all; every process that trains has to call it."""
    import torch
    from torch import distributed

    if rank_and_count()[1] == 1:
        return list(here)
    device = "cuda" if distributed.get_backend() == "nccl" else "cpu"
    return gather(torch.tensor([here], dtype=torch.uint8, device=device)).amax(dim=0).bool().tolist()
