"""What cannot be extracted is said in a sentence, and what was done stays."""

from __future__ import annotations

import csv
import dataclasses
import shutil
import time
from pathlib import Path
from typing import Any

import pytest
from extracting import DIS, FORK, OPTIONS, contents, extract
from known_videos import numbered_frames, write

from kinema.cli import main
from kinema.data.extraction import extract_flow, store_reader
from kinema.errors import ConfigError, OutputError
from kinema.flow.store import stored_names
from kinema.video import scan_folder


@pytest.fixture
def mixed(folder, tmp_path) -> Path:
    """One good video, one that cannot be read, one of a single frame, one that vanishes after the scan."""
    path = tmp_path / "mixed"
    path.mkdir()
    shutil.copy(folder / "slide.mp4", path)
    shutil.copy(folder / "back.mp4", path / "gone.mp4")
    (path / "corrupt.mp4").write_bytes(bytes(1000))
    write(path / "still.mp4", numbered_frames(1))
    return path


@pytest.mark.parametrize("workers", [0, 1])
def test_failures_are_reported_and_the_others_are_made(mixed, tmp_path, capsys, workers):
    out = tmp_path / "store"
    assert main(["scan", str(mixed), "--out", str(tmp_path / "manifest.csv")]) == 0
    (mixed / "gone.mp4").unlink()
    capsys.readouterr()
    assert extract(mixed, out, "--manifest", tmp_path / "manifest.csv", "--workers", workers) == 0
    output, errors = capsys.readouterr()
    assert output == f"{out}: 1 videos added, 0 found, 3 left out\n{out / 'failures.csv'}\n"
    with (out / "failures.csv").open(newline="") as file:
        rows = {row["path"]: row["error"] for row in csv.DictReader(file)}
    assert errors == "".join(f"left out: {path}: {reason}\n" for path, reason in rows.items())
    assert list(rows) == ["corrupt.mp4", "gone.mp4", "still.mp4"]
    assert rows["gone.mp4"] == "no such file or directory"
    assert rows["still.mp4"] == "0.062 s are too short for one step of flow"
    assert stored_names(out) == ["slide.mp4"]


def test_nothing_at_all_is_an_error(mixed, tmp_path, refused):
    (mixed / "slide.mp4").unlink()
    (mixed / "gone.mp4").unlink()
    sentence = refused("flow", "extract", mixed, "--out", tmp_path / "store", *OPTIONS, "--workers", 0)
    assert f"nothing of {mixed} has flow in {tmp_path / 'store'} now (the first is corrupt.mp4: " in sentence


def test_a_video_that_has_changed_and_flow_that_is_damaged_are_reported_and_kept(many, whole, tmp_path):
    videos, out = shutil.copytree(many, tmp_path / "videos"), shutil.copytree(whole, tmp_path / "store")
    shutil.copy(videos / "03.mp4", videos / "00.mp4")
    damaged = out / "06.mp4.flow"
    data = damaged.read_bytes()
    damaged.unlink()
    damaged.write_bytes(data[:-50])
    before = contents(out)
    reader = store_reader(videos, out, DIS)
    done = extract_flow(reader, scan_folder(videos))
    assert (done.made, done.found) == (0, 22)
    (changed, first), (cut, second) = done.failures
    assert (changed, cut) == ("00.mp4", "06.mp4")
    assert "holds the flow of an earlier 00.mp4, which has changed since: delete it and run" in first
    assert f"{damaged} is damaged" in second
    after = contents(out)
    assert {name: after[name] for name in before if name.endswith(".flow")} == {
        name: data for name, data in before.items() if name.endswith(".flow")
    }
    for path in ("00.mp4.flow", "06.mp4.flow"):  # as the messages say
        (out / path).unlink()
    assert extract_flow(reader, scan_folder(videos)).made == 2
    assert not (out / "failures.csv").exists()


@pytest.mark.parametrize("workers", [0, pytest.param(2, marks=pytest.mark.slow)])
def test_a_full_disk_stops_it_and_what_was_done_is_kept(many, whole, tmp_path, refused, workers):
    resource = pytest.importorskip("resource")
    out, limits = tmp_path / "store", resource.getrlimit(resource.RLIMIT_FSIZE)
    sizes = {name: (whole / f"{name}.flow").stat().st_size for name in stored_names(whole)}
    limit = sorted(sizes.values())[12]
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limits[1]))
        sentence = refused("flow", "extract", many, "--out", out, *OPTIONS, "--workers", workers)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert f"cannot write {out}/" in sentence and "File too large; choose a folder with" in sentence
    assert set(stored_names(out)) < set(sizes)
    assert extract(many, out, "--workers", 0) == 0
    assert contents(out) == contents(whole)


def hold(out: Path, held: Any) -> None:
    with store_reader(".", out, DIS).store.writing():
        held.set()
        time.sleep(600)


def test_a_second_extraction_into_one_store_is_refused(folder, tmp_path, refused):
    out, held = tmp_path / "store", FORK.Event()
    process = FORK.Process(target=hold, args=(out, held))
    process.start()
    try:
        assert held.wait(60)
        sentence = refused("flow", "extract", folder, "--out", out, *OPTIONS, "--workers", 0)
    finally:
        process.kill()
        process.join()
    assert f"cannot write to the flow store {out}: another process is writing to it; wait for it, or use" in sentence
    assert stored_names(out) == []
    assert extract(folder, out, "--workers", 0) == 0


def test_other_settings_and_folders_that_are_no_store(whole, folder, tmp_path, refused):
    before = contents(whole)
    words = ["flow", "extract", folder, "--workers", 0]
    sentence = refused(*words, "--out", whole, *OPTIONS, "--estimator", "farneback")
    assert f"the flow store {whole} was made otherwise (estimator was 'dis', is 'farneback'; parameters." in sentence
    assert contents(whole) == before
    sentence = refused(*words, "--out", folder, *OPTIONS)
    assert f"{folder} is neither empty nor a flow store" in sentence


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"step": 0.1, "step_frames": 2}, "a step is given by step .* or by step_frames .*, not by both"),
        ({"step": 0.0}, r"step must be above 0, not 0\.0"),
        ({"step_frames": 0}, "step_frames must be above 0, not 0"),
        ({"short_side": -1}, "short_side must be above 0, not -1"),
        ({"estimator": "magic"}, "magic"),
    ],
)
def test_settings_that_cannot_work(folder, tmp_path, changes, words):
    with pytest.raises(ConfigError, match=words):
        store_reader(folder, tmp_path / "store", dataclasses.replace(DIS, **changes))
    assert not (tmp_path / "store").exists()


def test_an_estimator_that_cannot_be_used_here_is_refused_before_the_work(folder, tmp_path, refused, monkeypatch):
    monkeypatch.setattr("kinema.flow.estimators.DIS.missing", lambda self: "dis is not here: get it")
    sentence = refused("flow", "extract", folder, "--out", tmp_path / "store", *OPTIONS)
    assert sentence.endswith("dis is not here: get it")


def test_frames_that_are_too_small_for_the_estimator(folder, tmp_path, refused):
    sentence = refused("flow", "extract", folder, "--out", tmp_path / "store", "--estimator", "dis", "--short-side", 4)
    assert "dis needs frames of at least" in sentence


def test_what_a_store_cannot_be_made_in(folder, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OutputError, match=r"cannot write .*file.*: Not a directory"):
        store_reader(folder, tmp_path / "file" / "store", DIS)
