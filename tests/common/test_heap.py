"""What glibc does with memory that is freed; in processes of their own, whose heaps nobody else has had."""

from __future__ import annotations

import subprocess
import sys

import pytest

from kinema.common import heap

COUNT_FAULTS = """
import resource
import torch
from kinema.common.heap import freed_memory_kept

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(10):
        held = [torch.ones(6_000_000) for _ in range(6)]  # 23 MiB each
        del held
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize() / 2**20

outside = faults()
with freed_memory_kept():
    faults()
    inside, held = faults(), resident()
print(outside, inside, held - resident(), faults())
"""


@pytest.mark.skipif(heap._of_glibc("mallopt") is None, reason="this C library has no mallopt")
def test_memory_that_is_freed_is_used_again_inside_and_given_back_after() -> None:
    done = subprocess.run([sys.executable, "-c", COUNT_FAULTS], check=True, capture_output=True, text=True)
    outside, inside, given_back, after = map(float, done.stdout.split())
    assert 10 * inside < outside  # pages that the system gave anew
    assert given_back > 80 and 10 * inside < after


def test_without_glibc_memory_is_left_to_the_system(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heap, "_of_glibc", lambda name: None)
    with heap.freed_memory_kept():
        heap.decoder_freed()
