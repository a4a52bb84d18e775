"""Bytes that are nearly those of a good file: flipped, cut, spliced, doubled, wiped, with other numbers in headers."""

from __future__ import annotations

import random
from collections.abc import Callable

HEADER = 2048  # bytes


def _flipped(data: bytearray, rng: random.Random, donor: bytes) -> None:
    for _ in range(rng.choice([1, 3, 20, 200])):
        data[rng.randrange(len(data))] = rng.randrange(256)


def _header(data: bytearray, rng: random.Random, donor: bytes) -> None:
    """Numbers of one to four bytes among the first, or, where boxes have their names, beside the name of one."""
    for _ in range(rng.choice([1, 2, 8])):
        names = [at for name in NAMES if (at := data.find(name, rng.randrange(len(data)))) >= 0]
        at = rng.choice(names) + rng.randrange(-4, 40) if names and rng.random() < 0.7 else rng.randrange(HEADER)
        size = rng.choice([1, 2, 4])
        number = rng.choice([0, 1, 127, 128, 255, 256, 65535, 1 << 24, (1 << 31) - 1, 1 << 31, (1 << 32) - 1])
        data[max(0, at) : max(0, at) + size] = (number % (1 << (8 * size))).to_bytes(
            size, rng.choice(["big", "little"])
        )


NAMES = b"stts stsz stsc stco mdhd tkhd mvhd elst avcC hvcC stsd ctts moov mdat avih strh idx1 OggS theora".split()


def _cut(data: bytearray, rng: random.Random, donor: bytes) -> None:
    del data[rng.randrange(1, len(data) + 1) :]


def _hole(data: bytearray, rng: random.Random, donor: bytes) -> None:
    at = rng.randrange(len(data))
    del data[at : at + rng.randrange(1, 1 + len(data) // 4 + 1)]


def _wiped(data: bytearray, rng: random.Random, donor: bytes) -> None:
    at, size = rng.randrange(len(data)), rng.randrange(1, 1 + len(data) // 4 + 1)
    size = min(size, len(data) - at)
    data[at : at + size] = bytes([rng.choice([0, 255])]) * size


def _doubled(data: bytearray, rng: random.Random, donor: bytes) -> None:
    at = rng.randrange(len(data))
    data[at:at] = data[at : at + rng.randrange(1, 1 + len(data) // 2 + 1)]


def _spliced(data: bytearray, rng: random.Random, donor: bytes) -> None:
    at = rng.randrange(len(data))
    begin = rng.randrange(len(donor) + 1)
    data[at : at + rng.choice([0, 4096])] = donor[begin : begin + rng.randrange(1, 1 << 16)]


def _swapped(data: bytearray, rng: random.Random, donor: bytes) -> None:
    size = max(1, len(data) // 8)
    one, other = rng.randrange(len(data)), rng.randrange(len(data))
    first, second = bytes(data[one : one + size]), bytes(data[other : other + size])
    data[one : one + len(second)], data[other : other + len(first)] = second, first


KINDS: dict[str, Callable[[bytearray, random.Random, bytes], None]] = {
    "flipped": _flipped,
    "header": _header,
    "cut": _cut,
    "hole": _hole,
    "wiped": _wiped,
    "doubled": _doubled,
    "spliced": _spliced,
    "swapped": _swapped,
}


def mutant(data: bytes, rng: random.Random, donor: bytes = b"") -> tuple[str, bytes]:
    """What was done to ``data``, and what became of it; ``donor`` gives foreign bytes."""
    kinds = [rng.choice(list(KINDS))] if rng.random() < 0.8 else rng.sample(list(KINDS), 2)
    made = bytearray(data)
    for kind in kinds:
        if made:
            KINDS[kind](made, rng, donor)
    return "+".join(kinds), bytes(made)
