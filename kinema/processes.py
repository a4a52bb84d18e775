"""The cores that there are for a piece of work, and the processes that share it."""

from __future__ import annotations

import os

RANKS = ("RANK", "LOCAL_RANK", "NODE_RANK", "GROUP_RANK", "SLURM_PROCID")
"""Where those who begin the processes of one training say which is which."""


def available_cores() -> int:
    """Cores that this process may use: fewer than the machine has where a job system or a container says so."""
    affinity = getattr(os, "sched_getaffinity", None)  # Linux alone has it
    return len(affinity(0)) if affinity is not None else os.cpu_count() or 1


def is_first() -> bool:
    """Whether this is the only process of a training, or the first: the one that speaks and writes."""
    return all(os.environ.get(name, "0") == "0" for name in RANKS)
