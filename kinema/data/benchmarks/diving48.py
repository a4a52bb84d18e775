"""Diving48 (Li, Li and Vasconcelos, ECCV 2018), with the cleaned labels of its second version."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from kinema.data.benchmarks.description import SIDES, Benchmark, Listed, source_of
from kinema.data.benchmarks.lists import not_a_list, read_json, read_records


def read(lists: Sequence[Path], fold: int) -> Iterator[Listed]:
    """The vocabulary, the train list and the test list; the group is the broadcast that a dive was cut from.

    Of the vocabulary's 48 dives one, number 30, has no video.
    """
    path, *parts = lists
    vocabulary = read_json(path)
    if not isinstance(vocabulary, list) or not all(isinstance(words, list) for words in vocabulary):
        raise not_a_list(str(path), type(vocabulary).__name__, '[["Back", "15som", "05Twis", "FREE"], ...]')
    names = [" ".join(map(str, words)) for words in vocabulary]
    for side, part in zip(SIDES, parts, strict=True):
        for record in read_records(part, ("vid_name", "label")):
            label = record["label"]
            if not isinstance(label, int) or not 0 <= label < len(names):
                raise not_a_list(str(part), str(record), f'"label" from 0 to {len(names) - 1}')
            name = str(record["vid_name"])
            yield Listed(name, names[label], side, source_of(r"(.*)_\d+$", name))


DIVING48 = Benchmark(
    name="diving48",
    title="Diving48 V2",
    classes=47,
    counts=((15_027, 1_970),),
    lists=(("Diving48_vocab.json",), ("Diving48_V2_train.json",), ("Diving48_V2_test.json",)),
    read=read,
    example="-mmq0PT-u8k_00155.mp4",
)
