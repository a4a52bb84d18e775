"""A package of somebody else's: its backbone, method, estimator and readout in whatever kinema does."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import pytest
import torch
import yaml

from kinema.config import PretrainConfig, ReadoutConfig
from kinema.errors import CheckpointError, ConfigError, VideoError
from kinema.flow import create_estimator
from kinema.flow.estimators import ESTIMATORS
from kinema.jobs.installation import look_around
from kinema.methods import Method, register_method
from kinema.methods.registry import METHODS
from kinema.models import create_model, load_encoder, register_backbone
from kinema.models.registry import BACKBONES
from kinema.presets import settings_on
from kinema.training import pretrain
from kinema.video import Decoder, Video, register_decoder
from kinema.video.decoders import DECODERS

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


def test_a_backbone_by_name_or_function(theirs):
    named = create_model("their-small", depth=4, channels=6)
    assert named.stage_widths == {"low": 4, "high": 8} and named.low[0].in_channels == 6
    assert create_model("theirs:small").stage_widths == create_model("theirs:Small", depth=4).stage_widths
    with pytest.raises(
        ConfigError, match="model their-small has no setting 'width': it knows channels, classes, depth"
    ):
        create_model("their-small", width=4)
    with pytest.raises(ConfigError, match=r"model their-small cannot be made \(TypeError: "):
        create_model("their-small", depth="deep")
    with pytest.raises(ConfigError, match="the model 'their-broken' of the package theirs cannot be loaded"):
        create_model("their-broken")


@pytest.mark.parametrize("name", ["subprocess:run", "antigravity:fly", "pytest.__main__:main"])
def test_what_is_never_imported_for_a_backbone(name):
    with pytest.raises(ConfigError, match=f"{name} is no backbone"):
        create_model(name)


@pytest.mark.parametrize("name", ["theirs:unsaid", "torch.hub:load", "theirs:Brightness"])
def test_what_does_not_say_that_it_gives_a_backbone_is_never_called(theirs, name):
    """An encoder's file may come from anywhere, and names its backbone."""
    with pytest.raises(ConfigError, match=f"{name} does not say that it gives a backbone"):
        create_model(name)


def test_a_file_whose_backbone_is_not_there(tmp_path):
    from safetensors.torch import save_file

    path = tmp_path / "encoder.safetensors"
    for name, words in (
        ("their-small", "unknown model 'their-small'"),
        ("theirs:Small", "theirs:Small cannot be imported"),
    ):
        save_file({"x": torch.zeros(1)}, path, {"card": json.dumps({"model": {"backbone": name}})})
        with pytest.raises(CheckpointError, match=f"{path} cannot be loaded: {words}"):
            load_encoder(path)


def test_what_is_offered_is_told(theirs):
    found = look_around()
    assert found.offered["kinema.backbones"] == {"their-broken": "theirs", "their-small": "theirs"}
    told = r"\nbackbones +their-broken theirs, their-small theirs\nmethods +their-light theirs\n"
    assert re.search(told, found.summary())


def test_settings_of_methods(theirs, videos, tmp_path):
    for method, words in (
        ("their-light", r"the method their-light cannot begin \(TypeError: "),
        ("mscl", "mscl is kinema's"),
    ):
        with pytest.raises(ConfigError, match=words):
            pretrain(videos, tmp_path / "run", PretrainConfig(parameters={"wait": 3}), method=method)
    assert not (tmp_path / "run").exists()


def kinema(installed: Path, *words: object) -> str:
    """Run a command where the package is installed; what it writes of itself goes there, too."""
    path = os.pathsep.join([str(installed), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, "-m", "kinema.cli", *map(str, words)],
        cwd=installed,
        env=os.environ | {"PYTHONPATH": path, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
@pytest.mark.parametrize(
    ("backbone", "method"), [("their-small", "their-light"), ("theirs:Small", "mscl"), ("theirs:small", "tubelet")]
)
def test_from_training_to_export(installed, videos, evaluation, quick_settings, tmp_path, backbone, method):
    run = tmp_path / "run"
    words = ["pretrain", videos, "--out", run, "--config", quick_settings, "--method", method]
    words += ["--model.backbone", backbone, "--model.width", "null", "--model.patch", "null"]
    words += ["--flow.estimator", "nothing", "--readout.stage", "high", "--readout.by", "largest"]
    if method == "their-light":
        words += ["--parameters", '{"weight": 2.0}', "--model.parameters", '{"depth": 4}']
    kinema(installed, *words)
    card = json.loads((run / "card.json").read_text())
    assert (card["method"], card["model"]["backbone"], card["features"]) == (
        method,
        backbone,
        16 if method == "mscl" else 8,
    )
    kinema(installed, *words, "--resume", "--epochs", 2)
    kinema(installed, "evaluate", "retrieval", run, *evaluation)
    assert json.loads((tmp_path / "figures.json").read_text())["encoder"]["card"]["method"] == method
    kinema(installed, "index", videos, "--index", tmp_path / "index", "--encoder", run)
    assert ".mp4" in kinema(installed, "search", next(videos.glob("*.mp4")), "--index", tmp_path / "index")
    for name in ("torch", "hub"):
        kinema(installed, "export", name, run, "--out", tmp_path / f"exported.{name}")
    assert torch.export.load(tmp_path / "exported.torch").module()(torch.rand(3, 3, 4, 32, 32)).shape[0] == 3
    adapted = tmp_path / "adapted"
    kinema(installed, "pretrain", videos, "--out", adapted, "--weights", tmp_path / "exported.hub", *words[4:])
