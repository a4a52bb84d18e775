"""Real videos, written while the tests run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray
from video_samples import flat_frames

Writer = Callable[..., Path]


@pytest.fixture
def write_video(tmp_path: Path) -> Writer:
    """A function that writes a video and returns its path; ``times`` are in seconds, by default 30 a second from 0."""

    def write(
        name: str = "video.mp4",
        frames: NDArray[np.uint8] | int = 30,
        times: Sequence[float] | None = None,
        codec: str = "libx264",
        pixel_format: str = "yuv420p",
        rotation: tuple[int, bool] | None = None,
        options: dict[str, str] | None = None,
        container_options: dict[str, str] | None = None,
        metadata: dict[str, str] | None = None,
    ) -> Path:
        if isinstance(frames, int):
            frames = flat_frames(frames)
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with av.open(str(path), "w", options=container_options or {}) as container:
            container.metadata.update(metadata or {})
            stream = container.add_stream(codec, rate=30)
            stream.height, stream.width = frames.shape[1:3]
            stream.pix_fmt = pixel_format
            stream.options = {"g": "12"} if options is None else options
            stream.codec_context.time_base = Fraction(1, 30) if times is None else Fraction(1, 1000)
            if rotation is not None:
                stream.set_display_rotation(rotation[0], hflip=rotation[1])
            for number, pixels in enumerate(frames):
                frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24")
                frame.pts = number if times is None else round(times[number] * 1000)
                frame.time_base = stream.codec_context.time_base
                container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
        return path

    return write
