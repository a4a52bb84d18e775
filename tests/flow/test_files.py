"""Files of true flow: what was written comes back, and damaged files are refused."""

from __future__ import annotations

import struct

import cv2
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from kinema.errors import ConfigError, DataError, OutputError
from kinema.flow import read_flow, write_flow

SHAPES = st.tuples(st.integers(1, 9), st.integers(1, 9))
QUICK = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def fields(largest):
    vectors = st.floats(-largest, largest, width=32)
    return SHAPES.flatmap(
        lambda shape: st.tuples(arrays.arrays(np.float32, (2, *shape), elements=vectors), arrays.arrays(bool, shape))
    )


@QUICK
@given(fields(1e9))
def test_flo_comes_back_exactly(tmp_path, field):
    flow, valid = field
    path = write_flow(tmp_path / "field.flo", flow, valid)
    read, known = read_flow(path)
    np.testing.assert_array_equal(known, valid)
    np.testing.assert_array_equal(read, np.where(valid, flow, 0))
    assert (read.dtype, known.dtype) == (np.float32, bool)


@QUICK
@given(fields(511.96875))
def test_kittis_png_comes_back_within_half_a_step(tmp_path, field):
    flow, valid = field
    read, known = read_flow(write_flow(tmp_path / "field.png", flow, valid))
    np.testing.assert_array_equal(known, valid)
    assert np.abs(read - np.where(valid, flow, 0)).max() <= 1 / 128
    assert (read[:, ~known] == 0).all()


def test_flo_is_laid_out_as_middlebury_has_it(tmp_path):
    (tmp_path / "a.flo").write_bytes(
        b"PIEH" + struct.pack("<ii8f", 2, 2, 1.5, -2.5, 1.7e9, 0.0, 3.0, 4.0, 0.0, float("nan"))
    )
    flow, valid = read_flow(tmp_path / "a.flo")
    np.testing.assert_array_equal(valid, [[True, False], [True, False]])
    np.testing.assert_array_equal(flow, [[[1.5, 0], [3, 0]], [[-2.5, 0], [4, 0]]])
    write_flow(tmp_path / "b.FLO", flow, valid)
    assert (tmp_path / "b.FLO").read_bytes()[:12] == (tmp_path / "a.flo").read_bytes()[:12]


def test_png_is_laid_out_as_kitti_has_it(tmp_path):
    red, green, blue = (np.array([[value, 0]], np.uint16) for value in (2**15 + 64, 2**15 - 96, 1))
    cv2.imwrite(str(tmp_path / "a.png"), np.stack((blue, green, red), axis=-1))
    flow, valid = read_flow(tmp_path / "a.png")
    np.testing.assert_array_equal(valid, [[True, False]])
    np.testing.assert_array_equal(flow, [[[1, 0]], [[-1.5, 0]]])
    written = cv2.imread(str(write_flow(tmp_path / "b.png", flow, valid)), cv2.IMREAD_UNCHANGED)
    np.testing.assert_array_equal(written, [[[1, 2**15 - 96, 2**15 + 64], [0, 0, 0]]])


@pytest.mark.parametrize("suffix", [".flo", ".png"])
def test_no_damage_goes_unnoticed(tmp_path, suffix):
    flow = np.random.default_rng(0).uniform(-9, 9, (2, 11, 13)).astype(np.float32)
    whole = write_flow(tmp_path / f"whole{suffix}", flow).read_bytes()
    path = tmp_path / f"damaged{suffix}"
    for end in (0, 3, 11, 12, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:end])
        with pytest.raises(DataError, match=rf"cannot read the flow .*damaged{suffix}: .*; copy it again"):
            read_flow(path)
    for place in range(0, 12) if suffix == ".flo" else range(0, len(whole), 7):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0x41]) + whole[place + 1 :])
        with pytest.raises(DataError, match="cannot read the flow"):
            read_flow(path)


def test_other_files_are_refused(tmp_path):
    cv2.imwrite(str(tmp_path / "picture.png"), np.zeros((4, 4, 3), np.uint8))
    (tmp_path / "flow.npy").write_bytes(b"")
    (tmp_path / "folder.flo").mkdir()
    cases = {
        "picture.png": "no PNG of three channels of 16 bits",
        "flow.npy": r"must end in \.flo or \.png",
        "gone.flo": "No such file",
        "folder.flo": "directory",
    }
    for name, said in cases.items():
        with pytest.raises(DataError, match=f"{name}.*{said}"):
            read_flow(tmp_path / name)


def test_what_a_format_cannot_hold_is_refused_and_the_old_file_stays(tmp_path):
    good = np.zeros((2, 3, 4), np.float32)
    for name, value in [("a.png", 512.0), ("a.png", -512.1), ("a.png", np.nan), ("a.flo", np.inf), ("a.flo", 2e9)]:
        write_flow(tmp_path / name, good)
        bad = good.copy()
        bad[1, 2, 3] = value
        with pytest.raises(ConfigError, match=rf"cannot write the flow .*{name}: a vector is not"):
            write_flow(tmp_path / name, bad)
        np.testing.assert_array_equal(read_flow(tmp_path / name)[0], good)
        valid = np.isfinite(bad).all(0) & (np.abs(bad) < 512).all(0)
        np.testing.assert_array_equal(read_flow(write_flow(tmp_path / name, bad, valid))[1], valid)
    with pytest.raises(ConfigError, match="flow (2, H, W)".replace("(", r"\(").replace(")", r"\)")):
        write_flow(tmp_path / "a.flo", good[0])
    with pytest.raises(ConfigError, match=r"end in \.flo or \.png"):
        write_flow(tmp_path / "a.npy", good)
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot write"):
        write_flow(tmp_path / "file" / "a.flo", good)


@pytest.mark.shared
def test_unknown_flow_of_a_real_scene(shared_data):
    flow, valid = read_flow(shared_data / "flow" / "RubberWhale_gray" / "flow10.flo")
    assert valid.mean() == pytest.approx(0.984, abs=0.001)
    assert 1 < np.abs(flow).max() < 10
