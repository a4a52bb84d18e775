"""``kinema labels convert`` as its users meet it."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from pathlib import Path

from kinema.annotations import Interval, convert, read_intervals
from kinema.cli import main

SAMPLES = Path(__file__).parent / "samples"


def run(*words):
    return main(["labels", "convert", *map(str, words)])


def test_it_says_what_it_did_and_what_was_lost(tmp_path, capsys):
    (tmp_path / "x.csv").write_text(
        "file,start,end,label,subject,confidence\n"
        "a.mp4,0,2,walk,hen 1,\na.mp4,1,3,walk,hen 1,0.5\na.mp4,2,2,peck,,\na.mp4,5,5,walk,,\n"
    )
    assert run(tmp_path / "x.csv", tmp_path / "y.eaf") == 0
    assert capsys.readouterr().out.splitlines() == [
        "note: ELAN holds no confidence, which is left out (1 of 4 intervals)",
        "note: ELAN holds no points in time, which become a millisecond long (2 of 4 intervals)",
        "note: intervals that overlap others of their subject are on tiers of their own",
        f"{tmp_path / 'y.eaf'}: 4 intervals of 2 classes in 1 video, read as plain CSV",
    ]
    assert run(tmp_path / "x.csv", tmp_path / "y.json", "--to", "label-studio", "--fps", 25) == 0
    assert "note: Label Studio holds no subjects, which are left out (2 of 4 intervals)" in capsys.readouterr().out
    assert run(tmp_path / "x.csv", tmp_path / "y.boris") == 0
    said = capsys.readouterr().out
    assert "points of walk, which has intervals too, are states of no length" in said
    assert "overlap others of their class and subject are in observations of their own" in said


def test_formats_of_one_video_a_file_go_to_a_folder(tmp_path, capsys):
    (tmp_path / "x.csv").write_text("file,start,end,label\nbarn/a.mp4,0,2,walk\n../a.mp4,0,1,walk\n/a.avi,0,1,walk\n")
    assert run(tmp_path / "x.csv", tmp_path / "out", "--to", "elan") == 0
    assert capsys.readouterr().out.startswith(f"3 files in {tmp_path / 'out'}: 3 intervals of 1 class in 3 videos")
    made = sorted(path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("*.eaf"))
    assert made == ["a.avi.eaf", "a.mp4.eaf", "barn/a.mp4.eaf"]
    assert read_intervals(tmp_path / "out" / "barn" / "a.mp4.eaf")[1] == [Interval("barn/a.mp4", 0, 2, "walk")]
    assert read_intervals(tmp_path / "out")[1] == read_intervals(tmp_path / "x.csv")[1]


def test_videos_give_frame_rates_lengths_and_paths(folder, tmp_path):
    content = {"database": {"b": {"annotations": [{"segment": [0.125, 0.5], "label": "walk"}]}}}
    (tmp_path / "x.json").write_text(json.dumps(content))
    done = convert(tmp_path / "x.json", tmp_path / "y.xml", videos=folder)
    assert done.intervals == (Interval("b.mp4", 0.125, 0.5, "walk"),) and done.notes == ()
    root = ET.parse(tmp_path / "y.xml").getroot()
    boxes = root.findall("track/box")
    assert [(box.get("frame"), box.get("outside")) for box in boxes] == [("2", "0")]  # it lasts to the end
    assert (boxes[0].get("xbr"), boxes[0].get("ybr")) == ("64.00", "32.00")
    assert (root.findtext("meta/task/source"), root.findtext("meta/task/stop_frame")) == ("b.mp4", "7")
    again = convert(tmp_path / "y.xml", tmp_path / "z.csv", videos=folder)
    assert again.intervals == done.intervals


def test_paths_of_another_machine_are_found_by_their_ends(folder, tmp_path):
    (tmp_path / "x.csv").write_text("file,start,end,label\nC:\\stuff\\yard\\a.mp4,0,0.25,walk\n")
    assert convert(tmp_path / "x.csv", tmp_path / "y.csv", videos=folder).intervals[0].file == "yard/a.mp4"


def test_a_boris_project_is_as_boris_takes_it(tmp_path):
    convert(SAMPLES / "intervals.csv", tmp_path / "y.boris")
    project = json.loads((tmp_path / "y.boris").read_text())
    assert {one["code"]: one["type"] for one in project["behaviors_conf"].values()} == {
        "peck": "Point event",
        "stand, still": "State event",
        "walk": "State event",
    }
    assert [one["name"] for one in project["subjects_conf"].values()] == ["hen 1", "hen 2"]
    events = project["observations"]["barn/a.mp4"]["events"]
    assert [event[:3] for event in events] == [[1.5, "hen 1", "walk"], [3.0, "hen 1", "walk"], [4.0, "", "peck"]]
    assert project["observations"]["barn/a.mp4"]["file"]["1"] == ["barn/a.mp4"]


def test_the_option_from_is_spelt_as_people_do(capsys):
    assert run("--help") == 0
    assert "--from FROM" in capsys.readouterr().out
    assert run("a.csv", "b.csv", "--fro", "csv") == 2
    assert "did you mean --from?" in capsys.readouterr().err


def test_frames_of_boris_are_those_of_the_video(folder, tmp_path):
    (tmp_path / "x.csv").write_text("file,start,end,label\nb.mp4,0.125,0.25,walk\n")
    for name, videos, frames in (("y", None, ["NA", "NA"]), ("z", folder, [2, 4])):
        convert(tmp_path / "x.csv", tmp_path / f"{name}.boris", videos=videos)
        project = json.loads((tmp_path / f"{name}.boris").read_text())
        assert [event[5] for event in project["observations"]["b.mp4"]["events"]] == frames
