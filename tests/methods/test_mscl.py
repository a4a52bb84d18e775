from __future__ import annotations

import dataclasses
import math

import pytest
import torch
from torch import Tensor

from kinema.config import ModelConfig, MSCLConfig
from kinema.errors import ConfigError
from kinema.flow import FRA_ANGLES
from kinema.methods import MSCL, Draws, Views, draw

MODEL = ModelConfig(width=4, flow_width=4, embedding=8)
PAPER = ModelConfig("r3d_18", 4, None, "rgb", 4, None, "wheel", 8)
NOTHING = MSCLConfig(rgb=0, flow=0, cross=0, lmcl=0, fra_clips=0, fra_negatives=False, queue=6)
RGB = dataclasses.replace(NOTHING, rgb=1.0)
EVERYTHING = MSCLConfig(
    rgb=0.5,
    flow=2.0,
    cross=0.7,
    lmcl=3.0,
    fra_negatives=True,
    fra_clips=1.5,
    temperature=0.2,
    queue=6,
    age_decay=0.9,
)
CROSS_TERMS, FRA_TERMS = {"rgb2flow", "flow2rgb"}, {"fra_flow", "fra_rgb2flow", "fra_flow2rgb"}
DRAWS = Draws(torch.tensor([2, 0, 1]), torch.tensor([0.5, 2.0, 4.0]))


def method(config: MSCLConfig, model: ModelConfig = MODEL) -> MSCL:
    torch.manual_seed(0)
    return MSCL(dataclasses.replace(model, pyramid=8) if config.dense else model, config)


def draws() -> Draws:
    """With a generator, for losses that draw when the features are there."""
    return DRAWS._replace(generator=torch.Generator().manual_seed(0))


def views(clips: int = 3, frames: int = 4, size: int = 16, seed: int = 1) -> Views:
    generator = torch.Generator().manual_seed(seed)
    rgb = [torch.rand(clips, 3, frames, size, size, generator=generator) for _ in range(2)]
    flow = [2 * torch.randn(clips, 2, frames // 2, size, size, generator=generator) for _ in range(2)]
    return Views(*rgb, *flow, torch.full((clips,), 1 / 30))


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


# the whole, by hand


def unit(values: Tensor) -> Tensor:
    return values / values.square().sum(dim=-1, keepdim=True).sqrt()


def turned(flow: Tensor, angles: Tensor) -> Tensor:
    u, v, angles = flow[:, 0], flow[:, 1], angles[:, None, None, None]
    return torch.stack((u * angles.cos() - v * angles.sin(), u * angles.sin() + v * angles.cos()), dim=1)


def contrast(query: Tensor, key: Tensor, queue: Tensor, ages: Tensor, config: MSCLConfig) -> Tensor:
    """Clip-level InfoNCE, one candidate after the other."""
    losses = []
    for i, q in enumerate(query):
        logits = [q @ key[i] / config.temperature]
        logits += [config.age_decay**age * (q @ old) / config.temperature for old, age in zip(queue, ages, strict=True)]
        if config.batch_negatives:
            logits += [q @ key[j] / config.temperature for j in range(len(key)) if j != i]
        losses.append(torch.stack(logits).logsumexp(dim=0) - logits[0])
    return torch.stack(losses).mean()


def local_contrast(rgb: Tensor, flow: Tensor, rotated: Tensor, temperature: float) -> tuple[Tensor, float]:
    losses, hits = [], 0
    for b in range(len(rgb)):
        for t in range(rgb.shape[1]):
            candidates = unit(torch.cat((flow[b], rotated[b])))
            logits = candidates @ unit(rgb[b, t]) / temperature
            losses.append(logits.logsumexp(dim=0) - logits[t])
            hits += int(logits.argmax()) == t
    return torch.stack(losses).mean(), hits / len(losses)


@pytest.mark.parametrize("enqueued_first", [False, True], ids=["ours", "as in the code"])
@pytest.mark.parametrize("batch_negatives", [True, False])
@pytest.mark.parametrize("model", [MODEL, PAPER], ids=["tiny", "paper"])
def test_the_whole_loss_of_a_tiny_batch_by_hand(batch_negatives, model, enqueued_first):
    c = dataclasses.replace(EVERYTHING, batch_negatives=batch_negatives, fra_after_enqueue=enqueued_first)
    mscl = method(c, model).train()
    for seed in (5, 6):
        mscl.enqueue(mscl.losses(views(2, 8, seed=seed), Draws(torch.arange(2), DRAWS.angles[:2]))[2])
    mscl.update_keys(0.5)
    batch = views(3, 8)
    terms, facts, _ = mscl.losses(batch, DRAWS)

    def rgb_embedding(branch, clips):
        return unit(branch.projector(branch.encoder(clips)))

    def flow_embedding(branch, flow):
        return unit(branch.projector(branch.encoder(flow).mean(dim=1)))

    rgb_key, flow_key = mscl.rgb_key.module, mscl.flow_key.module
    rotated_query, rotated_key = turned(batch.query_flow, DRAWS.angles), turned(batch.key_flow, DRAWS.angles)
    q_rgb, k_rgb = rgb_embedding(mscl.rgb, batch.query), rgb_embedding(rgb_key, batch.key)
    q_flow, k_flow = flow_embedding(mscl.flow, batch.query_flow), flow_embedding(flow_key, batch.key_flow)
    q_rotated, k_rotated = flow_embedding(mscl.flow, rotated_query), flow_embedding(flow_key, rotated_key)
    local_rgb = mscl.pyramid(mscl.rgb.encoder.stages(batch.query))
    local_flow, local_rotated = mscl.flow.encoder(batch.query_flow), mscl.flow.encoder(rotated_query)
    assert local_rgb.shape == local_flow.shape == local_rotated.shape == (3, 4, 32)  # T/2 moments

    rgb_queue, flow_queue = mscl.rgb_queue.keys, mscl.flow_queue.keys
    ages = torch.tensor([2.0, 2, 1, 1, 2, 2])
    later, later_ages = flow_queue, ages
    if enqueued_first:  # the batch's three keys came in place of the oldest, the last two and the first
        later, later_ages = torch.cat((flow_queue[1:4], k_flow)), torch.tensor([3.0, 2, 2, 1, 1, 1])
    lmcl, accuracy = local_contrast(local_rgb, local_flow, local_rotated, 0.2)
    expected = {
        "rgb": 0.5 * contrast(q_rgb, k_rgb, rgb_queue, ages, c),
        "flow": 2.0 * contrast(q_flow, k_flow, flow_queue, ages, c),
        "rgb2flow": 0.7 * contrast(q_rgb, k_flow, later, later_ages, c),
        "flow2rgb": 0.7 * contrast(q_flow, k_rgb, rgb_queue, ages, c),
        "fra_flow": 1.5 * contrast(q_rotated, k_rotated, later, later_ages, c),
        "fra_rgb2flow": 1.5 * contrast(q_rgb, k_rotated, later, later_ages, c),
        "fra_flow2rgb": 1.5 * contrast(q_rotated, k_rgb, rgb_queue, ages, c),
        "lmcl": 3.0 * lmcl,
    }
    assert terms.keys() == expected.keys()
    for name, term in expected.items():
        torch.testing.assert_close(terms[name], term, rtol=1e-4, atol=1e-5, msg=name)
    assert facts["lmcl_accuracy"].item() == pytest.approx(accuracy)


def test_in_the_order_of_the_code_the_unrotated_key_is_a_negative_of_its_rotated_query():
    """Without rotation it is as like the query as the positive, so that half is the most that can be won."""
    still = DRAWS._replace(angles=torch.zeros(3))
    config = dataclasses.replace(EVERYTHING, batch_negatives=False, temperature=0.01, age_decay=1.0, fra_clips=1.0)
    ours, theirs = (method(dataclasses.replace(config, fra_after_enqueue=first)) for first in (False, True))
    for mscl in (ours, theirs):
        with torch.no_grad():
            mscl.flow_queue.keys.copy_(-mscl.flow_key(views().query_flow, DRAWS.order)[[0, 1, 2, 0, 1, 2]])
    same = views()._replace(key_flow=views().query_flow)
    found, other = ours.losses(same, still).terms, theirs.losses(same, still).terms
    assert other["fra_flow"] > math.log(2) - 0.01 > found["fra_flow"]
    assert other["flow"] == found["flow"]
    assert other["flow2rgb"] == found["flow2rgb"] and other["fra_flow2rgb"] == found["fra_flow2rgb"]
    assert other["rgb2flow"] > 0.7 * (math.log(2) - 0.01) and other["fra_rgb2flow"] > math.log(2) - 0.01
    assert other["rgb2flow"] != found["rgb2flow"] and other["fra_rgb2flow"] != found["fra_rgb2flow"]
    assert all(torch.equal(ours.state_dict()[name], value) for name, value in theirs.state_dict().items())


def test_rotated_negatives_make_lmcl_harder():
    plain = dataclasses.replace(EVERYTHING, fra_negatives=False)
    assert method(EVERYTHING).losses(views(), DRAWS)[0]["lmcl"] > method(plain).losses(views(), DRAWS)[0]["lmcl"]


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
