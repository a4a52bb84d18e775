"""The files of a synthetic video: H.264 in MP4, and its true flow."""

from __future__ import annotations

import io
import itertools
import zipfile
from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from kinema.common.files import atomic_path, write_bytes
from kinema.errors import DataError

FLOW_UNIT = 1 / 256
"""Pixels per step of the stored integers; they reach 128 pixels either way."""


def encode_video(frames: Iterable[np.ndarray], fps: float) -> bytes:
    """Frames (H, W, 3) uint8 RGB as an MP4 file, by one thread, so that the same frames give the same bytes.

    There is at least one; their sides are even.
    """
    pictures = iter(frames)
    first = next(pictures)
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=Fraction(fps).limit_denominator(1001))
        stream.height, stream.width = first.shape[:2]
        stream.pix_fmt = "yuv420p"
        stream.options = {"preset": "ultrafast", "crf": "18"}
        stream.codec_context.thread_count = 1
        for picture in itertools.chain((first,), pictures):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())
    return buffer.getvalue()


def write_video(path: Path, frames: Iterable[np.ndarray], fps: float) -> None:
    """Write frames (H, W, 3) uint8 RGB as MP4; see :func:`encode_video`.

    Raises:
        OutputError: the file cannot be written.
    """
    write_bytes(path, encode_video(frames, fps))


def write_true_flow(path: Path, flow: np.ndarray) -> None:
    """Write a flow (T-1, 2, H, W) in pixels as int16 steps of 1/256 pixel: a NumPy archive with the array ``flow``.

    Raises:
        OutputError: the file cannot be written.
    """
    array = io.BytesIO()
    np.save(array, np.rint(flow / FLOW_UNIT).astype(np.int16))
    member = zipfile.ZipInfo("flow.npy")  # without a time stamp, so that the same flow gives the same bytes
    with atomic_path(path) as temporary, zipfile.ZipFile(temporary, "w") as archive:
        archive.writestr(member, array.getvalue(), zipfile.ZIP_DEFLATED, compresslevel=1)


def load_true_flow(path: str | Path) -> np.ndarray:
    """The flow (T-1, 2, H, W) float32 of a synthetic video: field t takes frame t to frame t+1.

    Pixels, channel 0 rightwards, channel 1 downwards, to the nearest 1/256.

    Raises:
        DataError: the file is missing or is not such a flow.
    """
    try:
        with np.load(path) as archive:
            steps = archive["flow"]
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise DataError(f"cannot read the flow {path}: {error}; make the videos again with `kinema synth`") from error
    return steps.astype(np.float32) * np.float32(FLOW_UNIT)
