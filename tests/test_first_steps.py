"""From synthetic videos to figures, by the commands alone."""

from __future__ import annotations

import csv
import json
import os
from dataclasses import asdict
from pathlib import Path

import pytest

import kinema
from kinema.cli import main
from kinema.common.provenance import file_sha256
from kinema.config import ClipConfig
from kinema.training.metrics import METRICS, read_metrics
from kinema.video import read_manifest

VIDEOS = 24


def kinema_main(*words: object) -> int:
    return main([str(word) for word in words])


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
