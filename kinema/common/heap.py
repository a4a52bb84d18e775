"""The C library's heap: what is freed goes back to the system, or stays for what comes next. Of glibc alone."""

from __future__ import annotations

import ctypes
import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache

EVERY = 128  # decoders freed between two trims; a trim takes some milliseconds, opening that many files seconds
TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3  # M_TRIM_THRESHOLD and M_MMAP_THRESHOLD of malloc.h
NEVER = 2**31 - 1
LARGEST = 2**25
"""Bytes of a block up to which glibc learns by itself to take it from the heap; larger ones are the system's."""

_freed = itertools.count(1)


@cache
def _of_glibc(name: str) -> Callable[..., int] | None:
    """A function of the C library; None where it has none of that name, as on macOS and musl."""
    try:
        function: Callable[..., int] = getattr(ctypes.CDLL(None), name)
    except (AttributeError, OSError, TypeError):
        return None
    return function


def decoder_freed() -> None:
    """Say that a decoder was freed; now and then this returns what glibc keeps of such memory.

    glibc serves buffers of different sizes, which decoders free in another order than they took them, from a heap that
    it gives back at its end alone. Left to itself, resident memory grows by some KiB with every file.
    """
    if next(_freed) % EVERY == 0 and (trim := _of_glibc("malloc_trim")):
        trim(0)


@contextmanager
def freed_memory_kept() -> Iterator[None]:
    """Inside, memory that is freed stays with this process, for what wants as much again; at the end it goes back.

    Left to itself, glibc gives the heap's end back whenever that is larger than two such blocks, and it comes from the
    system anew, in empty pages: for up to a tenth of the time of a training step.
    """
    mallopt, trim = _of_glibc("mallopt"), _of_glibc("malloc_trim")
    if mallopt is None or trim is None:
        yield
        return
    mallopt(MMAP_THRESHOLD, LARGEST)  # which it no longer learns once it is told anything
    mallopt(TRIM_THRESHOLD, NEVER)
    try:
        yield
    finally:
        mallopt(TRIM_THRESHOLD, 2 * LARGEST)
        trim(0)
