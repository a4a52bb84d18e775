"""The true official lists, and lists that are not what they should be."""

from __future__ import annotations

import csv
import json
import re
import shutil
from collections import Counter
from pathlib import Path
from typing import get_args

import pytest

from kinema.config import BenchmarkName
from kinema.data.benchmarks import BENCHMARKS, get_benchmark
from kinema.data.benchmarks.description import Listed
from kinema.data.benchmarks.kinetics import key
from kinema.errors import ConfigError, DataError

UCF_COUNTS = {1: (9537, 3783), 2: (9586, 3734), 3: (9624, 3696)}
UCF, HMDB = "ucf101", "hmdb51/testTrainMulti_7030_splits"


def read(name: str, folder: Path, fold: int = 1) -> dict[str, list[Listed]]:
    rows = get_benchmark(name).listed(folder, fold)
    return {side: [row for row in rows if row.side == side] for side in ("train", "test")}


def classes(sides: dict[str, list[Listed]]) -> set[str]:
    return {row.label for rows in sides.values() for row in rows}


def test_the_command_line_knows_every_benchmark():
    assert list(get_args(BenchmarkName)) == list(BENCHMARKS) == [one.name for one in BENCHMARKS.values()]
    with pytest.raises(ConfigError, match="unknown benchmark 'ucf11'; choose one of ucf101, hmdb51,"):
        get_benchmark("ucf11")


@pytest.mark.shared
@pytest.mark.parametrize("fold", UCF_COUNTS)
def test_ucf101(annotations: Path, fold: int):
    sides = read("ucf101", annotations / UCF, fold)
    assert (len(sides["train"]), len(sides["test"])) == UCF_COUNTS[fold]
    assert len(classes(sides)) == 101
    groups = {side: {row.group for row in rows} for side, rows in sides.items()}
    assert not groups["train"] & groups["test"]
    assert len(groups["train"] | groups["test"]) == 101 * 25
    lines = (annotations / UCF / f"testlist{fold:02}.txt").read_text().split()
    assert [f"{row.label}/{row.name}.avi" for row in sides["test"]] == lines
    assert sides["test"][0].group == sides["test"][0].name[:-4]


@pytest.mark.shared
@pytest.mark.parametrize("fold", [1, 2, 3])
def test_hmdb51(annotations: Path, fold: int):
    sides = read("hmdb51", annotations / HMDB, fold)
    for side, (count, each) in {"train": (3570, 70), "test": (1530, 30)}.items():
        assert len(sides[side]) == count
        assert set(Counter(row.label for row in sides[side]).values()) == {each}
    assert len(classes(sides)) == 51 and "shake_hands" in classes(sides)
    unused = "Aussie_Brunette_Brushing_Hair_II_brush_hair_u_nm_np1_ba_goo_4"
    assert fold != 1 or unused not in {row.name for rows in sides.values() for row in rows}


@pytest.mark.shared
def test_diving48(annotations: Path):
    sides = read("diving48", annotations / "diving48")
    assert (len(sides["train"]), len(sides["test"]), len(classes(sides))) == (15_027, 1_970, 47)
    assert sides["train"][0] == Listed("-mmq0PT-u8k_00155", "Back 15som 05Twis FREE", "train", "-mmq0PT-u8k")
    assert not {row.group for row in sides["train"]} & {row.group for row in sides["test"]}


@pytest.mark.shared
def test_gym99(annotations: Path):
    sides = read("gym99", annotations / "gym")
    assert (len(sides["train"]), len(sides["test"])) == (20_484, 8_521)
    assert classes(sides) == {f"{number:02}" for number in range(99)}
    assert sides["test"][0] == Listed("0LtLS9wROrk_E_002407_002435_A_0003_0005", "78", "test")


@pytest.mark.shared
def test_something_something(ssv2_lists: Path, annotations: Path):
    sides = read("ssv2", ssv2_lists)
    assert len(sides["test"]) == 24_777 and len({row.label for row in sides["test"]}) == 174
    assert sides["test"][0] == Listed("74225", "Spinning something that quickly stops spinning", "test")
    (ssv2_lists / "something-something-v2-train.json").rename(ssv2_lists / "train.json")  # as it is called of late
    assert read("ssv2", ssv2_lists) == sides
    shutil.copy(annotations / "ssv2/something-something-v2-train.SAMPLE.json", ssv2_lists / "train.json")
    with pytest.raises(DataError, match=r"train list of Something-Something v2, .* has 4 videos where 168913 were"):
        read("ssv2", ssv2_lists)


@pytest.mark.shared
def test_jester(jester_lists: Path, annotations: Path):
    sides = read("jester", jester_lists)
    assert (len(sides["train"]), len(sides["test"]), len(classes(sides))) == (118_562, 14_787, 27)
    assert sides["test"][0] == Listed("200000", "Swiping Left", "test")
    shutil.copy(annotations / "jester/jester-v1-train.SAMPLE.csv", jester_lists / "jester-v1-train.csv")
    with pytest.raises(DataError, match=r"train list of Jester.* has 1 videos where 118562 were published"):
        read("jester", jester_lists)


@pytest.mark.shared
def test_kinetics_from_csv_and_from_lists_of_files(annotations: Path, tmp_path: Path):
    source = annotations / "kinetics400"
    with (source / "kinetics_400.SAMPLE.csv").open(newline="") as file:
        (tmp_path / "train.csv").write_text(file.read())
        file.seek(0)
        ids = [(row["youtube_id"], row["label"]) for row in csv.DictReader(file)]
    for name in ("val_videofolder.txt", "label_map_k400.txt"):
        shutil.copy(source / name, tmp_path)
    sides = read("kinetics400", tmp_path)
    assert (
        [(row.name, row.label) for row in sides["train"]]
        == ids
        == [
            ("-3B32lodo2M", "abseiling"),
            ("_dbcJuKJQNs", "air drumming"),
        ]
    )
    assert len(sides["test"]) == 19_328 and len(classes(sides)) == 400
    assert sides["test"][0] == Listed("0wR5jVB-WPk", "abseiling", "test")
    assert "passing American football (in game)" in classes(sides)


@pytest.mark.shared
def test_kinetics_600_is_not_kinetics_400(annotations: Path, tmp_path: Path):
    header, *rows = (annotations / "kinetics400/kinetics_600_700.SAMPLE.csv").read_text().splitlines()
    more = [f"class {n},{n:011},0,10,train" for n in range(598)]
    (tmp_path / "train.csv").write_text("\n".join([header, *rows, *more]))
    (tmp_path / "val.csv").write_text("\n".join([header, "class 1,00000000xyz,0,10,val"]))
    with pytest.raises(DataError, match="have 601 classes where 400 were published: they are of another edition"):
        read("kinetics400", tmp_path)


@pytest.mark.parametrize("name", ["0wR5jVB-WPk", "0wR5jVB-WPk_000417_000427"])
def test_kinetics_videos_are_known_by_their_id(name: str):
    assert key(name) == "0wR5jVB-WPk"
    assert key("holiday") == "holiday"


@pytest.fixture
def ucf_lists(annotations: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(annotations / UCF, tmp_path / "lists", copy_function=shutil.copyfile))


@pytest.mark.shared
def test_a_list_that_is_cut_short_is_refused(ucf_lists: Path):
    path = ucf_lists / "trainlist02.txt"
    path.write_text("\n".join(path.read_text().splitlines()[:-1]))
    read("ucf101", ucf_lists, 1)
    with pytest.raises(DataError, match=r"fold 2, in .* has 9585 videos where 9586 were published: it is cut short"):
        read("ucf101", ucf_lists, 2)


@pytest.mark.shared
@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        (
            "April_09_brush_hair_u_nm_np1_ba_goo_0.avi 1 ",
            "line 1: 'April_09_brush_hair_u_nm_np1_ba_goo_0.avi 1' is not",
        ),
        ("Archery/v_Archery_g08_c01.avi 4", "'Archery/v_Archery_g08_c01.avi 4' is not of this data set's list"),
        ("Flying/v_Flying_g08_c01.avi 4", "'Flying/v_Flying_g08_c01.avi 4' is not of this data set's list"),
        ("Archery/v_Archery_g09_c01.avi 3", "name more than once v_archery_g09_c01;"),
    ],
)
def test_lines_of_other_lists_are_named(ucf_lists: Path, line: str, complaint: str):
    path = ucf_lists / "trainlist01.txt"
    path.write_text("\n".join([line, *path.read_text().splitlines()[1:]]))
    with pytest.raises(DataError, match=re.escape(complaint)):
        read("ucf101", ucf_lists)


@pytest.mark.shared
def test_a_folder_of_another_sets_lists_is_refused(annotations: Path):
    for name, other, wanted in (("ucf101", HMDB, "classInd.txt"), ("hmdb51", UCF, "brush_hair_test_split1.txt")):
        with pytest.raises(DataError, match=f"has no {wanted}, an official list of"):
            read(name, annotations / other)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("[", "is not a JSON file"),
        ('{"a": 1}', "'dict' is not of this data set's list"),
        ('[{"vid_name": "x"}]', "entry 1: \"{'vid_name': 'x'}\" is not"),
        ('[{"vid_name": "x_00001", "label": 2}]', '"label" from 0 to 1'),
        (b"\xff\xfe\x00", "is not a text file"),
    ],
)
def test_json_that_is_no_list_is_named(tmp_path: Path, text: str | bytes, complaint: str):
    (tmp_path / "Diving48_vocab.json").write_text(json.dumps([["Back"], ["Front"]]))
    for part in ("train", "test"):
        (tmp_path / f"Diving48_V2_{part}.json").write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(DataError, match=re.escape(complaint)) as refusal:
        read("diving48", tmp_path)
    assert "Diving48_V2_train.json" in str(refusal.value)


def test_a_fold_that_there_is_not(tmp_path: Path):
    with pytest.raises(ConfigError, match="UCF101 has no fold 4; choose one of 1, 2, 3"):
        read("ucf101", tmp_path, 4)
