from __future__ import annotations

import dataclasses
import math

import pytest
import torch
from tiny_mscl import CROSS_TERMS, DRAWS, EVERYTHING, FRA_TERMS, MODEL, NOTHING, draws, method, views
from torch import Tensor

from kinema.errors import ConfigError
from kinema.flow import FRA_ANGLES
from kinema.methods import MSCL, Draws, Views, draw


def total(terms: dict[str, Tensor]) -> Tensor:
    return torch.stack(list(terms.values())).sum()


def trained(parts: torch.nn.Module) -> dict[str, bool]:
    """Which children of a module have received a gradient."""
    return {
        name: any(p.grad is not None and p.grad.abs().sum() > 0 for p in child.parameters())
        for name, child in parts.named_children()
    }


# switches


@pytest.mark.parametrize(
    ("switches", "terms"),
    [
        ({"rgb": 1.0}, {"rgb"}),
        ({"flow": 1.0}, {"flow"}),
        ({"cross": 1.0}, CROSS_TERMS),
        ({"lmcl": 1.0}, {"lmcl"}),
        ({"lmcl": 1.0, "fra_negatives": True}, {"lmcl"}),
        ({"motion": 1.0}, {"motion"}),
        ({"dense_lmcl": 1.0}, {"dense_lmcl"}),
        ({"motion": 1.0, "motion_boundaries": True, "dense_lmcl": 1.0, "rgb": 1.0}, {"motion", "dense_lmcl", "rgb"}),
        ({"fra_clips": 1.0}, FRA_TERMS),
        ({"rgb": 1.0, "flow": 1.0, "cross": 1.0, "lmcl": 1.0}, {"rgb", "flow", "lmcl", *CROSS_TERMS}),
        (
            {"rgb": 1.0, "flow": 1.0, "cross": 1.0, "lmcl": 1.0, "fra_clips": 1.0},
            {"rgb", "flow", "lmcl", *CROSS_TERMS, *FRA_TERMS},
        ),
    ],
)
def test_every_part_is_a_switch(switches, terms):
    config = dataclasses.replace(NOTHING, **switches)
    mscl = method(config)
    assert mscl.with_flow == config.uses_flow == (terms != {"rgb"})
    assert hasattr(mscl, "flow") == config.encodes_flow == (terms not in ({"rgb"}, {"motion"}))
    assert hasattr(mscl, "pyramid") == ("lmcl" in terms)
    contrasts = not terms <= {"lmcl", "motion", "dense_lmcl"}
    assert mscl.with_key == hasattr(mscl, "rgb_key") == hasattr(mscl, "rgb_queue") == contrasts
    assert hasattr(mscl, "flow_key") == hasattr(mscl, "flow_queue") == (contrasts and terms != {"rgb"})
    assert mscl.momentum == (config.momentum if contrasts else None)
    seen = views() if contrasts else views()._replace(key=None, key_flow=None)
    found, facts, keys = mscl.losses(seen, draws())
    assert set(found) == terms
    assert set(facts) == {f"{name}_accuracy" for name in terms & {"lmcl", "dense_lmcl"}}
    assert set(keys) == {name for name in ("rgb_queue", "flow_queue") if hasattr(mscl, name)}
    assert all(torch.isfinite(term) and term > 0 for term in found.values())


def test_weights_multiply_their_terms():
    base, _, _ = method(EVERYTHING).losses(views(), DRAWS)
    doubled = dataclasses.replace(EVERYTHING, rgb=1.0, flow=4.0, cross=1.4, lmcl=6.0, fra_clips=3.0)
    found, _, _ = method(doubled).losses(views(), DRAWS)
    for name, term in base.items():
        torch.testing.assert_close(found[name], 2 * term)


def test_rgb_only_is_the_rgb_loss_of_the_whole_method():
    whole, moco = method(EVERYTHING), method(EVERYTHING.rgb_only())
    assert not EVERYTHING.rgb_only().uses_flow
    moco.load_state_dict({name: whole.state_dict()[name] for name in moco.state_dict()})
    expected, _, _ = whole.losses(views(), DRAWS)
    found, _, keys = moco.losses(views()._replace(query_flow=None, key_flow=None), DRAWS)
    assert set(found) == {"rgb"}
    torch.testing.assert_close(found["rgb"], expected["rgb"] / EVERYTHING.rgb)
    assert set(keys) == {"rgb_queue"}


def test_the_same_seed_gives_moco_and_mscl_the_same_rgb_branch():
    whole, moco = method(EVERYTHING).state_dict(), method(EVERYTHING.rgb_only()).state_dict()
    assert all(torch.equal(value, whole[name]) for name, value in moco.items())


# gradient


@pytest.mark.parametrize(
    ("switches", "rgb_encoder", "flow_encoder"),
    [
        ({"rgb": 1.0}, True, False),
        ({"flow": 1.0}, False, True),
        ({"cross": 1.0}, True, True),
        ({"lmcl": 1.0}, True, True),
        ({"fra_clips": 1.0}, True, True),
        ({"motion": 1.0}, True, False),
        ({"dense_lmcl": 1.0}, True, True),
    ],
)
def test_the_gradient_reaches_the_encoders_that_it_should(switches, rgb_encoder, flow_encoder):
    mscl = method(dataclasses.replace(NOTHING, **switches))
    terms, facts, keys = mscl.losses(views(), draws())
    total(terms).backward()
    assert trained(mscl.rgb)["encoder"] == rgb_encoder
    if hasattr(mscl, "flow"):
        assert trained(mscl.flow)["encoder"] == flow_encoder
    assert not any(trained(mscl).get(name) for name in ("rgb_key", "flow_key"))
    assert not any(value.requires_grad for value in (*facts.values(), *keys.values()))


def test_lmcl_trains_encoders_and_pyramid_but_no_projector():
    mscl = method(dataclasses.replace(NOTHING, lmcl=1.0))
    total(mscl.losses(views(), DRAWS)[0]).backward()
    assert trained(mscl.rgb) == {"encoder": True, "projector": False}
    assert trained(mscl.flow) == {"encoder": True, "projector": False}
    assert trained(mscl)["pyramid"] is True
    stages = trained(mscl.rgb.encoder.backbone)
    assert all(stages[name] for name in ("stem", "layer1", "layer2", "layer3", "layer4"))


def test_the_encoders_pyramid_learns_from_the_dense_losses():
    mscl = method(dataclasses.replace(NOTHING, motion=1.0, dense_lmcl=1.0))
    total(mscl.losses(views(), draws())[0]).backward()
    assert trained(mscl.rgb.encoder) == {"backbone": True, "pyramid": True}
    assert trained(mscl)["prediction"] and trained(mscl)["dense"]
    with pytest.raises(ConfigError, match=r"set model\.pyramid"):
        MSCL(MODEL, dataclasses.replace(NOTHING, motion=1.0))


def test_the_whole_loss_trains_every_parameter():
    mscl = method(EVERYTHING)
    total(mscl.losses(views(), DRAWS)[0]).backward()
    lazy = [name for name, p in mscl.named_parameters() if p.requires_grad and (p.grad is None or not p.grad.any())]
    assert not lazy  # training on several devices would wait for them


# keys


def test_keys_are_of_unit_length_and_not_those_of_rotated_flow():
    mscl = method(EVERYTHING)
    batch = views()
    _, _, keys = mscl.losses(batch, DRAWS)
    for name, inputs in (("rgb", batch.key), ("flow", batch.key_flow)):
        torch.testing.assert_close(keys[f"{name}_queue"], mscl.get_submodule(f"{name}_key")(inputs, DRAWS.order))
        torch.testing.assert_close(keys[f"{name}_queue"].norm(dim=1), torch.ones(3))
    same_keys = mscl.losses(batch, DRAWS._replace(angles=DRAWS.angles + 1))[2]
    assert all(torch.equal(keys[name], same_keys[name]) for name in keys)
    before = {name: mscl.get_submodule(name).keys.clone() for name in keys}
    mscl.enqueue(keys)
    for name, values in keys.items():
        queue = mscl.get_submodule(name)
        assert torch.equal(queue.keys[:3], values)
        assert torch.equal(queue.keys[3:], before[name][3:])  # three keys came, not six


def test_the_losses_leave_the_queues_alone_so_that_the_gradient_can_be_taken():
    mscl = method(EVERYTHING)
    before = {name: value.clone() for name, value in mscl.state_dict().items() if "queue" in name}
    terms, _, keys = mscl.losses(views(), DRAWS)
    assert all(torch.equal(value, mscl.state_dict()[name]) for name, value in before.items())
    total(terms).backward()
    mscl.enqueue(keys)


def test_momentum_encoders_follow_the_query_encoders():
    mscl = method(EVERYTHING)
    with torch.no_grad():
        for parameter in (*mscl.rgb.parameters(), *mscl.flow.parameters()):
            parameter.add_(1)
    batch = views()  # of three clips, too few for parts of their own: the query encoders see the same company
    before = mscl.losses(batch, DRAWS)[2]
    mscl.update_keys(0.0)
    _, _, keys = mscl.losses(batch, DRAWS)
    assert not any(torch.allclose(keys[name], before[name], atol=1e-3) for name in keys)
    torch.testing.assert_close(keys["rgb_queue"], mscl.rgb(batch.key))
    torch.testing.assert_close(keys["flow_queue"], mscl.flow(batch.key_flow))


@pytest.mark.parametrize("part", ["rgb", "flow"])
def test_the_key_of_a_clip_carries_no_trace_of_the_other_parts_of_its_batch(part):
    mscl = method(EVERYTHING).train()
    draws = Draws(torch.tensor([5, 1, 7, 0, 2, 4, 3, 6]), torch.zeros(8))  # in two parts
    query, key, query_flow, key_flow, *_ = views(8)
    _, _, keys = mscl.losses(Views(query, key, query_flow, key_flow), draws)
    other_key, other_flow = key.clone(), key_flow.clone()
    own, others = [0, 1, 5, 7], [2, 3, 4, 6]
    other_key[others], other_flow[others] = key[others].square(), 5 + 3 * key_flow[others]
    _, _, other = mscl.losses(Views(query, other_key, query_flow, other_flow), draws)
    name = f"{part}_queue"
    torch.testing.assert_close(other[name][own], keys[name][own])
    assert not torch.allclose(other[name][others], keys[name][others], atol=1e-3)
    again = mscl.losses(Views(query, other_key, query_flow, other_flow), draws._replace(order=torch.arange(8)))[2]
    assert (again[name][0] - keys[name][0]).abs().max() > 1e-3  # in the company of changed clips


# the draws


def test_draws_are_pure_permutations_and_angles_of_the_eight():
    order, angles, _ = draw(200, torch.Generator().manual_seed(3))
    assert sorted(order.tolist()) == list(range(200))
    assert angles.shape == (200,)
    assert sorted(set(angles.tolist())) == pytest.approx(FRA_ANGLES)
    assert min(angles) == pytest.approx(0.2 * math.pi)
    again, other = (draw(200, torch.Generator().manual_seed(seed)) for seed in (3, 4))
    assert torch.equal(order, again.order) and torch.equal(angles, again.angles)
    assert not torch.equal(order, other.order) and not torch.equal(angles, other.angles)
