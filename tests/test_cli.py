"""The command line as its users meet it: its help, its groups, its lists."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

import kinema
from kinema.cli import COMMANDS, main
from kinema.flow import create_estimator, list_estimators
from kinema.presets import preset_path

FLOW = [f"flow {name}" for name in ("extract", "import", "export", "evaluate", "show", "--list")]
LABELS = [
    f"labels {name}"
    for name in ("convert", "compare", "import", "export", "list", "history", "rename", "undo", "redo", "snippets")
]
SEARCH = ["embed", "index", "copy", "search", "label", "report", "predict", "watch", "serve"]
REPRODUCE = ["reproduce", "reproduce --list"]
ENCODERS = ["weights", "export"]
HEAVY = {"torch", "cv2", "av"}


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


def test_help_imports_nothing_heavy():
    """The parser imports whatever the annotations of a command's module name, those under TYPE_CHECKING too."""
    script = (
        "import sys; from kinema.cli import COMMANDS, main; "
        "[main([*name.split(), '--help']) for name in COMMANDS]; "
        "print('heavy:', [name for name in ('torch', 'cv2', 'av', 'sklearn') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "heavy: []"
