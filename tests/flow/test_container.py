"""A video's file of flow: random access, and no wrong numbers from a damaged one."""

from __future__ import annotations

import struct
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kinema.errors import DataError
from kinema.flow.container import VideoFlow, open_video_flow, write_video_flow


@pytest.fixture(scope="module")
def fields() -> list[tuple[float, np.ndarray]]:
    draw = np.random.default_rng(0)
    return [(0.1 * number, draw.normal(size=(2, 6, 5)).astype(np.float32)) for number in range(12)]


@pytest.fixture
def flow(tmp_path, fields) -> VideoFlow:
    return write_video_flow(tmp_path / "a.mp4.flow", fields, {"video": "x"})


def test_fields_are_found_by_time_and_by_number(flow, fields):
    assert (len(flow), flow.size, flow.about) == (12, (6, 5), {"video": "x"})
    rows = flow.rows(np.array([0.7, 0.0, 1.1, 0.7]))
    assert rows.tolist() == [7, 0, 11, 7]
    for found, row in zip(flow.read(rows), rows, strict=True):
        assert np.abs(found - fields[row][1]).max() <= 0.501 * flow.index["step"][row]
    assert flow.read([]).shape == (0, 2, 6, 5)
    for missed in (0.75, -0.1, 1.2):
        with pytest.raises(DataError, match=f"holds no flow field at {missed:.3f} s"):
            flow.rows(np.array([0.0, missed]))


def test_the_same_fields_give_the_same_bytes(tmp_path, fields, flow):
    again = write_video_flow(tmp_path / "b.flow", iter(fields), {"video": "x"})
    assert again.path.read_bytes() == flow.path.read_bytes()


def test_fields_of_two_sizes_and_no_fields_at_all(tmp_path, fields):
    with pytest.raises(DataError, match=r"field at 2\.000 s has another size than those before"):
        write_video_flow(tmp_path / "b.flow", [*fields, (2.0, np.zeros((2, 5, 6), np.float32))], {})
    with pytest.raises(DataError, match="no flow fields to write"):
        write_video_flow(tmp_path / "b.flow", [], {})
    assert list(tmp_path.iterdir()) == []


def test_a_flipped_byte_anywhere_is_found_or_changes_nothing(tmp_path, fields):
    """Every byte of the file, read by a process that had opened it before and by one that had not."""
    known = write_video_flow(tmp_path / "a.flow", fields, {"video": "x"})
    right, whole, found = known.read(range(12)), known.path.read_bytes(), 0
    draw = np.random.default_rng(0)
    damaged = tmp_path / "damaged.flow"
    for place in range(len(whole)):
        data = bytearray(whole)
        data[place] ^= int(draw.integers(1, 256))
        damaged.unlink(missing_ok=True)
        damaged.write_bytes(data)
        for read in (lambda: open_video_flow(damaged), lambda: VideoFlow(damaged, known.size, known.index, {})):
            fresh = []
            for row in range(12):
                try:
                    fresh.append(np.array_equal(read().read([row])[0], right[row]))
                except DataError:
                    found += 1
            assert all(fresh)
    assert found > 2 * len(whole) - 200  # the index and each field: but for the header, which an open file is past


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_a_file_that_is_cut_or_overwritten_is_named(tmp_path_factory, fields, data):
    path = tmp_path_factory.mktemp("cut") / "a.flow"
    whole = write_video_flow(path, fields, {}).path.read_bytes()
    place = data.draw(st.integers(0, len(whole) - 1))
    path.unlink()
    path.write_bytes(data.draw(st.sampled_from([whole[:place], whole[:place] + bytes(len(whole) - place), whole * 2])))
    if path.read_bytes() == whole:
        return
    with pytest.raises(DataError, match=r"a\.flow is damaged \(.*\): delete it and run `kinema flow extract` again"):
        open_video_flow(path).read(range(12))


def test_a_file_of_a_newer_version(flow):
    data = bytearray(flow.path.read_bytes())
    prefix = struct.pack("<8sH", b"KINEFLOW", 99)
    data[: len(prefix) + 4] = prefix + struct.pack("<I", zlib.crc32(prefix))
    flow.path.unlink()
    flow.path.write_bytes(data)
    with pytest.raises(
        DataError, match=r"a\.mp4\.flow has format 99 of flow files, this kinema reads 3: update kinema"
    ):
        open_video_flow(flow.path)


def test_a_file_that_is_gone_or_a_folder(flow):
    flow.path.unlink()
    with pytest.raises(DataError, match=r"there is no flow at .*a.mp4.flow; make it with"):
        open_video_flow(flow.path)
    with pytest.raises(DataError, match=r"cannot read .*a\.mp4\.flow: No such file"):
        flow.read([0])
    flow.path.mkdir()
    with pytest.raises(DataError, match=r"cannot read .*a\.mp4\.flow: Is a directory"):
        open_video_flow(flow.path)
