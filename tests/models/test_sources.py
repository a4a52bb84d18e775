"""Encoders by one word."""

from __future__ import annotations

import json
import re
import sys
from dataclasses import asdict, replace
from pathlib import Path

import pytest
import torch

from kinema.common.provenance import file_sha256
from kinema.config import ClipConfig, ModelConfig, ReadoutConfig
from kinema.errors import CheckpointError, ConfigError
from kinema.models import OpenedEncoder, open_encoder, random_encoder, save_encoder
from kinema.models.hub import save_pretrained
from kinema.models.sources import weights_sha256

CLIP = ClipConfig(frames=4, step=0.1, short_side=20, size=(16, 12))


def clips(opened: OpenedEncoder) -> torch.Tensor:
    return torch.rand(3, 3, opened.clip.frames, *opened.clip.size, generator=torch.Generator().manual_seed(1))


def features(opened: OpenedEncoder) -> torch.Tensor:
    with torch.inference_mode():
        return opened.module(clips(opened))


def refused(spec: str, kind: type[Exception] = ConfigError) -> str:
    with pytest.raises(kind) as caught:
        open_encoder(spec)
    assert "\n" not in str(caught.value)
    return str(caught.value)


# kinema's own


@pytest.fixture
def run(tmp_path) -> Path:
    """A run of an encoder that was never trained."""
    encoder = random_encoder(ModelConfig(width=4), seed=3)
    save_encoder(encoder, tmp_path / "run" / "encoder.safetensors", {**encoder.card, "clip": asdict(CLIP)})
    return tmp_path / "run"


def test_runs_files_and_random_ones(run):
    trained, file = open_encoder(run), open_encoder(str(run / "encoder.safetensors"))
    assert trained.name == file.name == "run"
    assert trained.sha256 == file_sha256(run / "encoder.safetensors")
    assert trained.clip == CLIP
    assert trained.facts == {"name": "run", "sha256": trained.sha256, "card": trained.card}
    drawn = open_encoder("random", like=run, seed=3)
    assert (drawn.name, drawn.sha256, drawn.clip) == ("random", None, CLIP)
    assert torch.equal(features(drawn), features(trained))
    assert not torch.equal(features(open_encoder("random", like=run, seed=4)), features(trained))
    assert open_encoder("random").clip == ClipConfig()


def test_an_encoder_is_opened_with_another_readout(run, tmp_path):
    readout = ReadoutConfig("layer2", (2, 2, 1), frames=6, step=0.05)
    read = open_encoder(run, readout=readout)
    assert read.clip == replace(CLIP, frames=6, step=0.05) and read.card["clip"]["frames"] == CLIP.frames
    assert read.card["readout"] == asdict(readout) and features(read).shape == (3, 2 * 2 * 8)
    save_pretrained(read.module, tmp_path / "pushed")
    pushed, drawn = open_encoder(f"hf:{tmp_path / 'pushed'}"), open_encoder("random", like=tmp_path / "pushed", seed=3)
    for opened in (pushed, drawn, open_encoder("random", like=run, seed=3, readout=readout)):
        assert opened.clip == read.clip and opened.module.readout == readout
        assert torch.equal(features(opened), features(read))
    assert open_encoder(run).module.readout == ReadoutConfig()


def test_a_folder_of_the_hub_that_kinema_wrote(run, tmp_path):
    save_pretrained(open_encoder(run).module, tmp_path / "pushed")
    opened = open_encoder(f"hf:{tmp_path / 'pushed'}")
    assert opened.name == str(tmp_path / "pushed") and opened.clip == CLIP
    assert torch.equal(features(opened), features(open_encoder(run)))


def test_what_is_absent(tmp_path):
    assert refused("nowhere", CheckpointError).startswith("there is no encoder at nowhere; train one with")
    assert refused("radnom") == "there is no encoder 'radnom': did you mean random?"
    assert refused("torchvison:r3d_18").endswith("(No module named 'torchvison'): did you mean torchvision:r3d_18?")
    (tmp_path / "odd:name").mkdir()
    assert "there is no encoder at" in refused(str(tmp_path / "odd:name"), CheckpointError)


# functions of the user


@pytest.fixture
def mine(tmp_path, monkeypatch):
    """Writes a module ``mine`` into the current folder."""
    monkeypatch.chdir(tmp_path)

    def write(body: str) -> None:
        (tmp_path / "mine.py").write_text(f"import torch\n\n{body}\n")
        sys.modules.pop("mine", None)
        sys.path_importer_cache.clear()

    yield write
    sys.modules.pop("mine", None)


MEAN = """
class Mean(torch.nn.Module):
    clip = {"frames": 5, "step": 0.2, "short_side": 24, "size": [20, 18]}
    card = {"name": "the mean colour"}

    def __init__(self):
        super().__init__()
        self.scale = torch.nn.Parameter(torch.tensor(2.0))

    def forward(self, clips):
        return self.scale * clips.mean((2, 3, 4))
"""


def test_a_function_of_the_users(mine):
    mine(MEAN)
    before = list(sys.path)
    opened = open_encoder("mine:Mean")
    assert sys.path == before
    assert opened.clip == ClipConfig(frames=5, step=0.2, short_side=24, size=(20, 18))
    assert opened.name == "mine:Mean" and opened.card["name"] == "the mean colour"
    assert opened.sha256 == weights_sha256(opened.module)
    assert json.loads(json.dumps(opened.card))["clip"]["size"] == [20, 18]
    torch.testing.assert_close(features(opened), 2 * clips(opened).mean((2, 3, 4)))
    with pytest.raises(ConfigError, match=r"mine:Mean .* shows no stages, so it has no readout of 'layer2': leave"):
        open_encoder("mine:Mean", readout=ReadoutConfig("layer2"))
    assert open_encoder("mine:Mean", readout=ReadoutConfig(frames=7)).clip == replace(opened.clip, frames=7)
    mine(MEAN.replace("2.0", "3.0"))
    assert open_encoder("mine:Mean").sha256 != opened.sha256


def test_functions_that_are_no_encoders(mine):
    assert "mine:make cannot be imported (No module named 'mine')" in refused("mine:make")
    mine("def make(): return torch.nn.Flatten()\ndef other(): return 3\ndef broken(): raise ValueError('no GPU')")
    assert refused("mine:mak").endswith("mine.py has no function 'mak': did you mean make?")
    assert refused("mine:other") == "mine:other() gave a int; let it give a torch.nn.Module"
    assert refused("mine:broken") == "mine:broken() failed with ValueError (no GPU); mend it"
    mine("def make(): return torch.nn.Identity()")
    assert refused("mine:make") == (
        "mine:make gave (2, 3, 8, 48, 48) for clips of the shape (2, 3, 8, 48, 48); it must give features (2, D)"
    )
    mine("def make(): return torch.nn.Linear(7, 2)")
    assert "mine:make failed on clips of the shape (2, 3, 8, 48, 48) with RuntimeError (mat1 and " in refused(
        "mine:make"
    )
    mine(MEAN.replace('"frames": 5', '"framez": 5'))
    assert "the clip of mine:Mean makes no sense (" in refused("mine:Mean")
    mine(MEAN.replace('{"name": "the mean colour"}', "{'place': torch}"))
    assert "the card of mine:Mean cannot be written to a result (" in refused("mine:Mean")
    mine(MEAN.replace('{"name": "the mean colour"}', "['mean']"))
    assert refused("mine:Mean") == "the card of mine:Mean is a list; let it give plain values by name"
    mine("def make(:")
    assert "mine:make cannot be imported (invalid syntax (mine.py, line 3))" in refused("mine:make")
    mine("import no_such_package")
    assert "mine:make cannot be imported (No module named 'no_such_package')" in refused("mine:make")


# torchvision


STAND_IN = """
import enum, types, torch

class Transforms:
    crop_size, resize_size, mean, std = (20, 24), (30, 40), (0.4, 0.4, 0.4), (0.2, 0.2, 0.2)

class Weights(enum.Enum):
    KINETICS400_V1 = 1
    DEFAULT = 1
    def transforms(self): return Transforms()

class Network(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = torch.nn.Linear(3, 400)
    def forward(self, clips): return self.fc(clips.mean((2, 3, 4)))

video = types.ModuleType("video")
def list_models(module): return ["r3d_18", "s3d"] if module is video else []
def get_model_weights(name): return Weights
def get_model(name, weights):
    if name == "s3d": raise OSError("no route to host")
    return Network()
"""


@pytest.fixture
def stand_in(tmp_path, monkeypatch):
    """A module with what is used of torchvision."""
    for name in [name for name in sys.modules if name.split(".")[0] == "torchvision"]:
        monkeypatch.delitem(sys.modules, name)
    (tmp_path / "torchvision").mkdir()
    (tmp_path / "torchvision/__init__.py").write_text("__version__ = '0.99'")
    (tmp_path / "torchvision/models.py").write_text(STAND_IN)
    monkeypatch.syspath_prepend(tmp_path)
    yield
    for name in ("torchvision", "torchvision.models"):
        sys.modules.pop(name, None)


def test_torchvisions_models_lose_their_classifier(stand_in):
    opened = open_encoder("torchvision:r3d_18@KINETICS400_V1")
    assert opened.clip == ClipConfig(frames=16, step=1 / 15, short_side=30, size=(20, 24))
    assert opened.card == {"weights": "KINETICS400_V1", "torchvision": "0.99", "clip": asdict(opened.clip)}
    torch.testing.assert_close(features(opened), (clips(opened).mean((2, 3, 4)) - 0.4) / 0.2)
    assert open_encoder("torchvision:r3d_18").card["weights"] == "KINETICS400_V1"


def test_what_torchvision_does_not_have(stand_in):
    assert refused("torchvision:r3d18") == "torchvision has no video model 'r3d18': did you mean r3d_18?"
    assert refused("torchvision:r3d_18@KINETICS400_V2").endswith(
        "no weights 'KINETICS400_V2': did you mean KINETICS400_V1?"
    )
    assert "weights of torchvision:s3d cannot be fetched (no route to host)" in refused("torchvision:s3d")


def test_without_torchvision(monkeypatch):
    monkeypatch.setitem(sys.modules, "torchvision", None)
    expected = 'torchvision:r3d_18 needs torchvision: pip install "kinema[raft]", or name a file with its weights'
    assert refused("torchvision:r3d_18") == expected


# transformers

SMALL = {"hidden_size": 24, "num_hidden_layers": 1, "num_attention_heads": 2, "patch_size": 8}


def make_transformer(kind: str, folder: Path, settings: dict[str, object] | None = None) -> torch.nn.Module:
    """A small random model and the settings of its preprocessor, as their libraries write them."""
    import transformers

    torch.manual_seed(0)
    sizes = {"image_size": 16, "num_frames": 4, "intermediate_size": 16}
    if kind == "vjepa2":
        sizes = {"crop_size": 16, "frames_per_clip": 4, "mlp_ratio": 2, "pred_hidden_size": 24}
        sizes |= {"pred_num_hidden_layers": 1, "pred_num_attention_heads": 2}
    network = transformers.AutoModel.from_config(transformers.AutoConfig.for_model(kind, **SMALL, **sizes)).eval()
    network.save_pretrained(folder)
    if settings is not None:
        name = "video_preprocessor_config.json" if kind == "vjepa2" else "preprocessor_config.json"
        (folder / name).write_text(json.dumps(settings))
    return network


STEPS = {"videomae": 4 / 30, "timesformer": 32 / 30, "vjepa2": 0.25}


@pytest.mark.parametrize("kind", STEPS)
def test_video_transformers(tmp_path, kind):
    settings = {"size": {"shortest_edge": 18}, "image_mean": [0.5, 0.4, 0.3], "image_std": [0.1, 0.2, 0.3]}
    network = make_transformer(kind, tmp_path / kind, {"do_normalize": True, **settings})
    opened = open_encoder(f"hf:{tmp_path / kind}")
    assert opened.clip == ClipConfig(frames=4, step=STEPS[kind], short_side=18, size=(16, 16))
    assert opened.card["config"]["model_type"] == kind
    mean, std = (torch.tensor(settings[name]).view(3, 1, 1, 1) for name in ("image_mean", "image_std"))
    pixels = ((clips(opened) - mean) / std).transpose(1, 2)
    with torch.inference_mode():
        if kind == "vjepa2":
            tokens = network.get_vision_features(pixels)
        else:
            tokens = network(pixels).last_hidden_state
    expected = tokens[:, 0] if kind == "timesformer" else tokens.mean(1)
    torch.testing.assert_close(features(opened), expected)


def test_transformers_without_a_preprocessor_or_without_normalisation(tmp_path):
    network = make_transformer("videomae", tmp_path)
    opened = open_encoder(f"hf:{tmp_path}")
    assert opened.clip == ClipConfig(frames=4, step=4 / 30, short_side=16, size=(16, 16))
    (tmp_path / "preprocessor_config.json").write_text('{"do_normalize": false, "size": 40}')
    plain = open_encoder(f"hf:{tmp_path}")
    assert plain.clip == replace(opened.clip, short_side=40)
    with torch.inference_mode():
        expected = network(clips(plain).transpose(1, 2)).last_hidden_state.mean(1)
    torch.testing.assert_close(features(plain), expected)


def test_transformers_that_cannot_be_opened(tmp_path, monkeypatch):
    assert "holds no config.json; name a folder of kinema or transformers" in refused(f"hf:{tmp_path}", CheckpointError)
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    assert "of the kind 'bert', which kinema does not know: it knows videomae, timesf" in refused(f"hf:{tmp_path}")
    (tmp_path / "config.json").write_text("{")
    assert "config.json is damaged or no JSON" in refused(f"hf:{tmp_path}", CheckpointError)
    make_transformer("videomae", tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**config, "num_hidden_layers": 2}))
    assert re.search(r"lacks \d+ weights of its model, first encoder", refused(f"hf:{tmp_path}", CheckpointError))
    (tmp_path / "model.safetensors").write_bytes(b"nothing")
    assert "cannot be loaded (" in refused(f"hf:{tmp_path}", CheckpointError)
    monkeypatch.setitem(sys.modules, "transformers", None)
    assert refused(f"hf:{tmp_path}").endswith('needs transformers: pip install "kinema[hf]"')


# the Hub


@pytest.fixture
def hub(tmp_path, monkeypatch) -> Path:
    """The Hub's cache, and no network."""
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    return tmp_path / "hub"


def test_a_name_is_looked_up_in_the_cache(hub, run):
    place = hub / "models--someone--mine"
    save_pretrained(open_encoder(run).module, place / "snapshots" / ("a" * 40), "someone/mine")
    (place / "refs").mkdir()
    (place / "refs" / "main").write_text("a" * 40)
    opened = open_encoder("hf:someone/mine")
    assert opened.name == "someone/mine"
    assert torch.equal(features(opened), features(open_encoder(run)))


def test_names_that_are_not_to_be_had(hub, monkeypatch):
    for name in ("someone/other", "no such/name/at all"):
        words = refused(f"hf:{name}", CheckpointError)
        assert words.startswith(f"{name} is no folder, and not to be had from the Hugging Face Hub (")
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    assert refused("hf:someone/mine").endswith('huggingface_hub: pip install "kinema[hub]"')
