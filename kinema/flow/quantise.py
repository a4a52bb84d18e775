"""Flow fields to few bytes and back, with a known bound on the error.

Vectors are rounded to whole steps, each row of pixels is written as its difference to the row above, and Zstandard
packs that. Reading undoes it in a few passes over contiguous memory, which is what makes a stored field worth more than
one that is estimated again.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from kinema.errors import DataError

LARGEST_STEP = 0.125
"""Pixels."""

STEPS = 40
"""Steps, at least, from zero to a field's largest component: the step shrinks with small motion."""

LEVEL = 9
"""Of Zstandard: a sixth larger than the best, for a hundredth of the time that TV-L1 takes; higher ones cost more."""


def quantisation_step(field: np.ndarray) -> float:
    """The step, in pixels, that a field is rounded to.

    Each component is then off by half a step at most: by 1/16 pixel, and by 1/80 of the field's largest component. An
    error that is anything between, as rounding errors are, makes an endpoint error of 0.38 steps on average.
    """
    largest = float(np.abs(field).max(initial=0.0))
    step = np.float32(min(LARGEST_STEP, largest / STEPS) or LARGEST_STEP)
    return float(max(step, np.float32(largest / np.iinfo(np.int16).max), np.finfo(np.float32).tiny))


def pack_field(field: np.ndarray) -> tuple[bytes, float]:
    """Pack one field.

    Args:
        field: ``(2, H, W)`` floating point, pixels.

    Returns:
        The bytes and the step, see :func:`quantisation_step`.

    Raises:
        DataError: the field holds numbers that are not finite.
    """
    field = np.asarray(field, np.float32)
    if not np.isfinite(field).all():
        raise DataError("a flow field with values that are not finite cannot be stored: mend or leave out its frames")
    step = quantisation_step(field)
    counts = np.round(field / np.float32(step)).astype(np.int16)
    if np.abs(counts).max(initial=0) <= np.iinfo(np.int8).max:
        counts = counts.astype(np.int8)
    change = np.diff(counts, axis=1, prepend=counts.dtype.type(0))  # wraps around, and so does its sum
    low_bytes_first = change.astype(change.dtype.newbyteorder("<")).reshape(-1, 1).view(np.uint8)
    return _compressor().compress(low_bytes_first.T.tobytes()), step  # all low bytes, then all high ones


def unpack_field(data: bytes, step: float, out: np.ndarray) -> None:
    """Unpack one field into ``out``, ``(2, H, W)`` float32, pixels.

    Raises:
        ValueError: the bytes are no field of that size.
    """
    import zstandard

    try:
        plain = _decompressor().decompress(data, max_output_size=2 * out.size)
    except zstandard.ZstdError as error:
        raise ValueError(str(error)) from error
    if len(plain) not in (out.size, 2 * out.size):
        raise ValueError(f"{out.size} components take one or two bytes each, there are {len(plain)}")
    planes = np.frombuffer(plain, np.uint8).reshape(-1, out.size)
    counts = planes.T.copy(order="C").view("<i2" if len(planes) == 2 else np.int8).reshape(out.shape)
    reach = 1
    while reach < out.shape[1]:  # running sums down the columns, in log2(H) passes over whole rows
        counts[:, reach:] += counts[:, :-reach].copy()
        reach *= 2
    np.multiply(counts, np.float32(step), out=out)


@cache
def _compressor() -> Any:
    import zstandard

    # without a size in the data, max_output_size is what limits the memory that unpacking takes
    return zstandard.ZstdCompressor(level=LEVEL, write_checksum=False, write_content_size=False)


@cache
def _decompressor() -> Any:
    import zstandard

    return zstandard.ZstdDecompressor()
