from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from kinema.evaluation.shortcuts import ORDERS, Reordered, frame_order


class Frames(nn.Module):
    """The grey of each frame: nothing but their order."""

    def forward(self, clips):
        return clips.mean((1, 3, 4))


def numbered(batch, frames):
    """Clips (B, 3, T, 4, 4) whose frame t of row b is of the even grey 100 b + t."""
    greys = 100.0 * torch.arange(batch)[:, None] + torch.arange(frames)
    return greys[:, None, :, None, None].expand(batch, 3, frames, 4, 4)


@pytest.mark.parametrize("order", ORDERS)
def test_frames_come_in_their_order_whatever_the_batch(order):
    for batch in (6, 1):
        seen = Reordered(Frames(), order)(numbered(batch, 5))
        expected = frame_order(order, 5)
        assert seen.tolist() == [[100 * row + frame for frame in expected] for row in range(batch)]


def test_orders_are_what_their_names_say():
    assert frame_order("reversed", 5).tolist() == [4, 3, 2, 1, 0]
    assert frame_order("frozen", 5).tolist() == [2] * 5
    for frames in (2, 3, 8):
        for seed in range(20):
            shuffled = frame_order("shuffled", frames, seed).tolist()
            assert sorted(shuffled) == list(range(frames)) != shuffled
    assert frame_order("shuffled", 1).tolist() == [0]


def test_shuffling_is_another_for_each_seed_and_the_same_again():
    first = [tuple(frame_order("shuffled", 8, seed)) for seed in range(10)]
    assert len(set(first)) == 10
    assert first == [tuple(frame_order("shuffled", 8, seed)) for seed in range(10)]
    places = np.array([frame_order("shuffled", 8, seed) for seed in range(400)])
    assert np.abs(places.mean(0) - 3.5).max() < 0.5  # no frame has a favourite place


def test_the_encoder_s_own_card_is_shown():
    encoder = Frames()
    assert Reordered(encoder, "frozen").card == {}
    encoder.card = {"clip": None}
    assert Reordered(encoder, "frozen").card == {"clip": None}
