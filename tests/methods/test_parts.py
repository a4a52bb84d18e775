"""Batches in parts: the losses, gradients and keys of the whole batch, with the activations of a part."""

from __future__ import annotations

import copy
import dataclasses
from contextlib import nullcontext

import pytest
import torch
from torch import Tensor, nn
from torch.multiprocessing.reductions import StorageWeakRef
from torch.nn.modules.batchnorm import _BatchNorm

from kinema.config import HCMLConfig, ModelConfig, MSCLConfig, PretrainConfig
from kinema.data.plan import Plan
from kinema.methods import (
    HCML,
    MSCL,
    Losses,
    Method,
    MSCLWithHCML,
    Recognition,
    Views,
    create_method,
    draw,
    settings_for,
)
from kinema.methods.parts import in_parts
from kinema.models import random_encoder
from kinema.models.short_conv import short_convolutions

MODEL = ModelConfig(width=4, flow_width=4, embedding=8)
EVERYTHING = MSCLConfig(
    rgb=0.5,
    lmcl=3.0,
    fra_negatives=True,
    fra_clips=1.5,
    queue=6,
    age_decay=0.9,
    motion=1.0,
    motion_boundaries=True,
    dense_lmcl=1.0,
    dense_cells=5,
)
HIERARCHY = HCMLConfig(levels=2, reduction=1, radius=1, places=8, others=16)
DENSE = dataclasses.replace(MODEL, pyramid=8)
PLAN = Plan(videos=8, clips_per_video=1, batch_size=8, processes=1, length=20, unit=1)

METHODS = {
    "mscl": lambda: MSCL(DENSE, EVERYTHING),
    "mscl, keys first": lambda: MSCL(MODEL, MSCLConfig(fra_clips=1.0, fra_after_enqueue=True, batch_negatives=False)),
    "moco": lambda: MSCL(MODEL, MSCLConfig().rgb_only()),
    "hcml": lambda: HCML(MODEL, HIERARCHY),
    "mscl+hcml": lambda: MSCLWithHCML(DENSE, EVERYTHING, HIERARCHY),
    "tubelet": lambda: create_method("tubelet", settings_for("tubelet", PretrainConfig(model=MODEL))),
    "masked": lambda: create_method("masked", PretrainConfig(model=DENSE)),
    "recognition": lambda: Recognition(random_encoder(MODEL), 3),
    "recognition with hcml": lambda: Recognition(random_encoder(MODEL, hcml=HIERARCHY), 3, hcml=HIERARCHY),
}


def method(name: str, statistics: bool = False) -> Method:
    """An untrained method; without batch statistics unless they are wanted."""
    torch.manual_seed(0)
    made = METHODS[name]()
    for module in list(made.modules()) if not statistics else []:
        for child, part in list(module.named_children()):
            if isinstance(part, _BatchNorm):
                setattr(module, child, nn.GroupNorm(1, part.num_features))
    return made.train()


def batch(clips: slice = slice(None)) -> Views:
    generator = torch.Generator().manual_seed(1)
    rgb = [torch.rand(8, 3, 4, 32, 32, generator=generator) for _ in range(2)]
    flow = [2 * torch.randn(8, 2, 2, 32, 32, generator=generator) for _ in range(2)]
    whole = Views(*rgb, *flow, torch.full((8,), 1 / 30), torch.tensor([0, 1, 2, 0, 1, 2, 0, 1]))
    return Views(*(view[clips] for view in whole))


def losses(made: Method, views: Views, parts: int) -> tuple[Losses, dict[str, Tensor]]:
    """What a method makes of a batch in so many parts, and the gradients of its parameters."""
    made.parts = parts
    made.zero_grad()
    found = made.losses(views, draw(len(views.query), torch.Generator().manual_seed(2)))
    torch.stack(list(found.terms.values())).sum().backward()
    return found, {name: p.grad.clone() for name, p in made.named_parameters() if p.grad is not None}


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow) if name in ("tubelet", "masked") else name for name in METHODS]
)
def test_losses_gradients_and_keys_are_those_of_the_whole_batch(name):
    made = method(name)
    whole, gradients = losses(made, batch(), 1)
    found, others = losses(made, batch(), 4)
    assert whole.terms and gradients
    torch.testing.assert_close(found.terms, whole.terms, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(found.facts, whole.facts)
    torch.testing.assert_close(found.keys, whole.keys, rtol=1e-5, atol=1e-6)
    assert others.keys() == gradients.keys()
    for parameter, gradient in gradients.items():
        assert (others[parameter] - gradient).norm() <= 1e-4 * gradient.norm() + 1e-6, parameter


@pytest.mark.parametrize("name", ["mscl", "hcml"])
def test_small_batches_added_up_are_another_training(name):
    made = method(name)
    whole, _ = losses(made, batch(), 1)
    small = [losses(made, batch(slice(first, first + 2)), 1)[0] for first in range(0, 8, 2)]
    apart = [
        term for term in whole.terms if abs(sum(part.terms[term] for part in small) / 4 / whole.terms[term] - 1) > 1e-3
    ]
    assert apart


@pytest.mark.parametrize("name", ["mscl", "mscl+hcml", "recognition"])
def test_running_statistics_follow_each_part_once(name):
    made = method(name, statistics=True)
    expected = copy.deepcopy(made.trained_encoder())
    with torch.no_grad():
        for part in batch().query.chunk(4):
            expected.stages(part)
    losses(made, batch(), 4)
    torch.testing.assert_close(dict(made.trained_encoder().named_buffers()), dict(expected.named_buffers()))


def test_what_rests_stays_as_it_is():
    made = method("hcml", statistics=True)
    made.enter(made.schedule(PLAN).phases[1])
    before = {name: buffer.clone() for name, buffer in made.named_buffers()}
    _, gradients = losses(made, batch(), 4)
    assert gradients and not any("prime" in name for name in gradients)
    changed = {name for name, buffer in made.named_buffers() if not torch.equal(buffer, before[name])}
    assert changed and all(".levels.1." in f".{name}" or "predictors.1" in name for name in changed), changed


def held(parts: int) -> int:
    """Activations of how many clips a wide layer has in memory at once."""
    layer = nn.Sequential(nn.Linear(4, 100), nn.Sigmoid())
    network = nn.Sequential(layer, nn.Linear(100, 1))
    alive: list[tuple[StorageWeakRef, int]] = []
    most = 0

    def watch(_module, _args, output):
        nonlocal most
        alive.append((StorageWeakRef(output.untyped_storage()), len(output)))
        most = max(most, sum(count for storage, count in alive if not storage.expired()))

    layer.register_forward_hook(watch)
    in_parts(network, lambda x: {"y": network(x)}, torch.rand(8, 4), parts)["y"].square().sum().backward()
    assert len(alive) == (1 if parts == 1 else 2 * parts)
    return most


def test_the_activations_of_one_part_are_in_memory_at_a_time():
    assert [held(parts) for parts in (1, 2, 4)] == [8, 4, 2]


def test_gradients_of_parts_are_added_in_single_precision():
    torch.manual_seed(0)
    network, x = nn.Linear(64, 64), torch.randn(16, 64)

    def gradient(clips: Tensor, parts: int) -> Tensor:
        network.zero_grad()
        with torch.autocast("cpu", dtype=torch.bfloat16):
            y = in_parts(network, lambda part: {"y": network(part)}, clips, parts)["y"]
        y.float().sum().backward()
        return network.weight.grad.clone()

    each = [gradient(part, 1) for part in x.chunk(4)]
    assert torch.equal(gradient(x, 4), each[3] + each[2] + each[1] + each[0])


def test_what_a_network_draws_by_itself_is_drawn_once():
    network = nn.Sequential(nn.Linear(4, 50), nn.Dropout(0.5))
    torch.manual_seed(0)
    y = in_parts(network, lambda part: {"y": network(part)}, torch.ones(4, 4), 2)["y"]
    y.sum().backward()
    kept = (y != 0).sum(dim=0) * 2.0  # by unit; a dropped one gets no gradient
    torch.testing.assert_close(network[0].bias.grad, kept)


@pytest.mark.parametrize("inside", [False, True])
def test_a_pass_that_is_done_anew_is_computed_as_the_first_was(inside):
    """Where weights' gradients of short clips are computed another way, they are in both."""
    network, clips = nn.Conv3d(4, 4, 3, padding=1), torch.randn(4, 4, 2, 5, 5)
    seen = []

    def look(part: Tensor) -> dict[str, Tensor]:
        out = network(part)
        seen.append(type(out.grad_fn).__name__)
        return {"out": out.exp()}  # whose gradient needs what comes after the convolution, too

    with short_convolutions(clips.device) if inside else nullcontext():
        found = in_parts(network, look, clips, 2)
    found["out"].sum().backward()
    assert len(seen) == 4 and len(set(seen)) == 1 and ("Short" in seen[0]) == inside
