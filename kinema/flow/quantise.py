"""Flow fields to few bytes and back, with a known bound on the error.

Vectors are rounded to whole steps. Rows come in blocks of eight: the first rows of all blocks are written as they are,
then the difference of all second rows to the first ones, and so on, and Zstandard packs that. Reading undoes it in
seven additions over contiguous memory, which is what makes a stored field worth more than one that is estimated again.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Any

import numpy as np

from kinema.errors import DataError

LARGEST_STEP = 0.125
"""Pixels."""

STEPS = 40
"""Steps, at least, from zero to a field's largest component: the step shrinks with small motion."""

BLOCK = 8
"""Rows. Larger blocks make smaller files, but take more additions."""

LEVEL = 3
"""Of Zstandard: a quarter of the time of level 7, which would take a fifth of DIS's, for files a tenth larger."""

SHORTEST_MATCH = 6
"""Bytes: shorter repetitions make a field no smaller, but slower to pack and to unpack."""

_CACHE_BYTES = 1 << 18


def pack_field(field: np.ndarray) -> tuple[bytes, float]:
    """Pack one field.

    Args:
        field: ``(2, H, W)`` floating point, pixels.

    Returns:
        The bytes, and the step, in pixels, that the field is rounded to. Each component is off by half a step at most:
        by 1/16 pixel, and by 1/80 of the field's largest component. An error that is anything between, as rounding
        errors are, makes an endpoint error of 0.38 steps on average.

    Raises:
        DataError: the field holds numbers that are not finite.
    """
    field = np.asarray(field, np.float32)
    largest = float(np.maximum(field.max(initial=0.0), -field.min(initial=0.0)))  # nan if a component is
    if not math.isfinite(largest):
        raise DataError("a flow field with values that are not finite cannot be stored: mend or leave out its frames")
    wanted = np.float32(min(LARGEST_STEP, largest / STEPS) or LARGEST_STEP)
    step = float(max(wanted, np.float32(largest / np.iinfo(np.int16).max), np.finfo(np.float32).tiny))
    counts = field / np.float32(step)
    np.rint(counts, out=counts)
    short = np.rint(np.float32(largest) / np.float32(step)) <= np.iinfo(np.int8).max
    _, height, width = field.shape
    rows = np.empty((BLOCK, 2, math.ceil(height / BLOCK), width), np.int8 if short else "<i2")
    for part, view in _same(rows, counts):
        part[...] = view
    if left := height % BLOCK:
        rows[left:, :, -1] = rows[left - 1, :, -1]
    for row in range(BLOCK - 1, 0, -1):
        rows[row] -= rows[row - 1]  # wraps around, and so does the sum
    low_bytes_first = rows.reshape(-1, 1).view(np.uint8)
    return _contexts.packing.compress(low_bytes_first.T.tobytes()), step  # all low bytes, then all high ones


def unpack_fields(packed: Sequence[bytes], steps: Sequence[float], out: np.ndarray) -> None:
    """Unpack fields of one size into ``out``, ``(N, 2, H, W)`` float32, pixels.

    Raises:
        ValueError: the bytes of one are no field of that size.
    """
    _, _, height, width = out.shape
    shape = (2, math.ceil(height / BLOCK), width)
    size = BLOCK * math.prod(shape)
    plain = [_plain(data, size) for data in packed]
    begin = 0
    while begin < len(plain):  # fields of one width of components together, as many as a cache holds
        each, end = len(plain[begin]), begin + 1
        while end < len(plain) and len(plain[end]) == each and (end + 1 - begin) * each <= _CACHE_BYTES:
            end += 1
        for part, view in _same(_rows(plain[begin:end], shape), out[begin:end]):
            view[...] = part
        begin = end
    out *= np.array(steps, np.float32).reshape(-1, 1, 1, 1)


def _same(rows: np.ndarray, fields: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Views that match: of ``rows`` (BLOCK, ..., blocks, W), and of the same rows in ``fields`` (..., H, W)."""
    blocks, left = divmod(fields.shape[-2], BLOCK)
    leading = range(fields.ndim - 2)
    whole = fields[..., : blocks * BLOCK, :].reshape(*fields.shape[:-2], blocks, BLOCK, fields.shape[-1])
    yield rows[..., :blocks, :], whole.transpose(-2, *leading, -3, -1)
    if left:
        yield rows[:left, ..., -1, :], fields[..., -left:, :].transpose(-2, *leading, -1)


def _plain(data: bytes, size: int) -> bytes:
    import zstandard

    try:
        if zstandard.frame_content_size(data) > 2 * size:  # it would be allocated, whatever comes
            raise ValueError(f"{size} components take one or two bytes each, there are more")
        plain: bytes = _contexts.unpacking.decompress(data, max_output_size=2 * size)
    except zstandard.ZstdError as error:
        raise ValueError(str(error)) from error
    if len(plain) not in (size, 2 * size):
        raise ValueError(f"{size} components take one or two bytes each, there are {len(plain)}")
    return plain


def _rows(plain: Sequence[bytes], shape: tuple[int, int, int]) -> np.ndarray:
    """Whole steps (BLOCK, N, *shape), all first rows, all second rows and so on, of fields of equally many bytes."""
    count = len(plain)
    planes = np.frombuffer(bytearray().join(plain), np.int8).reshape(count, -1, BLOCK, *shape)
    rows = planes[:, 0]
    if planes.shape[1] == 2:  # low bytes, high bytes
        rows = np.empty(rows.shape, "<i2")
        rows.view(np.int8).reshape(*rows.shape, 2)[...] = np.moveaxis(planes, 1, -1)
    for row in range(1, BLOCK):
        rows[:, row] += rows[:, row - 1]
    return rows.swapaxes(0, 1)


class _Contexts(threading.local):
    """Zstandard's contexts, which crash where two threads use one at once: each thread has its own."""

    @cached_property
    def packing(self) -> Any:
        import zstandard

        settings = {"min_match": SHORTEST_MATCH, "write_checksum": False, "write_content_size": True}
        return zstandard.ZstdCompressor(
            compression_params=zstandard.ZstdCompressionParameters.from_level(LEVEL, **settings)
        )

    @cached_property
    def unpacking(self) -> Any:
        import zstandard

        return zstandard.ZstdDecompressor()


_contexts = _Contexts()
