"""The value that the video room hands out: some frames of a file and the times at which they are shown."""

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
