from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from kinema.annotations import Interval, LabelledVideos, write_intervals
from kinema.data.labels import LabelledSet
from kinema.data.synthetic.files import encode_video
from kinema.errors import DataError
from kinema.video.fragment import Fragment, named_part

ROWS = [("a/1.mp4", "run"), ("a/2.mp4", "jump"), ("b/3.mp4", "run"), ("b/4.mp4", "jump")]


def make(folder: Path, rows=ROWS, header="file,label", name="labels.csv") -> Path:
    """A table in ``folder`` and an (empty) file for each of ``ROWS``."""
    for file, *_ in ROWS:
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).touch()
    table = folder / name
    table.write_text("\n".join([header, *(",".join(row) for row in rows)]) + "\n")
    return table


def sentence(folder: Path, table: Path | None, *columns: str) -> str:
    with pytest.raises(DataError) as caught:
        LabelledSet.read(folder, table, *columns)
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_a_table_is_read_in_its_own_order(tmp_path):
    labelled = LabelledSet.read(tmp_path, make(tmp_path))
    assert labelled.files == tuple(file for file, _ in ROWS)
    assert labelled.classes == ("jump", "run")
    assert labelled.labels.tolist() == [1, 0, 1, 0]
    assert labelled.splits is None
    assert labelled.groups is None
    assert labelled.paths[0] == tmp_path / "a/1.mp4"
    assert len(labelled) == 4
    assert "4 videos, 2 classes" in repr(labelled)


def test_splits_groups_and_any_label_column(tmp_path):
    rows = [
        (file, label, split, group)
        for (file, label), split, group in zip(ROWS, ["train", "test"] * 2, "pqpq", strict=True)
    ]
    labelled = LabelledSet.read(tmp_path, make(tmp_path, rows, "file,motion,split,place"), "motion", "place")
    assert labelled.splits == ("train", "test", "train", "test")
    assert labelled.groups == ("p", "q", "p", "q")


def test_a_byte_order_mark_spaces_blank_lines_and_quotes_do_no_harm(tmp_path):
    table = make(tmp_path)
    table.write_text('\ufefffile , label\r\n"a/1.mp4", run \r\n\r\n./a/2.mp4,run\r\n')
    labelled = LabelledSet.read(tmp_path, make_second_class(table))
    assert labelled.files[:2] == ("a/1.mp4", "a/2.mp4")
    assert labelled.classes == ("jump", "run")


def make_second_class(table: Path) -> Path:
    table.write_text(table.read_text() + "b/3.mp4,jump\nb/4.mp4,jump\n")
    return table


@pytest.mark.parametrize("before", ["", "\ufeff", "\r\n\r\n", "sep=;\r\n"])
@pytest.mark.parametrize("between", [";", "\t", ","])
def test_what_spreadsheets_write_is_read(tmp_path, before, between):
    for name in ("a,1.mp4", "b;2.mp4", "c.mp4", "d.mp4"):
        (tmp_path / name).touch()
    rows = [
        ("file", "label"),
        ('"a,1.mp4"', "run"),
        ('"b;2.mp4"', '"jump; high"'),
        ("c.mp4", "run"),
        ("d.mp4", '"jump; high"'),
    ]
    table = tmp_path / "labels.csv"
    table.write_text(before.replace(";", between) + "\r\n".join(map(between.join, rows)) + "\r\n", newline="")
    found = LabelledSet.read(tmp_path, table)
    assert found.files == ("a,1.mp4", "b;2.mp4", "c.mp4", "d.mp4")
    assert [found.classes[number] for number in found.labels] == ["run", "jump; high"] * 2


def test_class_folders(tmp_path):
    for file in ("run/1.mp4", "run/deep/2.MKV", "jump/3.avi", "jump/4.webm", "jump/notes.txt", "loose.mp4"):
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).touch()
    labelled = LabelledSet.read(tmp_path)
    assert labelled.files == ("jump/3.avi", "jump/4.webm", "run/1.mp4", "run/deep/2.MKV")
    assert labelled.labels.tolist() == [0, 0, 1, 1]


def test_missing_files_are_counted_and_the_first_named(tmp_path):
    rows = [*ROWS, *((f"gone/{n}.mp4", "run") for n in range(5))]
    message = sentence(tmp_path, make(tmp_path, rows))
    assert "gone/0.mp4, gone/1.mp4, gone/2.mp4 and 2 more (5 in all)" in message
    assert "labels.csv" in message
    assert "--data" in message


def test_an_unknown_column_lists_what_is_there(tmp_path):
    assert "no column 'motion'; its columns are file, label" in sentence(tmp_path, make(tmp_path), "motion")
    assert "no column 'place'" in sentence(tmp_path, make(tmp_path), "label", "place")
    assert "no column 'file'" in sentence(tmp_path, make(tmp_path, header="path,label"))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "holds no rows"),
        ("file,label\n", "holds no rows"),
        ("file,label\na/1.mp4,run\na/1.mp4,run\n", "lists more than once a/1.mp4"),
        ("file,label\na/1.mp4,run\na/./1.mp4,run\n", "lists more than once a/1.mp4"),
        ("file,label\na/1.mp4,run\nb/../a/1.mp4,jump\n", "lists more than once a/1.mp4, b/../a/1.mp4"),
        ("file,label,label\na/1.mp4,run,run\n", "has more than one column 'label'; give each"),
        ("file,label,\na/1.mp4,run,x\na/2.mp4,,y\n", "column 'label' of"),
        ("file,label\na/1.mp4,run\na/2.mp4,\n", "column 'label' of"),
        ("file,label\na/1.mp4,run\na/2.mp4,run\n", "only the label 'run'"),
        ("file,label\na/1.mp4,run\na/2.mp4,run\nb/3.mp4,jump\n", "only one video of jump"),
        ("file,label\na/1.mp4,run,fast\n", "more fields than its header"),
        ("file,label\na/\0.mp4,run\na/2.mp4,run\n", r"that are not in {folder}: 'a/\x00.mp4'"),
        (f"file,label\n{'a' * 300}.mp4,run\na/2.mp4,run\n", "that are not in {folder}: aaa"),
        ('file,label\n"a/1\n.mp4",run\na/2.mp4,run\n', r"that are not in {folder}: 'a/1\n.mp4'"),
        ("file,label,split\na/1.mp4,run,val\na/2.mp4,run,test\n", "besides train and test, val"),
    ],
)
def test_bad_tables_give_one_sentence(tmp_path, text, expected):
    table = make(tmp_path)
    table.write_text(text)
    message = sentence(tmp_path, table)
    assert expected.format(folder=tmp_path) in message
    assert str(table) in message


def test_a_table_that_is_no_table(tmp_path):
    table = make(tmp_path)
    table.write_bytes(b"\xff\xfe\x00\x81binary")
    assert "not a CSV file" in sentence(tmp_path, table)
    assert "cannot read the labels" in sentence(tmp_path, tmp_path / "none.csv")
    (tmp_path / "none").mkdir()
    assert "holds no files of labels" in sentence(tmp_path, tmp_path / "none")


def test_bad_folders_give_one_sentence(tmp_path):
    assert "is not a folder" in sentence(tmp_path / "none", None)
    assert "no class folders" in sentence(tmp_path, None)
    assert "class folders have no groups" in sentence(tmp_path, None, "label", "place")


HEADER = "file,start,end,label"


@pytest.fixture
def parts(tmp_path):
    """Two videos of three seconds, and rows that label parts of them."""
    frames = np.random.default_rng(0).integers(0, 255, (30, 32, 32, 3), np.uint8)
    for name in ("a.mp4", "b.mp4"):
        (tmp_path / name).write_bytes(encode_video(frames, 10.0))
    return [(f"{name}.mp4", start, f"{float(start) + 1}", label) for name in "ab" for start, label in PARTS]


PARTS = (("0", "run"), ("1.5", "jump"), ("0.5", "jump"))


def test_a_table_may_label_parts_of_videos(tmp_path, parts):
    table = make(tmp_path, [(*row, "late" if float(row[1]) else "early") for row in parts], f"{HEADER},when")
    found = LabelledSet.read(tmp_path, table)
    assert found.files[:3] == ("a.mp4#t=0,1", "a.mp4#t=1.5,2.5", "a.mp4#t=0.5,1.5")
    assert found.videos == found.groups == ("a.mp4",) * 3 + ("b.mp4",) * 3 and found.classes == ("jump", "run")
    assert LabelledSet.read(tmp_path, table, "when").classes == ("early", "late")
    assert LabelledSet.read(tmp_path, table, "label", "when").groups == ("early", "late", "late") * 2


@pytest.mark.parametrize("name", ["labels.boris", "labels.eaf", "labels.json"])
def test_labels_of_other_tools_are_of_parts(tmp_path, parts, name):
    intervals = [Interval.of(file, start, end, label) for file, start, end, label in parts]
    target = tmp_path / "apart" if name.endswith("eaf") else tmp_path / name
    kind = {"labels.boris": "boris", "labels.eaf": "elan", "labels.json": "via"}[name]
    write_intervals(target, intervals, kind, LabelledVideos(tmp_path))
    found = LabelledSet.read(tmp_path, target)
    expected = [
        Fragment(one.file, one.start, one.end) for one in sorted(intervals, key=lambda one: (one.file, one.start))
    ]
    for file, part in zip(found.files, expected, strict=True):
        name, *times = named_part(file)
        assert name == part.path and times == pytest.approx(part[1:], abs=0.05)
    assert found.groups == found.videos
    assert "has no columns to name" in sentence(tmp_path, target, "motion")


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        (("a.mp4", "2", "1", "run"), "row 7: an interval of 'run' in a.mp4 ends at 1 s, before it begins at 2 s"),
        (("a.mp4", "x", "1", "run"), "row 7: "),
        (("a.mp4", "1", "1", "run"), "points in time have no motion to look at: a.mp4 at 1 s"),
        (("a.mp4", "1", "1.0000001", "run"), "points in time have no motion to look at: a.mp4 at 1 s"),
        (("a.mp4", "2", "9", "run"), "a.mp4"),
        (("a.mp4", "0", "1", "run"), "lists more than once a.mp4#t=0,1; keep one row for each video, or part of one"),
        (("c.mp4", "0", "1", "run"), "names files that are not in"),
    ],
)
def test_bad_parts_give_one_sentence(tmp_path, parts, row, expected):
    table = make(tmp_path, [*parts, row], HEADER)
    message = sentence(tmp_path, table)
    assert expected in message and str(table) in message
