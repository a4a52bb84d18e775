"""What kinema does, and says, where none of its extras is installed."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from kinema.common.extras import EXTRAS, needed_for
from kinema.errors import ConfigError

PROJECT = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
CALLED = {"faiss": "faiss-cpu"}
"""Packages of another name than their module."""
HIDDEN = f"import sys; sys.modules.update(dict.fromkeys({[name for all in EXTRAS.values() for name in all]!r}))\n"


def bare(code: str, *words: object, status: int = 0) -> subprocess.CompletedProcess[str]:
    """Run a program that sees no module of any extra."""
    words = [sys.executable, "-c", HIDDEN + code, *map(str, words)]
    done = subprocess.run(words, capture_output=True, text=True)
    assert done.returncode == status, done.stderr
    return done


COMMANDS = """
import json
import shutil
from kinema.cli import main
print([main([str(word) for word in words]) for words in json.loads(sys.argv[1])])
"""


def test_every_extra_is_one_of_the_package_s_and_brings_its_modules():
    extras = PROJECT["optional-dependencies"]
    assert EXTRAS.keys() == extras.keys() - {"all", "dev", "docs"}
    usual = [extra for extra in EXTRAS if extra != "torchcodec"]  # which has to fit PyTorch and FFmpeg
    assert f"kinema[{','.join(usual)}]" in extras["all"]
    for extra, modules in EXTRAS.items():
        packages = [package.partition(">")[0].partition("=")[0].partition("[")[0] for package in extras[extra]]
        assert {CALLED.get(name, name) for name in modules} == set(packages) - {"kinema"}


@pytest.fixture
def evaluating(videos, tmp_path):
    """Options of a quick evaluation, and a folder of four videos that it uses."""
    folder = tmp_path / "videos"
    folder.mkdir()
    table = "file,label\n"
    for n, clip in enumerate(sorted(videos.iterdir())[:4]):
        shutil.copy(clip, folder)
        table += f"{clip.name},{'ab'[n % 2]}\n"
    (tmp_path / "labels.csv").write_text(table)
    return folder, ["--data", folder, "--labels", tmp_path / "labels.csv", "--clips", 1, "--workers", 0]


def test_the_core_scans_indexes_searches_evaluates_and_extracts(evaluating, tmp_path):
    folder, options = evaluating
    clip = next(folder.iterdir())
    words = [
        ["--help"],
        ["scan", folder, "--out", tmp_path / "manifest.csv", "--workers", 1],
        ["index", folder, "--index", tmp_path / "index"],
        ["search", clip, "--index", tmp_path / "index", "--out", tmp_path / "hits.html"],
        ["flow", "extract", folder, "--out", tmp_path / "flow", "--estimator", "dis", "--workers", 1],
        ["weights", "motion"],
        ["evaluate", "retrieval", "histogram", *options, "--out", tmp_path / "retrieval.json"],
    ]
    done = bare(COMMANDS, json.dumps(words, default=str))
    assert json.loads(done.stdout.splitlines()[-1]) == [0] * len(words), done.stderr


def test_commands_that_need_an_extra_say_how_to_install_it(evaluating, tmp_path):
    folder, options = evaluating
    clip, out = next(folder.iterdir()), ["--out", tmp_path / "out"]
    lacking = {
        "train": [
            ["pretrain", folder, *out],
            ["finetune", folder, *out],
            ["pretrain", folder, *out, "--dry-run"],
            ["reproduce", "mscl-0", *out],
        ],
        "report": [
            ["demo", *out],
            ["ablate", "mscl", out[1]],
            ["flow", "show", clip, *out],
            ["evaluate", "all", *options, *out],
        ],
        "cluster": [["scan", folder, *out, "--cluster", "local"]],
        "storage": [["scan", "s3://bucket/videos", *out]],
        "server": [["labels", "list", "--index", "postgresql://machine/videos"]],
        "serve": [["serve", "--index", tmp_path]],
        "hf": [["evaluate", "knn", f"hf:{tmp_path}", *options, *out]],
        "hub": [["evaluate", "knn", "hf:someone/mine", *options, *out]],
        "onnx": [["export", "onnx", "motion", "--out", tmp_path / "x.onnx"]],
        "nwb": [["labels", "convert", tmp_path / "l.csv", tmp_path / "l.nwb"]],
        "pose": [["index", folder, "--index", tmp_path / "index", "--crop", tmp_path / "poses.slp"]],
        "raft": [
            ["evaluate", "knn", "torchvision:r3d_18", *options, *out],
            ["flow", "extract", folder, *out, "--estimator", "raft"],
        ],
    }
    otherwise = {"search", "torchcodec"}  # small libraries are searched without; tests/video/test_decoders.py
    assert lacking.keys() | otherwise == EXTRAS.keys()
    (tmp_path / "poses.slp").touch()
    (tmp_path / "l.csv").write_text("file,start,end,label\na.mp4,0,1,x\n")
    (tmp_path / "config.json").write_text('{"model_type": "videomae"}')
    calls = [(extra, words) for extra, all in lacking.items() for words in all]
    done = bare(COMMANDS, json.dumps([words for _, words in calls], default=str))
    assert done.stdout == f"{[1] * len(calls)}\n"
    said = [line for line in done.stderr.splitlines() if line.startswith("kinema ")]
    for sentence, (extra, words) in zip(said, calls, strict=True):
        assert f'pip install "kinema[{extra}]"' in sentence, (sentence, words)


def test_names_of_the_package_say_so_too():
    code = "import kinema.errors\ntry: import kinema.training\nexcept {}.ConfigError as e: print(e)"
    done = bare(code.format("kinema.errors"))
    assert done.stdout == 'kinema.training needs tensorboard: pip install "kinema[train]"\n'


def test_other_errors_of_importing_are_left_alone():
    with pytest.raises(ModuleNotFoundError, match="no_such_module"), needed_for("it"):
        import no_such_module  # noqa: F401
    sentence = r'^it needs faiss: pip install "kinema\[search\]", or wait$'
    with pytest.raises(ConfigError, match=sentence), needed_for("it", "wait"):
        raise ImportError(name="faiss.contrib")


def test_a_torchvision_for_another_torch_is_named_whoever_imports_it():
    sentence = (
        r"^it imports torchvision, and that here is for another PyTorch \(operator torchvision::nms does not exist\): "
        "install torchvision anew from where PyTorch came$"
    )
    cause = RuntimeError("operator torchvision::nms does not exist")
    with pytest.raises(ConfigError, match=sentence), needed_for("it"):
        raise cause
    with pytest.raises(ConfigError, match=sentence), needed_for("it"):
        raise ModuleNotFoundError("Could not import module 'AutoModel'.") from cause  # as transformers says it
    other, around = RuntimeError("/torchvision is out of memory"), ValueError()
    other.__context__, around.__context__ = around, other
    with pytest.raises(RuntimeError, match="out of memory"), needed_for("it"):
        raise other


@pytest.mark.parametrize("room", ["flow", "video", "models", "data", "methods", "evaluation", "search"])
def test_rooms_bring_nothing_heavy_that_is_not_asked_for(room):
    names = "[getattr(room, name) for name in getattr(room, '__all__', ())]"
    code = f"import sys, kinema.{room} as room; {names}; print(*sys.modules)"
    heavy = {"matplotlib", "tensorboard", "sklearn", "faiss", "ray", "transformers", "pandas"}
    brought = set(subprocess.check_output([sys.executable, "-c", code], text=True).split())
    assert not brought & heavy


def test_kinema_itself_brings_next_to_nothing():
    code = "import sys; before = set(sys.modules); import kinema; print(*sys.modules.keys() - before)"
    brought = set(subprocess.check_output([sys.executable, "-c", code], text=True).split())
    ours = {name for name in brought if name.startswith("kinema")}
    assert ours <= {
        "kinema",
        "kinema.common",
        "kinema.common.lazy",
        "kinema.common.extras",
        "kinema.errors",
        "kinema.common.addresses",
    }
    assert not brought & {"numpy", "torch", "cv2", "av"}
