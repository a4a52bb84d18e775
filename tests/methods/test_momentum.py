from __future__ import annotations

import itertools
import math

import pytest
import torch
from torch import Tensor, nn

from kinema.methods import MomentumEncoder, cosine_momentum


def test_momentum_rises_from_start_to_one():
    values = [cosine_momentum(step, 100, 0.97) for step in range(101)]
    assert values[0] == pytest.approx(0.97)
    assert values[50] == pytest.approx(0.985)
    assert values[25] == pytest.approx(1 - 0.03 * (1 + math.sqrt(0.5)) / 2)
    assert values[100] == cosine_momentum(150, 100, 0.97) == 1
    assert all(a < b for a, b in itertools.pairwise(values))
    assert cosine_momentum(0, 0, 0.5) == 0.5


@pytest.fixture
def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv3d(3, 8, 3), nn.BatchNorm3d(8), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 8, 4))


def clips(count: int = 8, seed: int = 0) -> Tensor:
    return torch.randn(count, 3, 4, 4, 4, generator=torch.Generator().manual_seed(seed))


def shuffle(count: int = 8, seed: int = 0) -> Tensor:
    return torch.randperm(count, generator=torch.Generator().manual_seed(seed))


def trained(network: nn.Module) -> nn.Module:
    """Other weights."""
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(torch.randn_like(parameter))
    return network


# the average


def test_it_starts_as_a_copy_of_its_own(network):
    encoder = MomentumEncoder(network, parts=1)
    before = encoder(clips(), shuffle())
    with torch.no_grad():
        torch.testing.assert_close(before, network.train()(clips()))
    trained(network)
    assert torch.equal(encoder(clips(), shuffle()), before)


def test_update_averages_every_parameter(network):
    encoder = MomentumEncoder(network)
    old = {name: value.clone() for name, value in network.named_parameters()}
    new = dict(trained(network).named_parameters())
    encoder.update(network, 0.75)
    for name, value in encoder.module.named_parameters():
        assert not torch.equal(new[name], old[name]), name
        torch.testing.assert_close(value, (0.75 * old[name] + 0.25 * new[name]).detach(), msg=name)
    average = {name: value.clone() for name, value in encoder.module.named_parameters()}
    encoder.update(network, 1.0)
    assert all(torch.equal(value, average[name]) for name, value in encoder.module.named_parameters())
    encoder.update(network, 0.0)
    assert all(torch.equal(value, new[name]) for name, value in encoder.module.named_parameters())


def test_averages_add_up_over_many_steps(network):
    """With parameters that stand still, what is left of the start is the momentum to the power of the steps."""
    encoder = MomentumEncoder(network)
    start = network[0].weight.detach().clone()
    goal = trained(network)[0].weight.detach()
    for _ in range(20):
        encoder.update(network, 0.9)
    torch.testing.assert_close(encoder.module[0].weight, goal + 0.9**20 * (start - goal))


# keys


@pytest.mark.parametrize("parts", [1, 2, 4])
def test_keys_come_back_in_the_order_of_the_clips(network, parts):
    """Without batch normalisation a key depends on its clip alone, so the order must not show."""
    del network[1]
    encoder = MomentumEncoder(network, parts)
    with torch.no_grad():
        expected = network(clips())
    for seed in range(3):
        torch.testing.assert_close(encoder(clips(), shuffle(seed=seed)), expected)


@pytest.mark.parametrize(("count", "sizes"), [(8, [2, 2, 2, 2]), (16, [4, 4, 4, 4]), (10, [3, 3, 2, 2])])
def test_each_part_of_the_shuffled_batch_has_statistics_of_its_own(network, count, sizes):
    encoder, order = MomentumEncoder(network, parts=4), shuffle(count)
    found = encoder(clips(count), order)
    with torch.no_grad():
        for part in order.split(sizes):
            torch.testing.assert_close(found[part], network.train()(clips(count)[part]))


def influence(encoder: MomentumEncoder, order: Tensor) -> set[int]:
    """The clips that the first clip's key depends on."""
    key = encoder(clips(), order)[0]
    others = set()
    for clip in range(1, 8):
        changed = clips()
        changed[clip] = 4 * clips(seed=1)[clip]
        if (encoder(changed, order)[0] - key).abs().max() > 1e-4:
            others.add(clip)
    return others


def test_a_key_depends_on_the_clips_of_its_own_part_alone(network):
    encoder = MomentumEncoder(network, parts=4)
    assert influence(encoder, torch.arange(8)) == {1}
    assert influence(encoder, torch.tensor([5, 2, 0, 7, 1, 3, 6, 4])) == {7}
    assert influence(MomentumEncoder(network, parts=2), torch.tensor([5, 2, 0, 7, 1, 3, 6, 4])) == {5, 2, 7}


def test_query_and_key_have_other_company(network):
    """What the query's batch statistics tell of the rest of the batch is no hint which key is its own."""
    encoder, order = MomentumEncoder(network, parts=4), shuffle()
    whole = MomentumEncoder(network, parts=1)(clips(), order)
    assert (encoder(clips(), order) - whole).abs().max() > 0.01
    assert (encoder(clips(), order) - encoder(clips(), shuffle(seed=1))).abs().max() > 0.01


@pytest.mark.parametrize(("count", "parts"), [(1, 1), (2, 1), (3, 1), (4, 2), (6, 3), (8, 4), (100, 4)])
def test_a_small_batch_has_fewer_parts_so_that_each_has_statistics(network, count, parts):
    encoder = MomentumEncoder(network, parts=4)
    sizes: list[int] = []
    encoder.module.register_forward_pre_hook(lambda _, inputs: sizes.append(len(inputs[0])))
    assert encoder(clips(count), shuffle(count)).shape == (count, 4)
    assert len(sizes) == parts
    assert sum(sizes) == count


def test_no_gradient(network):
    encoder = MomentumEncoder(network)
    assert not any(parameter.requires_grad for parameter in encoder.parameters())
    assert all(parameter.requires_grad for parameter in network.parameters())
    assert not encoder(clips().requires_grad_(), shuffle()).requires_grad


def test_keys_have_the_statistics_of_their_batch_and_not_those_of_earlier_ones(network):
    encoder = MomentumEncoder(network)
    first = encoder(clips(), shuffle())
    for seed in range(5):
        encoder(3 * clips(seed=seed) + 2, shuffle())
    torch.testing.assert_close(encoder(clips(), shuffle()), first)
