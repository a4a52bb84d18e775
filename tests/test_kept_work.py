"""Output that cannot be written, settings and encoders that do not fit: one sentence each, and all else is kept."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from kinema.cli import main

needs_full_device = pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")


@pytest.fixture
def run(stopped_run, tmp_path) -> Path:
    """A stopped run that may be written to."""
    return shutil.copytree(stopped_run, tmp_path / "run")


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


# places to write to


@pytest.mark.parametrize("command", ["synth", "scan", "pretrain", "evaluate", "demo", "ablate mscl", "ablate hcml"])
def test_a_place_that_cannot_be_written_is_found_before_the_work(command, refused, videos, run, tmp_path, monkeypatch):
    def never(*_, **__):
        raise AssertionError("work began")

    for work in ("kinema.video.scan.scan_file", "kinema.models.sources.load_encoder"):
        monkeypatch.setattr(work, never)
    (tmp_path / "file").write_text("in the way")
    out = tmp_path / "file" / "out.csv"
    words = {
        "synth": [out],
        "scan": [videos, "--out", out],
        "pretrain": [videos, "--out", out],
        "evaluate": ["probe", run, "--data", videos, "--labels", run / "labels.csv", "--out", out],
        "demo": ["--out", out],
        "ablate mscl": [out],
        "ablate hcml": [out],
    }
    sentence = refused(command, *words[command])
    assert f"cannot write {tmp_path / 'file'}" in sentence
    assert sentence.endswith(": Not a directory; choose a folder with write permission and free space")
    assert (tmp_path / "file").read_text() == "in the way"


@pytest.fixture
def fill_disk(monkeypatch):
    """Lets the next atomic write of a file meet a full disk."""
    monkeypatch.setattr("kinema.common.files.token_hex", lambda size: "drawn")
    return lambda path: path.with_name(f".{path.stem}.drawn.tmp{path.suffix}").symlink_to("/dev/full")


@needs_full_device
@pytest.mark.parametrize("command", ["scan", "evaluate"])
def test_the_disk_is_full(command, refused, videos, run, evaluation, tmp_path, fill_disk):
    out = tmp_path / "figures.json"
    fill_disk(out)
    sentence = refused(
        *(["scan", videos, "--out", out] if command == "scan" else ["evaluate", "probe", run, *evaluation])
    )
    assert f"cannot write {out}: No space left on device; choose a folder with" in sentence
    assert out.read_text() == "earlier figures"
    kept = [".figures.json.parts"] if command == "scan" else []  # what was found is not lost
    assert [path.name for path in tmp_path.glob(".*")] == kept


@needs_full_device
@pytest.mark.parametrize("name", ["last.ckpt", "metrics.csv", "encoder.safetensors"])
def test_the_disk_is_full_while_training(name, refused, videos, run, quick_settings, fill_disk):
    resource = pytest.importorskip("resource")
    before, limits = contents(run), resource.getrlimit(resource.RLIMIT_FSIZE)
    words = ["pretrain", videos, "--out", run, "--config", quick_settings, "--epochs", 2, "--resume"]
    if name == "metrics.csv":
        (run / name).unlink()
        (run / name).symlink_to("/dev/full")
    elif name == "encoder.safetensors":
        fill_disk(run / name)
    try:
        if name == "last.ckpt":  # written in memory first, then at once: let the half of it fit
            resource.setrlimit(resource.RLIMIT_FSIZE, (len(before[name]) // 2, limits[1]))
        sentence = refused(*words)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert ("File too large" if name == "last.ckpt" else "No space left on device") in sentence
    assert f"cannot write {run}" in sentence
    assert not list(run.glob(".*"))
    if name == "metrics.csv":
        (run / name).unlink()
        (run / name).write_bytes(before[name])
    kept = ["encoder.safetensors", "card.json", *(["last.ckpt"] if name != "encoder.safetensors" else [])]
    assert [file for file in kept if contents(run)[file] != before[file]] == []
    assert main([str(word) for word in words]) == 0
    assert json.loads((run / "card.json").read_text())["training"]["steps"] == 6


# settings, encoders and checkpoints


@pytest.mark.parametrize(
    ("option", "status", "words"),
    [
        (
            "--preset huge",
            1,
            "unknown preset 'huge'; choose one of hcml-r3d18-k400, motion, mscl-r3d18-k400, r3d18, tiny",
        ),
        (
            "--method byol",
            1,
            "unknown method 'byol': choose one of mscl, moco, hcml, mscl+hcml, tubelet, masked",
        ),
        ("--config binary.yaml", 1, "--config names a file that is not text in UTF-8"),
        ("--manifest missing.csv", 1, "cannot read the manifest missing.csv"),
        ("--clip.frames 3", 1, "clip.frames must be even and at least 4"),
    ],
)
def test_a_setting_that_cannot_work(option, status, words, refused, videos, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe\x00")
    assert words in refused("pretrain", videos, "--out", "run", *option.split(), status=status)
    assert not (tmp_path / "run").exists() or not any((tmp_path / "run").iterdir())


def test_a_checkpoint_of_another_architecture(refused, videos, run, quick_settings):
    before = contents(run)
    words = ["pretrain", videos, "--out", run, "--config", quick_settings, "--epochs", 2]
    sentence = refused(*words, "--resume", "--model.width", 8)
    assert f"{run / 'last.ckpt'} was made with other settings (model.width was 4, is 8); use the same, or" in sentence
    assert "holds a run already; go on with --resume, or choose another folder" in refused(*words)
    assert contents(run) == before


@pytest.mark.parametrize("damage", ["shapes", "names", "text", "checkpoint", "missing"])
@pytest.mark.parametrize("place", ["run", "like"])
def test_an_encoder_of_another_architecture(place, damage, refused, run, evaluation, tmp_path):
    path = run / "encoder.safetensors"
    weights, card = load_file(path), json.loads((run / "card.json").read_text())
    if damage == "shapes":
        weights["stem.1.weight"] = torch.zeros(9)
    elif damage == "names":
        weights["head.weight"] = torch.zeros(9)
    save_file(weights, path, {"card": json.dumps(card)})
    if damage == "text":
        path.write_text("weights")
    elif damage == "checkpoint":
        shutil.copy(run / "last.ckpt", path)
    elif damage == "missing":
        path.unlink()
    sentence = refused("evaluate", "retrieval", *([run] if place == "run" else ["random", "--like", run]), *evaluation)
    expected = {
        "shapes": "holds another architecture than its card says: 1 weights differ, first stem.1.weight; copy or train",
        "names": "holds another architecture than its card says: 1 weights differ, first head.weight; copy or train",
        "missing": "there is no encoder at",
    }
    assert expected.get(damage, "is damaged or no file of weights") in sentence
    assert str(path) in sentence
    assert (tmp_path / "figures.json").read_text() == "earlier figures"
