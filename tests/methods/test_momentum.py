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


def clips(seed: int = 0) -> Tensor:
    return torch.randn(5, 3, 4, 4, 4, generator=torch.Generator().manual_seed(seed))


def trained(network: nn.Module) -> nn.Module:
    """Other weights and running statistics."""
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(torch.randn_like(parameter))
    network.train()(clips() * 3 + 1)
    return network


def test_it_starts_as_a_copy_of_its_own(network):
    encoder = MomentumEncoder(network)
    before = encoder(clips())
    torch.testing.assert_close(before, network.eval()(clips()))
    trained(network)
    assert torch.equal(encoder(clips()), before)


def test_update_averages_parameters_and_running_statistics(network):
    encoder = MomentumEncoder(network)
    old = {name: value.clone() for name, value in network.state_dict().items()}
    new = trained(network).state_dict()
    encoder.update(network, 0.9)
    for name, value in encoder.module.state_dict().items():
        if name.endswith("num_batches_tracked"):
            assert value == new[name] == 1
        else:
            assert not torch.equal(new[name], old[name]), name
            torch.testing.assert_close(value, 0.9 * old[name] + 0.1 * new[name], msg=name)
    encoder.update(network, 1.0)
    torch.testing.assert_close(encoder.module[4].weight, 0.9 * old["4.weight"] + 0.1 * new["4.weight"])
    encoder.update(network, 0.0)
    torch.testing.assert_close(encoder(clips()), network.eval()(clips()))


def test_no_gradient_and_always_evaluating(network):
    encoder = MomentumEncoder(network)
    parent = nn.ModuleList([network, encoder]).train()
    assert network.training
    assert not any(module.training for module in encoder.modules())
    assert not any(parameter.requires_grad for parameter in encoder.parameters())
    assert all(parameter.requires_grad for parameter in network.parameters())
    assert not encoder(clips().requires_grad_()).requires_grad
    assert torch.equal(encoder(clips()), encoder(clips()))  # running statistics do not move
    assert parent.training


def test_a_key_carries_no_trace_of_the_rest_of_its_batch(network):
    encoder = MomentumEncoder(trained(network))
    first, second = clips(1), clips(1)
    second[1:] = clips(2)[1:] * 4
    parent = nn.ModuleList([network, encoder]).train()
    torch.testing.assert_close(encoder(first)[0], encoder(second)[0])
    with torch.no_grad():
        leak = (network(first)[0] - network(second)[0]).abs().max()  # what batch statistics would give away
    assert leak > 0.1
    assert parent.training
