"""Snippets of classes: which are chosen, and what lies in the folder."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from kinema.annotations import Interval, write_intervals
from kinema.cli import main
from kinema.common.files import LONGEST_NAME, file_name, file_names
from kinema.overview.examples import COLUMNS, LONGEST_SHOWN, TILE, part_shown, spread
from kinema.search import Library
from kinema.video import Video

ODD = "a/b: 走る"


def snippets(*words: object) -> int:
    return main(["labels", "snippets", *map(str, words)])


def table(folder: Path) -> list[dict[str, str]]:
    with (folder / "snippets.csv").open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_a_grid_a_sheet_and_clips_of_each_class(index: Path, tmp_path: Path, capsys):
    out = tmp_path / "out"
    assert snippets(out, "--index", index, "--count", 5, "--clips") == 0
    said = capsys.readouterr().out
    assert f"note: in names of files '{ODD}' is a_b_走る" in said
    assert said.splitlines()[-1] == str(out)
    rows = table(out)
    assert [row["class"] for row in rows] == ["wave"] * 5 + [ODD] * 2
    files = {path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file()}
    clips = {row["clip"] for row in rows}
    assert files == {"wave.webp", "a_b_走る.webp", "contact_sheet.png", "snippets.csv", *clips}
    assert len(clips) == 7 and {clip.rpartition("/")[0] for clip in clips} == {"clips/wave", "clips/a_b_走る"}
    with Image.open(out / "wave.webp") as grid:
        assert grid.format == "WEBP" and grid.n_frames > 1
        assert grid.height == TILE[1] and grid.width > 5 * TILE[1]
    with Image.open(out / "contact_sheet.png") as sheet:
        assert sheet.width > 5 * TILE[0] and sheet.height > 2 * TILE[1]
        assert np.asarray(sheet).std() > 10
    for row in rows:
        with Video(out / row["clip"]) as video:
            assert 0 < video.info.duration <= 0.75
    with Video(out / rows[5]["clip"]) as video:
        assert video.info.duration == pytest.approx(0.5, abs=0.07)


def test_examples_are_spread_over_videos_most_confident_first():
    some = [Interval("a.mp4", at, at + 1, "x", confidence=0.9 - at / 10) for at in range(4)]
    some += [Interval("b.mp4", 0, 1, "x", confidence=0.95), Interval("c.mp4", 0, 1, "x")]
    first = list(spread(some, "confident", 0))
    assert [one.file[0] for one in first] == ["c", "b", "a", "a", "a", "a"]
    assert [one.start for one in first[2:]] == [0, 1, 2, 3]
    drawn = {tuple(spread(some, "random", seed)) for seed in range(8)}
    assert len(drawn) > 1
    for one in drawn:
        assert sorted(one, key=repr) == sorted(some, key=repr)
        assert len({interval.file for interval in one[:3]}) == 3


def test_a_long_label_is_shown_by_its_middle_and_a_point_by_what_is_around_it():
    start, end = part_shown(Interval("a.mp4", 10, 40, "x"))
    assert (start + end) / 2 == 25 and end - start == LONGEST_SHOWN
    assert part_shown(Interval("a.mp4", 5, 5, "x")) == (4.75, 5.25)
    assert part_shown(Interval("a.mp4", 0, 0, "x")) == (0.0, 0.5)


def test_more_examples_than_a_row_holds_have_several_rows(index: Path, tmp_path: Path):
    assert snippets(tmp_path / "out", "--index", index, "--count", 11, "--order", "random") == 0
    assert [row["class"] for row in table(tmp_path / "out")].count("wave") == 11 > COLUMNS
    with Image.open(tmp_path / "out" / "wave.webp") as grid:
        assert 2 * TILE[1] <= grid.height < 3 * TILE[1]


def test_labels_of_a_file_and_a_folder_of_videos(videos: Path, tmp_path: Path, capsys):
    names = sorted(path.name for path in videos.glob("*.mp4"))
    home = tmp_path / "videos"
    home.mkdir()
    for name in names[:2]:
        shutil.copy(videos / name, home)
    (home / "broken.mp4").write_bytes(b"no video at all")
    labels = [Interval(name, 0.0, 0.5, "jump") for name in (*names[:3], "lost.mp4")]
    (file,) = write_intervals(tmp_path / "labels.csv", [*labels, Interval("broken.mp4", 0.0, 0.5, "jump")])
    assert snippets(tmp_path / "out", "--labels", file, "--videos", home) == 0
    said = capsys.readouterr().out
    assert f"labels of videos that are not in {home} are left out: {names[2]}, lost.mp4" in said
    assert "broken.mp4" in said
    assert [row["video"] for row in sorted(table(tmp_path / "out"), key=lambda row: row["video"])] == names[:2]


def test_a_video_that_is_gone_is_named_and_passed_over(index: Path, videos: Path, tmp_path: Path, capsys):
    home = shutil.copytree(videos, tmp_path / "videos")
    library = Library(tmp_path / "index", index.parent / "encoder.safetensors")
    library.add(home)
    names = sorted(path.name for path in home.glob("*.mp4"))
    (file,) = write_intervals(tmp_path / "labels.csv", [Interval(name, 0.0, 0.5, "jump") for name in names[:3]])
    (home / names[1]).unlink()
    assert snippets(tmp_path / "out", "--labels", file, "--index", library.path) == 0
    said = capsys.readouterr().out
    assert names[1] in next(line for line in said.splitlines() if line.startswith("note: passed over"))
    assert {row["video"] for row in table(tmp_path / "out")} == {names[0], names[2]}
    for name in names[:3:2]:
        (home / name).unlink()
    assert snippets(tmp_path / "none", "--labels", file, "--index", library.path) == 1
    assert "no video of the labels can be read" in capsys.readouterr().err
    assert not list(tmp_path.glob("*none*")) and not list(tmp_path.glob(".*"))


def test_bad_calls_end_in_a_sentence(index: Path, videos: Path, tmp_path: Path, capsys):
    bare = tmp_path / "bare"
    shutil.copytree(index, bare, ignore=shutil.ignore_patterns("labels.sqlite*"))
    assert snippets(tmp_path / "out", "--index", bare) == 1
    assert f"{bare} has no labels of videos that it holds: give some on its page" in capsys.readouterr().err
    (tmp_path / "there").mkdir()
    assert snippets(tmp_path / "there", "--index", index) == 1
    assert "there is there already; name another file" in capsys.readouterr().err
    for words in ((), ("--labels", "labels.csv"), ("--videos", videos), ("--index", index, "--videos", videos)):
        assert snippets(tmp_path / "out", *words) == 1
        assert "name an index (--index), or a file of labels" in capsys.readouterr().err
    (file,) = write_intervals(tmp_path / "labels.csv", [Interval("lost.mp4", 0.0, 0.5, "jump")])
    assert snippets(tmp_path / "out", "--labels", file, "--videos", videos) == 1
    assert f"{file} has no label of a video in {videos}" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_names_of_files_are_safe_and_differ():
    assert file_name("走る é ok") == "走る_é_ok"
    assert file_name("../..\\x\n|?*") == "x"
    assert file_name("CON") == "_CON" and file_name("nul.txt") == "_nul.txt"
    assert file_name("...") == "_" and file_name("\udcff") == "_"
    for end in (False, True):
        assert len(file_name("走る" * 100, end).encode()) <= LONGEST_NAME
    assert file_name("a" + "走" * 100).startswith("a") and file_name("走" * 100 + "z", end=True).endswith("z")
    named = file_names(["a/b", "a:b", "A_B", "a_b-2", "a/b"])
    assert len(named) == 4 and len({name.casefold() for name in named.values()}) == 4
