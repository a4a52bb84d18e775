"""What `kinema info` says."""

from __future__ import annotations

import json
import multiprocessing
import platform
from dataclasses import replace
from importlib import metadata

import pytest
import torch

import kinema
from kinema.cli import main
from kinema.common.extras import EXTRAS
from kinema.jobs import installation
from kinema.jobs.installation import look_around
from kinema.video import by_torchcodec


@pytest.fixture
def found():
    return look_around()


def test_it_is_told_for_people_and_as_json(found, capsys):
    assert main(["info"]) == 0
    assert capsys.readouterr().out == f"{found.summary()}\n"
    assert main(["info", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told == json.loads(json.dumps(found.to_dict()))
    assert told["kinema"] == kinema.__version__
    assert told["python"].startswith(platform.python_version())
    assert told["packages"]["torch"] == metadata.version("torch")
    assert told["encoders"] == ["motion"]
    assert told["start_method"] == multiprocessing.get_start_method()
    assert {"h264", "mpeg4"} <= set(told["decoders"])
    assert len([name for name in told["gpus"] if name.startswith("cuda")]) == torch.cuda.device_count()


def test_what_is_missing_comes_with_what_installs_it(monkeypatch):
    there = installation.installed
    monkeypatch.setattr(installation, "installed", lambda names: there(n for n in names if n != "faiss-cpu"))
    found = look_around()
    assert found.extras.keys() == EXTRAS.keys()
    assert found.extras["search"]["faiss-cpu"] is None
    (line,) = [line for line in found.summary().splitlines() if line.startswith("[search]")]
    assert line.endswith('missing faiss-cpu: pip install "kinema[search]"')
    (line,) = [line for line in found.summary().splitlines() if line.startswith("[report]")]
    assert f"matplotlib {metadata.version('matplotlib')}" in line


def test_several_packages_of_opencv_are_named(found):
    assert "uninstall" not in replace(found, packages={"opencv-python": "4.12"}).summary()
    two = replace(found, packages={"opencv-python": "4.12", "opencv-python-headless": "4.11"})
    note = "opencv-python-headless and opencv-python write over each other: uninstall all, and install one again"
    assert two.summary().endswith(note)


def test_why_torchcodec_does_not_load_is_said_where_it_is_installed(monkeypatch):
    sentence = "torchcodec 0.13 does not load: it lacks libnvrtc.so.13 of CUDA"
    monkeypatch.setattr(by_torchcodec, "why_not_torchcodec", lambda: sentence)
    there = installation.installed
    monkeypatch.setattr(
        installation, "installed", lambda names: there(names) | {n: "0.13" for n in names if n == "torchcodec"}
    )
    assert f"note         {sentence}" in look_around().summary().splitlines()
    monkeypatch.setattr(installation, "installed", lambda names: there(n for n in names if n != "torchcodec"))
    assert sentence not in look_around().summary()


def test_a_torchvision_for_another_torch_is_said(monkeypatch):
    def broken(name):
        raise RuntimeError("operator torchvision::nms does not exist")

    monkeypatch.setattr(installation, "import_module", broken)
    note = look_around().summary().splitlines()[-1]
    assert note.startswith(
        "note         [raft] and [hf] import torchvision, and that here is for another PyTorch (operator"
    )


def test_decoders_that_there_are_not_are_left_out(monkeypatch):
    monkeypatch.setattr(installation, "CODECS", ("h264", "no_such_codec"))
    assert look_around().decoders == ("h264",)
