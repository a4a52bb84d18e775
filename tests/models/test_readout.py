"""Readouts: from the stages of a network to a clip's feature."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest
import torch
from torch import Tensor

from kinema.config import ClipConfig, HCMLConfig, ModelConfig, ReadoutConfig
from kinema.errors import ConfigError
from kinema.models import VideoEncoder, create_model, list_models, random_encoder
from kinema.models.export import export_onnx, export_torch
from kinema.models.model_card import model_card
from kinema.models.readout import Readout, temporal_moments

MODEL = ModelConfig(width=4)
GRID = ReadoutConfig("layer2", (2, 3, 2), root=True, unit="time")


def stages(seed: int = 0) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    shapes = {"layer1": (2, 3, 8, 10, 7), "layer2": (2, 5, 4, 5, 4)}
    return {name: torch.randn(shape, generator=generator) for name, shape in shapes.items()}


def read(config: ReadoutConfig, given: Mapping[str, Tensor]) -> Tensor:
    readout = Readout(config, {name: stage.shape[1] for name, stage in given.items()})
    found = readout(given)
    assert found.shape == (2, readout.features) and found.dtype == torch.float32
    return found


def clips(frames: int = 8, size: tuple[int, int] = (32, 40), count: int = 2) -> Tensor:
    return torch.rand(count, 3, frames, *size, generator=torch.Generator().manual_seed(0))


def slowly(config: ReadoutConfig, stage: Tensor) -> np.ndarray:
    """The readout cell by cell: a cell goes from the place in which it begins to that in which it ends, both whole."""
    x, (steps, rows, columns) = stage.double().numpy(), config.grid
    features = []
    for clip in x:
        times = []
        for step in range(steps):
            vector = []
            for channel in clip:
                for row in range(rows):
                    for column in range(columns):
                        cell = channel
                        for axis, (place, cells) in enumerate([(step, steps), (row, rows), (column, columns)]):
                            side = channel.shape[axis]
                            begin, end = int(np.floor(place * side / cells)), int(np.ceil((place + 1) * side / cells))
                            cell = cell.take(range(begin, end), axis)
                        mean = cell.mean()
                        vector.append(np.sign(mean) * np.sqrt(abs(mean)) if config.root else mean)
            times.append(np.array(vector) / (np.linalg.norm(vector) if config.unit == "time" else 1))
        feature = np.concatenate(times)
        features.append(feature / (np.linalg.norm(feature) if config.unit == "clip" else 1))
    return np.stack(features)


@pytest.mark.parametrize("root", [False, True])
@pytest.mark.parametrize("unit", ["none", "time", "clip"])
@pytest.mark.parametrize(("stage", "grid"), [("layer1", (3, 4, 3)), ("layer2", (4, 5, 4)), ("layer2", (1, 1, 1))])
def test_a_readout_by_a_slow_loop(stage, grid, unit, root):
    config = ReadoutConfig(stage, grid, root, unit)
    found = read(config, stages()).numpy()
    np.testing.assert_allclose(found, slowly(config, stages()[stage]), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("unit", ["none", "time", "clip"])
def test_several_stages_follow_one_another_and_count_alike(unit):
    both = ReadoutConfig("layer1+layer2", (2, 3, 2), True, unit)
    parts = [read(ReadoutConfig(name, (2, 3, 2), True, unit), stages()) for name in both.stages]
    torch.testing.assert_close(read(both, stages()), torch.cat(parts, dim=1) / 2**0.5)


def test_what_happens_later_is_told_from_what_happens_earlier():
    backwards = {name: stage.flip(2) for name, stage in stages().items()}
    assert not torch.allclose(read(GRID, stages()), read(GRID, backwards), atol=0.1)
    moments = ReadoutConfig("layer2", (1, 3, 2), moments=True)
    torch.testing.assert_close(read(moments, stages()), read(moments, backwards))


def test_moments_by_their_definition():
    x = stages()["layer1"].double()
    mean, deviation, skewness = temporal_moments(x).unbind(dim=2)
    values = x.numpy()
    np.testing.assert_allclose(mean, values.mean(2))
    np.testing.assert_allclose(deviation, values.std(2))
    cubes = ((values - values.mean(2, keepdims=True)) / values.std(2, keepdims=True)) ** 3
    np.testing.assert_allclose(skewness, cubes.mean(2))
    still = temporal_moments(torch.full((1, 2, 4, 1, 1), 0.7))
    torch.testing.assert_close(still[0, 0, :, 0, 0], torch.tensor([0.7, 0, 0]), atol=1e-5, rtol=0)
    shape = read(ReadoutConfig("layer1", (1, 2, 2), moments=True), stages()).shape
    assert shape == (2, 3 * 2 * 2 * 3)  # moments, places, channels


@pytest.mark.parametrize("config", [GRID, ReadoutConfig("layer2", (1, 1, 1), moments=True, unit="time", root=True)])
def test_nothing_is_trained_to_no_number(config):
    """At zero a root has no slope, and what stands still no skewness."""
    given = {
        name: stage.clone().index_fill(0, torch.tensor([1]), 0).requires_grad_() for name, stage in stages().items()
    }
    found = read(config, given)
    assert torch.isfinite(found).all()
    weights = torch.rand(found.shape, generator=torch.Generator().manual_seed(0))
    (slope,) = torch.autograd.grad((weights * found).sum(), given["layer2"])
    assert slope[0].any() and torch.isfinite(slope).all()


# inside an encoder


@pytest.mark.parametrize("hcml", [None, HCMLConfig(levels=3, radius=1)], ids=["plain", "hierarchy"])
def test_an_encoder_gives_its_readout_and_pooled_features_from_one_pass(hcml):
    encoder = random_encoder(MODEL, 0, hcml, GRID)
    pooled = random_encoder(MODEL, 0, hcml)
    if hcml is not None:
        for one, other in zip(encoder.backbone.fusions.values(), pooled.backbone.fusions.values(), strict=True):
            torch.nn.init.normal_(one.weight, generator=torch.Generator().manual_seed(0))
            other.load_state_dict(one.state_dict())
    with torch.inference_mode():
        both = encoder.both(clips())
        assert encoder.features == 96 == both["readout"].shape[1]
        assert torch.equal(both["readout"], encoder(clips()))
        assert torch.equal(both["readout"], Readout(GRID, encoder.stage_widths)(pooled.stages(clips())))
        assert torch.equal(both["pooled"], pooled(clips()))
        assert torch.equal(encoder.pooled(clips()), pooled(clips()))
        assert pooled.features == encoder.backbone.features == 32
        twice = pooled.both(clips())
        assert torch.equal(twice["readout"], twice["pooled"]) and torch.equal(twice["pooled"], pooled(clips()))


@pytest.mark.parametrize("name", list_models())
def test_nothing_above_the_stage_is_computed(name):
    network = create_model(name, width=4).eval()
    whole = network.stages(clips(size=(48, 48)))
    second = list(whole)[1]
    called = []
    for stage, path in network.stage_modules.items():
        network.get_submodule(path).register_forward_hook(lambda *_, stage=stage: called.append(stage))
    low = network.stages(clips(size=(48, 48)), second)
    assert list(low) == called == list(whole)[:2]
    assert torch.equal(low[second], whole[second])
    encoder = VideoEncoder(network, readout=ReadoutConfig(second))
    called.clear()
    encoder(clips(size=(48, 48)))
    assert called == list(whole)[:2]


@pytest.mark.parametrize("name", ["s3d", "slowonly_r50"])
def test_pooled_features_beside_a_readout_are_the_networks_own(name):
    """S3D and SlowOnly average windows that overlap, which is not the mean of the map."""
    wide = clips(5, (32, 288), 1)
    encoder = VideoEncoder(create_model(name, width=4).eval())
    with torch.inference_mode():
        alone, last = encoder(wide), list(encoder.stages(wide).values())[-1]
        assert not torch.allclose(alone, last.mean(dim=(2, 3, 4)))
        assert torch.equal(encoder.read_by(ReadoutConfig(list(encoder.stage_widths)[1])).both(wide)["pooled"], alone)


def test_clips_of_any_length_and_size():
    encoder = random_encoder(MODEL, readout=GRID)
    shapes = {encoder(clips(frames, size)).shape for frames, size in [(4, (24, 32)), (24, (64, 96)), (9, (41, 33))]}
    assert shapes == {(2, encoder.features)}


def test_the_geometry_of_what_is_read():
    trained = ClipConfig(frames=8, step=None, step_frames=4)
    assert ReadoutConfig().clip(trained) == trained
    assert ReadoutConfig(frames=24).clip(trained) == ClipConfig(frames=24, step=None, step_frames=4)
    assert ReadoutConfig(step=0.1).clip(trained) == ClipConfig(frames=8, step=0.1)


@pytest.mark.parametrize(
    ("config", "words"),
    [
        (
            ReadoutConfig("layer9"),
            "'layer9', which the network has not got: choose one of layer1, layer2, ",
        ),
        (ReadoutConfig("layer1", (0, 1, 1)), r"readout\.grid must be three numbers of cells"),
        (ReadoutConfig("layer1", (2, 2)), r"readout\.grid must be three numbers of cells"),
        (ReadoutConfig("layer1", unit="second"), r"readout\.unit is 'second': choose one of none, time, clip"),
        (ReadoutConfig("layer1", (2, 1, 1), moments=True), r"set the first number of readout\.grid to 1"),
        (ReadoutConfig(frames=0), r"readout\.frames must be at least 1"),
        (ReadoutConfig(step=0.0), r"readout\.step must be positive"),
    ],
)
def test_what_a_network_has_not_got_is_refused(config, words):
    with pytest.raises(ConfigError, match=words) as caught:
        random_encoder(MODEL, readout=config)
    assert "\n" not in str(caught.value)


def test_a_grid_finer_than_the_map_is_refused():
    encoder = random_encoder(MODEL, readout=ReadoutConfig("layer4", (1, 4, 4)))
    with pytest.raises(ConfigError, match=r"readout\.grid is 1x4x4 .* layer4 is a map of 1x1x2: choose a smaller grid"):
        encoder(clips())


# elsewhere


@pytest.mark.parametrize(
    "config",
    [
        ReadoutConfig("layer2", (3, 3, 2), True, "time"),
        pytest.param(ReadoutConfig("layer2", (1, 2, 3), moments=True), marks=pytest.mark.slow),
    ],
)
def test_an_exported_readout_agrees(tmp_path, config):
    import onnxruntime

    clip = ClipConfig(frames=8, size=(32, 40))
    encoder = random_encoder(MODEL, readout=config)
    program = torch.export.load(export_torch(encoder, clip, tmp_path / "e.pt2")).module()
    session = onnxruntime.InferenceSession(export_onnx(encoder, clip, tmp_path / "e.onnx"))
    for count in (1, 3):
        with torch.inference_mode():
            expected = encoder(clips(count=count))
        assert expected.std() > 0.01
        torch.testing.assert_close(program(clips(count=count)), expected, rtol=1e-3, atol=1e-4)
        (found,) = session.run(None, {"clips": clips(count=count).numpy()})
        torch.testing.assert_close(torch.from_numpy(found), expected, rtol=1e-3, atol=1e-4)


def test_a_model_card_says_what_is_read():
    def words(readout: ReadoutConfig) -> str:
        return model_card(random_encoder(MODEL, readout=readout).card, "mine", 1, "")

    assert "Its features are the means of the last stage over time and place." in words(ReadoutConfig())
    said = words(GRID)
    assert (
        "the means of 2 parts of the time by 3x2 places (height x width) of the stage layer2, as square roots" in said
    )
    assert "roots with their signs, each of length 1." in said
    said = words(ReadoutConfig("layer1", moments=True, frames=24, step=1 / 15))
    assert "Its features are the moments over time by 1x1 places (height x width) of the stage layer1." in said
    assert "It reads clips of 24 frames, 0.06667 s apart instead." in said
