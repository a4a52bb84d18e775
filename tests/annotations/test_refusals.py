"""What is wrong with labels is said in one sentence that names it, and nothing is written."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest

from kinema.annotations import Interval
from kinema.errors import DataError
from kinema.search.classifier import Classifier

SAMPLES = Path(__file__).parent / "samples"
HEADER = "file,start,end,label"


def edited(name, old, new):
    text = (SAMPLES / name).read_text()
    assert old in text
    return text.replace(old, new)


def table(*rows):
    return "\n".join([HEADER, *rows]) + "\n"


SPAN = {"start": "2024-05-01", "end": "2024-05-02", "timeserieslabels": ["walk"]}
DATED = [{"data": {"video": "b.mp4"}, "annotations": [{"result": [{"value": SPAN}]}]}]

WRONG = {
    "reversed": (
        "x.csv",
        table("b.mp4,0,0.1,walk", "b.mp4,0.4,0.2,walk"),
        ["row 2", "ends at 0.2 s, before it begins"],
    ),
    "reversed in VIA": ("x.json", edited("via.json", "[1.5, 3.25]", "[3.25, 1.5]"), ["before it begins at 3.25 s"]),
    "before the video": ("x.csv", table("b.mp4,-1,2,walk"), ["row 1", "before the video does"]),
    "before the video, by an offset": ("x.boris", edited("project.boris", "100.0", "101.8"), ["before the video does"]),
    "no time": ("x.csv", table("b.mp4,soon,2,walk"), ["row 1", "'soon' is no time"]),
    "not a number": ("x.csv", table("b.mp4,nan,nan,walk"), ["row 1", "are no times"]),
    "no time of a video": ("x.csv", table("b.mp4,0,1e300,walk"), ["row 1", "from 0 to 1e+300, which are no times"]),
    "no label": ("x.csv", table("b.mp4,1,2, "), ["row 1", "label is ''"]),
    "no video": ("x.csv", table(",1,2,walk"), ["row 1", "names no video"]),
    "a strange confidence": ("x.csv", f"{HEADER},confidence\nb.mp4,1,2,walk,7\n", ["row 1", "confidence 7"]),
    "a confidence in words": (
        "x.csv",
        f"{HEADER},confidence\nb.mp4,1,2,walk,sure\n",
        ["row 1", "confidence 'sure' is no number", "from 0 to 1"],
    ),
    "another table": ("x.csv", "file,label\nb.mp4,walk\n", ["no known format", "plain CSV"]),
    "an empty table": ("x.csv", HEADER + "\n", ["holds no rows"]),
    "another JSON": ("x.json", '{"images": []}', ["no known format", "VIA 3"]),
    "no JSON": ("x.json", "{", ["is not JSON"]),
    "endless JSON": ("x.json", "[" * 100_000, ["is not JSON"]),
    "a folded list": ("x.json", '[{"annotations": 3, "data": {"video": "b.mp4"}}]', ["not as Label Studio writes it"]),
    "another XML": ("x.xml", "<rss/>", ["no known format", "CVAT"]),
    "no XML": ("x.eaf", "<ANNOTATION_DOCUMENT>", ["is not XML"]),
    "entities": ("x.eaf", '<!DOCTYPE a [<!ENTITY b "c">]><ANNOTATION_DOCUMENT/>', ["entities of its own"]),
    "binary": ("x.json", b"\xff\xfe\x00", ["not text in UTF-8"]),
    "no HDF5": ("x.nwb", "walk", ["no known format", "NWB"]),
    "an unknown ending": ("x.doc", "walk", ["no known format by its name", "--from"]),
    "a later BORIS": ("x.boris", edited("project.boris", '"7.0"', '"8.0"'), ["format is 8.0", "up to 7"]),
    "an old CVAT": ("x.xml", edited("cvat_video.xml", ">1.1<", ">1.0<"), ["version is 1.0", "CVAT for video 1.1"]),
    "a project of CVAT": ("x.xml", edited("cvat_video.xml", "task>", "project>"), ["whole project"]),
    "a later ELAN": ("x.eaf", edited("elan.eaf", 'FORMAT="3.0"', 'FORMAT="4.0"'), ["format is 4.0"]),
    "an old ELAN": ("x.eaf", edited("elan.eaf", "milliseconds", "PAL-frames"), ["PAL-frames"]),
    "ELAN of sound": (
        "x.eaf",
        edited("elan.eaf", "video/mp4", "audio/mp4").replace("b.mp4", "b.wav"),
        ["names no video"],
    ),
    "a lost time": ("x.eaf", edited("elan.eaf", 'TIME_SLOT_REF1="ts3"', 'TIME_SLOT_REF1="ts9"'), ["KeyError: 'ts9'"]),
    "VIA 2": ("x.json", edited("via.json", "3.1.1", "2.0.1"), ["format is 2.0.1"]),
    "a segment without label": ("x.json", edited("via.json", '"1": "0", ', ""), ["has no label"]),
    "dates": ("x.json", json.dumps(DATED), ["dates do not say where"]),
    "an unpaired state": ("x.boris", edited("project.boris", '[103.0, "hen 1"', '[103.0, "hen 2"'), ["never stops"]),
    "a behaviour that is not there": (
        "x.boris",
        edited("project.boris", '"code": "peck"', '"code": "bow"'),
        ["'peck'"],
    ),
    "a state without a stop": ("x.tsv", edited("events.tsv", "\t103.000", "\tNA"), ["row 1", "no stop"]),
    "frames without a rate": ("x.xml", edited("cvat_video.xml", "a.mp4", "b.mp4"), ["--fps N", "--videos"]),
    "other columns": (
        "x.csv",
        "video,begin,stop,what\na.mp4,0,1,walk",
        ["columns file, start, end, label", "video, begin"],
    ),
    "nothing": ("x.json", '{"database": {}}', ["holds no labels"]),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_is_wrong_is_named(what, tmp_path, refused):
    name, content, facts = WRONG[what]
    (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    said = refused("labels", "convert", tmp_path / name, tmp_path / "made.csv")
    assert str(tmp_path / name) in said
    assert [fact for fact in facts if fact not in said] == []
    assert [one.name for one in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize(
    ("row", "fact"),
    [
        ("gone.mp4,0,0.1,walk", "gone.mp4"),
        ("a.mp4,0,0.1,walk", "could be any of barn/a.mp4, yard/a.mp4"),
        ("b.mp4,0,0.7,walk", "goes to 0.700 s, and b.mp4 lasts only 0.500"),
    ],
)
def test_labels_are_checked_against_the_videos(row, fact, folder, tmp_path, refused):
    (tmp_path / "x.csv").write_text(table("b.mp4,0,0.5,walk", row))
    said = refused("labels", "convert", tmp_path / "x.csv", tmp_path / "made.tsv", "--videos", folder)
    assert fact in said
    assert not (tmp_path / "made.tsv").exists()


@pytest.mark.parametrize(
    ("words", "facts"),
    [
        (["made.txt"], ["no known format by its name", "--to"]),
        (["made.json"], ["could be of several formats", "label-studio, via, activitynet"]),
        (["made.xml"], ["made.xml", "--fps N"]),
        (["made.eaf"], ["one video a file", "name a folder"]),
        (["made.csv", "--to", "excel"], ["no format 'excel'", "elan"]),
        (["made.csv", "--from", "elan"], ["is not XML"]),
        (["made.csv", "--from", "boris-events"], ["no file of BORIS's events, but one of plain CSV"]),
        (["made.csv", "--videos", "nowhere"], ["nowhere is not a folder"]),
    ],
)
def test_what_cannot_be_written_is_named(words, facts, tmp_path, refused, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("x.csv").write_text(table("b.mp4,0,1,walk", *(["c.mp4,0,1,walk"] if words == ["made.eaf"] else [])))
    said = refused("labels", "convert", "x.csv", *words)
    assert [fact for fact in facts if fact not in said] == []
    assert [one.name for one in tmp_path.iterdir()] == ["x.csv"]


def test_nothing_is_written_over(tmp_path, refused):
    source = tmp_path / "x.csv"
    source.write_text(table("b.mp4,0,1,walk"))
    before = source.read_bytes()
    for target in (source, tmp_path):
        assert "is there already" in refused("labels", "convert", source, target, "--to", "csv")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "b.mp4.eaf").write_text("mine")
    assert "is there already" in refused("labels", "convert", source, tmp_path / "out", "--to", "elan")
    assert source.read_bytes() == before and (tmp_path / "out" / "b.mp4.eaf").read_text() == "mine"


def test_videos_whose_files_would_be_one_are_refused(tmp_path, refused):
    (tmp_path / "x.csv").write_text(table("a.mp4,0,1,walk", "../a.mp4,0,1,walk"))
    said = refused("labels", "convert", tmp_path / "x.csv", tmp_path / "out", "--to", "elan")
    assert "several videos would have their labels in one file" in said
    assert not (tmp_path / "out").exists()


def test_a_missing_file_is_named(tmp_path, refused):
    for name in ("gone.csv", "gone"):
        assert f"{name}: No such file" in refused("labels", "convert", tmp_path / name, tmp_path / "made.csv")
    assert "holds no files of labels" in refused("labels", "convert", tmp_path, tmp_path / "made.csv")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_pipe_or_device_is_refused_and_not_waited_for(tmp_path, refused):
    for name in ("pipe.csv", "pipe.boris", "pipe.eaf", "pipe.nwb", "pipe"):
        os.mkfifo(tmp_path / name)
    for name in ("pipe.csv", "pipe.boris", "pipe.eaf", "pipe.nwb"):
        said = refused("labels", "convert", tmp_path / name, tmp_path / "made.csv")
        assert f"{name} is a pipe or a device and no file" in said
    with pytest.raises(DataError, match="is a pipe or a device and no file"):
        Classifier.load(tmp_path / "pipe")


def test_a_folder_of_several_formats_asks_which(tmp_path, refused):
    (tmp_path / "x.csv").write_text(table("b.mp4,0,1,walk"))
    (tmp_path / "y.json").write_text(
        json.dumps({"database": {"b": {"annotations": [{"segment": [0, 1], "label": "a"}]}}})
    )
    said = refused("labels", "convert", tmp_path, tmp_path / "made.csv")
    assert "ActivityNet and plain CSV" in said and "--from" in said


@pytest.mark.parametrize("label", ["", " walk", "walk\nrun", "\x07", "\ud800"])
def test_a_label_is_one_line_of_text(label):
    with pytest.raises(DataError, match="label"):
        Interval("b.mp4", 0, 1, label)


def test_a_name_that_xml_cannot_hold_is_named(tmp_path, refused):
    (tmp_path / "x.csv").write_text(table("b.mp4,0,1,wa\ufffflk"), encoding="utf-8")
    said = refused("labels", "convert", tmp_path / "x.csv", tmp_path / "made.eaf")
    assert "ELAN is XML, which cannot hold" in said and not (tmp_path / "made.eaf").exists()


def test_without_pynwb_it_is_named(tmp_path, refused, monkeypatch):
    monkeypatch.setitem(sys.modules, "pynwb", None)
    (tmp_path / "x.nwb").write_bytes(b"\x89HDF\r\n\x1a\n")
    assert "kinema[nwb]" in refused("labels", "convert", tmp_path / "x.nwb", tmp_path / "made.csv")
    (tmp_path / "x.csv").write_text(table("b.mp4,0,1,walk"))
    assert "kinema[nwb]" in refused("labels", "convert", tmp_path / "x.csv", tmp_path / "made.nwb")
    assert sorted(one.name for one in tmp_path.iterdir()) == ["x.csv", "x.nwb"]
