"""A package of somebody else's, as pip would have installed it: a backbone, a method, an estimator and a readout."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from kinema.flow.estimators import ESTIMATORS
from kinema.methods.registry import METHODS
from kinema.models.registry import BACKBONES

MODULE = '''
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import nn

from kinema.flow import FlowEstimator
from kinema.methods import Losses, Method
from kinema.models import Backbone, Readout, build_encoder


class Small(Backbone):
    """Two convolutions."""

    def __init__(self, channels=3, classes=None, depth=8):
        super().__init__()
        self.low = nn.Sequential(nn.Conv3d(channels, depth, 3, (1, 4, 4), 1), nn.ReLU())
        self.high = nn.Sequential(nn.Conv3d(depth, 2 * depth, 3, 2, 1), nn.ReLU())
        self.chain = ("low", "high")
        self.stage_modules = {"low": "low", "high": "high"}
        self.stage_widths = {"low": depth, "high": 2 * depth}
        self.fc = None if classes is None else nn.Linear(2 * depth, classes)


def small(channels=3, classes=None) -> Backbone:
    return Small(channels, classes, 4)


def unsaid(channels=3, classes=None):
    return Small(channels, classes)


class Brightness(Method):
    """Predicts how bright a clip is; of no use."""

    with_key = False

    def __init__(self, encoder, weight):
        super().__init__()
        self.encoder, self.weight, self.head = encoder, weight, nn.Linear(encoder.backbone.features, 1)

    @classmethod
    def begin(cls, config, encoder=None):
        return cls(encoder or build_encoder(config.model), **(config.parameters or {}))

    def trained_encoder(self):
        return self.encoder

    def losses(self, views, draws, phase=None):
        said = self.head(self.encoder.pooled(views.query))[:, 0]
        return Losses({"light": self.weight * (said - views.query.mean((1, 2, 3, 4))).square().mean()}, {}, {})


@dataclass(frozen=True)
class Nothing(FlowEstimator):
    """Nothing moves."""

    name: ClassVar[str] = "nothing"
    minimum_side: ClassVar[int] = 1

    def _estimate(self, first, second):
        return torch.zeros(len(first), 2, *first.shape[1:])


class Largest(Readout):
    """The largest value of every channel."""

    def length(self, channels):
        return channels

    def read(self, name, x):
        return x.amax(dim=(2, 3, 4)).float()
'''
ENTRIES = """
[kinema.backbones]
their-small = theirs:Small
their-broken = nowhere:Small
[kinema.methods]
their-light = theirs:Brightness
[kinema.estimators]
nothing = theirs:Nothing
[kinema.readouts]
largest = theirs:Largest
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory) -> Path:
    """A folder as pip would leave it."""
    folder = tmp_path_factory.mktemp("site")
    (folder / "theirs.py").write_text(MODULE)
    about = folder / "theirs-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: theirs\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text(ENTRIES)
    return folder


@pytest.fixture
def theirs(installed, monkeypatch):
    monkeypatch.syspath_prepend(str(installed))
    for registry in (BACKBONES, METHODS, ESTIMATORS):
        monkeypatch.setattr(registry, "_registered", {})
    yield
    sys.modules.pop("theirs", None)
