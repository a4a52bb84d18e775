"""Clips in passes: what comes out is what one pass gives, whatever the threads."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterator

import pytest
import torch
from torch import Tensor, nn

from kinema.models import passes, random_encoder
from kinema.models.passes import features_of

CPU = torch.device("cpu")


@pytest.fixture
def with_threads() -> Iterator[Callable[[int], None]]:
    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)


def clips(count: int) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(256, (count, 8, 48, 48, 3), dtype=torch.uint8, generator=generator)


class Watched(nn.Module):
    """The mean of each clip; notes what it is shown, and where."""

    def __init__(self) -> None:
        super().__init__()
        self.shapes: list[tuple[int, ...]] = []
        self.threads: set[int] = set()
        self.settings: set[tuple[int, bool, bool]] = set()

    def forward(self, x: Tensor) -> Tensor:
        self.shapes.append(tuple(x.shape))
        self.threads.add(threading.get_ident())
        self.settings.add(
            (torch.get_num_threads(), torch.is_inference_mode_enabled(), torch.is_autocast_enabled("cpu"))
        )
        return x.mean((2, 3, 4))


@pytest.mark.parametrize("count", [1, 2, 7, 40])
def test_features_are_those_of_one_pass(with_threads, count):
    encoder, seen = random_encoder().eval(), clips(count)
    with torch.inference_mode():
        expected = encoder(seen.permute(0, 4, 1, 2, 3).float() / 255)
    for threads in (1, 2, 3):
        with_threads(threads)
        torch.testing.assert_close(features_of(encoder, seen, CPU, coarse=False), expected, rtol=1e-4, atol=1e-5)
        assert torch.get_num_threads() == threads


@pytest.mark.parametrize("count", [1, 2, 10, 40])
def test_how_many_threads_there_are_changes_no_bit(with_threads, count):
    encoder, seen = random_encoder(), clips(count)
    found = []
    for threads in (1, 2, 3):
        with_threads(threads)
        found.append(features_of(encoder, seen, CPU, coarse=False))
    assert torch.equal(found[0], found[1]) and torch.equal(found[0], found[2])


def test_every_thread_has_passes_of_its_own(with_threads):
    with_threads(3)
    encoder, seen = Watched(), clips(96)
    features = features_of(encoder, seen, CPU, coarse=False)
    torch.testing.assert_close(features, seen.float().div(255).mean((1, 2, 3)))
    assert encoder.shapes == [(32, 3, 8, 48, 48)] * 3
    assert encoder.settings == {(1, True, False)}
    assert threading.get_ident() not in encoder.threads


def test_one_clip_has_all_threads(with_threads):
    with_threads(2)
    encoder = Watched()
    features = features_of(encoder, clips(1), CPU, coarse=False)
    assert encoder.shapes == [(2, 3, 8, 48, 48)] and len(features) == 1  # as of two, which is quicker
    assert encoder.settings == {(2, True, False)}
    assert encoder.threads == {threading.get_ident()}


def test_passes_are_small(with_threads, monkeypatch):
    with_threads(1)
    monkeypatch.setattr(passes, "PIXELS_AT_ONCE", 3 * 8 * 48 * 48)
    encoder = Watched()
    features_of(encoder, clips(8), CPU, coarse=False)
    assert [shape[0] for shape in encoder.shapes] == [3, 3, 2]
    encoder.shapes.clear()
    features_of(encoder, clips(4), CPU, coarse=False)
    assert [shape[0] for shape in encoder.shapes] == [2, 2]  # and even
    monkeypatch.setattr(passes, "PIXELS_AT_ONCE", 1)
    encoder.shapes.clear()
    features_of(encoder, clips(2), CPU, coarse=False)
    assert [shape[0] for shape in encoder.shapes] == [2]


def test_an_error_of_the_encoder_comes_out(with_threads):
    class Broken(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            raise ArithmeticError(f"no features of {math.prod(x.shape)} values")

    with_threads(2)
    with pytest.raises(ArithmeticError, match="no features of"):
        features_of(Broken(), clips(4), CPU)
    assert torch.get_num_threads() == 2
