"""The whole loss of MSCL by hand, and the order in which keys come to the queue."""

from __future__ import annotations

import dataclasses
import math

import pytest
import torch
from tiny_mscl import DRAWS, EVERYTHING, MODEL, PAPER, method, views
from torch import Tensor

from kinema.config import MSCLConfig
from kinema.methods import Draws


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
