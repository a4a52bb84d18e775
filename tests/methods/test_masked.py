from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from kinema.config import ClipConfig, MaskedConfig, ModelConfig, PretrainConfig
from kinema.errors import ConfigError
from kinema.methods import MaskedMotion, Views, create_method, draw, settings_for
from kinema.methods.dense_motion import motion_loss, motion_target
from kinema.methods.masked import draw_hidden, hide

MODEL = ModelConfig(width=4, embedding=8)
CONFIG = MaskedConfig(cells=(2, 4, 4), boundaries=True)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def views(count: int = 4) -> Views:
    g = generator(5)
    flow = 2 * torch.randn(count, 2, 2, 32, 32, generator=g)
    return Views(torch.rand(count, 3, 4, 32, 32, generator=g), None, flow, None, torch.full((count,), 1 / 30))


def made(config: MaskedConfig = CONFIG) -> MaskedMotion:
    torch.manual_seed(0)
    method = create_method("masked", settings_for("masked", PretrainConfig(model=MODEL, masked=config)))
    assert isinstance(method, MaskedMotion)
    return method


# what is hidden


@pytest.mark.parametrize(("share", "count"), [(0.5, 16), (0.01, 1), (0.99, 31), (0.3, 10)])
def test_as_many_cells_are_hidden_in_every_clip(share, count):
    hidden = draw_hidden(6, replace(CONFIG, share=share), generator())
    assert hidden.shape == (6, 2, 4, 4)
    assert hidden.flatten(1).sum(dim=1).tolist() == [count] * 6
    assert torch.equal(hidden, draw_hidden(6, replace(CONFIG, share=share), generator()))
    assert not torch.equal(hidden[0], hidden[1]) or count in (1, 31)


def test_hiding_cell_by_cell():
    shown, hidden = torch.rand(2, 3, 4, 8, 12), draw_hidden(2, CONFIG, generator())
    colour = torch.tensor([0.1, 0.2, 0.3]).view(1, 3, 1, 1, 1)
    expected = shown.clone()
    for b, t, y, x in hidden.nonzero().tolist():
        expected[b, :, 2 * t : 2 * t + 2, 2 * y : 2 * y + 2, 3 * x : 3 * x + 3] = colour[0]
    assert torch.equal(hide(shown, hidden, colour), expected)


# the loss


def test_cells_that_are_shown_do_not_count():
    """Against a slow way, histogram by histogram."""
    target = motion_target(views().query_flow, views().flow_seconds, (2, 4, 4), True, False)
    prediction = target + torch.randn(target.shape, generator=generator(1))
    hidden = draw_hidden(4, CONFIG, generator())
    parts = []
    for first in range(0, 27, 9):
        own, wanted = prediction[:, first : first + 9], target[:, first : first + 9]
        variance = sum(((w - w.mean()) ** 2).mean() for w in wanted.unbind(1)) / 9
        errors = [
            (own[b, :, t, y, x] - wanted[b, :, t, y, x]).square().mean() for b, t, y, x in hidden.nonzero().tolist()
        ]
        parts.append(torch.stack(errors).mean() / variance)
    torch.testing.assert_close(motion_loss(prediction, target, hidden), sum(parts) / 3)
    elsewhere = prediction + 9 * (1 - hidden)[:, None]
    torch.testing.assert_close(motion_loss(elsewhere, target, hidden), motion_loss(prediction, target, hidden))
    torch.testing.assert_close(motion_loss(prediction, target, torch.ones(4, 2, 4, 4)), motion_loss(prediction, target))


def test_the_encoder_sees_nothing_of_what_is_hidden():
    method, shown = made().eval(), views()
    draws = draw(4, generator())
    state = draws.generator.get_state()
    hidden = draw_hidden(4, CONFIG, draws.generator)

    def loss(query: Tensor) -> Tensor:
        draws.generator.set_state(state)
        return method.losses(shown._replace(query=query), draws).terms["masked"]

    painted = hide(shown.query, hidden, torch.ones(1, 3, 1, 1, 1))
    assert torch.equal(loss(painted), loss(shown.query)) and not torch.equal(painted, shown.query)
    assert not torch.equal(loss(1 - shown.query), loss(shown.query))


def test_the_gradient_of_what_is_shown_alone_reaches_the_clip_and_the_encoder():
    method, shown = made(), views()
    query = shown.query.requires_grad_()
    found = method.losses(shown, draw(4, generator()))
    assert list(found.terms) == ["masked"] and not found.keys
    found.terms["masked"].backward()
    g = draw(4, generator()).generator
    hidden = hide(torch.zeros_like(query), draw_hidden(4, CONFIG, g), torch.ones(1, 3, 1, 1, 1)) > 0
    assert not query.grad[hidden].any() and query.grad[~hidden].any()
    weights = [p for p in method.parameters() if p.ndim > 1]
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in weights)


# settings


def test_the_encoder_has_a_pyramid():
    assert settings_for("masked", PretrainConfig(model=MODEL)).model.pyramid == 64
    assert settings_for("masked", PretrainConfig(model=replace(MODEL, pyramid=8))).model.pyramid == 8
    assert "pyramid" in made().trained_encoder().stage_widths
    with pytest.raises(ConfigError, match=r"set model\.pyramid"):
        MaskedMotion(MODEL, CONFIG)


@pytest.mark.parametrize(
    "changes", [{"share": 0.0}, {"share": 1.0}, {"cells": (2, 4)}, {"cells": (0, 4, 4)}, {"cells": (2, 4, 40)}]
)
def test_settings_that_cannot_work(changes):
    with pytest.raises(ConfigError, match=rf"settings: masked\.{next(iter(changes))} must"):
        MaskedMotion.check(PretrainConfig(masked=replace(CONFIG, **changes), clip=ClipConfig(frames=4, size=(32, 32))))
