"""Few bytes for a field, with a bound on the error."""

from __future__ import annotations

import struct
import tracemalloc
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from kinema.flow.quantise import LARGEST_STEP, STEPS, pack_field, unpack_fields


def packed(field: np.ndarray) -> np.ndarray:
    found = np.empty(field.shape, np.float32)
    data, step = pack_field(field)
    unpack_fields([data], [step], found[None])
    return found


@settings(max_examples=200, deadline=None)
@given(
    arrays.arrays(
        np.float32,
        st.tuples(st.just(2), st.integers(1, 9), st.integers(1, 9)),
        elements=st.floats(-1e6, 1e6, width=32) | st.floats(-8, 8, width=32) | st.floats(-1 / 1024, 1 / 1024, width=32),
    )
)
def test_each_component_comes_back_within_half_a_step(field):
    step, largest = pack_field(field)[1], float(np.abs(field).max())
    assert np.abs(packed(field).astype(np.float64) - field).max() <= 0.5 * step + 1e-6 * largest
    if 1e-30 < largest <= 4000:  # pixels; what a video can hold
        assert step <= min(LARGEST_STEP, largest / STEPS) * (1 + 1e-6)


def test_values_that_are_whole_steps_come_back_exactly():
    field = np.random.default_rng(0).integers(-300, 301, (2, 30, 20)).astype(np.float32) * LARGEST_STEP
    assert np.array_equal(packed(field), field)
    assert np.array_equal(packed(np.zeros((2, 5, 7), np.float32)), np.zeros((2, 5, 7)))


@pytest.mark.parametrize("height", [40, 35])
def test_the_packed_bytes_are_what_the_docs_say(height):
    """Undone by hand: Zstandard, low bytes before high ones, rows in blocks of eight, differences to the row above."""
    field = np.cumsum(np.random.default_rng(1).normal(size=(2, height, 30)), axis=1).astype(np.float32) * 20
    data, step = pack_field(field)
    plain = zstandard.ZstdDecompressor().decompress(data, max_output_size=1 << 20)
    low, high = plain[: len(plain) // 2], plain[len(plain) // 2 :]
    numbers = iter([struct.unpack("<h", bytes(pair))[0] for pair in zip(low, high, strict=True)])
    found = np.zeros((2, 40, 30))
    for row in range(8):
        for part in found:
            for top in range(0, 40, 8):
                for x in range(30):
                    part[top + row, x] = next(numbers) + (part[top + row - 1, x] if row else 0)
    assert next(numbers, None) is None
    assert np.abs(found[:, :height] * step - field).max() <= 0.5001 * step


def test_fields_of_one_and_of_two_bytes_are_unpacked_together():
    rng = np.random.default_rng(0)
    fields = [size * rng.normal(size=(2, 19, 11)).astype(np.float32) for size in (1, 1, 100, 1, 100, 100, 100)]
    data, steps = zip(*map(pack_field, fields), strict=True)
    found = np.empty((7, 2, 19, 11), np.float32)
    unpack_fields(data, steps, found)
    assert len({len(zstandard.ZstdDecompressor().decompress(part, max_output_size=1 << 20)) for part in data}) == 2
    for field, step, whole in zip(fields, steps, found, strict=True):
        assert np.abs(whole - field).max() <= 0.5001 * step


def smooth_fields() -> list[np.ndarray]:
    """Slow and quick, smooth and torn."""
    y, x = np.mgrid[:60, :80] / 20
    wave = np.stack((np.sin(x + y), np.cos(2 * x - y))).astype(np.float32)
    torn = np.where(x > 2, wave, -wave).astype(np.float32)
    return [size * field for size in (0.02, 0.5, 3, 40) for field in (wave, torn)]


def test_the_mean_endpoint_error_is_small_beside_a_pixel_and_beside_the_motion():
    for field in smooth_fields():
        error = np.linalg.norm(packed(field) - field, axis=0).mean()
        assert error < min(0.05, 0.01 * np.linalg.norm(field, axis=0).max())


@pytest.mark.parametrize("said", [True, False])
def test_a_field_that_is_larger_than_it_may_be_takes_no_memory(said):
    data = zstandard.ZstdCompressor(write_content_size=said).compress(bytes(1 << 24))
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match=r"there are more" if said else r"."):
            unpack_fields([data], [1.0], np.empty((1, 2, 4, 4), np.float32))
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()


def test_threads_pack_and_unpack_at_once():
    """What Zstandard keeps between two calls belongs to a thread."""
    generator = np.random.default_rng(0)
    fields = [generator.normal(0, 3, (2, 120, 160)).astype(np.float32) for _ in range(8)]
    expected = [pack_field(field) for field in fields]

    def round_trip(number: int) -> bool:
        packed, step = pack_field(fields[number % 8])
        out = np.empty((1, 2, 120, 160), np.float32)
        unpack_fields([packed], [step], out)
        return (packed, step) == expected[number % 8] and bool(np.abs(out[0] - fields[number % 8]).max() <= step / 2)

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(round_trip, range(200)))
