"""Recognition with labels, with HCML's losses and without."""

from __future__ import annotations

import pytest
import torch

from kinema.config import HCMLConfig, ModelConfig, ReadoutConfig
from kinema.data.plan import Plan
from kinema.methods import Recognition, Views, draw
from kinema.models import random_encoder

PLAN = Plan(videos=8, clips_per_video=1, batch_size=8, processes=1, length=4, unit=1)

MODEL = ModelConfig(width=4, patch=4, input="rgb")
HIERARCHY = HCMLConfig(levels=1, radius=1, progressive=True)


def network(hcml=None, **settings) -> Recognition:
    return Recognition(random_encoder(MODEL, hcml=hcml), 3, hcml=hcml, **settings).train()


def batch() -> Views:
    clips = torch.rand(4, 3, 4, 32, 32, generator=torch.Generator().manual_seed(0))
    return Views(clips, label=torch.tensor([2, 0, 1, 1]))


def draws():
    return draw(4, torch.Generator().manual_seed(0))


@pytest.mark.parametrize("smoothing", [0.0, 0.3])
def test_cross_entropy_by_hand(smoothing):
    net, views = network(label_smoothing=smoothing), batch()
    terms, facts, keys = net.losses(views, draws())
    scores = net.classifier(net.encoder(views.query))
    expected = 0.0
    for row, label in zip(scores, views.label, strict=True):
        log_probabilities = row - row.exp().sum().log()
        target = [smoothing / 3 + (1 - smoothing) * (index == label) for index in range(3)]
        expected -= sum(p * log for p, log in zip(target, log_probabilities, strict=True)) / 4
    assert terms.keys() == {"cross_entropy"} and keys == {}
    torch.testing.assert_close(terms["cross_entropy"], expected)
    right = [int(row.argmax()) == int(label) for row, label in zip(scores, views.label, strict=True)]
    assert float(facts["top1_accuracy"]) == sum(right) / 4


def test_probabilities_and_dropout():
    net, views = network(dropout=0.5), batch()
    with torch.no_grad():
        first, second = net(views.query), net(views.query)
        assert not torch.equal(first, second)
        net.eval()
        assert torch.equal(net(views.query), net(views.query))
        torch.testing.assert_close(net(views.query).sum(1), torch.ones(4))


def test_a_classifier_sees_pooled_features_whatever_the_readout_is():
    read, plain = (
        Recognition(random_encoder(MODEL, readout=readout), 3).eval()
        for readout in (ReadoutConfig("layer1", (1, 2, 2)), ReadoutConfig())
    )
    read.classifier.load_state_dict(plain.classifier.state_dict())
    assert torch.equal(read(batch().query), plain(batch().query))
    assert torch.equal(*(net.losses(batch(), draws()).terms["cross_entropy"] for net in (read, plain)))


def test_while_a_level_learns_alone_the_classifier_rests():
    net, views = network(HIERARCHY), batch()
    seen = []
    for phase in net.schedule(PLAN).phases:
        net.enter(phase)
        net.zero_grad()
        terms, _, _ = net.losses(views, draws(), phase)
        torch.stack(list(terms.values())).sum().backward()
        rests = net.classifier.weight.grad is None
        seen.append((phase.name, set(terms), rests))
    assert seen == [
        ("prime", {"prime"}, True),
        ("level 1", {"level1"}, True),
        ("all", {"prime", "level1", "cross_entropy"}, False),
    ]


def test_without_hcml_there_are_no_phases_and_every_weight_learns():
    net, views = network(), batch()
    assert net.schedule(PLAN) is None and net.pairs_from(PLAN) == 4
    torch.stack(list(net.losses(views, draws()).terms.values())).sum().backward()
    assert all(parameter.grad is not None and parameter.grad.any() for parameter in net.parameters())


def test_with_hcml_the_network_begins_as_the_plain_one():
    plain, moving, views = network().eval(), network(HIERARCHY).eval(), batch()
    moving.encoder.backbone.backbone.load_state_dict(plain.encoder.backbone.state_dict())
    moving.classifier.load_state_dict(plain.classifier.state_dict())
    with torch.no_grad():
        assert torch.equal(plain(views.query), moving(views.query))
