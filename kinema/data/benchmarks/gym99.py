"""Gym99, the 99 elements of FineGym (Shao et al., CVPR 2020): the lists of its version 1.0."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from kinema.data.benchmarks.description import SIDES, Benchmark, Listed
from kinema.data.benchmarks.lists import not_a_list, read_lines

CLASSES = 99


def read(lists: Sequence[Path], fold: int) -> Iterator[Listed]:
    """The train list and the validation list; a class is called by its number, in two digits.

    There are no groups: the official parts share broadcasts.
    """
    looks = "0LtLS9wROrk_E_002407_002435_A_0003_0005 78"
    for side, part in zip(SIDES, lists, strict=True):
        for line in read_lines(part, r"(\S{11}_E_\d{6}_\d{6}_A_\d{4}_\d{4})(?:\.\w+)? (\d+)", looks):
            if int(line[2]) >= CLASSES:
                raise not_a_list(str(part), line[0], f"a class from 0 to {CLASSES - 1}")
            yield Listed(line[1], f"{int(line[2]):02}", side)


GYM99 = Benchmark(
    name="gym99",
    title="Gym99",
    classes=CLASSES,
    counts=((20_484, 8_521),),
    lists=(
        ("gym99_train.txt", "gym99_train_element_v1.0.txt", "gym99_train_element.txt"),
        ("gym99_val.txt", "gym99_val_element.txt"),
    ),
    read=read,
    example="0LtLS9wROrk_E_002407_002435_A_0003_0005.mp4",
    test_is="validation",
    normal_missing=0.1,  # the videos are to be had from YouTube alone
)
