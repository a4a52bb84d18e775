from __future__ import annotations

import copy
import dataclasses
import gc
import pickle
import re
import weakref
from pathlib import Path

import pytest
import torch
from hierarchies import PER_FRAME, SMALL, PerFrame, awake, clips, network
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from kinema.config import HCMLConfig, ModelConfig
from kinema.models import (
    MotionFeatures,
    VideoEncoder,
    add_motion_hierarchy,
    random_encoder,
)
from kinema.models.resnet3d import r3d_18

# what it leaves alone


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("config", [SMALL, dataclasses.replace(SMALL, pool=2, chain=False)])
def test_before_training_the_network_computes_exactly_what_it_did(training, config):
    plain = network().train(training)
    motion = add_motion_hierarchy(copy.deepcopy(plain), config).train(training)
    expected = plain.stages(clips())
    found = motion.stages(clips())
    assert all(torch.equal(found[name], expected[name]) for name in expected)
    assert torch.equal(motion(clips()), plain(clips()))


def test_exactly_in_half_precision_and_on_single_frames_too():
    torch.manual_seed(0)
    plain = PerFrame()
    motion = add_motion_hierarchy(copy.deepcopy(plain), dataclasses.replace(SMALL, levels=2), PER_FRAME)
    assert torch.equal(motion(clips()), plain(clips()))
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(motion(clips()), plain(clips()))


def test_the_backbone_inside_stays_the_plain_network():
    plain, motion = network().eval(), awake(add_motion_hierarchy(network(), SMALL)).eval()
    assert not torch.equal(motion(clips()), plain(clips()))
    assert torch.equal(motion.backbone(clips()), plain(clips()))
    assert motion.backbone.load_state_dict(plain.state_dict(), strict=True)
    assert all(name.startswith(("backbone.", "prime.", "levels.", "fusions.")) for name in motion.state_dict())


def test_motion_reaches_the_output_and_its_gradient_comes_back():
    motion = awake(add_motion_hierarchy(network(), SMALL))
    motion(clips()).square().sum().backward()
    assert all(parameter.grad is not None for parameter in motion.parameters())


def test_per_frame_stages_are_folded_by_clip():
    torch.manual_seed(0)
    motion = awake(add_motion_hierarchy(PerFrame(), dataclasses.replace(SMALL, levels=2), PER_FRAME)).eval()
    features = MotionFeatures()
    with torch.no_grad():
        together = motion(clips(3, 4), features)
    assert {level: tuple(z.shape) for level, z in features.levels.items()} == {
        0: (3, 2, 4, 16, 16),
        1: (3, 2, 4, 16, 16),
        2: (3, 3, 4, 8, 8),
    }
    with torch.no_grad():
        torch.testing.assert_close(motion(clips(3, 4)[1:2]), together[1:2])


# what it gives


@pytest.mark.parametrize(
    ("settings", "levels"),
    [
        ({}, {0, 1, 2, 3}),
        ({"levels": 0}, {0}),
        ({"levels": 1}, {0, 1}),
        ({"prime": False, "levels": 2}, {1, 2}),
        ({"levels": 4, "fusion": False, "chain": False}, {0, 1, 2, 3, 4}),
    ],
)
def test_levels_are_a_switch_each(settings, levels):
    motion = add_motion_hierarchy(network(), dataclasses.replace(SMALL, **settings))
    features = MotionFeatures()
    motion(clips(), features)
    assert set(features.levels) == set(motion.motion_widths) == levels
    for level, z in features.levels.items():
        shrink = 2 ** (max(level, 1) - 1)
        assert z.shape == (2, motion.motion_widths[level], 8 // shrink, 16 // shrink, 16 // shrink)
        assert motion.motion_widths[level] == 8 * shrink // 4


def test_a_level_sees_its_stage_the_change_since_the_step_before_and_the_level_below():
    motion = add_motion_hierarchy(network(), SMALL).eval()
    level = motion.levels["2"]
    seen = []
    level.encode[0].register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    x, below = torch.randn(1, 16, 3, 4, 4), torch.randn(1, 2, 6, 8, 8)
    level(x, below)
    reduced = level.reduce(x)
    change = torch.stack((torch.zeros(1, 4, 4, 4), *(reduced[:, :, t] - reduced[:, :, t - 1] for t in (1, 2))), dim=2)
    pooled = below.view(1, 2, 3, 2, 4, 2, 4, 2).mean(dim=(3, 5, 7))
    torch.testing.assert_close(seen[0], torch.cat((reduced, change, pooled), dim=1))


def test_a_level_never_sees_later_steps_of_its_stage():
    level = add_motion_hierarchy(network(), SMALL).levels["2"].eval()
    x, below = torch.randn(1, 16, 4, 4, 4), torch.randn(1, 2, 4, 4, 4)
    changed = x.clone()
    changed[:, :, 2:] += 1
    torch.testing.assert_close(level(changed, below)[:, :, :2], level(x, below)[:, :, :2])


def test_nothing_is_kept_alive_after_the_pass():
    motion = add_motion_hierarchy(network(), SMALL)
    features = MotionFeatures()
    motion(clips(), features)
    reference = weakref.ref(features.levels[1])
    del features
    gc.collect()
    assert reference() is None


def test_nothing_is_left_when_a_pass_fails():
    motion = awake(add_motion_hierarchy(PerFrame(), dataclasses.replace(SMALL, levels=2), PER_FRAME)).eval()
    expected, plain = motion(clips()), motion.backbone(clips())
    with pytest.raises(RuntimeError):
        motion(torch.randn(1, 5, 8, 32, 32))
    assert torch.equal(motion.backbone(clips()), plain)
    assert torch.equal(motion(clips()), expected)
    assert not torch.equal(expected, plain)


def test_a_pass_that_is_given_old_features_fills_them_anew():
    motion = awake(add_motion_hierarchy(network(), SMALL)).eval()
    features, fresh = MotionFeatures(), MotionFeatures()
    motion(clips(seed=1), features)
    motion.stages(clips(), upto="layer1", motion=features)
    motion(clips(), fresh)
    assert set(features.levels) == {0, 1}
    assert all(torch.equal(z, fresh.levels[level]) for level, z in features.levels.items())


def test_hierarchies_that_share_a_network_do_not_meet():
    """Others' stages have one hook each, however many hierarchies there are, and it serves the pass that runs."""
    shared = PerFrame().eval()
    config = dataclasses.replace(SMALL, levels=2)
    torch.manual_seed(1)
    first, second = (awake(add_motion_hierarchy(shared, config, PER_FRAME)).eval() for _ in range(2))
    for motion in (first, second):
        alone = copy.deepcopy(motion)
        assert torch.equal(motion(clips()), alone(clips()))
    assert not torch.equal(first(clips()), second(clips()))


def test_a_hierarchy_inside_a_stage_of_another():
    """Both see their own passes alone: the stage of the outer one has the inner one's motion in it."""
    inner = awake(add_motion_hierarchy(PerFrame(), dataclasses.replace(SMALL, levels=1), {"body.first": 8})).eval()
    outer = awake(
        add_motion_hierarchy(inner, dataclasses.replace(SMALL, levels=1), {"backbone.body.second": 12})
    ).eval()
    found, features = [], MotionFeatures()
    outer.prime.register_forward_pre_hook(lambda _, args: found.append(args[0]))
    outer(clips(), features)
    x = clips().transpose(1, 2).flatten(0, 1)
    folded = MotionFeatures()
    inner(clips(), folded)
    first = inner.backbone.body["first"](x).unflatten(0, (2, 8)).transpose(1, 2)
    first = first + inner.fusions["0"](folded.levels[0]) + inner.fusions["1"](folded.levels[1])
    second = inner.backbone.body["second"](first.transpose(1, 2).flatten(0, 1)).unflatten(0, (2, 8)).transpose(1, 2)
    torch.testing.assert_close(found[0], second)
    assert set(features.levels) == {0, 1}


def test_a_copy_is_independent():
    motion = awake(add_motion_hierarchy(network(), SMALL)).eval()
    twin = copy.deepcopy(motion)
    torch.testing.assert_close(twin(clips()), motion(clips()))
    nn.init.zeros_(motion.prime.encode[0][0].weight)
    nn.init.zeros_(motion.fusions["1"].weight)
    assert not torch.equal(twin(clips()), motion(clips()))


@pytest.mark.parametrize(("make", "stages"), [(network, None), (PerFrame, PER_FRAME)])
def test_a_pickled_copy_computes_the_same(make, stages):
    motion = awake(add_motion_hierarchy(make(), dataclasses.replace(SMALL, levels=2), stages)).eval()
    twin = pickle.loads(pickle.dumps(motion))
    assert torch.equal(twin(clips()), motion(clips()))
    assert not torch.equal(twin(clips()), twin.backbone(clips()))
    assert list(twin.state_dict()) == list(motion.state_dict())


@pytest.mark.parametrize("backbone", ["r3d_18", pytest.param("resnet18", marks=pytest.mark.slow)])
def test_it_compiles_as_one_graph(backbone):
    """With motion features asked for or not; ``aot_eager`` traces as all of torch's compilers do."""
    encoder = random_encoder(ModelConfig(backbone=backbone, width=4, patch=None, input="rgb"), 1, SMALL)
    awake(encoder.backbone)
    shown = clips().sigmoid()
    torch._dynamo.reset()
    features, expected = MotionFeatures(), MotionFeatures()
    with torch.no_grad():
        compiled = torch.compile(encoder, fullgraph=True, backend="aot_eager")
        torch.testing.assert_close(compiled(shown), encoder(shown), rtol=1e-4, atol=1e-4)
        stages = torch.compile(encoder.backbone.stages, fullgraph=True, backend="aot_eager")
        stages(shown, motion=features)
        encoder.backbone.stages(shown, motion=expected)
    torch.testing.assert_close(features.levels, expected.levels, rtol=1e-4, atol=1e-4)


def test_a_network_of_others_compiles_too():
    motion = awake(add_motion_hierarchy(PerFrame(), dataclasses.replace(SMALL, levels=2), PER_FRAME)).eval()
    torch._dynamo.reset()
    with torch.no_grad():
        compiled = torch.compile(motion, backend="aot_eager")
        torch.testing.assert_close(compiled(clips()), motion(clips()))


def test_it_takes_the_place_of_a_backbone_in_an_encoder():
    encoder = VideoEncoder(add_motion_hierarchy(network(), SMALL), "difference").eval()
    plain = VideoEncoder(encoder.backbone.backbone, "difference").eval()
    shown = clips().sigmoid()
    assert encoder.features == plain.features == 64
    assert encoder.backbone.stage_widths == plain.backbone.stage_widths
    assert torch.equal(encoder(shown), plain(shown))
    assert torch.equal(encoder.stages(shown)["layer3"], plain.stages(shown)["layer3"])
    assert all(encoder.backbone.get_submodule(path) for path in encoder.backbone.stage_modules.values())


def test_without_fusion_and_without_anyone_who_asks_nothing_runs():
    motion = add_motion_hierarchy(network(), dataclasses.replace(SMALL, fusion=False)).eval()
    ran = []
    for part in (motion.prime, *motion.levels.values()):
        part.register_forward_hook(lambda *_: ran.append(1))
    motion(clips())
    assert not ran


def test_it_is_light_on_r3d18():
    """Under a tenth of the operations of R3D-18; ``benchmarks/motion_hierarchy.py`` measures larger frames."""

    def operations(network: nn.Module) -> int:
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            network.eval()(torch.rand(1, 3, 8, 64, 64))
        return counter.get_total_flops()

    plain, motion = r3d_18(), add_motion_hierarchy(r3d_18(), HCMLConfig())
    assert operations(motion) < 1.1 * operations(plain)
    parameters = [sum(p.numel() for p in network.parameters()) for network in (plain, motion)]
    assert parameters[1] < 1.02 * parameters[0]


def test_the_example_in_the_documentation_runs():
    text = (Path(__file__).parents[2] / "docs" / "hcml.md").read_text()
    (example,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    names: dict = {}
    exec(example, names)
    assert set(names["terms"]) == {"prime", "level1", "level2"}
    assert names["model"].prime.encode[0][0].weight.grad.any()
