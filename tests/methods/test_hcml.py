from __future__ import annotations

import dataclasses
import re

import pytest
import torch
from torch import Tensor, nn

from kinema.config import HCMLConfig, ModelConfig
from kinema.errors import ConfigError
from kinema.methods import HCML, Losses, Phase, ProgressiveSchedule, Views, draw
from kinema.methods.dense_contrast import dense_info_nce, draw_dense
from kinema.methods.photometric import photometric_loss, smoothness
from kinema.models import MotionFeatures, add_motion_hierarchy

MODEL = ModelConfig(width=8, patch=4, input="both")
CONFIG = HCMLConfig(radius=1, places=8, others=32, levels=2, photometric=1.0)


def method(**settings: object) -> HCML:
    torch.manual_seed(0)
    return HCML(MODEL, dataclasses.replace(CONFIG, **settings))


def clips(batch: int = 3, frames: int = 8, size: int = 32, seed: int = 0) -> Tensor:
    return torch.rand(batch, 3, frames, size, size, generator=torch.Generator().manual_seed(seed))


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def losses(hcml: HCML, shown: Tensor, generator: torch.Generator, phase: Phase | None = None) -> Losses:
    """The losses, with no choice drawn from the generator before theirs."""
    return hcml.losses(Views(shown), draw(len(shown), torch.Generator())._replace(generator=generator), phase)


def learning(module: nn.Module) -> set[str]:
    """Names of the parameters that have received a gradient."""
    return {name for name, p in module.named_parameters() if p.grad is not None and p.grad.any()}


def total(terms: dict[str, Tensor]) -> Tensor:
    return torch.stack(list(terms.values())).sum()


@pytest.mark.parametrize(
    ("settings", "terms"),
    [
        ({}, {"prime", "level1", "level2"}),
        ({"levels": 3}, {"prime", "level1", "level2", "level3"}),
        ({"levels": 0}, {"prime"}),
        ({"prime": False}, {"level2"}),
        ({"photometric": 0.0}, {"level1", "level2"}),
        ({"contrast": 0.0}, {"prime"}),
        ({"fusion": False, "chain": False}, {"prime", "level1", "level2"}),
    ],
)
def test_every_part_is_a_switch(settings, terms):
    hcml = method(**settings)
    found = losses(hcml, clips(), generator())
    assert set(found.terms) == terms
    assert set(found.facts) == {f"{name}_accuracy" for name in terms - {"prime"}}
    assert all(torch.isfinite(term) and term > 0 for term in found.terms.values())
    assert found.keys == {}
    assert set(hcml.objective.predictors) == {name[-1] for name in terms - {"prime"}}


def test_a_weight_of_zero_saves_the_cost(monkeypatch):
    def forbidden(*_args: object, **_settings: object) -> None:
        raise AssertionError("computed although its weight is zero")

    hcml = method(photometric=0.0, contrast=0.0)
    monkeypatch.setattr("kinema.methods.motion_objective.photometric_loss", forbidden)
    monkeypatch.setattr("kinema.methods.motion_objective.dense_info_nce", forbidden)
    assert losses(hcml, clips(), generator()).terms == {}


def test_weights_multiply_their_terms():
    base = losses(method(), clips(), generator()).terms
    found = losses(method(photometric=2.0, contrast=3.0), clips(), generator()).terms
    for name, term in base.items():
        torch.testing.assert_close(found[name], term * (2 if name == "prime" else 3))


def test_the_same_generator_gives_the_same_losses():
    first, again, other = (losses(method(), clips(), generator(seed)).terms["level1"] for seed in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_half_precision_gives_about_the_same_losses():
    expected = losses(method(), clips(), generator()).terms
    with torch.autocast("cpu", torch.bfloat16):
        found = losses(method(), clips(), generator()).terms
    for name, term in expected.items():
        assert found[name].dtype == torch.float32
        assert found[name].item() == pytest.approx(term.item(), rel=0.1), name


# the terms


def test_the_prime_term_reconstructs_each_frame_from_the_next():
    hcml = method().eval()
    nn.init.normal_(hcml.objective.displacement.convolution.weight, std=0.1)
    shown = clips()
    motion = MotionFeatures()
    hcml.encoder.stages(shown, motion=motion)
    flow = hcml.objective.displacement(motion.levels[0], (32, 32))
    grey = (shown[:, :1] + shown[:, 1:2] + shown[:, 2:]) / 3
    first, second = grey[:, :, :-1], grey[:, :, 1:]
    expected = photometric_loss(first, second, flow) + 0.02 * smoothness(flow, first)
    torch.testing.assert_close(losses(hcml, shown, generator()).terms["prime"], expected)


def test_frames_between_the_steps_of_the_first_stage_are_left_out():
    class Slow(nn.Module):
        """Two frames to a step, from a clip of seven."""

        def __init__(self) -> None:
            super().__init__()
            self.stage = nn.Conv3d(6, 8, 3, (2, 4, 4), padding=1)
            self.stage_widths, self.stage_modules = {"stage": 8}, {"stage": "stage"}

        def stages(self, x: Tensor) -> dict[str, Tensor]:
            return {"stage": self.stage(x)}

    hcml = method(levels=0)
    hcml.encoder.add_module("backbone", add_motion_hierarchy(Slow(), hcml.hcml))
    shown = clips(frames=7)
    still = torch.zeros(3, 2, 3, 32, 32)
    grey = (shown[:, :1] + shown[:, 1:2] + shown[:, 2:]) / 3
    expected = photometric_loss(grey[:, :, 0:5:2], grey[:, :, 2:7:2], still)  # the fresh head finds no motion
    torch.testing.assert_close(losses(hcml, shown, generator()).terms["prime"], expected)


def test_a_levels_term_predicts_the_level_below_pooled_to_its_grid():
    hcml = method(deltas=(2, 1), temporal=False).eval()
    shown = clips()
    motion = MotionFeatures()
    hcml.encoder.stages(shown, motion=motion)
    draws = generator()
    draw_level1 = [draw_dense((3, 8, 8, 8), 8, 32, draws) for _ in range(2)]
    draw_level2 = [draw_dense((3, 4, 4, 4), 8, 32, draws) for _ in range(2)]
    for level, chosen in ((1, draw_level1), (2, draw_level2)):
        z, below = motion.levels[level], motion.levels[level - 1]
        if level == 2:
            below = below.unflatten(2, (4, 2)).unflatten(4, (4, 2)).unflatten(6, (4, 2)).mean(dim=(3, 5, 7))
        predictions = hcml.objective.predictors[str(level)](z).chunk(2, dim=1)
        expected = [
            dense_info_nce(prediction, below, draw, delta=delta, temperature=0.1, temporal=False).loss
            for prediction, delta, draw in zip(predictions, (2, 1), chosen, strict=True)
        ]
        found = losses(hcml, shown, generator()).terms[f"level{level}"]
        torch.testing.assert_close(found, sum(expected) / 2)


def test_a_coarser_prime_motion_is_predicted_on_its_own_grid(monkeypatch):
    seen = []

    def spy(prediction: Tensor, target: Tensor, *args: object, **settings: object):
        seen.append((prediction.shape[2:], target.shape[2:]))
        return dense_info_nce(prediction, target, *args, **settings)

    monkeypatch.setattr("kinema.methods.motion_objective.dense_info_nce", spy)
    losses(method(pool=2), clips(), generator())
    assert seen == [((8, 4, 4), (8, 4, 4)), ((4, 4, 4), (4, 4, 4))]


@pytest.mark.parametrize("kind", ["spatial", "temporal", "videos"])
def test_each_kind_of_negative_is_a_switch(kind):
    assert (
        losses(method(), clips(), generator()).terms["level1"]
        > (losses(method(**{kind: False}), clips(), generator()).terms["level1"])
    )


def test_no_gradient_goes_to_the_level_that_is_predicted():
    hcml = method(chain=False)
    losses(hcml, clips(), generator()).terms["level1"].backward()
    found = learning(hcml)
    assert any(name.startswith("objective.predictors.1.") for name in found)
    assert any(name.startswith("encoder.backbone.levels.1.") for name in found)
    assert not any(
        ".prime." in name or ".levels.2." in name or name.startswith("objective.predictors.2.") for name in found
    )


def test_it_learns_on_a_batch():
    hcml = method(places=16, reduction=1)
    optimizer = torch.optim.Adam(hcml.parameters(), lr=3e-3)
    shown = clips(4, 8, 32)
    shown = torch.stack([shown[:, :, 0].roll(t, dims=3) for t in range(8)], dim=2)  # everything slides
    history = []
    for step in range(30):
        found = losses(hcml, shown, generator(step))
        optimizer.zero_grad()
        total(found.terms).backward()
        optimizer.step()
        history.append({name: term.item() for name, term in found.terms.items()})
    for name, start in history[0].items():
        assert history[-1][name] < 0.9 * start, name


# phases


def test_a_phase_trains_its_part_and_leaves_the_rest_untouched():
    hcml = method(levels=3)
    nn.init.normal_(hcml.objective.displacement.convolution.weight)  # zero at first, it would let no gradient through
    schedule = ProgressiveSchedule(hcml.hcml, 8)
    expected = {
        "prime": {"backbone.stem", "backbone.layer1", "prime", "displacement"},
        "level 1": {"levels.1", "predictors.1"},
        "level 2": {"backbone.layer2", "levels.2", "predictors.2", "fusions.0", "fusions.1"},
        "level 3": {"backbone.layer3", "levels.3", "predictors.3", "fusions.2"},
    }
    for phase in schedule.phases[:-1]:
        hcml.enter(phase)
        before = {name: value.clone() for name, value in hcml.state_dict().items()}
        terms = losses(hcml, clips(), generator(), phase).terms
        assert set(terms) == {phase.name.replace(" ", "")}
        optimizer = torch.optim.SGD([p for p in hcml.parameters() if p.requires_grad], lr=0.1)
        optimizer.zero_grad()
        total(terms).backward()
        optimizer.step()
        changed = {name for name, value in hcml.state_dict().items() if not torch.equal(value, before[name])}
        if phase.name == "prime":  # stages that its loss does not reach run, and keep statistics
            changed = {name for name in changed if "running" not in name and "num_batches" not in name}
        short = {name.removeprefix("encoder.backbone.").removeprefix("objective.") for name in changed}
        parts = {".".join(name.split(".")[: 1 if name.startswith(("prime", "displacement")) else 2]) for name in short}
        assert parts == expected[phase.name], phase.name
        hcml.zero_grad()


def test_the_last_phase_trains_everything_again():
    hcml = method()
    schedule = ProgressiveSchedule(hcml.hcml, 8)
    hcml.enter(schedule.phases[1])
    assert not hcml.encoder.backbone.backbone.stem.training
    hcml.enter(schedule.phases[-1])
    assert all(module.training for module in hcml.modules())
    assert all(parameter.requires_grad for parameter in hcml.parameters())
    assert set(losses(hcml, clips(), generator(), schedule.phases[-1]).terms) == {"prime", "level1", "level2"}


# what it refuses


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"temperature": 0.0}, "settings: hcml.temperature must be positive"),
        ({"deltas": ()}, "settings: hcml.deltas must be one or several numbers from 1"),
        ({"deltas": (1, 0)}, "settings: hcml.deltas must be one or several numbers from 1"),
        ({"places": 0}, "settings: hcml.places must be at least 1"),
        ({"contrast": -1.0}, "settings: hcml.photometric, smoothness and contrast must not be negative"),
        ({"levels": 5}, "hcml.levels is 5, but VideoResNet has 4 stages"),
    ],
)
def test_settings_that_cannot_work_are_refused(settings, sentence):
    with pytest.raises(ConfigError, match=re.escape(sentence)):
        method(**settings)


def test_a_clip_too_short_for_a_level_is_refused():
    with pytest.raises(ConfigError, match=r"^level 2: features of 1 steps hold no target 1 later: take longer clips"):
        losses(method(), clips(frames=2), generator())
    with pytest.raises(ConfigError, match=r"^level 4: features of 1 steps"):
        losses(method(levels=4), clips(frames=8, size=64), generator())


def test_its_documentation_carries_the_patent_notice():
    import kinema.methods.hcml

    assert "US 11,594,006 B2" in kinema.methods.hcml.__doc__
