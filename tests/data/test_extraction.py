"""Extraction as users run it: stopped, split, repeated."""

from __future__ import annotations

import dataclasses
import os
import random
import shutil
import signal
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from extracting import DIS, FORK, contents, extract
from known_videos import FPS

from kinema.config import ExtractConfig
from kinema.data.extraction import store_reader, video_fields
from kinema.flow import set_opencv_threads
from kinema.flow.quantise import pack_field
from kinema.flow.store import stored_names
from kinema.video import read_manifest, scan_folder, write_manifest

# what is extracted


def test_a_store_holds_the_flow_of_every_frame_but_the_last(many, whole):
    reader, entries = store_reader(many, whole, DIS), scan_folder(many)
    assert (
        stored_names(whole)
        == [entry.path for entry in entries]
        == [e.path for e in read_manifest(whole / "manifest.parquet")]
    )
    assert set(contents(whole)) == {*(f"{name}.flow" for name in stored_names(whole)), "manifest.parquet", "store.json"}
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
def test_batches_give_what_single_fields_give(folder, entries, tmp_path, changes, batch):
    reader, entry = store_reader(folder, tmp_path / "store", dataclasses.replace(DIS, **changes)), entries["back"]
    with reader.open(entry) as video:
        found = list(video_fields(reader, video, entry, batch=batch))
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


def test_parts_of_a_list_that_are_copied_together_are_the_whole(many, whole, tmp_path):
    """As machines do that do not see each other: each has its own lines of the manifest, and its own store."""
    out, entries = tmp_path / "store", list(scan_folder(many))
    for number in range(3):
        lines = tmp_path / f"{number}.csv"
        write_manifest(entries[number::3], lines)
        assert extract(many, tmp_path / str(number), "--manifest", lines, "--workers", 0) == 0
        assert len(stored_names(tmp_path / str(number))) == 8
        shutil.copytree(tmp_path / str(number), out, dirs_exist_ok=True)
    assert extract(many, out, "--workers", 0) == 0  # which finds all, and lists them
    assert contents(out) == contents(whole)


def test_processes_share_the_work_and_write_the_same(many, whole, tmp_path):
    assert extract(many, tmp_path / "store", "--workers", 2) == 0
    assert contents(tmp_path / "store") == contents(whole)


# killed


def in_own_group(many: Path, out: Path) -> None:
    os.setsid()
    os._exit(extract(many, out, "--workers", 2))


@pytest.mark.parametrize("group", [True, False])
@pytest.mark.parametrize("kills", [3, pytest.param(10, marks=pytest.mark.slow)])
def test_an_extraction_that_is_killed_goes_on(many, whole, tmp_path, group, kills):
    """With its workers or without them, so that they live on beside the next one."""
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
    while len(runs) < kills or (not midway and len(runs) < 5 * kills):  # on a busy machine some come too late
        runs.append(FORK.Process(target=in_own_group, args=(many, out)))
        runs[-1].start()
        time.sleep(took * draw.uniform(0.05, 0.7))
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
    found = contents(out)
    if not group:  # what an orphan was writing when it was killed just now, of a video that is there
        found = {name: data for name, data in found.items() if ".tmp." not in name}
    assert found == contents(whole)


def test_what_a_killed_extraction_left_half_written_goes(many, whole, tmp_path):
    out = shutil.copytree(whole, tmp_path / "store")
    (out / "00.mp4.flow").unlink()
    for left in (".manifest.1234.tmp.parquet", ".00.mp4.1234.tmp.flow"):
        (out / left).write_bytes(b"half")
    assert extract(many, out, "--workers", 0) == 0
    assert contents(out) == contents(whole)


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
            assert np.abs(found - field).max() <= 0.5 * pack_field(field)[1] * (1 + 1e-5)
    assert len(entries) == len(videos) >= 3
