from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import kinema.models
import kinema.video
from kinema.common.provenance import file_sha256, ids_sha256
from kinema.config import ModelConfig, ReadoutConfig
from kinema.errors import CheckpointError, ConfigError, DataError, OutputError
from kinema.evaluation import EvaluationConfig, evaluate
from kinema.models import sources

CLIP = {"frames": 4, "step": 0.1, "step_frames": None, "short_side": 32, "size": [24, 24]}
QUICK = {"clips": 2, "workers": 0, "precision": "32"}


def labelled(videos, column="motion"):
    """The settings that name a column of the folder's labels."""
    return {"labels": videos / "labels.csv", "label_column": column}


class Shift(nn.Module):
    """How the mean grey changes over a clip, and the grey itself: it sees the direction and the brightness."""

    def __init__(self):
        super().__init__()
        self.card = {"clip": CLIP, "preset": "tiny"}
        self.readout = ReadoutConfig()

    def forward(self, clips):
        grey = clips.mean((1, 3, 4))
        return torch.stack(((grey[:, -1] - grey[:, 0]).sign(), 1e-3 * grey[:, 0]), 1)


@pytest.fixture
def run(tmp_path, monkeypatch) -> Path:
    """A run whose encoder file is read as :class:`Shift`."""
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "encoder.safetensors").write_bytes(b"weights")
    monkeypatch.setattr(sources, "load_encoder", lambda path, **_: Shift())
    return folder


@pytest.fixture
def real_run(tmp_path) -> Path:
    """A run of a small encoder that was never trained."""
    model = ModelConfig(width=4)
    encoder = kinema.models.random_encoder(model, seed=3)
    kinema.models.save_encoder(
        encoder, tmp_path / "real" / "encoder.safetensors", {"model": asdict(model), "clip": {**CLIP, "size": [16, 16]}}
    )
    return tmp_path / "real"


@pytest.fixture(scope="module")
def videos(tmp_path_factory, write_video) -> Path:
    """Twelve videos that become brighter or darker, from three places, with labels.csv."""
    folder = tmp_path_factory.mktemp("videos")
    rows = ["file,motion,place,split"]
    for number in range(12):
        rising, place = number % 2 == 0, number // 4
        greys = 60 + 40 * place + 3 * np.arange(10)[:: 1 if rising else -1] + number
        frames = np.broadcast_to(greys.astype(np.uint8)[:, None, None, None], (10, 32, 48, 3))
        write_video(folder / f"clips/{number}.mp4", frames)
        rows.append(f"clips/{number}.mp4,{'up' if rising else 'down'},place{place},{'test' if place == 2 else 'train'}")
    (folder / "labels.csv").write_text("\n".join(rows) + "\n")
    return folder


@pytest.mark.parametrize("protocol", ["retrieval", "probe"])
def test_from_an_encoder_file_to_a_json_file(run, videos, tmp_path, protocol):
    out = tmp_path / "results" / "figures.json"
    evaluation = evaluate(protocol, run, videos, **labelled(videos), group_column="place", out=out, **QUICK)
    written = json.loads(out.read_text())
    assert written == json.loads(json.dumps(evaluation.to_dict()))
    assert written["protocol"] == protocol
    assert written["encoder"]["name"] == "run"
    assert written["encoder"]["sha256"] == file_sha256(run / "encoder.safetensors")
    assert written["encoder"]["card"]["preset"] == "tiny"
    assert written["spec"]["features"]["clip"]["size"] == [24, 24]
    assert written["spec"]["protocol"]["version"] == {"retrieval": 2, "probe": 1}[protocol]
    assert written["data"]["videos"] == 12
    assert written["data"]["hours"] == pytest.approx(12 / 3600)
    assert written["data"]["files_sha256"] == ids_sha256(written["files"])
    assert {"kinema", "torch"} <= set(written["versions"])
    assert written["notes"] == []
    result = written["result"]
    assert (result["plain"]["r1"] if protocol == "retrieval" else result["top1"]) == 1.0
    assert "test against train, no group on both sides" in evaluation.summary()


def test_two_runs_differ_in_their_timings_only(run, videos):
    first, second = (evaluate("retrieval", run, videos, **labelled(videos), **QUICK).to_dict() for _ in range(2))
    assert first.pop("timings")["seconds"] > 0
    second.pop("timings")
    assert json.dumps(first) == json.dumps(second)


def test_hashes_tell_what_differs(run, videos):
    motion = evaluate("retrieval", run, videos, **labelled(videos), **QUICK).to_dict()
    place = evaluate("retrieval", run, videos, **labelled(videos, "place"), **QUICK, split="video").to_dict()
    one_clip = evaluate("retrieval", run, videos, **labelled(videos), **{**QUICK, "clips": 1}).to_dict()
    assert motion["data"]["files_sha256"] == place["data"]["files_sha256"]
    assert motion["data"]["labels_sha256"] != place["data"]["labels_sha256"]
    assert motion["spec_sha256"] == place["spec_sha256"] != one_clip["spec_sha256"]


def test_the_untrained_encoder_has_the_architecture_and_the_clips_of_a_run(real_run, videos):
    table = videos / "labels.csv"
    saved = evaluate("retrieval", real_run, videos, labels=table, label_column="motion", **QUICK).to_dict()
    named = evaluate(
        "retrieval", "random", videos, labels=table, label_column="motion", like=real_run, seed=3, **QUICK
    ).to_dict()
    other = evaluate(
        "retrieval", "random", videos, labels=table, label_column="motion", like=real_run, seed=4, **QUICK
    ).to_dict()
    assert saved["result"] == named["result"]
    assert named["result"] != other["result"]
    assert saved["encoder"]["name"] == "real"
    assert named["encoder"]["name"] == "random"
    assert named["encoder"]["sha256"] is None
    assert (named["encoder"]["card"]["seed"], named["encoder"]["card"]["model"]["width"]) == (3, 4)


def test_the_untrained_encoder_of_the_tiny_preset(videos):
    clip = {**CLIP, "size": (16, 16)}
    evaluation = evaluate("retrieval", "random", videos, **labelled(videos), clip=clip, **QUICK)
    assert evaluation.features["clip"]["size"] == (16, 16)
    assert evaluation.encoder["card"]["model"] == asdict(ModelConfig())


@pytest.mark.slow
def test_another_process_writes_the_same_files(real_run, videos, tmp_path):
    """With the defaults for workers and precision, as the command line runs it."""
    code = (
        "import sys, torch; from kinema.evaluation import evaluate; torch.set_num_threads(1); "
        "labels = {'labels': sys.argv[3], 'label_column': 'motion'}; "
        "[evaluate(p, *sys.argv[1:3], out=f'{sys.argv[4]}/{p}.json', **labels) for p in ('retrieval', 'probe')]"
    )
    arguments = [real_run, videos, videos / "labels.csv"]
    subprocess.run(
        [sys.executable, "-c", code, *arguments, tmp_path], check=True, env={**os.environ, "PYTHONHASHSEED": "1"}
    )
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        for protocol in ("retrieval", "probe"):
            here = json.loads(json.dumps(evaluate(protocol, real_run, videos, **labelled(videos)).to_dict()))
            there = json.loads((tmp_path / f"{protocol}.json").read_text())
            assert here.pop("timings").keys() == there.pop("timings").keys()
            assert here == there
    finally:
        torch.set_num_threads(threads)


def test_short_videos_and_hopeless_queries_are_noted(run, videos):
    clip = {**CLIP, "frames": 20, "size": (24, 24)}
    table = videos / "odd.csv"
    table.write_text("file,label,group\n" + "".join(f"clips/{n}.mp4,{n // 3},{'ab'[n > 2]}\n" for n in range(9)))
    evaluation = evaluate("retrieval", run, videos, labels=table, group_column="group", clip=clip, **QUICK)
    assert "9 of 9 videos are shorter than a clip, their last frame is held: clips/0.mp4" in evaluation.notes[0]
    assert evaluation.notes[1].startswith("9 queries have no video of their label")
    assert evaluation.notes[1] in evaluation.summary()


def test_what_is_missing_is_said_before_any_work(run, videos, tmp_path):
    with pytest.raises(DataError, match="no column 'motions'"):
        evaluate("retrieval", run, videos, **labelled(videos, "motions"))
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="cannot write"):
        evaluate("retrieval", run, videos, **labelled(videos), out=tmp_path / "file" / "out.json")
    with pytest.raises(DataError, match="class folders"):
        evaluate("retrieval", run, run)


def test_a_run_without_an_encoder_is_refused(videos, tmp_path):
    for run in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(CheckpointError, match="no encoder at"):
            evaluate("retrieval", run, videos, **labelled(videos))


def test_a_failed_evaluation_leaves_an_earlier_result_alone(run, videos, tmp_path):
    out = tmp_path / "out.json"
    out.write_text("earlier")
    (videos / "broken.mp4").write_text("no video")
    table = videos / "broken.csv"
    table.write_text("file,label\nclips/0.mp4,a\nclips/1.mp4,a\nclips/2.mp4,b\nbroken.mp4,b\n")
    with pytest.raises(DataError, match=r"1 of 4 videos cannot be used: broken\.mp4"):
        evaluate("retrieval", run, videos, labels=table, out=out, **QUICK)
    assert out.read_text() == "earlier"


def test_a_card_of_another_version_is_refused(run, videos, monkeypatch):
    class Strange(Shift):
        def __init__(self):
            super().__init__()
            self.card = {"clip": {"framez": 8}}

    monkeypatch.setattr(sources, "load_encoder", lambda path, **_: Strange())
    with pytest.raises(CheckpointError, match=r"not of this version .*framez"):
        evaluate("retrieval", run, videos, **labelled(videos), **QUICK)


# all protocols

FEW = {"per_class": (1, 2), "draws": 2}


def evaluate_all(run, videos, **settings):
    asked = {"split": "video", "appearance_column": "place", **FEW, **QUICK, **settings}
    return evaluate("all", run, videos, **labelled(videos), **asked)


def test_all_protocols_from_one_decoding(run, videos, monkeypatch):
    """The encoder sees whether a clip becomes brighter: it must be lost without the order of the frames."""
    opened = []

    class Watched(kinema.video.Video):
        def __init__(self, path, view=None):
            opened.append(path)
            super().__init__(path, view)

    monkeypatch.setattr(kinema.video, "Video", Watched)
    evaluation = evaluate_all(run, videos)
    assert len(opened) == 12
    results = evaluation.results
    assert list(results) == ["retrieval", "knn", "probe", "few-label", "pairs", "diagnosis"]
    assert evaluation.left_out == {} and [note.split(":")[1] for note in evaluation.notes] == [
        " whitened figures are transductive."
    ]
    assert results["retrieval"].plain.recall[1] == results["knn"].by_k[1].top1 == results["probe"].top1 == 1.0
    assert [(pair.first, pair.second, pair.accuracy) for pair in results["pairs"].pairs] == [("down", "up", 1.0)]
    assert [size.per_class for size in results["few-label"].sizes] == [1, 2]
    assert results["few-label"].sizes[1].top1 > 0.8
    motion = results["diagnosis"].motion
    assert (motion.probe["normal"], motion.probe["reversed"]) == (1.0, 0.0)  # backwards, bright becomes dark
    assert motion.drop["frozen"] >= 0.5
    written = json.loads(json.dumps(evaluation.to_dict()))
    assert written["results"]["diagnosis"]["spec"]["protocol"]["orders"] == ["normal", "shuffled", "reversed", "frozen"]
    assert written["data"]["appearance_classes"] == ["place0", "place1", "place2"]


def test_every_protocol_says_the_same_alone_as_among_all(run, videos):
    together = evaluate_all(run, videos).to_dict()["results"]
    own = {"few-label": FEW, "diagnosis": {"appearance_column": "place"}}
    for protocol, told in together.items():
        settings = {"split": "video", **own.get(protocol, {}), **QUICK}
        alone = evaluate(protocol, run, videos, **labelled(videos), **settings).to_dict()
        assert {name: alone[name] for name in told} == told


def test_the_same_twice_alone_with_workers_and_from_the_store(real_run, videos, tmp_path):
    ways = [{"cache": tmp_path}, {"workers": 2}, {"cache": tmp_path, "workers": 2}]
    evaluations = [evaluate_all(real_run, videos, **way).to_dict() for way in ways]
    assert [told.pop("timings")["videos_read"] for told in evaluations] == [12, 12, 0]
    first, *others = (json.dumps(told) for told in evaluations)
    assert all(other == first for other in others)


def test_features_are_kept_beside_the_result_by_default(real_run, videos, tmp_path):
    timings = [
        evaluate(protocol, real_run, videos, **labelled(videos), out=tmp_path / f"{protocol}.json", **QUICK)
        for protocol in ("retrieval", "knn")
    ]
    assert [evaluation.timings["videos_read"] for evaluation in timings] == [12, 0]
    assert (tmp_path / "features").is_dir()


def test_what_the_data_do_not_allow_is_left_out_and_said(run, videos):
    evaluation = evaluate("all", run, videos, **labelled(videos, "place"), split="video", **FEW, **QUICK)
    assert list(evaluation.left_out) == ["pairs"]
    assert "pairs is left out: no two classes have opposite names" in evaluation.summary()
    assert any("so that the motion share, the retrieval by appearance" in note for note in evaluation.notes)
    assert evaluation.results["diagnosis"].motion_share is None
    assert evaluation.to_dict()["left_out"] == evaluation.left_out


@pytest.mark.parametrize(
    ("protocol", "settings", "words"),
    [
        ("knn", {"pairs": [("up", "down")]}, "pairs is a setting of the protocols pairs and all, not of knn"),
        ("probe", {"appearance_column": "place"}, "appearance_column is a setting of the protocols diagnosis and all"),
        ("pairs", {"draws": 2}, "draws is a setting of the protocols few-label and all, not of pairs"),
        ("all", {"pairs": [("up", "doun")]}, "'doun', which the labels do not have; there is 'down'"),
    ],
)
def test_settings_of_another_protocol_are_refused_before_any_work(protocol, settings, words, videos):
    with pytest.raises(ConfigError, match=words):
        evaluate(protocol, "nowhere", videos, **labelled(videos), **settings)


def test_settings_come_as_one_value_or_by_name(run, videos):
    asked = EvaluationConfig(**labelled(videos), clips=3, workers=0)
    whole = evaluate("knn", run, videos, asked, clips=2, precision="32").to_dict()["result"]
    assert whole == evaluate("knn", run, videos, **labelled(videos), **QUICK).to_dict()["result"]
    with pytest.raises(ConfigError, match=r"^evaluate has no such setting as lables: it knows labels, benchmark, fold"):
        evaluate("knn", run, videos, asked, lables="labels.csv")


def test_an_encoder_that_has_diverged_is_named(run, videos, monkeypatch):
    class Lost(Shift):
        def forward(self, clips):
            return super().forward(clips) * torch.nan

    monkeypatch.setattr(sources, "load_encoder", lambda path, **_: Lost())
    with pytest.raises(DataError, match=r"the encoder run gives features that are not finite, the first for .*0\.mp4"):
        evaluate("knn", run, videos, **labelled(videos), **QUICK)
