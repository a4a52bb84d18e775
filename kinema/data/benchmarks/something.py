"""Something-Something v2 (Goyal et al., ICCV 2017): train and validation lists; the test list has no labels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from kinema.data.benchmarks.description import SIDES, Benchmark, Listed
from kinema.data.benchmarks.lists import not_a_list, read_json, read_records

LOOKS = '"template": "Holding [something] next to [something]"'


def read(lists: Sequence[Path], fold: int) -> Iterator[Listed]:
    """The labels, the train list and the validation list.

    A video's label is its template without the brackets, as the list of labels spells it.
    """
    path, *parts = lists
    labels = read_json(path)
    if not isinstance(labels, dict):
        raise not_a_list(str(path), type(labels).__name__, '{"Approaching something with your camera": "0", ...}')
    for side, part in zip(SIDES, parts, strict=True):
        for record in read_records(part, ("id", "template")):
            label = str(record["template"]).replace("[", "").replace("]", "")
            if label not in labels:
                raise not_a_list(str(part), str(record["template"]), LOOKS)
            yield Listed(str(record["id"]), label, side)


SSV2 = Benchmark(
    name="ssv2",
    title="Something-Something v2",
    classes=174,
    counts=((168_913, 24_777),),
    lists=(
        ("something-something-v2-labels.json", "labels.json"),
        ("something-something-v2-train.json", "train.json"),
        ("something-something-v2-validation.json", "validation.json"),
    ),
    places=("labels", "something-something-v2"),
    read=read,
    example="74225.webm",
    test_is="validation",
)
