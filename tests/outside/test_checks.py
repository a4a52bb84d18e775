"""What others' backbones, readouts, methods, estimators and decoders say of themselves must hold."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import pytest
import torch
import yaml

from kinema.config import PretrainConfig, ReadoutConfig
from kinema.errors import ConfigError, VideoError
from kinema.flow import create_estimator
from kinema.flow.estimators import ESTIMATORS
from kinema.methods import Method, register_method
from kinema.models import create_model, register_backbone
from kinema.presets import settings_on
from kinema.training import pretrain
from kinema.video import Decoder, Video, register_decoder
from kinema.video.decoders import DECODERS


def test_what_a_backbone_says_of_itself_must_hold(theirs):
    import theirs as package

    class Silent(package.Small):
        def __init__(self, channels=3, classes=None):
            super().__init__(channels, classes)
            del self.stage_widths, self.chain

    class Elsewhere(package.Small):
        def __init__(self, channels=3, classes=None):
            super().__init__(channels, classes)
            self.stage_modules = {"low": "low", "high": "higher"}

    class Other(package.Small):
        def __init__(self, channels=3, classes=None):
            super().__init__(channels, classes)
            self.stage_widths = {"low": 8, "top": 16}

    class Wide(package.Small):
        def __init__(self, channels=3, classes=None):
            super().__init__(channels, classes)
            self.stage_widths = {"low": 8, "high": 17}

    for kind, words in (
        (Silent, "model silent does not say its chain and stage_widths: set them"),
        (Elsewhere, "model elsewhere has no submodule 'higher'"),
        (Other, "model other names other stages in stage_modules than in stage_widths"),
    ):
        register_backbone(kind.__name__.lower())(kind)
        with pytest.raises(ConfigError, match=words):
            create_model(kind.__name__.lower())
    register_backbone("wide")(Wide)
    with pytest.raises(ConfigError, match=r"its stage high has 17 channels, and gave \(2, 16, 2, 4, 4\)"):
        create_model("wide")(torch.rand(2, 3, 4, 32, 32))


def test_a_readout_of_another_length_than_it_says(theirs):
    import theirs as package

    class Longer(package.Largest):
        def length(self, channels):
            return channels + 1

    class Map(package.Largest):
        def read(self, name, x):
            return x

    stages = {"low": torch.rand(2, 3, 4, 5, 5)}
    for kind, words in ((Longer, r"as \(2, 3\), but of 3 channels it promises 4"), (Map, r"as \(2, 3, 4, 5, 5\), but")):
        with pytest.raises(ConfigError, match=rf"the readout theirs reads low {words}"):
            kind(ReadoutConfig(stage="low", by="theirs"), {"low": 3})(stages)


def test_losses_that_are_none_are_told(theirs, videos, tmp_path, quick_settings):
    import theirs as package

    quick = yaml.safe_load(quick_settings.read_text()) | {"parameters": {"weight": 1.0}}
    config = settings_on("tiny", PretrainConfig, quick)

    class Bare(package.Brightness):
        losses = Method.losses

    class Number(package.Brightness):
        def losses(self, views, draws, phase=None):
            return self.head(self.encoder.pooled(views.query)).mean()

    for kind, words in (
        (Bare, "the method Bare has no losses of its own"),
        (Number, "losses of the method Number gave a Tensor: let it give Losses"),
    ):
        register_method(kind.__name__)(kind)
        with pytest.raises(ConfigError, match=words):
            pretrain(videos, tmp_path / kind.__name__, config, method=kind.__name__)


def test_an_estimator_without_parameters_says_so(theirs):
    with pytest.raises(ConfigError, match=r"flow estimator nothing has no parameter 'finest_scale': it has none$"):
        create_estimator("nothing", finest_scale=1)


def test_an_estimator_is_offered_by_its_own_name(theirs, monkeypatch):
    import theirs as package

    monkeypatch.setitem(ESTIMATORS._registered, "still", package.Nothing)
    with pytest.raises(ConfigError, match="'still' has the name 'nothing' for itself: its package has to offer it as"):
        create_estimator("still")


def test_flow_of_another_shape_or_type_is_refused(theirs):
    import theirs as package

    @dataclass(frozen=True)
    class Small(package.Nothing):
        name: ClassVar[str] = "small"

        def _estimate(self, first, second):
            return torch.zeros(len(first), 2, 3, 3)

    @dataclass(frozen=True)
    class Double(package.Nothing):
        name: ClassVar[str] = "double"

        def _estimate(self, first, second):
            return super()._estimate(first, second).double()

    for kind, made in ((Small, r"float32 of \(3, 2, 3, 3\)"), (Double, r"float64 of \(3, 2, 8, 9\)")):
        words = rf"{kind.name} made torch.{made} from 3 pairs of 8 x 9 frames: .* torch.float32 of \(3, 2, 8, 9\)$"
        with pytest.raises(ConfigError, match=words):
            kind().estimate(torch.rand(4, 8, 9))


def test_a_decoder_that_cannot_be_made_is_told_of_each_file(monkeypatch, videos):
    class Unfinished(Decoder):
        """It has none of its methods."""

    monkeypatch.setattr(DECODERS, "_registered", {})
    register_decoder("unfinished")(Unfinished)
    path = next(videos.glob("*.mp4"))
    with pytest.raises(VideoError, match=rf"{path.name}: the video decoder unfinished cannot open it \(TypeError: "):
        Video(path, decoder="unfinished")
