from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch

from kinema.errors import ConfigError
from kinema.models import open_encoder
from kinema.models.flow_histogram import FlowHistogram


def sliding(across: float, down: float, frames: int = 9, size: tuple[int, int] = (96, 64)) -> torch.Tensor:
    """A clip (1, 3, T, H, W) of a texture that slides so many pixels a frame."""
    rng = np.random.default_rng(0)
    texture = cv2.GaussianBlur(rng.normal(size=(300, 300)), (0, 0), 2.5).astype(np.float32)
    texture = (texture - texture.min()) / (texture.max() - texture.min())
    moved = [
        cv2.warpAffine(texture, np.float32([[1, 0, across * t - 80], [0, 1, down * t - 80]]), size[::-1])
        for t in range(frames)
    ]
    return torch.from_numpy(np.stack(moved))[None, None].expand(1, 3, -1, -1, -1)


def histogram(clip: torch.Tensor, module: FlowHistogram) -> np.ndarray:
    return module(clip).numpy().reshape(len(clip), *module.grid, 9)


@pytest.mark.parametrize(("across", "down", "bin"), [(2, 1, 4), (-2, -1, 0), (1, 2, 5), (-1, -2, 1), (1, -2, 2)])
def test_what_moves_alike_fills_one_direction_of_every_cell(across, down, bin):
    found = histogram(sliding(across, down), FlowHistogram())[0] ** 2
    assert found.shape == (4, 6, 4, 9)
    assert (found.argmax(-1)[:, 1:-1, 1:-1] == bin).all()
    assert found[..., bin].sum() > 0.85 * 4
    assert found.sum((1, 2, 3)) == pytest.approx(np.ones(4), abs=1e-5)


def test_what_is_still_fills_its_own_bin_and_repeated_frames_at_the_end_are_not_looked_at():
    still = histogram(sliding(0, 0), FlowHistogram())[0]
    assert still[..., 8] == pytest.approx(np.full((4, 6, 4), 1 / np.sqrt(24)), abs=0.01) or still[0].any()
    clip = sliding(2, 1, 8)
    held = torch.cat((clip, clip[:, :, -1:].expand(-1, -1, 10, -1, -1)), 2)
    assert torch.equal(FlowHistogram()(clip), FlowHistogram()(held))


def test_cells_lie_along_the_longer_side_and_a_clip_counts_alone():
    module = FlowHistogram()
    wide = sliding(2, 1, size=(64, 96))
    both = torch.cat((wide, wide.flip(2)))
    assert torch.equal(module(both), torch.cat((module(wide), module(wide.flip(2)))))
    left_alone = wide.clone()
    left_alone[..., :48] = 0.5  # the left half stands still
    found = module(left_alone).reshape(4, 4, 6, 9) ** 2
    moving = found[..., :8].sum((0, 1, 3))
    assert moving[:2].sum() < 0.05 * moving[-3:].sum()


def test_it_is_an_encoder_like_any_other():
    opened = open_encoder("histogram")
    assert opened.name == "histogram" and opened.clip.squeeze and opened.clip.step_frames == 1
    assert opened.module(torch.rand(2, 3, 6, 96, 64)).shape == (2, opened.module.features)
    with pytest.raises(ConfigError, match="at least 5 x 5 pixels"):
        opened.module(torch.rand(1, 3, 4, 4, 4))
