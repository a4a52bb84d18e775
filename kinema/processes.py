"""Several processes that share one piece of work."""

from __future__ import annotations

import os

RANKS = ("RANK", "LOCAL_RANK", "NODE_RANK", "GROUP_RANK", "SLURM_PROCID")
"""Where those who begin the processes of one training say which is which."""


def is_first() -> bool:
    """Whether this is the only process of a training, or the first: the one that speaks and writes."""
    return all(os.environ.get(name, "0") == "0" for name in RANKS)
