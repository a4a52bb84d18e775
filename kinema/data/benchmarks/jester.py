"""Jester v1 (Materzynska et al., ICCV workshops 2019): official train and validation lists, with `;` between fields."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from kinema.data.benchmarks.description import SIDES, Benchmark, Listed
from kinema.data.benchmarks.lists import not_a_list, read_lines


def read(lists: Sequence[Path], fold: int) -> Iterator[Listed]:
    """The labels, the train list and the validation list; the test list has no labels."""
    path, *parts = lists
    labels = {line[0] for line in read_lines(path, r"[A-Z][A-Za-z ]*", "Swiping Left")}
    for side, part in zip(SIDES, parts, strict=True):
        for line in read_lines(part, r"(\d+);(.+)", "34870;Drumming Fingers"):
            if line[2] not in labels:
                raise not_a_list(str(part), line[0], f"a label of {path.name} after the semicolon")
            yield Listed(line[1], line[2], side)


JESTER = Benchmark(
    name="jester",
    title="Jester",
    classes=27,
    counts=((118_562, 14_787),),
    lists=(("jester-v1-labels.csv",), ("jester-v1-train.csv",), ("jester-v1-validation.csv",)),
    read=read,
    example="34870, a folder of numbered pictures",
    test_is="validation",
)
