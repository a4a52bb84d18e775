"""UCF101 (Soomro, Zamir and Shah, 2012): three folds; the lists of `UCF101TrainTestSplits-RecognitionTask.zip`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from kinema.data.benchmarks.description import SIDES, Benchmark, Listed, source_of
from kinema.data.benchmarks.lists import not_a_list, read_lines

LOOKS = "ApplyEyeMakeup/v_ApplyEyeMakeup_g08_c01.avi 1"


def read(lists: Sequence[Path], fold: int) -> Iterator[Listed]:
    """A fold from `classInd.txt`, its train list and its test list, which has no class numbers.

    The group is the recording that a clip was cut from, ``g01`` to ``g25`` of each class.
    """
    index, *parts = lists
    classes = {line[2]: line[1] for line in read_lines(index, r"(\d+) (\w+)", "1 ApplyEyeMakeup")}
    for side, path in zip(SIDES, parts, strict=True):
        for line in read_lines(path, r"(\w+)/(v_\w+_g\d\d_c\d\d)\.avi(?: (\d+))?", LOOKS):
            label, name, number = line.groups()
            if classes.get(label) is None or number not in (None, classes[label]):
                raise not_a_list(str(path), line[0], LOOKS)
            yield Listed(name, label, side, source_of(r"(.*)_c\d\d$", name))


UCF101 = Benchmark(
    name="ucf101",
    title="UCF101",
    classes=101,
    counts=((9537, 3783), (9586, 3734), (9624, 3696)),
    lists=(("classInd.txt",), ("trainlist{fold:02}.txt",), ("testlist{fold:02}.txt",)),
    places=("ucfTrainTestlist", "splits_classification"),
    read=read,
    example="v_ApplyEyeMakeup_g01_c01.avi",
    key=str.casefold,  # copies differ in the spelling of v_HandStandPushups
)
