from __future__ import annotations

import gc
import random
import time

import psutil
import pytest

from kinema.common import heap
from kinema.errors import VideoError
from kinema.video import Video, View


def resident() -> float:
    """MiB, without what the allocator keeps for later: that varies by tens of MiB from one moment to the next."""
    if trim := heap._of_glibc("malloc_trim"):
        trim(0)
    return psutil.Process().memory_info().rss / 2**20


def test_closing_frees_everything_without_the_garbage_collector(shared_data) -> None:
    """Decoders hold megabytes in a handful of Python objects, too few for the collector to run in time."""
    used = []
    gc.collect()
    gc.disable()
    try:
        for _ in range(60):
            with Video(shared_data / "assets" / "tc_testsrc2_mpeg4.avi", View(short_side=64)) as video:
                video.at_times([0.1, 0.2])
            used.append(resident())
    finally:
        gc.enable()
    assert max(used) - used[9] < 20


@pytest.mark.skipif(heap._of_glibc("malloc_trim") is None, reason="this C library has no malloc_trim")
def test_what_the_allocator_keeps_is_given_back_now_and_then() -> None:
    process, blocks = psutil.Process(), [b"x" * 100_000 for _ in range(1000)]
    del blocks[:-1]  # the last one keeps the heap from shrinking at its end
    kept = process.memory_info().rss
    for _ in range(heap.EVERY):
        heap.decoder_freed()
    assert kept - process.memory_info().rss > 50e6


@pytest.mark.slow
@pytest.mark.timeout(7200)
def test_memory_stays_flat_over_twenty_thousand_reads(shared_data) -> None:
    """Random clips from all assets; the first tenth warms caches and allocator up."""
    rng, process = random.Random(3), psutil.Process()
    files = sorted((shared_data / "assets").iterdir())
    reads, memory, began = 20_000, [], time.perf_counter()
    for number in range(reads):
        try:
            with Video(rng.choice(files), View(short_side=64)) as video:
                start = rng.uniform(0, 3)
                video.at_times([start + 0.04 * i for i in range(4)])
        except VideoError:
            pass
        if number % 1000 == 0 and number >= reads // 10:
            gc.collect()
            memory.append(resident())
    rate = reads / (time.perf_counter() - began)
    print(f"\nresident memory from {memory[0]:.0f} to {memory[-1]:.0f} MiB, peak {max(memory):.0f}; {rate:.0f} reads/s")
    assert max(memory) - memory[0] < 16
    assert process.num_fds() < 64
