"""What a motion hierarchy refuses."""

from __future__ import annotations

import dataclasses
import re

import pytest
import torch
from hierarchies import PER_FRAME, SMALL, PerFrame, clips, network
from torch import Tensor, nn

from kinema.errors import ConfigError
from kinema.models import (
    add_motion_hierarchy,
)


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"levels": 5}, "hcml.levels is 5, but VideoResNet has 4 stages"),
        ({"levels": -1}, "hcml.levels is -1"),
        ({"levels": 0, "prime": False}, "hcml.levels must be above 0 where hcml.prime is off"),
        ({"pool": 0}, "hcml.reduction and hcml.pool must be at least 1"),
        ({"reduction": 0}, "hcml.reduction and hcml.pool must be at least 1"),
    ],
)
def test_settings_that_cannot_work_are_refused(settings, sentence):
    with pytest.raises(ConfigError, match=re.escape(sentence)):
        add_motion_hierarchy(network(), dataclasses.replace(SMALL, **settings))


def test_networks_that_cannot_work_are_refused():
    with pytest.raises(ConfigError, match=re.escape("PerFrame does not name its stages: pass stages={")):
        add_motion_hierarchy(PerFrame(), SMALL)
    with pytest.raises(ConfigError, match=re.escape("PerFrame has no submodule 'body.third'")):
        add_motion_hierarchy(PerFrame(), SMALL, {**PER_FRAME, "body.third": 3})


@pytest.mark.parametrize(
    ("shown", "config", "stages", "sentence"),
    [
        (clips(frames=1), SMALL, PER_FRAME, "the prime motion needs two steps of the stage 'body.first' and got one"),
        (clips(size=4), SMALL, PER_FRAME, "radius 1 with dilation 1 does not fit feature maps of 2 x 2"),
        (clips(), SMALL, {"body.first": 8, "unused": 1}, "the network did not run its stage 'unused'"),
        (clips(), SMALL, {"body.first": 8, "body": 1}, "the network did not run its stage 'body'"),
        (clips(), SMALL, {"body.first": 8, "body.second": 8}, "with the 8 channels that were said"),
    ],
)
def test_clips_and_stages_that_do_not_fit_are_refused(shown, config, stages, sentence):
    config = dataclasses.replace(config, levels=2, radius=2 if shown.shape[-1] == 4 else 1)
    sentence = sentence.replace("radius 1", f"radius {config.radius}")
    with pytest.raises(ConfigError, match=re.escape(sentence)):
        add_motion_hierarchy(PerFrame(), config, stages)(shown)


def test_stages_that_give_something_else_are_refused():
    class Odd(nn.Module):
        def __init__(self, output):
            super().__init__()
            self.stage, self.output = nn.Identity(), output

        def forward(self, clips: Tensor) -> object:
            return self.stage(self.output)

    config = dataclasses.replace(SMALL, levels=1)
    for output, told in ((torch.rand(3, 4), "(3, 4)"), ([1], "list"), (torch.rand(3, 8, 4, 4), "(3, 8, 4, 4)")):
        with pytest.raises(ConfigError, match=re.escape(f"the stage 'stage' gave {told}")):
            add_motion_hierarchy(Odd(output), config, {"stage": 8})(clips(2))
