"""``kinema predict``: a network that was trained with labels, on new videos."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from kinema.annotations import read_intervals
from kinema.cli import main
from kinema.common.locking import locked
from kinema.config import ModelConfig
from kinema.errors import OutputError, VideoError
from kinema.jobs.predicting import predict
from kinema.methods.recognition import CLASSIFIER_FILE, Recognition, save_classifier
from kinema.models import load_encoder, random_encoder, save_encoder
from kinema.models.weights import ENCODER_FILE
from kinema.search.embedder import Embedder
from kinema.search.windows import WindowReader


def run(*words: object) -> int:
    return main([str(word) for word in words])


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> Path:
    """What a training with labels leaves, of a network that has learned nothing."""
    folder = tmp_path_factory.mktemp("trained")
    encoder = random_encoder(ModelConfig(width=4), seed=1)
    clip = {"frames": 4, "step": 0.125, "short_side": 32, "size": [32, 32]}
    save_encoder(encoder, folder / ENCODER_FILE, {**encoder.card, "clip": clip})
    save_classifier(Recognition(encoder, 2), folder / CLASSIFIER_FILE, ["a", "b"])
    return folder


@pytest.fixture
def folder(videos, tmp_path) -> Path:
    """Three videos, and a file that is none."""
    (tmp_path / "videos").mkdir()
    for name in ("00000.mp4", "00001.mp4", "00002.mp4"):
        shutil.copy(videos / name, tmp_path / "videos")
    (tmp_path / "videos/words.mp4").write_text("no video")
    return tmp_path / "videos"


def test_videos_as_wholes_and_their_bouts(trained, folder, tmp_path, capsys):
    whole, bouts = tmp_path / "whole.csv", tmp_path / "bouts.csv"
    assert run("predict", folder, "--model", trained, "--out", whole) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[0].startswith(f"unreadable: {folder / 'words.mp4'}: ") and said[1] == "3 videos of 0:02.2 in all"
    assert said[-1] == str(whole)
    found = read_intervals(whole)[1]
    assert [(one.file, one.start, one.end) for one in found] == [(f"0000{n}.mp4", 0, 0.75) for n in range(3)]
    assert all(one.label in "ab" and 0.5 <= one.confidence <= 1 for one in found)

    assert run("predict", folder, "--model", trained, "--windows", "--shortest", 0, "--out", bouts) == 0
    capsys.readouterr()
    assert {one.file for one in read_intervals(bouts)[1]} == {one.file for one in found}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bouts.csv", "videos", "whole.csv"]
    assert run("predict", folder / "00000.mp4", "--model", trained, "--out", tmp_path / "one.csv") == 0
    assert [one.file for one in read_intervals(tmp_path / "one.csv")[1]] == ["00000.mp4"]


def test_what_was_found_is_written_though_nobody_reads_of_it(trained, folder, tmp_path):
    """Of ``kinema predict ... | head -0``: the file is there, and nothing is kept beside it any more."""
    out, (reading, writing) = tmp_path / "out.csv", os.pipe()
    os.close(reading)
    words = [sys.executable, "-m", "kinema", "predict", folder, "--model", trained, "--out", out]
    with os.fdopen(writing, "wb") as pipe:
        subprocess.run([str(word) for word in words], stdout=pipe, stderr=subprocess.DEVNULL)
    assert len(read_intervals(out)[1]) == 3
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.csv", "videos"]


def test_what_is_done_is_not_done_again(trained, folder, tmp_path, monkeypatch):
    out = tmp_path / "out.csv"
    kept = tmp_path / ".out.csv.windows.jsonl"
    first = predict(folder, trained, out, None)
    lines = kept.read_text().splitlines()
    assert len(lines) == 4 and json.loads(lines[0])["classes"] == ["a", "b"]
    with kept.open("a") as file:
        file.write('{"file": "half of a li')  # as a kill leaves it
    shutil.copy(folder / "00000.mp4", folder / "new.mp4")
    seen = []
    features = Embedder.features
    monkeypatch.setattr(Embedder, "features", lambda self, clips: seen.append(len(clips)) or features(self, clips))
    again = predict(folder, trained, out, None)
    assert sum(seen) == 2 and [one for one in again.intervals if one.file != "new.mp4"] == list(first.intervals)
    assert predict(folder, trained, out, None).intervals == again.intervals and sum(seen) == 2
    predict(folder, trained, out, None, stride=0.125)  # other windows: all anew
    assert sum(seen) > 2 + 8


def test_what_could_not_be_read_is_tried_again(trained, folder, tmp_path, monkeypatch):
    """As after access was given, which changes neither a file's size nor its time."""
    out, read = tmp_path / "out.csv", WindowReader.read

    def refusing(self, path, *rest, **more):
        if Path(path).name == "00001.mp4":
            raise VideoError(path, "permission denied")
        return (yield from read(self, path, *rest, **more))

    monkeypatch.setattr(WindowReader, "read", refusing)
    first = predict(folder, trained, out, None)
    assert first.videos == 2 and any("00001.mp4: permission denied" in note for note in first.notes)
    monkeypatch.undo()
    again = predict(folder, trained, out, None)
    assert again.videos == 3 and len(again.notes) == 1 and "words.mp4" in again.notes[0]


@pytest.mark.parametrize("damage", ["{}", "[1]", "\\0\\0", '{"file": "x", "state": 5, "times": [[1]]}', "[" * 9000])
def test_what_was_kept_ends_where_it_is_damaged_and_nothing_is_lost(trained, folder, tmp_path, damage):
    out, kept = tmp_path / "out.csv", tmp_path / ".out.csv.windows.jsonl"
    first = predict(folder, trained, out, None)
    lines = kept.read_text().splitlines()
    kept.write_text("\n".join([*lines[:2], damage, *lines[3:]]) + "\n")
    for _ in range(2):
        assert predict(folder, trained, out, None).intervals == first.intervals
    assert sorted(kept.read_text().splitlines()) == sorted(lines)


def test_two_for_one_file_do_not_write_into_each_other(trained, folder, tmp_path, refused):
    out = tmp_path / "out.csv"
    with locked(tmp_path / ".out.csv.windows.lock", "held"):
        sentence = refused("predict", folder, "--model", trained, "--out", out)
    assert f"another process finds what goes into {out}" in sentence and "another --out" in sentence
    assert run("predict", folder, "--model", trained, "--out", out) == 0


def test_without_room_the_file_is_named_and_the_next_call_goes_on(trained, folder, tmp_path, small_disk):
    disk, fill = small_disk
    out, more = disk / "out.csv", tmp_path / "more"
    more.mkdir()
    shutil.copy(folder / "00000.mp4", more)
    predict(more, trained, out, None)
    fill()
    for number in range(20):  # by their names alone these take more than what is left of a page
        shutil.copy(folder / "00001.mp4", more / f"{number:0200}.mp4")
    with pytest.raises(OutputError, match=r"\.out\.csv\.windows\.jsonl: .*free space"):
        predict(more, trained, out, None)
    (disk / "filling").unlink()
    assert predict(more, trained, out, None).videos == 21
    lines = (disk / ".out.csv.windows.jsonl").read_text().splitlines()
    assert len({json.loads(line)["file"] for line in lines[1:]}) == len(lines) - 1 == 21


def test_what_cannot_be_predicted(trained, folder, tmp_path, refused):
    out = tmp_path / "out.csv"
    assert "there is no classifier at" in refused("predict", folder, "--model", "motion", "--out", out)
    nothing = refused("predict", folder, "--model", tmp_path / "nothing", "--out", out)
    assert "there is no classifier at" in nothing and "`kinema finetune`" in nothing
    assert "there is no folder" in refused("predict", tmp_path / "none", "--model", trained, "--out", out)
    (tmp_path / "empty").mkdir()
    assert "holds no videos" in refused("predict", tmp_path / "empty", "--model", trained, "--out", out)
    sentence = refused("predict", folder / "words.mp4", "--model", trained, "--out", out)
    assert "no video of" in sentence and "see `kinema scan`" in sentence
    whole = refused("predict", folder, "--model", tmp_path / "nothing", "--out", tmp_path / "out.eaf")
    assert "ELAN holds one video a file, and there are" in whole and "--to elan" in whole
    out.write_text("earlier")
    assert "out.csv is there already" in refused("predict", folder, "--model", trained, "--out", out)
    assert out.read_text() == "earlier"


def test_videos_have_boxes_of_their_own(trained, folder, tmp_path, capsys, refused):
    """Those that a network was trained with are of other videos, and what it said of one box is not of another."""

    def boxes(name: str, *videos: str, side: int = 8) -> Path:
        rows = [f"{video},{frame},4,4,{4 + side},{4 + side}" for video in videos for frame in range(12)]
        (tmp_path / name).write_text("\n".join(["file,frame,x0,y0,x1,y1", *rows, ""]))
        return tmp_path / name

    theirs = boxes("training.csv", "other.mp4")
    network, out = tmp_path / "network", tmp_path / "out.csv"
    shutil.copytree(trained, network)
    encoder = load_encoder(network)
    card = {**encoder.card, "clip": {**encoder.card["clip"], "crop": str(theirs)}}
    save_encoder(encoder, network / ENCODER_FILE, card)

    said = refused("predict", folder, "--model", network, "--out", out)
    assert "training.csv has boxes of other.mp4, and of none of the 4 videos" in said and "as crop" in said
    small = boxes("small.csv", "00000.mp4", "00001.mp4")
    found = predict(folder, network, out, None, crop=str(small))
    assert found.videos == 2 and any("00002.mp4: small.csv" in note.replace(f"{tmp_path}/", "") for note in found.notes)
    others = predict(folder, network, out, None, crop=str(boxes("large.csv", "00000.mp4", "00001.mp4", side=16)))
    assert [one.confidence for one in others.intervals] != [one.confidence for one in found.intervals]
    assert predict(folder, network, out, None, crop="motion").videos == 3

    capsys.readouterr()
    assert run("watch", folder / "00000.mp4", "--classifier", network) == 0
    assert capsys.readouterr().out.count("\n") >= 2
