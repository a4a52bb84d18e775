"""Extraction by threads that share a device; the device is the CPU where there is no other."""

from __future__ import annotations

import threading
import time

import numpy as np
import pytest
import torch
from extracting import DIS, OPTIONS, contents, extract

from kinema.data import extraction
from kinema.data.extraction import store_reader
from kinema.data.on_device import DevicePairs, flow_device, in_threads
from kinema.errors import ConfigError, KinemaError
from kinema.flow import create_estimator
from kinema.flow.store import stored_names


@pytest.fixture
def shared_cpu(monkeypatch) -> None:
    """Extraction takes the CPU for a device of another kind, for which threads decode."""
    monkeypatch.setattr(extraction, "flow_device", lambda *_: torch.device("meta"))
    monkeypatch.setattr(extraction, "DevicePairs", lambda estimator, _: DevicePairs(estimator, torch.device("cpu")))


@pytest.mark.parametrize("workers", [0, 3])
def test_threads_write_what_processes_write(many, whole, tmp_path, shared_cpu, workers):
    assert extract(many, tmp_path / "store", "--workers", workers) == 0
    assert contents(tmp_path / "store") == contents(whole)


def test_what_threads_cannot_read_is_reported_and_the_others_are_made(many, tmp_path, capsys, shared_cpu):
    (tmp_path / "videos").mkdir()
    for name in ("00.mp4", "03.mp4"):
        (tmp_path / "videos" / name).write_bytes((many / name).read_bytes())
    (tmp_path / "videos" / "01.mp4").write_bytes(bytes(1000))
    assert extract(tmp_path / "videos", tmp_path / "store", "--workers", 2) == 0
    assert "2 videos added, 0 found, 1 left out" in capsys.readouterr().out
    assert stored_names(tmp_path / "store") == ["00.mp4", "03.mp4"]


def test_a_full_disk_stops_all_threads_and_what_was_done_is_kept(many, whole, tmp_path, refused, shared_cpu):
    resource = pytest.importorskip("resource")
    out, limits = tmp_path / "store", resource.getrlimit(resource.RLIMIT_FSIZE)
    sizes = sorted((whole / f"{name}.flow").stat().st_size for name in stored_names(whole))
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (sizes[12], limits[1]))
        sentence = refused("flow", "extract", many, "--out", out, *OPTIONS, "--workers", 2)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert f"cannot write {out}/" in sentence
    assert set(stored_names(out)) < set(stored_names(whole))
    assert extract(many, out, "--workers", 2) == 0
    assert contents(out) == contents(whole)


def test_a_device_is_for_one_batch_at_a_time():
    inside, most = 0, 0

    class Slow:
        def pairs(self, first, second):
            nonlocal inside, most
            inside += 1
            most = max(most, inside)
            time.sleep(0.01)
            inside -= 1
            return second - first

    pairs = DevicePairs(Slow(), torch.device("cpu"))
    one = np.arange(3)
    with in_threads(lambda n: pairs(one, one + n), 20, 8, pairs.stop) as made:
        found = list(made)
    assert [list(flow) for flow in found] == [[n] * 3 for n in range(20)]
    assert most == 1
    with pytest.raises(KinemaError, match="stopped"):
        pairs(one, one)


def test_too_little_memory_is_said():
    class Large:
        def pairs(self, first, second):
            raise torch.OutOfMemoryError("CUDA out of memory")

    frames = np.zeros((2, 30, 40), np.uint8)
    with pytest.raises(
        KinemaError, match="cpu has too little memory for flow of 40 x 30 pixels: scale the frames down"
    ):
        DevicePairs(Large(), torch.device("cpu"))(frames, frames)


def test_threads_end_soon_when_nobody_wants_the_rest():
    stopped, began = threading.Event(), []

    def work(number: int) -> int:
        began.append(number)
        if number:
            assert stopped.wait(60)
        return number

    with in_threads(work, 100, 3, stopped.set) as results:
        assert next(results) == 0
    assert {0, 1, 2} <= set(began) <= {0, 1, 2, 3}


def test_estimators_go_where_they_can():
    assert flow_device(create_estimator("dis"), "auto").type == "cpu"
    assert flow_device(create_estimator("tvl1"), "auto").type == ("cuda" if torch.cuda.is_available() else "cpu")
    assert flow_device(create_estimator("tvl1"), "meta").type == "meta"
    with pytest.raises(ConfigError, match="dis computes on the CPU alone, not on meta: use auto, or another estimator"):
        flow_device(create_estimator("dis"), "meta")


def test_a_device_that_is_not_here_is_refused_before_the_work(folder, tmp_path, refused):
    out = tmp_path / "store"
    sentence = refused("flow", "extract", folder, "--out", out, "--estimator", "tvl1", "--device", "cuda:77")
    assert "there is no device 'cuda:77' here" in sentence
    assert stored_names(out) == []


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU here")
def test_a_gpu_finds_what_the_cpu_finds(many, tmp_path):
    words = ("--estimator", "tvl1")
    for device in ("cpu", "cuda"):
        assert extract(many, tmp_path / device, *words, "--device", device) == 0
    config = extraction.ExtractConfig(estimator="tvl1", short_side=DIS.short_side)
    readers = [store_reader(many, tmp_path / device, config) for device in ("cpu", "cuda")]
    for entry in extraction.read_manifest(tmp_path / "cpu" / "manifest.parquet"):
        one, other = (reader.fields(entry, np.arange(0, 39, 5)) for reader in readers)
        assert np.linalg.norm(one - other, axis=1).mean() < 0.05
