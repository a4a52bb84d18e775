"""Folders, videos and labels that are not what they should be: one sentence each, and nothing made before is lost."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import av
import numpy as np
import pytest

from kinema.cli import main
from kinema.data.synthetic.files import encode_video
from kinema.video import read_manifest


def noise(frames: int) -> bytes:
    """A video that takes space: its second half is half of the file."""
    return encode_video(np.random.default_rng(0).integers(0, 256, (frames, 32, 32, 3), np.uint8), 16.0)


# folders


FOLDERS = {
    "empty": "holds no videos, nor any other file; a video's name ends in one of: ",
    "texts": "holds no videos, only 2 files with other suffixes; a video's name ends in one of: ",
    "missing": "; name one that holds videos",
    "file.mp4": " is a file, and no folder; name one that holds videos",
    "file.mp4#t=1,2": " is a part of a video, and no folder; name one that holds videos",
}


@pytest.fixture(params=FOLDERS)
def bad_folder(request, tmp_path) -> Path:
    (tmp_path / "empty").mkdir()
    (tmp_path / "texts" / "deep").mkdir(parents=True)
    for name in ("texts/diary.txt", "texts/deep/README", "file.mp4"):
        (tmp_path / name).write_text("words")
    return tmp_path / request.param


def test_a_folder_without_videos(bad_folder, refused, quick_settings, stopped_run, tmp_path):
    manifest = tmp_path / "manifest.csv"
    manifest.write_text("earlier manifest")
    for words in (["scan", bad_folder, "--out", manifest], ["pretrain", bad_folder, "--out", tmp_path / "new"]):
        sentence = refused(*words)
        assert str(bad_folder) in sentence
        assert FOLDERS[bad_folder.name] in sentence
    assert manifest.read_text() == "earlier manifest"
    assert not any((tmp_path / "new").iterdir())
    sentence = refused("evaluate", "retrieval", stopped_run, "--data", bad_folder, "--out", tmp_path / "figures.json")
    assert str(bad_folder) in sentence
    assert "--labels" in sentence or "--data" in sentence
    assert not (tmp_path / "figures.json").exists()


@pytest.mark.slow
def test_a_process_of_its_own_says_the_sentence_and_nothing_else(tmp_path):
    words = ["pretrain", str(tmp_path / "missing"), "--out", str(tmp_path / "run")]
    done = subprocess.run([sys.executable, "-m", "kinema", *words], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"kinema pretrain: there is no folder {words[1]}; name one that holds videos\n"


# videos


def test_only_videos_shorter_than_a_clip(refused, videos, quick_settings, tmp_path):
    words = ["pretrain", videos, "--out", tmp_path / "run", "--config", quick_settings, "--clip.frames", 8]
    sentence = refused(*words)
    assert "none of 12 videos is as long as a clip (the longest, 00000.mp4, has 0.750 s of 1 s)" in sentence
    assert sentence.endswith("; give longer videos, or make clips shorter with fewer frames or a smaller step")


def test_only_a_video_of_one_frame(refused, quick_settings, tmp_path):
    (tmp_path / "videos").mkdir()
    (tmp_path / "videos/still.mp4").write_bytes(noise(1))
    sentence = refused("pretrain", tmp_path / "videos", "--out", tmp_path / "run", "--config", quick_settings)
    assert "the longest, still.mp4, has 0.062 s of 0.5 s" in sentence


@pytest.fixture
def mixed(videos, tmp_path) -> Path:
    """Twelve good videos, three that cannot be read, two that are short, one that is cut in the middle."""
    folder = shutil.copytree(videos, tmp_path / "mixed")
    (folder / "short.mp4").write_bytes(noise(4))
    (folder / "still.mp4").write_bytes(noise(1))
    (folder / "corrupt.mp4").write_bytes(bytes(1000))
    (folder / "nothing.webm").touch()
    whole = noise(48)
    (folder / "cut.mp4").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "whole.mp4").write_bytes(whole)
    with av.open(str(tmp_path / "whole.mp4")) as source, av.open(str(tmp_path / "whole.mkv"), "w") as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        for packet in source.demux():
            if packet.dts is not None:
                packet.stream = stream
                target.mux(packet)
    whole = (tmp_path / "whole.mkv").read_bytes()
    (folder / "half.mkv").write_bytes(whole[: len(whole) // 2])
    return folder


def test_scan_records_what_is_wrong_with_each_file(mixed, tmp_path, capsys):
    assert main(["scan", str(mixed), "--out", str(tmp_path / "manifest.csv")]) == 0
    entries = {entry.path: entry for entry in read_manifest(tmp_path / "manifest.csv") if entry.error}
    assert {path: entry.status for path, entry in entries.items()} == {
        "corrupt.mp4": "unreadable",
        "cut.mp4": "unreadable",
        "nothing.webm": "unreadable",
        "half.mkv": "partial",
    }
    assert 10 < entries["half.mkv"].frames < 40
    output = capsys.readouterr().out
    assert all(f"{entry.status}: {path}: {entry.error}\n" in output for path, entry in entries.items())
    assert "18 videos, 14 ok, 1 partial, 3 unreadable" in output


def test_pretrain_leaves_bad_files_out_up_to_the_share_that_is_allowed(
    mixed, refused, quick_settings, tmp_path, capsys
):
    words = ["pretrain", mixed, "--out", tmp_path / "run", "--config", quick_settings]
    sentence = refused(*words, "--trainer.max_bad_share", 0.16)
    assert (
        "3 of 18 videos cannot be read, more than the share of 0.16 that is allowed (the first is corrupt" in sentence
    )
    assert sentence.endswith("; mend or remove them, or allow a larger max_bad_share")
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["manifest.parquet"]
    assert main([str(word) for word in [*words, "--trainer.max_bad_share", 0.17]]) == 0
    errors = capsys.readouterr().err
    assert "13 of 18 videos are used\n" in errors
    for path in ("corrupt.mp4", "cut.mp4", "nothing.webm"):
        assert f"left out, unreadable: {path}: " in errors
    assert "left out, shorter than a clip: short.mp4: 0.250 s of 0.5 s\n" in errors
    assert "left out, shorter than a clip: still.mp4: 0.062 s of 0.5 s\n" in errors
    assert "used as far as it goes: half.mkv: " in errors
    assert json.loads((tmp_path / "run/card.json").read_text())["data"]["videos"] == 13


def test_labelled_videos_that_cannot_be_read_are_named(mixed, stopped_run, refused, evaluation, tmp_path):
    table = tmp_path / "labels.csv"
    names = ("00000.mp4", "00001.mp4", "corrupt.mp4", "cut.mp4")
    table.write_text("file,label\n" + "".join(f"{name},{'ab'[n % 2]}\n" for n, name in enumerate(names)))
    sentence = refused("evaluate", "probe", stopped_run, *evaluation, "--data", mixed, "--labels", table)
    assert "2 of 4 videos cannot be used: corrupt.mp4, cut.mp4 (" in sentence
    assert sentence.endswith("; repair them or take them out of the labels")
    assert (tmp_path / "figures.json").read_text() == "earlier figures"


# labels


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            "file,label\nlost.mp4,a\n00000.mp4,b\n",
            "names files that are not in {videos}: lost.mp4; correct the table or",
        ),
        ("file,action\n00000.mp4,a\n", "has no column 'label'; its columns are file, action"),
        ("name,label\n00000.mp4,a\n", "has no column 'file'; its columns are name, label"),
        ("", "holds no rows; it needs a header with 'file' and a label column, and a row a video"),
        ("file,label\n", "holds no rows; it needs a header with 'file' and a label column, and a row a video"),
        (None, "cannot read the labels {table}: No such file or directory; --labels names a CSV file"),
    ],
)
def test_labels_that_do_not_fit(text, words, refused, videos, stopped_run, evaluation, tmp_path):
    table = tmp_path / "table.csv"
    if text is not None:
        table.write_text(text)
    sentence = refused("evaluate", "retrieval", stopped_run, *evaluation, "--labels", table)
    assert str(table) in sentence
    assert words.format(videos=videos, table=table) in sentence
    assert (tmp_path / "figures.json").read_text() == "earlier figures"
