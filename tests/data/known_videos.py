"""Videos whose every frame, and every motion, is known."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import av
import numpy as np

FPS = 16


def sliding_frames(offsets: Sequence[tuple[int, int]], size: int = 64) -> np.ndarray:
    """A smooth texture (T, size, size, 3), moved right and down by whole pixels (u, v) from where it began."""
    import cv2

    reach = max(max(abs(u), abs(v)) for u, v in offsets)
    noise = np.random.default_rng(0).random((size + 2 * reach, size + 2 * reach, 3))
    smooth = cv2.GaussianBlur(noise, (0, 0), 2.0)
    texture = np.interp(smooth, (smooth.min(), smooth.max()), (0, 255)).astype(np.uint8)
    return np.stack([texture[reach - v : reach - v + size, reach - u : reach - u + size] for u, v in offsets])


def numbered_frames(count: int, size: int = 64) -> np.ndarray:
    """Frames (count, size, size, 3) of one brightness each, which :func:`frame_numbers` reads back."""
    return np.broadcast_to((10 + 5 * np.arange(count))[:, None, None, None], (count, size, size, 3)).astype(np.uint8)


def frame_numbers(frames: np.ndarray) -> list[int]:
    """The numbers of frames (T, H, W, 3) of a video of :func:`numbered_frames`."""
    return [round((float(frame.mean()) - 10) / 5) for frame in frames]


def write(path: Path, frames: np.ndarray, fps: int = FPS) -> Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=fps)
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt = "yuv420p"
        stream.options = {"preset": "ultrafast", "crf": "8", "g": "10"}
        stream.codec_context.thread_count = 1
        for pixels in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24")))
        container.mux(stream.encode(None))
    return path
