"""Files of true flow: Middlebury's .flo and the 16-bit PNG of KITTI.

Both come as flow ``(2, H, W)`` float32, pixels, channel 0 rightwards, and ``valid (H, W)``: where it is known. Unknown
vectors read as zero.

* ``.flo``: 202021.25 as float32, width and height as int32, then u and v of each pixel in turn as float32, all
  little-endian. A component of more than 1e9 stands for unknown flow.
* ``.png``: red and green hold u and v as 64 times the pixels plus 2^15, blue tells where they are valid.
"""

from __future__ import annotations

import zlib
from pathlib import Path

import numpy as np

from kinema.common.files import write_bytes
from kinema.errors import ConfigError, DataError

_MAGIC = np.float32(202021.25).tobytes()
_UNKNOWN = 1e9
_UNIT, _ZERO = 64.0, 1 << 15  # steps a pixel, and the one that stands for no motion
_PNG = b"\x89PNG\r\n\x1a\n"


def read_flow(path: str | Path) -> tuple[np.ndarray, np.ndarray]:
    """Read true flow; the suffix, ``.flo`` or ``.png``, tells the format.

    Returns:
        Flow ``(2, H, W)`` float32, pixels, zero where unknown; and ``valid (H, W)`` bool.

    Raises:
        DataError: the file is missing, damaged, of another suffix or of another format than its suffix says.
    """
    path = Path(path)
    if path.suffix.lower() not in _FORMATS:
        raise DataError(f"{path} is no file of flow that kinema reads: its name must end in {' or '.join(_FORMATS)}")
    read, _ = _FORMATS[path.suffix.lower()]
    try:
        flow, valid = read(path.read_bytes())
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise DataError(f"cannot read the flow {path}: {reason}; copy it again") from error
    return np.where(valid, flow, np.float32(0)), valid


def write_flow(path: str | Path, flow: np.ndarray, valid: np.ndarray | None = None) -> Path:
    """Write true flow; the suffix, ``.flo`` (exact) or ``.png`` (to the nearest 1/64 pixel), tells the format.

    Args:
        path: the file.
        flow: ``(2, H, W)`` floating point, pixels.
        valid: ``(H, W)`` bool, where it is known; None for everywhere.

    Returns:
        The path.

    Raises:
        ConfigError: another suffix or shape, or flow that the format cannot hold: not finite, beyond 1e9 pixels, or
            in a PNG not from -512 to 511.98.
        OutputError: the file cannot be written.
    """
    path, flow = Path(path), np.asarray(flow, np.float32)
    valid = np.ones(flow.shape[1:], bool) if valid is None else np.asarray(valid, bool)
    if path.suffix.lower() not in _FORMATS:
        raise ConfigError(f"cannot write flow as {path}: let its name end in {' or '.join(_FORMATS)}")
    if flow.ndim != 3 or len(flow) != 2 or not flow.size or valid.shape != flow.shape[1:]:
        raise ConfigError(f"a file holds flow (2, H, W) and valid (H, W), got {flow.shape} and {valid.shape}")
    _, write = _FORMATS[path.suffix.lower()]
    try:
        content = write(flow, valid)
    except ValueError as error:
        raise ConfigError(f"cannot write the flow {path}: {error}") from error
    return write_bytes(path, content)


def _read_flo(data: bytes) -> tuple[np.ndarray, np.ndarray]:
    if data[:4] != _MAGIC:
        raise ValueError("it does not begin as a .flo file does")
    width, height = (int(side) for side in np.frombuffer(data[4:12].ljust(8, b"\0"), "<i4"))
    expected = 12 + 8 * width * height
    if width < 1 or height < 1 or len(data) != expected:
        raise ValueError(f"{width} x {height} vectors take {expected} bytes, it has {len(data)}")
    flow = np.frombuffer(data, "<f4", offset=12).reshape(height, width, 2).transpose(2, 0, 1).astype(np.float32)
    return flow, np.all(np.abs(flow) <= _UNKNOWN, axis=0)  # false for nan too


def _write_flo(flow: np.ndarray, valid: np.ndarray) -> bytes:
    if not (np.abs(flow[:, valid]) <= _UNKNOWN).all():
        raise ValueError("a vector is not finite or above 1e9 pixels; mark it as not valid")
    height, width = valid.shape
    vectors = np.where(valid, flow, np.float32(10 * _UNKNOWN)).transpose(1, 2, 0)
    return _MAGIC + np.array((width, height), "<i4").tobytes() + vectors.astype("<f4").tobytes()


def _read_png(data: bytes) -> tuple[np.ndarray, np.ndarray]:
    import cv2  # the only one here that keeps 16 bits of three channels

    _check_png(data)
    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if image is None or image.dtype != np.uint16 or image.ndim != 3 or image.shape[2] != 3:
        raise ValueError("it is no PNG of three channels of 16 bits, as KITTI has them")
    steps = image[..., :0:-1].transpose(2, 0, 1).astype(np.float32)  # OpenCV gives blue, green, red
    return (steps - _ZERO) / np.float32(_UNIT), image[..., 0] > 0


def _write_png(flow: np.ndarray, valid: np.ndarray) -> bytes:
    import cv2

    steps = np.rint(np.where(valid, flow, 0).astype(np.float64) * _UNIT) + _ZERO
    if not ((steps >= 0) & (steps < 1 << 16)).all():  # nan is neither
        raise ValueError("a vector is not finite or not from -512 to 511.98 pixels; write a .flo file")
    image = np.stack((valid, *np.where(valid, steps, 0)[::-1]), axis=-1).astype(np.uint16)
    return cv2.imencode(".png", image)[1].tobytes()


def _check_png(data: bytes) -> None:
    """Refuse a PNG that is cut short or has flipped bits: decoders give what they can of it without a word."""
    if not data.startswith(_PNG):
        raise ValueError("it does not begin as a PNG does")
    place, kind = len(_PNG), b""
    while kind != b"IEND":
        size, kind = int.from_bytes(data[place : place + 4], "big"), data[place + 4 : place + 8]
        end = place + 8 + size
        if len(data) < end + 4:
            raise ValueError("it is cut short")
        if zlib.crc32(data[place + 4 : end]) != int.from_bytes(data[end : end + 4], "big"):
            raise ValueError("a checksum in it does not match")
        place = end + 4


_FORMATS = {".flo": (_read_flo, _write_flo), ".png": (_read_png, _write_png)}
