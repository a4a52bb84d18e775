from __future__ import annotations

import numpy as np
import pytest

from kinema.video import Clip


def test_a_clip_tells_its_size_and_span() -> None:
    clip = Clip(np.zeros((3, 4, 6, 3), np.uint8), np.array([0.5, 0.75, 1.0]), "a.mp4")
    assert len(clip) == 3
    assert repr(clip) == "Clip('a.mp4': 3 frames of 6x4, 0.500-1.000 s)"


@pytest.mark.parametrize(
    ("frames", "timestamps"),
    [
        (np.zeros((3, 4, 6), np.uint8), np.zeros(3)),
        (np.zeros((3, 4, 6, 4), np.uint8), np.zeros(3)),
        (np.zeros((3, 4, 6, 3), np.float32), np.zeros(3)),
        (np.zeros((3, 4, 6, 3), np.uint8), np.zeros(2)),
        (np.zeros((3, 4, 6, 3), np.uint8), np.zeros(3, np.float32)),
    ],
)
def test_wrong_shapes_and_types_are_refused(frames: np.ndarray, timestamps: np.ndarray) -> None:
    with pytest.raises(ValueError, match="must be"):
        Clip(frames, timestamps, "a.mp4")
