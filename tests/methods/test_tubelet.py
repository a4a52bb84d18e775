from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from kinema.config import ModelConfig, MSCLConfig, PretrainConfig, TubeletConfig
from kinema.errors import ConfigError
from kinema.methods import TubeletContrast, Views, create_method, draw, settings_for
from kinema.methods.tubelet import Tubelets, draw_tubelets, paste

MODEL = ModelConfig(width=4, embedding=8)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def clips(count: int = 3, frames: int = 4, height: int = 20, width: int = 26) -> Tensor:
    return torch.rand(count, 3, frames, height, width, generator=generator(7))


def still(half: float, frames: int = 4, count: int = 1, centre: tuple[float, float] = (0.0, 0.0)) -> Tubelets:
    """Tubelets that rest, upright and as large as what they were cut out of."""
    shape = half * torch.eye(2).expand(count, 1, frames, 2, 2)
    return Tubelets(torch.tensor(centre).expand(count, 1, frames, 2), shape, torch.full((count, 1), half))


# pasting


def obvious(shown: Tensor, tubelets: Tubelets, g: torch.Generator) -> Tensor:
    """Pixel by pixel, with bilinear colours."""
    batch, _, frames, height, width = shown.shape
    result = shown.clone()
    for number in range(tubelets.half.shape[1]):
        before = result.clone()
        clip, frame = (torch.randint(most, (batch,), generator=g) for most in (batch, frames))
        free = torch.rand(batch, 2, generator=g) - 0.5
        for b in range(batch):
            half = float(tubelets.half[b, number])
            cut = [float(free[b, axis]) * max(0, side - 2 * half) for axis, side in enumerate((width, height))]
            source = before[clip[b], :, frame[b]]
            for t in range(frames):
                shape, centre = tubelets.shape[b, number, t].tolist(), tubelets.centre[b, number, t].tolist()
                determinant = shape[0][0] * shape[1][1] - shape[0][1] * shape[1][0]
                sides = [math.hypot(shape[0][axis], shape[1][axis]) for axis in (0, 1)]
                for y in range(height):
                    for x in range(width):
                        dx, dy = x - (width - 1) / 2 - centre[0], y - (height - 1) / 2 - centre[1]
                        u = (shape[1][1] * dx - shape[0][1] * dy) / determinant
                        v = (shape[0][0] * dy - shape[1][0] * dx) / determinant
                        cover = min((1 - abs(u)) * sides[0], (1 - abs(v)) * sides[1]) + 0.5
                        cover = min(1.0, max(0.0, cover))
                        if cover > 0:
                            colour = bilinear(
                                source, cut[1] + v * half + height / 2 - 0.5, cut[0] + u * half + width / 2 - 0.5
                            )
                            result[b, :, t, y, x] = (1 - cover) * before[b, :, t, y, x] + cover * colour
    return result


def bilinear(frame: Tensor, y: float, x: float) -> Tensor:
    """A colour between pixels; beyond the edge that of the edge."""
    _, height, width = frame.shape
    y, x = min(max(y, 0.0), height - 1.0), min(max(x, 0.0), width - 1.0)
    top, left = int(y), int(x)
    low, right = min(top + 1, height - 1), min(left + 1, width - 1)
    upper = frame[:, top, left] * (1 - (x - left)) + frame[:, top, right] * (x - left)
    lower = frame[:, low, left] * (1 - (x - left)) + frame[:, low, right] * (x - left)
    return upper * (1 - (y - top)) + lower * (y - top)


def test_pasting_against_the_obvious_way():
    shown = clips(2, 2, 12, 15)
    tubelets = draw_tubelets(2, 2, (12, 15), TubeletConfig(size=(0.4, 0.8)), generator())
    pasted = paste(shown, tubelets, generator(1))
    torch.testing.assert_close(pasted, obvious(shown, tubelets, generator(1)), rtol=1e-4, atol=1e-5)
    assert pasted.min() >= 0 and pasted.max() <= 1 and not torch.equal(pasted, shown)


def test_a_patch_that_rests_is_one_picture_all_the_time():
    shown = clips(1)
    pasted = paste(shown, still(4.0), generator())
    inside = pasted[0, :, :, 10 - 3 : 10 + 3, 13 - 3 : 13 + 3]
    torch.testing.assert_close(inside, inside[:, :1].expand_as(inside))
    changed = (pasted != shown).any(dim=1)[0]
    assert changed[:, 6:14, 9:17].float().mean() > 0.95 and not changed[:, :5].any() and not changed[:, :, :8].any()


def test_tubelets_are_drawn_as_the_settings_say():
    config = TubeletConfig(count=3, size=(0.25, 0.5), turns=2, scale=2.0, angle=30.0, shear=0.0)
    drawn = draw_tubelets(40, 6, (32, 48), config, generator())
    assert drawn.centre.shape == (40, 3, 6, 2) and drawn.shape.shape == (40, 3, 6, 2, 2)
    assert drawn.centre[..., 0].abs().max() <= 0.8 * 24 and drawn.centre[..., 1].abs().max() <= 0.8 * 16
    assert drawn.half.min() >= 4 and drawn.half.max() <= 8
    scale = torch.linalg.det(drawn.shape).sqrt() / drawn.half.unsqueeze(-1)
    assert 0.5 - 1e-5 <= scale.min() < 0.7 and 1.6 < scale.max() <= 2 + 1e-5
    angle = torch.atan2(drawn.shape[..., 1, 0], drawn.shape[..., 0, 0]).rad2deg()
    assert 25 < angle.abs().max() <= 30 + 1e-3
    straight = draw_tubelets(5, 6, (32, 48), replace(config, turns=0, scale=1.0, angle=0.0), generator())
    torch.testing.assert_close(straight.centre.diff(dim=2), straight.centre.diff(dim=2)[:, :, :1].expand(-1, -1, 5, -1))
    torch.testing.assert_close(
        straight.shape, straight.half[..., None, None, None] * torch.eye(2).expand(5, 3, 6, 2, 2)
    )


@pytest.mark.parametrize(
    "changes",
    [{"count": 0}, {"turns": -1}, {"size": (0.4, 0.2)}, {"size": (0.0, 0.2)}, {"scale": 0.5}, {"angle": -1.0}],
)
def test_settings_that_cannot_work(changes):
    with pytest.raises(ConfigError, match=rf"settings: .*tubelet\.{next(iter(changes))}"):
        TubeletContrast.check(PretrainConfig(tubelet=replace(TubeletConfig(), **changes)))


# the method


@pytest.fixture
def method() -> TubeletContrast:
    torch.manual_seed(0)
    config = settings_for("tubelet", PretrainConfig(model=replace(MODEL, pyramid=8), mscl=MSCLConfig(queue=8)))
    assert config.model.pyramid is None and config.mscl == MSCLConfig(queue=8).rgb_only()
    made = create_method("tubelet", config)
    assert isinstance(made, TubeletContrast)
    return made


def test_it_looks_at_query_clips_alone(method):
    assert not method.with_key and not method.with_flow and method.momentum == 0.97
    found = method.losses(Views(clips(4, height=32, width=32)), draw(4, generator()))
    assert list(found.terms) == ["tubelet"] and found.keys["rgb_queue"].shape == (4, 8)
    with pytest.raises(ConfigError, match="two clips"):
        method.losses(Views(clips(1)), draw(1, generator()))


def test_the_loss_is_that_of_the_same_tubelets_in_two_clips(method):
    """Against a slow way: a clip at a time, with batch statistics at rest."""
    method.eval()
    shown, g = clips(4, height=32, width=32), generator(3)
    draws = draw(4, g)
    state = g.get_state()
    loss = method.losses(Views(shown), draws).terms["tubelet"]
    g.set_state(state)
    tubelets = draw_tubelets(4, 4, (32, 32), method.tubelets, g)
    shift = int(torch.randint(1, 4, (), generator=g))
    query = paste(shown, tubelets, g)
    key = paste(torch.stack([shown[(number - shift) % 4] for number in range(4)]), tubelets, g)
    q = torch.cat([method.rgb(clip[None]) for clip in query])
    k = torch.cat([method.rgb(clip[None]) for clip in key])  # the momentum encoder is still its copy
    logits = torch.cat((q @ k.T, q @ method.rgb_queue.negatives.keys.T), dim=1) / 0.1
    expected = torch.nn.functional.cross_entropy(logits, torch.arange(4))
    torch.testing.assert_close(loss, expected, rtol=1e-4, atol=1e-5)


def test_the_gradient_reaches_the_encoder_and_not_the_keys(method):
    method.losses(Views(clips(4, height=32, width=32)), draw(4, generator())).terms["tubelet"].backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in method.rgb.parameters() if p.ndim > 1)
    assert all(p.grad is None for p in method.rgb_key.parameters())
