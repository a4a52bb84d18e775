from __future__ import annotations

import torch

from kinema.config import HCMLConfig, ModelConfig, MSCLConfig
from kinema.data.plan import Plan
from kinema.methods import HCML, MSCL, MSCLWithHCML, Views, draw

PLAN = Plan(videos=8, clips_per_video=1, batch_size=8, processes=1, length=4, unit=1)

MODEL = ModelConfig(width=4, flow_width=4, embedding=8)
MSCL_CONFIG = MSCLConfig(queue=6)
HIERARCHY = HCMLConfig(levels=1, reduction=1, radius=1, places=8, others=16)


def batch() -> tuple[Views, torch.Generator]:
    generator = torch.Generator().manual_seed(1)
    rgb = [torch.rand(3, 3, 4, 16, 16, generator=generator) for _ in range(2)]
    flow = [2 * torch.randn(3, 2, 2, 16, 16, generator=generator) for _ in range(2)]
    return Views(*rgb, *flow), generator


def joint() -> MSCLWithHCML:
    torch.manual_seed(0)
    return MSCLWithHCML(MODEL, MSCL_CONFIG, HIERARCHY)


def test_its_losses_are_those_of_both_methods():
    """Of MSCL without a hierarchy, since fusions begin at zero, and of HCML with the same weights."""
    both, mscl, hcml = joint(), MSCL(MODEL, MSCL_CONFIG), HCML(MODEL, HIERARCHY)
    state = {name.replace(".backbone.backbone.", ".backbone."): value for name, value in both.state_dict().items()}
    mscl.load_state_dict({name: state[name] for name in mscl.state_dict()})
    hcml.encoder.load_state_dict(both.rgb.encoder.state_dict())
    hcml.objective.load_state_dict(both.objective.state_dict())
    views, generator = batch()
    found = both.losses(views, draw(3, generator))
    views, generator = batch()
    draws = draw(3, generator)
    expected, motion = mscl.losses(views, draws), hcml.losses(views, draws)
    torch.testing.assert_close(found.terms, expected.terms | motion.terms)
    torch.testing.assert_close(found.facts, expected.facts | motion.facts)
    torch.testing.assert_close(found.keys, expected.keys)


def test_while_a_level_learns_alone_mscl_rests():
    both = joint()
    views, generator = batch()
    draws = draw(3, generator)
    phases = both.schedule(PLAN).phases
    assert [set(both.losses(Views(views.query), draws, phase).terms) for phase in phases[:2]] == [{"prime"}, {"level1"}]
    assert both.losses(Views(views.query), draws, phases[0]).keys == {}
    assert both.pairs_from(PLAN) == phases[2].steps.start == 2


def test_the_key_encoder_holds_the_hierarchy_and_never_learns_by_itself():
    both = joint()
    names = {name for name, _ in both.rgb.named_parameters()}
    assert {name for name, _ in both.rgb_key.module.named_parameters()} == names
    assert any("prime" in name for name in names)
    for phase in both.schedule(PLAN).phases:
        both.enter(phase)
        assert not any(parameter.requires_grad for parameter in both.rgb_key.parameters())
    with torch.no_grad():
        both.motion.fusions["0"].weight.fill_(1.0)
    both.update_keys(0.75)
    weight = both.get_submodule("rgb_key.module.encoder.backbone.fusions.0").weight
    torch.testing.assert_close(weight, torch.full_like(weight, 0.25))
