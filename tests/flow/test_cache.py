from __future__ import annotations

import multiprocessing
import os
import pickle
import struct
import time
import zlib
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kinema.errors import ConfigError, DataError, OutputError
from kinema.flow import FlowCache, cache_key, create_estimator, flow_key, video_fingerprint


@dataclass(frozen=True)
class Geometry:
    short_side: int = 64
    crop: tuple[int, int] | None = None


@pytest.fixture
def cache(tmp_path: Path) -> FlowCache:
    return FlowCache(tmp_path / "cache")


KEY = cache_key(entry=0)


def fields(seed: int = 0, shape: tuple[int, ...] = (7, 2, 16, 20)) -> np.ndarray:
    return (4 * np.random.default_rng(seed).standard_normal(shape)).astype(np.float32)


# storing


def test_what_comes_back_is_what_put_returned(cache):
    flow = fields()
    assert cache.get(KEY) is None
    stored = cache.put(KEY, flow)
    found = cache.get(KEY)
    np.testing.assert_array_equal(found, stored)
    assert found.dtype == np.float32
    assert found.flags.writeable
    assert cache.get(cache_key(entry=1)) is None


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.floats(-60000, 60000, width=32), min_size=1, max_size=30))
def test_half_precision_keeps_its_error_bound(cache, values):
    flow = np.array(values, np.float32)
    error = np.abs(cache.put(KEY, flow).astype(np.float64) - flow)
    assert (error <= np.maximum(np.abs(flow) * 2.0**-11, 2.0**-25)).all()


def test_full_precision_is_exact(tmp_path):
    scores = fields(shape=(31,))
    cache = FlowCache(tmp_path, precision="float32")
    cache.put(KEY, scores)
    np.testing.assert_array_equal(cache.get(KEY), scores)


@pytest.mark.parametrize("shape", [(), (5,), (0, 2, 4, 4), (1, 2, 3, 4, 5, 6)])
def test_any_shape_up_to_six_dimensions(cache, shape):
    cache.put(KEY, np.ones(shape, np.float64))
    assert cache.get(KEY).shape == shape


def test_get_or_compute_computes_once_and_gives_the_same_numbers(cache):
    calls = []

    def compute() -> np.ndarray:
        calls.append(1)
        return fields()

    first, second = cache.get_or_compute(KEY, compute), cache.get_or_compute(KEY, compute)
    np.testing.assert_array_equal(first, second)
    assert len(calls) == 1


def test_values_that_do_not_fit_are_refused(cache):
    for value in (np.nan, np.inf, 1e6):
        with pytest.raises(DataError, match="cannot be cached"):
            cache.put(KEY, np.full((1, 2, 4, 4), value, np.float32))
    assert cache.get(KEY) is None
    with pytest.raises(ConfigError, match="float16, float32"):
        FlowCache(cache.folder, precision="int8")


def test_entries_are_spread_over_folders_and_nothing_else_is_left(cache):
    keys = [cache_key(entry=i) for i in range(50)]
    for key in keys:
        cache.put(key, fields(shape=(1, 2, 4, 4)))
    files = [path for path in cache.folder.rglob("*") if path.is_file()]
    assert sorted(path.stem for path in files) == sorted(keys)
    assert len({path.parent for path in files}) > 10


# damage


def test_every_damaged_byte_is_noticed(cache):
    """Flip each bit of the header and some of the numbers; cut the file at each length."""
    cache.put(KEY, fields(shape=(1, 2, 2, 3)))
    path = cache.path(KEY)
    good = path.read_bytes()
    for index in range(len(good)):
        for bit in (0, 3, 7):
            wrong = bytearray(good)
            wrong[index] ^= 1 << bit
            path.write_bytes(wrong)
            assert cache.get(KEY) is None, f"byte {index}, bit {bit}"
        path.write_bytes(good[:index])
        assert cache.get(KEY) is None, f"cut to {index} bytes"
    path.write_bytes(good + b"\0")
    assert cache.get(KEY) is None
    path.write_bytes(good)
    assert cache.get(KEY) is not None


def test_damage_is_logged_once_and_mended(cache, caplog):
    flow = cache.put(KEY, fields())
    for _ in range(2):
        cache.path(KEY).write_bytes(cache.path(KEY).read_bytes()[:-5])
        np.testing.assert_array_equal(cache.get_or_compute(KEY, fields), flow)
        np.testing.assert_array_equal(cache.get(KEY), flow)
    assert cache.damaged == 2
    assert len(caplog.records) == 1
    assert str(cache.path(KEY)) in caplog.text
    assert "computed again" in caplog.text


def test_an_entry_under_a_wrong_name_is_not_returned(cache):
    other = cache_key(entry=1)
    cache.put(KEY, fields())
    cache.path(other).parent.mkdir(exist_ok=True)
    cache.path(KEY).rename(cache.path(other))
    assert cache.get(other) is None


def test_an_entry_of_a_newer_version_is_an_error(cache):
    cache.put(KEY, fields())
    path = cache.path(KEY)
    prefix = struct.pack("<8sH", b"KINEFLOW", 2)
    path.write_bytes(prefix + struct.pack("<I", zlib.crc32(prefix)) + b"whatever comes then")
    with pytest.raises(DataError, match=r"format 2.*up to 1.*update") as caught:
        cache.get(KEY)
    assert str(path) in str(caught.value)


def test_an_unwritable_folder_is_one_sentence(tmp_path):
    in_the_way = tmp_path / "file"
    in_the_way.write_text("")
    with pytest.raises(OutputError, match="cannot write"):
        FlowCache(in_the_way / "cache")
    cache = FlowCache(tmp_path / "cache")
    (cache.folder / KEY[:2]).write_text("")
    with pytest.raises(OutputError, match="cannot write"):
        cache.put(KEY, fields())


# several processes


def _hammer(cache: FlowCache, seed: int, rounds: int, results: multiprocessing.Queue) -> None:
    rng, wrong, found = np.random.default_rng(seed), 0, 0
    expected = [(fields(entry), fields(entry + 100)) for entry in range(3)]
    for _ in range(rounds):
        entry = int(rng.integers(3))
        key = cache_key(entry=entry)
        if rng.random() < 0.5:
            cache.put(key, expected[entry][rng.integers(2)])
        else:
            seen = cache.get(key)
            found += seen is not None
            wrong += seen is not None and not any(np.allclose(seen, e, atol=0.02) for e in expected[entry])
    results.put((wrong + cache.damaged, found))


def test_processes_that_write_the_same_keys_never_see_half_an_entry(cache):
    context = multiprocessing.get_context("fork")
    results = context.Queue()
    workers = [context.Process(target=_hammer, args=(cache, seed, 400, results)) for seed in range(3)]
    for worker in workers:
        worker.start()
    counts = [results.get(timeout=120) for _ in workers]
    for worker in workers:
        worker.join(timeout=60)
        assert worker.exitcode == 0
    assert sum(wrong for wrong, _ in counts) == 0
    assert sum(found for _, found in counts) > 300
    assert len([path for path in cache.folder.rglob("*") if path.is_file()]) == 3  # no temporary file is left


def test_survives_pickling(cache):
    cache.put(KEY, fields())
    copy = pickle.loads(pickle.dumps(cache))
    np.testing.assert_array_equal(copy.get(KEY), cache.get(KEY))


# keys


def test_every_part_of_the_key_counts():
    base = {"video": "a", "estimator": create_estimator("dis"), "view": Geometry(), "step": 0.125, "segment": 0}
    changes = [
        {"video": "b"},
        {"estimator": create_estimator("dis", preset="fast")},
        {"estimator": create_estimator("farneback")},
        {"view": Geometry(short_side=112)},
        {"view": replace(Geometry(), crop=(64, 64))},
        {"step": 0.25},
        {"segment": 1},
        {"segment": [0.0, 0.125]},
    ]
    keys = {flow_key(**(base | change)) for change in [{}, *changes]}
    assert len(keys) == len(changes) + 1
    assert flow_key(**base) == flow_key(**(base | {"estimator": create_estimator("dis")}))


def test_keys_do_not_depend_on_the_run_or_the_order():
    assert cache_key(a=1, b=[1.5, "x"]) == cache_key(b=(1.5, "x"), a=1)
    assert cache_key(a=1) == "f9d86028c6e0d64e225186f96acb69338b2c59764df79162107f5c4bb34d1310"
    with pytest.raises(ConfigError, match="plain values"):
        cache_key(a=object())


def test_fingerprint_changes_with_the_file_and_not_with_its_folder(tmp_path):
    for folder in ("one", "two"):
        (tmp_path / folder / "sub").mkdir(parents=True)
        (tmp_path / folder / "sub" / "a.mp4").write_bytes(b"video")
        os.utime(tmp_path / folder / "sub" / "a.mp4", ns=(10**18, 10**18))
    one, two = tmp_path / "one" / "sub" / "a.mp4", tmp_path / "two" / "sub" / "a.mp4"
    before = video_fingerprint(one, root=tmp_path / "one")
    assert before == video_fingerprint(two, root=tmp_path / "two")
    assert before != video_fingerprint(one, root=tmp_path)
    one.write_bytes(b"other")
    os.utime(one, ns=(10**18 + 1, 10**18 + 1))
    assert before != video_fingerprint(one, root=tmp_path / "one")
    with pytest.raises(DataError, match=r"none\.mp4"):
        video_fingerprint(tmp_path / "none.mp4")


# worth


def test_reading_is_much_quicker_than_computing(cache, sliding_clip):
    frames, estimator = sliding_clip(8, 112, 112, 2, 1), create_estimator("dis")

    def seconds(work) -> float:
        times = []
        for _ in range(7):
            start = time.perf_counter()
            work()
            times.append(time.perf_counter() - start)
        return min(times)

    cache.put(KEY, estimator.estimate(frames))
    assert seconds(lambda: cache.get(KEY)) < 0.5 * seconds(lambda: estimator.estimate(frames))
