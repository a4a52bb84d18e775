"""True flow of the development scenes, and clips to compute flow from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest


@dataclass(frozen=True)
class Scene:
    """A pair of frames with its true flow (2, H, W) where ``valid`` (H, W)."""

    first: np.ndarray
    second: np.ndarray
    flow: np.ndarray
    valid: np.ndarray

    def endpoint_error(self, flow: np.ndarray) -> float:
        return float(np.linalg.norm(flow - self.flow, axis=0)[self.valid].mean())


@pytest.fixture(scope="session")
def load_scene(shared_data: Path) -> Callable[[str], Scene]:
    import cv2

    from kinema.flow import read_flow

    def load(name: str) -> Scene:
        folder = shared_data / "flow" / name
        frames = [cv2.cvtColor(cv2.imread(str(folder / f"frame{i}.png")), cv2.COLOR_BGR2RGB) for i in (10, 11)]
        flow, valid = read_flow(folder / "flow10.flo")
        if (folder / "invalid.png").exists():
            valid &= cv2.imread(str(folder / "invalid.png"), cv2.IMREAD_GRAYSCALE) == 0
        return Scene(frames[0], frames[1], flow, valid)

    return load


@pytest.fixture
def sliding_clip() -> Callable[..., np.ndarray]:
    """Make ``(frames, H, W, 3)`` uint8 of a smooth texture that moves ``(u, v)`` whole pixels a frame."""
    import cv2

    def make(frames: int, height: int, width: int, u: int, v: int, seed: int = 0) -> np.ndarray:
        margin = frames * max(abs(u), abs(v))
        noise = np.random.default_rng(seed).random((height + 2 * margin, width + 2 * margin, 3))
        texture = cv2.normalize(cv2.GaussianBlur(noise, (0, 0), 1.5), None, 0, 255, cv2.NORM_MINMAX).astype(np.uint8)
        corners = [(margin - v * t, margin - u * t) for t in range(frames)]
        return np.stack([texture[top : top + height, left : left + width] for top, left in corners])

    return make
