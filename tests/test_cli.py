"""The command line as its users meet it."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml

import kinema
from kinema.cli import COMMANDS, main
from kinema.common.provenance import file_sha256
from kinema.config import ClipConfig, FinetuneConfig, PretrainConfig
from kinema.flow import create_estimator, list_estimators
from kinema.presets import DEFAULT_PRESET, list_presets, preset_path, settings_on
from kinema.training.metrics import METRICS, read_metrics
from kinema.video import read_manifest

VIDEOS = 24
FLOW = [f"flow {name}" for name in ("extract", "import", "export", "evaluate", "show", "--list")]
LABELS = [
    f"labels {name}"
    for name in ("convert", "compare", "import", "export", "list", "history", "rename", "undo", "redo", "snippets")
]
SEARCH = ["embed", "index", "copy", "search", "label", "report", "predict", "watch", "serve"]
REPRODUCE = ["reproduce", "reproduce --list"]
ENCODERS = ["weights", "export"]
HEAVY = {"torch", "cv2", "av"}


def kinema_main(*words: object) -> int:
    return main([str(word) for word in words])


# help


def test_the_overview_lists_all_commands_and_imports_nothing_heavy():
    code = (
        "import sys; from kinema.cli import main; status = main(['--help']); "
        f"print(sorted({HEAVY!r} & sys.modules.keys()), file=sys.stderr); sys.exit(status)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr == "[]\n"
    listed = [line[2:20].rstrip() for line in done.stdout.splitlines() if line.startswith("  ")]
    assert (
        listed
        == list(COMMANDS)
        == [
            "info",
            "demo",
            "synth",
            "scan",
            "data check",
            *LABELS,
            "pretrain",
            "finetune",
            "ablate mscl",
            "ablate hcml",
            "evaluate",
            "evaluate triplets",
            *REPRODUCE,
            *ENCODERS,
            *SEARCH,
            *FLOW,
        ]
    )


STEPS = yaml.safe_load(preset_path("tiny").read_text())["steps"]  # the tiny preset's, not the class's


@pytest.mark.parametrize(
    ("command", "facts"),
    [
        ("demo", ["number of synthetic videos", "(default: 1500)", f"(default: {STEPS})"]),
        ("synth", ["--frames N frames per video", "--fps X frames per second", "in pixels", "(default: 1000)"]),
        ("scan", ["file to write", "(default: manifest.csv)"]),
        (
            "pretrain",
            ["seconds between two frames", "(default: 0.125)", "mscl+hcml has the losses of both", "from 0 to 1"],
        ),
        ("ablate mscl", ["one round of the ladder for each (default: [0,1,2])", f"(default: {STEPS})"]),
        ("evaluate", ["few-label, pairs, diagnosis, all)", "clips per video", "(default: 10)", "column to predict"]),
        (
            "flow extract",
            ["(default: tvl1)", "in pixels", "(default: 256)", "as many as"],
        ),
        ("flow import", ["one pair of files", "(default: 20.0)", "(default: tvl1)"]),
        ("flow export", ["{jpg,flo}", "longer components are cut", "(default: 20.0)"]),
        ("flow evaluate", ["separated by commas", "(default: dis,farneback,tvl1)", "frame10.png"]),
        ("flow show", ["in seconds", "(default: 3.0)", ".mp4 or .gif", "in pixels", "(default: 192)"]),
    ],
)
def test_help_tells_units_and_the_defaults_that_count(command, facts, capsys):
    assert main([*command.split(), "--help-all"]) == 0
    text = " ".join(capsys.readouterr().out.split())
    assert text.startswith(f"usage: kinema {command} ")
    assert [fact for fact in ("--config CONFIG", *facts) if fact not in text] == []


@pytest.mark.parametrize("command", COMMANDS)
def test_help_fits_a_screen_and_shows_what_can_be_typed(command, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    for word, most in (("--help", 23), ("--help-all", 1000)):
        assert main([*command.split(), word]) == 0
        lines = capsys.readouterr().out.splitlines()
        assert len(lines) <= most and max(map(len, lines)) <= 80
        options = [line.split()[0] for line in lines if line.startswith("  --")]
        assert len(options) == len(set(options)) and not any("_" in option for option in options)
        assert str(Path(kinema.__file__).parent) not in "".join(lines)
        for name in COMMANDS[command].common:
            assert any(option.endswith(f"--{name.replace('_', '-')}") for option in options)


def test_help_shows_the_defaults_of_the_preset_that_is_named(capsys):
    for preset, width in (("tiny", 16), ("r3d18", 64)):
        assert main(["pretrain", "--preset", preset, "--help-all"]) == 0
        words = capsys.readouterr().out.split("--model.width")[1].split("--model.patch")[0]
        assert f"(default: {width})" in " ".join(words.split())


def test_help_without_docstrings():
    """As ``python -OO`` runs the package."""
    for words in (["pretrain", "--help-all"], ["scan", "--help"]):
        done = [
            subprocess.run(
                [sys.executable, "-m", "kinema.cli", *words],
                env={**os.environ, "PYTHONOPTIMIZE": level},
                capture_output=True,
                text=True,
            )
            for level in ("0", "2")
        ]
        assert [(one.returncode, one.stderr) for one in done] == [(0, "")] * 2
        assert done[0].stdout == done[1].stdout


def test_the_package_shows_what_there_is():
    code = (
        "import kinema, sys; assert not {'torch', 'av'} & sys.modules.keys(); "
        "assert {'search', 'video', 'load_encoder'} <= set(dir(kinema)); "
        "assert kinema.search.Library and 'Library' in dir(kinema.search); assert not hasattr(kinema, 'nothing')"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize(
    ("words", "status", "complaint"),
    [("flow --help", 0, ""), ("flow", 2, ""), ("flow paint", 2, "kinema: there is no command 'flow paint'\n")],
)
def test_a_group_lists_its_own_commands(words, status, complaint, capsys):
    assert main(words.split()) == status
    output, errors = capsys.readouterr()
    text = output if status == 0 else errors
    assert text.startswith(f"{complaint}usage: kinema flow COMMAND [options]\n")
    listed = [line[2:20].rstrip() for line in text.splitlines() if line.startswith("  ")]
    assert listed == [name for name in COMMANDS if name.startswith("flow ")]


def test_flow_list_tells_each_estimator_and_its_settings(capsys):
    assert main(["flow", "--list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines if not line.startswith(" ")] == list_estimators()
    assert "  preset = 'ultrafast'" in lines and "  lambda_ = 0.15" in lines
    for name, following in zip(list_estimators(), [*list_estimators()[1:], None], strict=True):
        last = lines[lines.index(following) - 1 if following else -1]
        missing = create_estimator(name).missing()
        assert last == (f"  not available: {missing}" if missing else "  available")


# settings


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
    monkeypatch.setattr("kinema.jobs.ablation.ablate_hcml", lambda out, config, asked: told.append(asked) or [])
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


def test_help_imports_nothing_heavy():
    """The parser imports whatever the annotations of a command's module name, those under TYPE_CHECKING too."""
    script = (
        "import sys; from kinema.cli import COMMANDS, main; "
        "[main([*name.split(), '--help']) for name in COMMANDS]; "
        "print('heavy:', [name for name in ('torch', 'cv2', 'av', 'sklearn') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "heavy: []"


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


# from synthetic videos to figures


@pytest.fixture(scope="module")
def work(tmp_path_factory, quick_settings) -> Path:
    """A folder with videos, their manifest and a run, made by the commands."""
    folder = tmp_path_factory.mktemp("work")
    synth = ("synth", folder / "videos", "--videos", VIDEOS, "--seed", 1, "--size", 32, "--frames", 12)
    assert kinema_main(*synth, "--workers", 1) == 0
    assert kinema_main("scan", folder / "videos" / "train", "--out", folder / "manifest.csv", "--workers", 1) == 0
    pretrain = (
        "pretrain",
        folder / "videos" / "train",
        "--method",
        "mscl",
        "--preset",
        "tiny",
        "--out",
        folder / "run",
    )
    manifest = ("--manifest", folder / "manifest.csv")
    assert kinema_main(*pretrain, *manifest, "--config", quick_settings, "--epochs", 2, "--seed", 3) == 0
    return folder


def test_synth_leaves_videos_and_labels(work):
    with (work / "videos/labels.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["file", "split", "motion", "scene", "shape"]
    files = sorted(path.relative_to(work / "videos").as_posix() for path in (work / "videos").glob("t*/*.mp4"))
    assert sorted(row["file"] for row in rows) == files
    assert len(files) == VIDEOS
    assert all(row["file"].startswith(f"{row['split']}/") for row in rows)
    assert {row["split"] for row in rows} == {"train", "test"}


def test_scan_and_pretrain_leave_what_the_readme_names(work):
    entries = read_manifest(work / "manifest.csv")
    assert [entry.path for entry in entries] == sorted(path.name for path in (work / "videos/train").iterdir())
    run = work / "run"
    assert {"encoder.safetensors", "card.json", "metrics.csv"} <= {path.name for path in run.iterdir()}
    card = json.loads((run / "card.json").read_text())
    assert (card["method"], card["preset"], card["seed"], card["config"]["epochs"]) == ("mscl", "tiny", 3, 2)
    assert card["clip"]["frames"] == 4
    assert len([row for row in read_metrics(run / METRICS) if "loss" in row]) == 2 * (len(entries) // 4)


def test_the_encoder_maps_clips_to_features(work):
    import torch

    encoder = kinema.load_encoder(work / "run")
    for frames, height, width in ((4, 32, 32), (8, 40, 56)):
        assert encoder(torch.rand(2, 3, frames, height, width)).shape == (2, encoder.card["features"])


@pytest.mark.parametrize("protocol", ["retrieval", "probe"])
@pytest.mark.parametrize("name", ["run", "random"])
def test_evaluate_writes_its_figures(work, protocol, name, tmp_path, capsys):
    out = tmp_path / "new" / "figures.json"
    words = ["evaluate", protocol, work / "run" if name == "run" else name, "--data", work / "videos"]
    words += ["--labels", work / "videos/labels.csv", "--label-column", "scene", "--out", out]
    small = ["--clips", 2, "--workers", 0, *(["--like", work / "run"] if name == "random" else [])]
    assert kinema_main(*words, *small) == 0
    written = json.loads(out.read_text())
    assert (written["protocol"], written["result"]["scheme"]) == (protocol, "test against train")
    weights = work / "run" / "encoder.safetensors"
    assert written["encoder"]["name"] == name
    assert written["encoder"]["sha256"] == (file_sha256(weights) if name == "run" else None)
    clip = json.loads((work / "run/card.json").read_text())["clip"]
    assert written["spec"]["features"]["clip"] | {"crop": None} == clip
    assert len(written["files"]) == VIDEOS
    figure = written["result"]["plain"]["r1"] if protocol == "retrieval" else written["result"]["top1"]
    assert 0 <= figure <= 1
    output = capsys.readouterr().out
    assert output.startswith(f"{name}: ")
    assert f"{figure:.3f}" in output
    assert output.endswith(f"\n{out}\n")


@pytest.mark.parametrize("protocol", ["retrieval", "probe"])
def test_a_group_column_leaves_one_group_out(work, protocol, tmp_path):
    """With a YAML file in place of options, and without a column ``split``."""
    with (work / "videos/labels.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    places = "".join(f"{row['file']},{'ab'[n % 2]},{'pqr'[n // 2 % 3]}\n" for n, row in enumerate(rows))
    (tmp_path / "labels.csv").write_text(f"file,kind,place\n{places}")
    settings = {"data": work / "videos", "labels": tmp_path / "labels.csv", "label_column": "kind", "clips": 1}
    settings |= {
        "group_column": "place",
        "workers": 0,
        "clip": asdict(ClipConfig(frames=4, short_side=32, size=(24, 24))),
    }
    (tmp_path / "settings.yaml").write_text(json.dumps(settings, default=os.fspath))  # JSON is YAML
    out = tmp_path / "figures.json"
    assert kinema_main("evaluate", protocol, work / "run", "--config", tmp_path / "settings.yaml", "--out", out) == 0
    written = json.loads(out.read_text())
    assert written["result"]["scheme"] == "leave one group out (3 groups)"
    assert written["data"]["group_column"] == "place"
    assert sorted(written["result"]["queries"]) == list(range(VIDEOS))
    assert written["spec"]["features"]["clip"]["size"] == [24, 24]
