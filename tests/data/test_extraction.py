"""Extraction as users run it: stopped, split, repeated, on bad files."""

from __future__ import annotations

import csv
import dataclasses
import multiprocessing
import os
import random
import shutil
import signal
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from known_videos import FPS, numbered_frames, sliding_frames, write

from kinema.cli import main
from kinema.config import ExtractConfig
from kinema.data import extraction
from kinema.data.extraction import extract_flow, parse_shard, store_reader, video_fields
from kinema.errors import ConfigError, OutputError
from kinema.flow import set_opencv_threads
from kinema.flow.quantise import quantisation_step
from kinema.flow.store import stored_names
from kinema.video import read_manifest, scan_folder

FORK = multiprocessing.get_context("fork")  # a new interpreter would load all of torch first
DIS = ExtractConfig(estimator="dis", short_side=48)
OPTIONS = ["--estimator", "dis", "--short-side", 48]


def extract(videos: Path, out: Path, *words: object) -> int:
    return main([str(word) for word in ("flow", "extract", videos, "--out", out, *OPTIONS, *words)])


def contents(store: Path) -> dict[str, bytes]:
    """All of a store but its locks."""
    files = {path.relative_to(store).as_posix(): path for path in store.rglob("*") if path.is_file()}
    return {name: path.read_bytes() for name, path in sorted(files.items()) if not path.name.startswith(".")}


@pytest.fixture(scope="module")
def many(tmp_path_factory) -> Path:
    """24 videos of 40 frames in two folders."""
    folder = tmp_path_factory.mktemp("many")
    (folder / "deep").mkdir()
    for number in range(24):
        name = f"{'deep/' if number % 3 else ''}{number:02}.mp4"
        write(folder / name, sliding_frames([(number % 4 * t, -(number % 3) * t) for t in range(40)], 48))
    return folder


@pytest.fixture(scope="module")
def whole(many, tmp_path_factory) -> Path:
    """The store of one uninterrupted extraction, in one process."""
    out = tmp_path_factory.mktemp("whole") / "store"
    assert extract(many, out, "--workers", 0) == 0
    return out


# what is extracted


def test_a_store_holds_the_flow_of_every_frame_but_the_last(many, whole):
    reader, entries = store_reader(many, whole, DIS), scan_folder(many)
    assert (
        stored_names(whole)
        == [entry.path for entry in entries]
        == [e.path for e in read_manifest(whole / "manifest.csv")]
    )
    assert set(contents(whole)) == {*(f"{name}.flow" for name in stored_names(whole)), "manifest.csv", "store.json"}
    for number in (1, 6):
        (entry,) = (entry for entry in entries if entry.path.endswith(f"{number:02}.mp4"))
        flow = reader.store.open(entry.path, reader.fingerprint(entry))
        assert (len(flow), flow.size) == (39, (48, 48))
        assert flow.index["begin"].tolist() == pytest.approx([(frame + 0.5) / FPS for frame in range(39)])
        fields = flow.read(range(39))
        assert np.median(fields[:, 0]) == pytest.approx(number % 4, abs=0.1)
        assert np.median(fields[:, 1]) == pytest.approx(-(number % 3), abs=0.1)


@pytest.mark.parametrize(
    "changes", [{}, {"step": 0.1}, {"step": 0.125, "step_ratio": 0.7}, {"step_frames": 3, "step_ratio": 0.5}]
)
@pytest.mark.parametrize("batch", [3, 16])
def test_batches_give_what_single_fields_give(folder, entries, tmp_path, monkeypatch, changes, batch):
    monkeypatch.setattr(extraction, "BATCH", batch)
    reader, entry = store_reader(folder, tmp_path / "store", dataclasses.replace(DIS, **changes)), entries["back"]
    with reader.open(entry) as video:
        found = list(video_fields(reader, video, entry))
        grid = reader.grid(entry)
        for place, (begin, field) in enumerate(found):
            assert begin == grid.times([place])[0]
            assert np.array_equal(field, reader.estimate(video, entry, np.array([place]))[0])
    assert len(found) == reader.field_count(entry)


def test_frames_are_decoded_once(folder, entries, tmp_path, monkeypatch):
    reader, asked = store_reader(folder, tmp_path / "store", DIS), []
    with reader.open(entries["back"]) as video:
        at_times = video.at_times
        monkeypatch.setattr(video, "at_times", lambda times: asked.extend(times) or at_times(times))
        assert len(list(video_fields(reader, video, entries["back"]))) == 39
    assert asked == sorted(asked) and len(asked) == 40


def test_a_second_extraction_finds_all_and_changes_nothing(many, whole, capsys):
    before = {path: path.stat().st_mtime_ns for path in whole.rglob("*.flow")}
    assert extract(many, whole, "--workers", 2) == 0
    assert capsys.readouterr().out == f"{whole}: 0 videos added, 24 found, 0 left out\n"
    assert {path: path.stat().st_mtime_ns for path in whole.rglob("*.flow")} == before


# in parts


@pytest.mark.parametrize("together", [False, True])
def test_shards_are_together_the_whole(many, whole, tmp_path, together):
    """In folders of their own that are copied together, or in one."""
    out = tmp_path / "store"
    for number in (1, 2, 3):
        part = out if together else tmp_path / str(number)
        assert extract(many, part, "--shard", f"{number}/3", "--workers", 0) == 0
        assert len(stored_names(part)) == (8 * number if together else 8)
        shutil.copytree(part, out, dirs_exist_ok=True) if not together else None
    assert contents(out) == contents(whole)


def test_processes_share_the_work_and_write_the_same(many, whole, tmp_path):
    assert extract(many, tmp_path / "store", "--workers", 2) == 0
    assert contents(tmp_path / "store") == contents(whole)


@pytest.mark.parametrize("text", ["0/2", "3/2", "1", "a/b", "1/2/3", "-1/2", "1/0", "", "½/1"])
def test_a_shard_that_is_none(text):
    with pytest.raises(ConfigError, match="a shard is i/n with i from 1 to n, such as 2/8, not"):
        parse_shard(text)


def test_more_shards_than_videos(folder, tmp_path):
    reader, entries = store_reader(folder, tmp_path / "store", DIS), scan_folder(folder)
    done = [extract_flow(reader, entries, (number, 5)).made for number in range(1, 6)]
    assert done == [1, 1, 1, 0, 0]


# killed


def in_own_group(many: Path, out: Path) -> None:
    os.setsid()
    os._exit(extract(many, out, "--workers", 2))


@pytest.mark.parametrize("group", [True, False])
def test_an_extraction_that_is_killed_goes_on(many, whole, tmp_path, group):
    """Ten times, with its workers or without them, so that they live on beside the next one."""
    out, draw, done = tmp_path / "store", random.Random(0), {}
    set_opencv_threads(1)  # a forked process would wait for others
    undisturbed = FORK.Process(target=in_own_group, args=(many, tmp_path / "undisturbed"))
    undisturbed.start()
    began = time.perf_counter()
    undisturbed.join()
    assert undisturbed.exitcode == 0
    took = time.perf_counter() - began
    runs: list[Any] = []
    midway = 0
    while len(runs) < 10:
        runs.append(FORK.Process(target=in_own_group, args=(many, out)))
        runs[-1].start()
        time.sleep(took * draw.uniform(0.05, 0.45))
        if group and runs[-1].is_alive():
            os.killpg(runs[-1].pid, signal.SIGKILL)
        runs[-1].kill()
        runs[-1].join()
        found = {name: (out / f"{name}.flow").stat().st_mtime_ns for name in stored_names(out)} if out.exists() else {}
        assert found.keys() >= done.keys()  # nothing that was done is lost
        done = found
        midway += runs[-1].exitcode == -signal.SIGKILL and 0 < len(done) < 24
    assert midway
    assert extract(many, out, "--workers", 2) == 0
    for run in runs:  # the orphans
        try:
            os.killpg(run.pid, signal.SIGKILL)
        except ProcessLookupError:
            continue
    assert contents(out) == contents(whole)


# what cannot be extracted


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


@pytest.mark.parametrize("workers", [0, 2])
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


# the error on real videos


@pytest.mark.shared
@pytest.mark.parametrize(("estimator", "side"), [("dis", 64), ("dis", 256), ("tvl1", 112)])
def test_the_error_is_small_on_real_videos(shared_data, tmp_path, estimator, side):
    """Mean endpoint error below 0.05 pixels, and below 1 % of the largest motion of its field."""
    videos = sorted((shared_data / "actions" / "ut_interaction").rglob("*.*"))[::15]
    for path in videos:
        shutil.copy(path, tmp_path)
    config = ExtractConfig(estimator=estimator, short_side=side)
    reader, entries = store_reader(tmp_path, tmp_path / "store", config), scan_folder(tmp_path)
    for entry in entries:
        positions = np.arange(0, reader.field_count(entry), 12)
        with reader.open(entry) as video:
            fields = reader.estimate(video, entry, positions)
        times = reader.grid(entry).times(positions).tolist()
        reader.store.write(entry.path, reader.fingerprint(entry), zip(times, fields, strict=True))
        for found, field in zip(reader.fields(entry, positions), fields, strict=True):
            error = np.linalg.norm(found - field, axis=0)
            assert error.mean() < 0.05
            assert error.mean() <= 0.01 * np.linalg.norm(field, axis=0).max()  # DIS finds no motion at all in some
            assert np.abs(found - field).max() <= 0.5 * quantisation_step(field) * (1 + 1e-5)
    assert len(entries) == len(videos) >= 3


def test_what_a_store_cannot_be_made_in(folder, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OutputError, match=r"cannot write .*file.*: Not a directory"):
        store_reader(folder, tmp_path / "file" / "store", DIS)
