"""One encoder in many threads: every clip's vector is what it is in one thread, bit for bit."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from kinema.config import ClipConfig, HCMLConfig, ModelConfig, ReadoutConfig
from kinema.models import MotionFeatures, add_motion_hierarchy, list_models, load_encoder, random_encoder, save_encoder
from kinema.models.flow_histogram import FlowHistogram
from kinema.search.embedder import Embedder

HIERARCHY = HCMLConfig(levels=2, radius=1, pool=2)


@pytest.fixture(autouse=True)
def _eager_switches() -> Iterator[None]:
    """Threads take turns as often as Python lets them, and torch computes each clip in one thread of its own."""
    interval, threads = sys.getswitchinterval(), torch.get_num_threads()
    sys.setswitchinterval(1e-6)
    torch.set_num_threads(1)
    yield
    sys.setswitchinterval(interval)
    torch.set_num_threads(threads)


class PerFrame(nn.Module):
    """A network of others', of which a hierarchy knows two paths."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(3, 8, 3, 2, 1), nn.Conv2d(8, 12, 3, 2, 1)

    def forward(self, clips: Tensor) -> Tensor:
        x = self.second(self.first(clips.transpose(1, 2).flatten(0, 1)).relu())
        return x.mean(dim=(2, 3)).unflatten(0, (len(clips), -1)).mean(dim=1)


def with_hierarchy(network: nn.Module, seed: int = 0) -> nn.Module:
    """With fusions that no longer are zero, so that motion shows in the output."""
    for fusion in network.fusions.values():
        nn.init.normal_(fusion.weight, generator=torch.Generator().manual_seed(seed))
    return network.eval()


def make(kind: str) -> nn.Module:
    """An encoder by the name of its network, ``+hierarchy`` and ``+readout``; or ``others`` or ``histogram``."""
    torch.manual_seed(0)
    name, *parts = kind.split("+")
    if name == "histogram":
        return FlowHistogram()
    if name == "others":
        return with_hierarchy(add_motion_hierarchy(PerFrame(), HIERARCHY, {"first": 8, "second": 12}))
    patch = 4 if name in ("r3d_18", "mc3_18") else None
    model = ModelConfig(backbone=name, width=4, patch=patch, input="stabilised")
    readout = ReadoutConfig("layer1+layer2", (2, 2, 2), unit="clip") if "readout" in parts else ReadoutConfig()
    encoder = random_encoder(model, 1, HIERARCHY if "hierarchy" in parts else None, readout)
    if "hierarchy" in parts:
        with_hierarchy(encoder.backbone)
    return encoder


def clip(number: int) -> Tensor:
    """Clips of different lengths too, so that one pass's shapes are not another's."""
    generator = torch.Generator().manual_seed(number)
    return torch.rand(1, 3, 8 + 2 * (number % 2), 32, 32, generator=generator)


def in_threads(threads: int, clips: int, run) -> list:
    """``run`` of every clip's number, in threads that begin together and each take every so many-th."""
    results: list = [None] * clips
    gate = threading.Barrier(threads)

    def work(first: int) -> None:
        gate.wait()
        for number in range(first, clips, threads):
            results[number] = run(number)

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(work, range(threads)))  # raises what a thread raised
    return results


def same_in_threads(kind: str, threads: int, clips: int) -> None:
    encoder = make(kind)

    def vector(number: int) -> Tensor:
        with torch.inference_mode():
            return encoder(clip(number))

    expected = [vector(number) for number in range(clips)]
    assert not torch.equal(expected[0], expected[2])
    found = in_threads(threads, clips, vector)
    assert [number for number in range(clips) if not torch.equal(found[number], expected[number])] == []


KINDS = [*list_models(), "histogram", "others", "r3d_18+readout"]
HIERARCHICAL = [f"{name}+hierarchy" for name in list_models()]


@pytest.mark.parametrize(
    "kind", ["r3d_18+hierarchy", "r3d_18+hierarchy+readout", "resnet18+hierarchy", *KINDS], ids=str
)
def test_eight_threads_share_an_encoder(kind):
    same_in_threads(kind, threads=8, clips=24 if "50" in kind else 48)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("kind", [*KINDS, *HIERARCHICAL])
def test_many_threads_and_clips_through_every_kind(kind):
    same_in_threads(kind, threads=32, clips=1000)


@pytest.mark.parametrize("kind", ["r3d_18+hierarchy", "others"])
def test_motion_features_belong_to_whoever_asked(kind):
    """Half of the threads ask for motion features, of clips of their own; the others must not be seen in them."""
    encoder = make(kind)
    motion = encoder if kind == "others" else encoder.backbone

    def features(number: int) -> list[Tensor] | Tensor:
        with torch.inference_mode():
            if number % 4 >= 2:
                return motion(clip(number))
            found = MotionFeatures()
            motion(clip(number), found)
            return [found.levels[level] for level in sorted(found.levels)]

    expected = [features(number) for number in range(40)]
    found = in_threads(8, 40, features)
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=0)


def test_gradients_in_threads():
    """Each thread trains on its own clip; the sum of gradients is that of one thread up to the order of adding."""
    encoder = make("r3d_18+hierarchy").double()

    def gradients(number: int) -> list[Tensor]:
        motion = MotionFeatures()
        loss = encoder.pooled(clip(number).double(), motion).square().sum() + motion.levels[2].square().sum()
        return list(torch.autograd.grad(loss, [*encoder.backbone.parameters()], allow_unused=True))

    expected = [gradients(number) for number in range(16)]
    for one, other in zip(in_threads(8, 16, gradients), expected, strict=True):
        assert all(torch.equal(a, b) for a, b in zip(one, other, strict=True) if a is not None)


def saved(folder: Path) -> Path:
    """A file of an encoder with a motion hierarchy."""
    encoder = make("r3d_18+hierarchy")
    return save_encoder(encoder, folder / "encoder.safetensors", encoder.card)


@pytest.mark.parametrize("source", ["motion", "file"])
def test_loaded_encoders_embed_windows_in_threads(source, tmp_path):
    encoder = load_encoder(source if source == "motion" else saved(tmp_path))
    size, count = (80, 16) if source == "motion" else (32, 40)
    embedder = Embedder(encoder, ClipConfig(frames=8, size=(size, size)), "here", "cpu")
    clips = np.random.default_rng(0).integers(0, 256, (count, 8, size, size, 3), dtype=np.uint8)

    def features(number: int) -> np.ndarray:
        return embedder.features(clips[number : number + 1])

    expected = [features(number) for number in range(count)]
    found = in_threads(8, count, features)
    assert [number for number in range(count) if not np.array_equal(found[number], expected[number])] == []
