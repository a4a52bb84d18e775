"""HMDB51 (Kuehne et al., ICCV 2011): three folds; the lists of `test_train_splits.rar`, a file a class and fold."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from kinema.data.benchmarks.description import Benchmark, Listed, Side
from kinema.data.benchmarks.lists import find_list, read_lines

CLASSES = """
brush_hair cartwheel catch chew clap climb climb_stairs dive draw_sword dribble drink eat fall_floor fencing
flic_flac golf handstand hit hug jump kick kick_ball kiss laugh pick pour pullup punch push pushup ride_bike ride_horse
run shake_hands shoot_ball shoot_bow shoot_gun sit situp smile smoke somersault stand swing_baseball sword
sword_exercise talk throw turn walk wave
""".split()  # noqa: SIM905, easier to read so
SIDE_OF: dict[str, Side] = {"1": "train", "2": "test"}
"""What the numbers in the lists mean; videos with 0 have no part in a fold."""


def read(lists: Sequence[Path], fold: int) -> Iterator[Listed]:
    """A fold from the files of all classes, which lie beside the first."""
    for name in CLASSES:
        path = find_list(lists[0].parent, [f"{name}_test_split{fold}.txt"], "HMDB51")
        for line in read_lines(path, r"(\S+)\.avi ([012])", "April_09_brush_hair_u_nm_np1_ba_goo_0.avi 1"):
            if line[2] in SIDE_OF:
                yield Listed(line[1], name, SIDE_OF[line[2]])


HMDB51 = Benchmark(
    name="hmdb51",
    title="HMDB51",
    classes=51,
    counts=((3570, 1530),) * 3,
    lists=((f"{CLASSES[0]}_test_split{{fold}}.txt",),),
    places=("testTrainMulti_7030_splits", "test_train_splits"),
    read=read,
    example="April_09_brush_hair_u_nm_np1_ba_goo_0.avi",
)
