from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest

from kinema.data.labels import LabelledSet


@pytest.fixture(scope="session")
def labelled_set() -> Callable[..., LabelledSet]:
    """Makes a set of files that do not exist from labels (indices), splits and groups."""

    def make(labels, splits=None, groups=None) -> LabelledSet:
        labels = np.asarray(labels)
        files = tuple(f"{n}.mp4" for n in range(len(labels)))
        classes = tuple(f"class{n}" for n in range(labels.max() + 1))
        return LabelledSet(Path("videos"), files, labels, classes, splits and tuple(splits), groups and tuple(groups))

    return make


@pytest.fixture(scope="session")
def write_video() -> Callable[..., Path]:
    """Writes frames (T, H, W, 3) uint8 without loss."""

    def write(path: Path, frames: np.ndarray, fps: int = 10) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        with av.open(str(path), "w") as container:
            stream = container.add_stream("libx264rgb", rate=fps, options={"crf": "0", "preset": "ultrafast"})
            stream.height, stream.width = frames.shape[1:3]
            stream.pix_fmt = "rgb24"
            for frame in frames:
                container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
            container.mux(stream.encode())
        return path

    return write


@pytest.fixture(scope="session")
def counting_video(write_video) -> Callable[..., Path]:
    """Writes a video whose frame n is of the even grey ``first + n``."""

    def make(path: Path, count: int, first: int = 0, fps: int = 10, size: tuple[int, int] = (32, 48)) -> Path:
        greys = (first + np.arange(count, dtype=np.uint8))[:, None, None, None]
        return write_video(path, np.broadcast_to(greys, (count, *size, 3)), fps)

    return make
