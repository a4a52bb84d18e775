"""Giving freed memory back to the system."""

from __future__ import annotations

import ctypes
import itertools
from collections.abc import Callable
from functools import cache

EVERY = 128  # decoders freed between two trims; a trim takes some milliseconds, opening that many files seconds

_freed = itertools.count(1)


@cache
def _malloc_trim() -> Callable[[int], int] | None:
    """The C library's own function; None where it has none, as on macOS and musl."""
    try:
        return ctypes.CDLL(None).malloc_trim
    except (AttributeError, OSError, TypeError):
        return None


def decoder_freed() -> None:
    """Say that a decoder was freed; now and then this returns what glibc keeps of such memory.

    glibc serves buffers of different sizes, which decoders free in another order than they took them, from a heap that
    it gives back at its end alone. Left to itself, resident memory grows by some KiB with every file.
    """
    if next(_freed) % EVERY == 0 and (trim := _malloc_trim()):
        trim(0)
