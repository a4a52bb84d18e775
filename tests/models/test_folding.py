from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn.utils.parametrizations import weight_norm

from kinema.config import HCMLConfig, ModelConfig
from kinema.models import build_encoder, create_model, list_models
from kinema.models.passes import fold_batch_norms


def trained(network: nn.Module) -> nn.Module:
    """With batch norms that do something."""
    torch.manual_seed(0)
    for part in network.modules():
        if isinstance(part, nn.BatchNorm2d | nn.BatchNorm3d) and part.track_running_stats:
            for numbers in (part.running_mean, part.bias):
                nn.init.normal_(numbers, std=0.5)
            for numbers in (part.running_var, part.weight):
                nn.init.uniform_(numbers, 0.5, 2.0)
    return network.eval()


def norms(network: nn.Module) -> int:
    return sum(isinstance(part, nn.BatchNorm2d | nn.BatchNorm3d) for part in network.modules())


@pytest.mark.parametrize("name", list_models())
def test_outputs_stay_what_they_were(name):
    network = trained(create_model(name, width=4))
    before = {key: value.clone() for key, value in network.state_dict().items()}
    folded = fold_batch_norms(network)
    assert norms(folded) < norms(network)
    clips = torch.randn(2, 3, 8, 32, 32)
    with torch.inference_mode():
        torch.testing.assert_close(folded(clips), network(clips), atol=1e-3, rtol=1e-3)
    after = network.state_dict()
    assert list(after) == list(before) and all(torch.equal(after[key], before[key]) for key in before)


@pytest.mark.parametrize("hcml", [None, HCMLConfig()])
def test_an_encoder_of_the_tiny_preset_keeps_no_norm_of_its_backbone(hcml):
    config = ModelConfig(backbone="r3d_18", width=8, patch=4, input="difference")
    encoder = trained(build_encoder(config, hcml))
    folded = fold_batch_norms(encoder)
    assert norms(folded) == 0
    clips = torch.rand(2, 3, 8, 56, 56)
    with torch.inference_mode():
        torch.testing.assert_close(folded(clips), encoder(clips), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(
    "chain",
    [
        pytest.param(lambda: (weight_norm(nn.Conv2d(3, 4, 3)), nn.BatchNorm2d(4)), id="weights made anew in each step"),
        pytest.param(lambda: (nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4, track_running_stats=False)), id="no statistics"),
        pytest.param(lambda: (nn.Conv2d(3, 4, 3), nn.ReLU(), nn.BatchNorm2d(4)), id="something between"),
        pytest.param(lambda: (nn.BatchNorm2d(3), nn.Conv2d(3, 4, 3)), id="the norm comes first"),
    ],
)
def test_what_cannot_be_folded_stays(chain):
    network = trained(nn.Sequential(*chain()))
    folded = fold_batch_norms(network)
    frames = torch.randn(2, 3, 8, 8)
    assert norms(folded) == 1
    torch.testing.assert_close(folded(frames), network(frames))


@pytest.mark.parametrize("part", [0, 1])
def test_what_hangs_on_a_part_still_sees_it(part):
    network = trained(nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)))
    network[part].register_forward_hook(lambda module, inputs, output: output * 2)
    folded = fold_batch_norms(network)
    frames = torch.randn(2, 3, 8, 8)
    torch.testing.assert_close(folded(frames), network(frames))
    assert norms(folded) == 1


def test_a_chain_that_goes_another_way_stays():
    class Backwards(nn.Sequential):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self[0](self[1](x))

    network = trained(Backwards(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(3)))
    frames = torch.randn(2, 3, 8, 8)
    torch.testing.assert_close(fold_batch_norms(network)(frames), network(frames))
