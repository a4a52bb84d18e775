"""The values that the video room hands out: some frames of a file and their times, and what its header says."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False, repr=False)
class Clip:
    """Frames of one video.

    Attributes:
        frames: (T, H, W, 3) uint8, RGB, upright.
        timestamps: (T,) float64, seconds from the first displayed frame of the file to each of ``frames``.
        path: the file they come from.
        warning: empty, or one sentence on why the file holds less than was asked for or than its header promises.

    Raises:
        ValueError: the arrays do not have these shapes and types.
    """

    frames: NDArray[np.uint8]
    timestamps: NDArray[np.float64]
    path: str
    warning: str = ""

    def __post_init__(self) -> None:
        if self.frames.ndim != 4 or self.frames.shape[-1] != 3 or self.frames.dtype != np.uint8:
            raise ValueError(f"frames must be (T, H, W, 3) uint8, not {self.frames.shape} {self.frames.dtype}")
        if self.timestamps.shape != self.frames.shape[:1] or self.timestamps.dtype != np.float64:
            raise ValueError(
                f"timestamps must be ({len(self.frames)},) float64, not {self.timestamps.shape} {self.timestamps.dtype}"
            )

    def __len__(self) -> int:
        return len(self.frames)

    def __repr__(self) -> str:
        count, height, width = self.frames.shape[:3]
        span = f"{self.timestamps[0]:.3f}-{self.timestamps[-1]:.3f} s" if count else "empty"
        return f"Clip({self.path!r}: {count} frames of {width}x{height}, {span})"


@dataclass(frozen=True)
class VideoInfo:
    """What the header of a file says; only decoding tells what is true of ``duration`` and ``frames``.

    Attributes:
        path: the file, or a part of it.
        duration: seconds, 0 if the header does not say.
        frames: number of frames, 0 if the header does not say.
        fps: frames a second on average, 0 if the header does not say.
        width: pixels, as displayed: after rotation.
        height: pixels, as displayed.
        rotation: degrees counter-clockwise by which the stored frames are turned for display, from -180 to 180.
        codec: name of the decoder.
        pixel_format: libav's name of the stored pixel format.
        start: seconds on the file's own clock of the first displayed frame, or of a part's beginning, which is time 0
            everywhere in kinema.
    """

    path: str
    duration: float
    frames: int
    fps: float
    width: int
    height: int
    rotation: int
    codec: str
    pixel_format: str
    start: float
