"""Labels of an index on the command line, and files of other tools that come and go."""

from __future__ import annotations

from pathlib import Path

import pytest
from a_server import IN_A_FOLDER

from kinema.annotations import FORMATS, Interval, read_intervals, write_intervals
from kinema.cli import main
from kinema.common.addresses import shown
from kinema.errors import DataError
from kinema.search import Labels, Library
from kinema.search.labelled_videos import IndexedVideos

SAMPLES = [
    Interval("00000.mp4", 0.0, 0.5, "wave", "left one", 0.5),
    Interval("00000.mp4", 0.25, 0.625, "jump", "left one"),
    Interval("00001.mp4", 0.125, 0.5, "wave"),
    Interval("00001.mp4", 0.3, 0.3, "touch"),
]


def run(*words: object) -> None:
    assert main(["labels", *map(str, words)]) == 0


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """The samples as plain CSV, with a path of another machine."""
    other = [Interval(f"C:/videos/{one.file}", one.start, one.end, one.label, one.subject) for one in SAMPLES[2:]]
    (path,) = write_intervals(tmp_path / "labels.csv", [*SAMPLES[:2], *other])
    return path


def test_a_file_comes_in_as_one_change_is_listed_undone_and_written(copied: Library, table, tmp_path, capsys):
    file = shown(Labels(copied.path).path)
    run("import", table, "--index", copied.path, "--by", "ann")
    assert capsys.readouterr().out == f"{file}: 4 labels added (change 1)\n"
    assert sorted(Labels(copied.path).intervals(), key=repr) == sorted(SAMPLES, key=repr)
    assert {one.by for one in Labels(copied.path).of_class("wave")} == {"ann"}
    run("import", table, "--index", copied.path)
    assert capsys.readouterr().out == f"{file}: 0 labels added, 4 were there already\n"
    run("list", "--index", copied.path)
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert [(row[0], *row[2:]) for row in rows] == [
        ("class", "labels", "seconds", "mean"),
        ("wave", "2", "0.88", "0.44"),
        ("jump", "1", "0.38", "0.38"),
        ("touch", "1", "0.00", "0.00"),
    ]
    run("export", tmp_path / "made.boris", "--index", copied.path)
    said = capsys.readouterr().out.splitlines()
    assert said[-1] == f"{tmp_path / 'made.boris'}: 4 intervals of 3 classes in 2 videos"
    assert said[0] == "note: BORIS holds no confidence, which is left out (1 of 4 intervals)"
    made, gone = (
        ", ".join(f"class {name!r} {how}" for name in ("wave", "jump", "touch")) for how in ("added", "removed")
    )
    run("undo", "--index", copied.path)
    assert capsys.readouterr().out == f"{file}: change 2, the undo of 1: 4 removed, {gone}\n"
    run("redo", "--index", copied.path, "--change", 1)
    run("history", "--index", copied.path)
    rows = [line.split(maxsplit=3) for line in capsys.readouterr().out.splitlines()[-3:]]
    assert [(row[0], row[3]) for row in rows] == [
        ("3", f"redo of 1: 4 added, {made}, by -"),
        ("2", f"undo of 1: 4 removed, {gone}, by -"),
        ("1", f"change: 4 added, {made}, by ann"),
    ]


def test_a_class_is_renamed_and_merged_as_one_change_that_can_be_undone(copied: Library, table, capsys):
    labels = Labels(copied.path)
    labels.add_intervals(SAMPLES)
    run("rename", "wave", "winken 👋", "--index", copied.path, "--by", "ann")
    assert capsys.readouterr().out == f"{labels.path}: 2 labels of 'wave' are now of 'winken 👋' (change 2)\n"
    run("rename", "jump", "winken 👋", "--index", copied.path)
    said = "1 label of 'jump' is now of 'winken 👋', which has 3 now (change 3)"
    assert capsys.readouterr().out == f"{labels.path}: {said}\n"
    run("rename", "touch", " touch", "--index", copied.path)
    assert capsys.readouterr().out == f"{labels.path}: the class is called 'touch' already\n"
    assert {one.label for one in labels.intervals()} == {"winken 👋", "touch"}
    assert [(one.version, one.by) for one in labels.history(count=2)] == [(3, None), (2, "ann")]
    run("history", "--index", copied.path, "--count", 2)
    rows = [line.split(maxsplit=3)[3] for line in capsys.readouterr().out.splitlines()]
    assert rows == ["change: 1 changed, class 'jump' removed, by -", "change: class 'wave' renamed 'winken 👋', by ann"]
    run("undo", "--index", copied.path)
    run("undo", "--index", copied.path)
    assert capsys.readouterr().out.endswith("the undo of 2: class 'winken 👋' renamed 'wave'\n")
    assert sorted(labels.intervals(), key=repr) == sorted(SAMPLES, key=repr)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [("walk", "run", "there is no class 'walk'"), ("wave", " ", "a label has 1 to 120 letters, and one has none")],
)
def test_a_class_that_is_not_there_or_a_name_that_cannot_be_is_refused(copied: Library, capsys, old, new, said):
    Labels(copied.path).add_intervals(SAMPLES)
    assert main(["labels", "rename", old, new, "--index", str(copied.path)]) == 1
    assert said in capsys.readouterr().err
    assert {one.label for one in Labels(copied.path).intervals()} == {"wave", "jump", "touch"}


@pytest.mark.parametrize("name", FORMATS)
def test_what_a_format_holds_comes_back_from_it(copied: Library, tmp_path, name):
    if name == "nwb":
        pytest.importorskip("pynwb", reason="needs PyNWB: pip install kinema[nwb]")
    labels = Labels(copied.path)
    labels.add_intervals([one for one in SAMPLES if one.start < one.end])
    format = FORMATS[name]
    whole = format.suffix if not format.suffix.startswith(".") else f"made{format.suffix}"
    out = tmp_path / ("made" if format.single else whole)
    run("export", out, "--index", copied.path, "--to", name)
    labels.clear()
    run("import", out, "--index", copied.path, "--from", name)
    found = sorted(labels.intervals(), key=lambda one: (one.file, one.start))
    assert [(one.file, one.label) for one in found] == [
        ("00000.mp4", "wave"),
        ("00000.mp4", "jump"),
        ("00001.mp4", "wave"),
    ]
    for one, given in zip(found, SAMPLES, strict=False):
        assert (one.start, one.end) == pytest.approx((given.start, given.end), abs=1 / 16 + 1e-6)
        assert one.subject == (given.subject if format.subjects else None)


def test_labels_that_cannot_be_taken_in_are_refused_by_name_and_nothing_is_kept(copied: Library, tmp_path, refused):
    path, index = tmp_path / "x.csv", copied.path
    head = "file,start,end,label\n00000.mp4,0,0.5,wave\n"
    for rows, *said in (
        ("none.mp4,0,1,a\nnone.mp4,1,2,a\ngone/x.mp4,0,1,a\n", "names 2 videos (3 labels) not in the index",
         "none.mp4, gone/x.mp4", "kinema index"),
        ("00001.mp4,0,9,a\n", "an interval of 'a' goes to 9.000 s, and 00001.mp4 lasts only 0.750 s"),
        ("00001.mp4,0.5,0.25,a\n", "ends at 0.25 s, before it begins at 0.5 s"),
        (f"00001.mp4,0,0.5,{'x' * 121}\n", "a label has 1 to 120 letters"),
    ):  # fmt: skip
        path.write_text(head + rows)
        sentence = refused("labels", "import", path, "--index", index)
        assert all(part in sentence for part in (str(path), *said)), sentence
        assert Labels(index).version() == 0


def test_what_is_not_there_is_said(copied: Library, table, tmp_path, refused):
    index = copied.path
    for words in (["list"], ["import", table], ["export", tmp_path / "x.csv"], ["undo"], ["redo"], ["history"]):
        assert "there is no index at" in refused("labels", *words, "--index", tmp_path / "none")
    assert "has no labels of videos that it holds" in refused("labels", "export", tmp_path / "x.csv", "--index", index)
    assert "there is no change to undo" in refused("labels", "undo", "--index", index)
    assert "there is no change to redo" in refused("labels", "redo", "--index", index)
    assert "there is no change 9 of labels" in refused("labels", "undo", "--index", index, "--change", 9)
    for way in ("undo", "redo"):
        assert f"there is no change {10**30} of" in refused("labels", way, "--index", index, "--change", 10**30)
    run("history", "--index", index, "--count", 10**30)
    run("import", table, "--index", index)
    assert "is there already" in refused("labels", "export", table, "--index", index)
    assert "there is no format 'word'" in refused("labels", "export", tmp_path / "x", "--index", index, "--to", "word")


@IN_A_FOLDER
def test_a_damaged_file_of_labels_is_said(copied: Library, refused):
    (copied.path / "labels.sqlite").write_bytes(b"nothing" * 100)
    assert "is damaged or holds no labels" in refused("labels", "list", "--index", copied.path)


def test_videos_are_found_by_the_ends_of_their_paths_and_read_for_what_only_they_know(copied: Library, tmp_path):
    videos = IndexedVideos(copied.path)
    assert videos.find("D:/elsewhere/00003.mp4") == videos.find("00003") == "00003.mp4"
    assert videos.find("00003.avi") is None and videos.fps("00003") == 16
    content = {"database": {"00003": {"annotations": [{"segment": [0.125, 0.5], "label": "walk"}]}}}
    (tmp_path / "a.json").write_text(str(content).replace("'", '"'))
    assert read_intervals(tmp_path / "a.json", videos=videos)[1] == [Interval("00003.mp4", 0.125, 0.5, "walk")]
    with pytest.raises(DataError, match=r"names 1 video \(1 label\) not in the index"):
        Labels(copied.path).add_intervals([Interval("x.mp4", 0, 0.5, "walk")])
