"""Settings of commands: options, files, presets, and what is wrong with them."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from kinema.cli import main
from kinema.config import ClipConfig, FinetuneConfig, PretrainConfig
from kinema.presets import DEFAULT_PRESET, list_presets, settings_on


def kinema_main(*words: object) -> int:
    return main([str(word) for word in words])


@pytest.fixture
def settings_of(monkeypatch):
    """What a command line of ``kinema pretrain`` asks for: the settings and the other arguments."""
    asked = []

    def pretrain(videos, out, config, **others):
        asked.append({"config": config, **others})
        return SimpleNamespace(seconds=0, data_wait=0, files=[])

    monkeypatch.setattr("kinema.training.pretrain", pretrain)

    def settings(*words: object) -> dict:
        assert kinema_main("pretrain", "VIDEOS", "--out", "RUN", *words) == 0
        return asked[-1]

    return settings


def test_numbers_are_plain_ones(monkeypatch):
    """The parser's restricted kinds are none that other processes and checkpoints know."""
    told = []
    monkeypatch.setattr("kinema.jobs.ablation.hcml.ablate_hcml", lambda out, config, asked: told.append(asked) or [])
    assert kinema_main("ablate", "hcml", "OUT", "--per_class", "[3, 4]", "--videos", 60) == 0
    (asked,) = told
    assert asked.per_class == (3, 4) and asked.videos == 60
    assert {type(number) for number in (*asked.per_class, asked.videos)} == {int}


def test_options_and_yaml_give_the_same_typed_settings(settings_of, tmp_path):
    (tmp_path / "settings.yaml").write_text(
        "epochs: 3\nmethod: moco\nresume: true\nclip:\n  size: [40, 56]\n  step: 0.1\n"
        "sampling: {mds: wheel}\nmscl: {fra_negatives: true}\nmodel: {patch: null}\n"
    )
    from_file = settings_of("--config", tmp_path / "settings.yaml")
    options = "--epochs 3 --method moco --resume --clip.size [40,56] --clip.step 0.1 --sampling.mds wheel"
    assert from_file == settings_of(*options.split(), "--mscl.fra-negatives", "true", "--model.patch=null")
    config = from_file["config"]
    assert isinstance(config, PretrainConfig)
    assert isinstance(config.clip, ClipConfig)
    assert (config.clip.size, config.clip.step, config.clip.frames) == ((40, 56), 0.1, 8)
    assert (config.model.patch, config.mscl.fra_negatives, from_file["resume"]) == (None, True, True)
    later = settings_of("--config", tmp_path / "settings.yaml", "--epochs", 4)
    assert (later["config"].epochs, later["method"]) == (4, "moco")


@pytest.mark.parametrize("kind", [PretrainConfig, FinetuneConfig])
def test_python_and_the_commands_have_the_same_defaults(kind):
    assert kind() == settings_on(DEFAULT_PRESET, kind, {})


@pytest.mark.parametrize("name", list_presets())
def test_settings_on_a_preset_are_those_of_the_command(settings_of, name):
    assert settings_on(name, PretrainConfig, {}) == settings_of("--preset", name)["config"]


def test_presets_lie_beneath_all_other_settings(settings_of, tmp_path):
    assert {"tiny", "r3d18", "mscl-r3d18-k400"} <= set(list_presets())
    found = {name: settings_of("--preset", name) for name in list_presets()}
    assert settings_of() == found["tiny"]
    assert (found["tiny"]["config"].model.width, found["tiny"]["config"].clip.size) == (16, (48, 48))
    assert (found["r3d18"]["config"].model.width, found["r3d18"]["config"].clip.size) == (64, (112, 112))
    assert len({str(settings["config"]) for settings in found.values()}) == len(found)
    (tmp_path / "settings.yaml").write_text("preset: r3d18\nmodel:\n  width: 32\n")
    expected = settings_of("--model.width", 32, "--preset", "r3d18")
    assert expected["config"].model.width == 32
    assert expected["config"].clip == found["r3d18"]["config"].clip
    assert settings_of("--config", tmp_path / "settings.yaml") == expected


WRONG = [
    ("pretrain VIDEOS --out RUN --clip.framez 8", "", "--clip.framez"),
    ("pretrain VIDEOS --out RUN --config file.yaml", "clip: {framez: 8}", "'framez'"),
    ("pretrain VIDEOS --out RUN --config file.yaml", "epoch: 8", "'epoch'"),
    ("pretrain VIDEOS --out RUN --config file.yaml", "epochs: many", "--epochs"),
    ("pretrain VIDEOS --out RUN --config file.yaml", "clip: [", "Problems parsing config"),
    ("pretrain VIDEOS", "", "--out must be given"),
    ("pretrain VIDEOS --out RUN --preset", "", "--preset"),
    ("synth OUT --config file.yaml", "video: 3", "'video'"),
    ("synth OUT --videos 0", "", "--videos"),
    ("demo --config file.yaml", "preset: r3d18", "'preset'"),
    ("evaluate retrieval RUN --data DIR --out FILE --columns x", "", "--columns"),
    ("evaluate probe RUN --config file.yaml", "column: 3", "'column'"),
    ("flow extract VIDEOS --out STORE --estimatr dis", "", "--estimatr"),
    ("flow extract VIDEOS --out STORE --config file.yaml", "step_frame: 2", "'step_frame'"),
    ("flow extract VIDEOS --out STORE --config file.yaml", "clip: {step: 2}", "'clip.step'"),
    ("flow extract VIDEOS --out STORE --step_frames half", "", "--step-frames"),
    ("flow import FOLDER VIDEOS", "", "--out must be given"),
    ("flow import FOLDER VIDEOS --out STORE --bound 0", "", "--bound"),
    ("flow export STORE --out OUT --format png", "", "--format"),
    ("scan VIDEOS --work 2", "", "--work"),
    ("pretrain VIDEOS --out RUN --trainer.work 2", "", "--trainer.work"),
    ("evaluate mood RUN --data DIR --out FILE", "", "retrieval, knn, probe"),
    ("evaluate pairs RUN --data DIR --out FILE --pairs [[left]]", "", "--pairs"),
]


@pytest.mark.parametrize(("words", "text", "named"), WRONG)
def test_what_is_unknown_or_wrong_is_named_in_a_sentence(words, text, named, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file.yaml").write_text(text)
    status = main(words.split())
    output, errors = capsys.readouterr()
    assert (status, output) == (2, "")
    assert errors.count("\n") == 1
    assert named in errors
    command = " ".join(words.split()[: 2 if words.startswith("flow ") else 1])
    assert errors.startswith(f"kinema {command}: ")
    assert errors.endswith(f"; see kinema {command} --help\n")
    assert [path.name for path in tmp_path.iterdir()] == ["file.yaml"]
