"""From a few labels to labels of everything: ``kinema label``, ``kinema watch`` and ``kinema labels compare``."""

from __future__ import annotations

import json
import shutil
from contextlib import closing
from dataclasses import replace
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

from kinema.annotations import Interval, read_intervals, write_intervals
from kinema.annotations.bouts import BACKGROUND
from kinema.cli import main
from kinema.config import BoutConfig, ModelConfig, ReadoutConfig
from kinema.errors import DataError
from kinema.jobs.labelling import label_library, teach
from kinema.models import random_encoder, save_encoder
from kinema.search import Classifier, Labels, Library
from kinema.search.label_file import FILE
from kinema.search.watching import LiveBouts

SURE = BoutConfig(enter=0.5, leave=0.5, smooth=0.0, gap=0.0, shortest=0.0)


def made_encoder(path: Path, seed: int, stage: str = "pooled") -> Path:
    """Write the file of an untrained encoder of half-second clips."""
    made = random_encoder(ModelConfig(width=4), seed=seed, readout=ReadoutConfig(stage=stage))
    clip = {"frames": 4, "step": 0.125, "short_side": 32, "size": [32, 32]}
    return save_encoder(made, path, {**made.card, "clip": clip})


@pytest.fixture(scope="module")
def encoder(tmp_path_factory) -> Path:
    """The file of one."""
    return made_encoder(tmp_path_factory.mktemp("encoder") / "encoder.safetensors", seed=1)


@pytest.fixture(scope="module")
def library(videos, encoder, tmp_path_factory) -> Library:
    """Of twelve videos with two windows each; not to be written to."""
    made = Library(tmp_path_factory.mktemp("library") / "index", encoder)
    made.add(videos)
    return made


@pytest.fixture
def labels(videos, tmp_path) -> Path:
    """A table of labels of eight of the videos, as long as these."""
    names = sorted(path.name for path in videos.iterdir())
    one, two = names[:4], names[4:8]
    found = [Interval(name, 0, 0.75, "first") for name in one] + [Interval(name, 0, 0.75, "second") for name in two]
    write_intervals(tmp_path / "labels.csv", found)
    return tmp_path / "labels.csv"


def run(*words: object) -> int:
    return main([str(word) for word in words])


def test_a_few_labels_label_everything(library, labels, tmp_path, capsys):
    out, kept, report = (tmp_path / name for name in ("out.csv", "kept.safetensors", "report.json"))
    words = ["--enter", 0.4, "--leave", 0.4, "--shortest", 0]
    asked = ["label", "--index", library.path, "--labels", labels, *words]
    assert run(*asked, "--out", out, "--save", kept, "--report", report) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[0] == "trained on 16 windows: 8 of first, 8 of second"
    assert said[1].startswith("held out by video: top-1 0.") and said[1].endswith("(8 videos in 5 parts)")
    assert said[2].split() == ["class", "windows", "videos", "precision", "recall", "frame", "F1", "bout", "F1"]
    assert said[3].split()[:3] == ["first", "8", "4"] and "12 videos of 0:09.0 in all" in said
    assert said[-3:] == [str(kept), str(report), str(out)]
    figures = json.loads(report.read_text())
    assert figures["held_out"]["chance"] == 0.5 and figures["videos"] == 12
    found, intervals = read_intervals(out)
    assert found.name == "csv" and {one.label for one in intervals} == {"first", "second"}
    assert {one.file for one in intervals} == {f"{number:05}.mp4" for number in range(12)}  # at 0.4 one always enters
    own = [one for one in intervals if int(one.file[:5]) < 8]
    assert sum((int(one.file[:5]) < 4) == (one.label == "first") for one in own) >= 7
    assert sum(one["seconds"] for one in figures["budgets"]) == pytest.approx(sum(i.end - i.start for i in intervals))

    again = tmp_path / "again.boris"
    assert run("label", "--index", library.path, "--classifier", kept, *words, "--out", again) == 0
    assert capsys.readouterr().out.splitlines()[-1] == str(again)
    same = [(one.file, one.label) for one in read_intervals(again)[1]]
    assert same == [(one.file, one.label) for one in intervals]

    assert run("labels", "compare", labels, out, "--out", tmp_path / "agreement.json") == 0
    said = capsys.readouterr().out
    assert f"note: {out} alone labels 00008.mp4, 00009.mp4, 00010.mp4 and 1 more (4 in all), which are left out" in said
    assert "Cohen's kappa 0." in said
    assert json.loads((tmp_path / "agreement.json").read_text())["videos"] == 8


def test_bouts_of_a_stream_are_those_of_the_index(library, labels):
    classifier = teach(library, read_intervals(labels)[1], background=False).classifier
    offline = label_library(library, classifier, SURE)
    for video in library.videos()[:4]:
        live, found = LiveBouts(video.path, SURE), []
        for seen in library.watch(video.path, classifier):
            assert sum(seen.shares.values()) == pytest.approx(1, abs=1e-5)
            found += live.add(seen)
        found += live.finish()
        wanted = [one for one in offline.intervals if video.path.endswith(one.file)]
        assert [(one.label, one.start, one.end) for one in found] == [(w.label, w.start, w.end) for w in wanted]
        assert [one.confidence for one in found] == pytest.approx([one.confidence for one in wanted], abs=1e-3)


def test_watching_prints_and_writes_bouts(library, labels, tmp_path, capsys):
    kept = teach(library, read_intervals(labels)[1], background=False).classifier.save(tmp_path / "c.safetensors")
    words = ["watch", library.videos()[0].path, "--index", library.path, "--classifier", kept, "--shortest", 0]
    words += ["--enter", 0.4, "--leave", 0.4]
    assert run(*words, "--bouts", "--out", tmp_path / "seen.csv") == 0
    said = capsys.readouterr().out.splitlines()
    (interval, *_) = read_intervals(tmp_path / "seen.csv")[1]
    assert (
        interval.file == library.videos()[0].path and interval.label in said[0] and said[0].startswith("   0:00.0 to ")
    )
    assert said[-2:][0] == str(tmp_path / "seen.csv") and said[-1].startswith("2 windows; latency ")


def test_bouts_are_written_where_nobody_reads_what_is_printed(library, labels, tmp_path, monkeypatch):
    kept = teach(library, read_intervals(labels)[1], background=False).classifier.save(tmp_path / "c.safetensors")
    words = ["watch", library.videos()[0].path, "--index", library.path, "--classifier", kept, "--shortest", 0]

    def gone(*_: object) -> None:
        raise BrokenPipeError

    monkeypatch.setattr(import_module("kinema.commands.search"), "print_seen", gone)
    run(*words, "--enter", 0.4, "--leave", 0.4, "--bouts", "--out", tmp_path / "seen.csv")
    assert read_intervals(tmp_path / "seen.csv")[1]


def test_a_place_where_nothing_can_be_written_is_told_before_the_work_begins(library, tmp_path, refused, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setattr(import_module("kinema.commands.search"), "labels_of", lambda *_: pytest.fail("it has begun"))
    words = ["watch", library.videos()[0].path, "--classifier", "any", "--out", tmp_path / "file/seen.csv"]
    assert f"cannot write {tmp_path / 'file'}: Not a directory" in refused(*words)


def test_what_has_no_label_is_none_of_the_classes_unless_it_is_said(library, tmp_path):
    intervals = [Interval(f"{number:05}.mp4", 0, 0.3, "nod") for number in range(6)]
    intervals += [Interval(f"{number:05}.mp4", 0, 0, "nod") for number in range(6, 12)]  # which nothing lies in
    known = teach(library, intervals)
    assert known.classifier.classes == (BACKGROUND, "nod") and known.examples == {BACKGROUND: 12, "nod": 6}
    assert known.held_out.agreement is not None
    found = label_library(library, known.classifier, BoutConfig(enter=0.01, leave=0.01, shortest=0))
    assert {one.label for one in found.intervals} == {"nod"} and [one.label for one in found.budgets] == ["nod"]
    with pytest.raises(DataError, match=r"all labels are of one class, 'nod', and nothing is left to tell it from: .*"):
        teach(library, intervals, background=False)
    named = [*intervals, *(Interval(f"{number:05}.mp4", 0.45, 0.75, BACKGROUND) for number in range(6))]
    assert teach(library, named, background=False).examples == {BACKGROUND: 6, "nod": 6}


def test_too_few_labels_are_told(library, labels):
    names = {"a": ["00000"], "b": ["00001"]}
    known = teach(library, [Interval(file, 0, 0.75, label) for label, files in names.items() for file in files])
    assert known.notes[0] == "there are fewer than 5 windows of 'a' (2), 'b' (2): label more of it"
    assert known.notes[1].startswith("'a', 'b' are labelled in one video only, and cannot be judged")
    one = teach(library, [Interval("00000", 0, 0.3, "a"), Interval("00000", 0.45, 0.75, "b")])
    assert one.held_out is None and one.notes[1].startswith("all labels are of one video, so that nothing says")
    rng = np.random.default_rng(0)  # labels that have nothing to do with what is seen
    drawn = [Interval(f"{number:05}", 0, 0.75, "ab"[rng.integers(2)]) for number in range(12)]
    doubt, mirror = teach(library, drawn).notes[-2:]
    assert "cannot be told apart in videos held out: balanced accuracy" in doubt
    assert "if left and right tell the classes apart, make one with `kinema index --mirror false`" in mirror


def test_the_page_s_labels_are_taken_where_none_are_named(videos, encoder, tmp_path, refused, capsys):
    folder = shutil.copytree(videos, tmp_path / "videos")
    (folder / "00011.mp4").rename(folder / " odd.mp4")  # which no file of labels can name
    library = Library(tmp_path / "index", encoder)
    library.add(folder)
    words = ["label", "--index", library.path, "--out", tmp_path / "out.csv", "--enter", 0.4, "--leave", 0.4]
    assert "is to hold two things" in refused(*words, "--report", words[words.index("--out") + 1])
    assert f"{library.path} has no labels: give some on its page (`kinema serve`), bring some in" in refused(*words)
    labels = Labels(library.path)
    for number, window in enumerate(library.windows()[2::2]):
        labels.add("ab"[number % 2], window.id)
    labels.close()
    assert run(*words, "--shortest", 0) == 0
    said = capsys.readouterr().out
    assert said.startswith("trained on 11 windows: 6 of a, 5 of b")
    assert "note: left out: a video is ' odd.mp4'; give it a name, without spaces around it" in said
    assert len({one.file for one in read_intervals(tmp_path / "out.csv")[1]}) == 11


def test_what_is_refused_and_nothing_is_written(library, labels, videos, encoder, refused, tmp_path):
    out = tmp_path / "out.csv"
    asked = ["label", "--index", library.path, "--out", out]
    kept = teach(library, read_intervals(labels)[1]).classifier.save(tmp_path / "kept.safetensors")
    both = refused(*asked, "--labels", labels, "--classifier", kept)
    assert "--labels make a classifier, and --classifier is one" in both
    assert "--save and --background belong to labels" in refused(*asked, "--classifier", kept, "--background", "true")
    (tmp_path / "there.csv").write_text("earlier")
    sentence = refused("label", "--index", library.path, "--labels", labels, "--out", tmp_path / "there.csv")
    assert "there.csv is there already; name another file" in sentence
    assert (tmp_path / "there.csv").read_text() == "earlier"
    sentence = refused("label", "--index", library.path, "--labels", labels, "--out", tmp_path / "o.json")
    assert "could be of several formats by its name; say which with --to" in sentence
    sentence = refused(
        "label", "--index", library.path, "--labels", tmp_path / "unread.csv", "--out", tmp_path / "o.eaf"
    )
    assert "ELAN holds one video a file, and there are 12: name a folder in place of" in sentence

    for rows, sentence in (
        ("other.mp4,0,1,a\n", f"wrong.csv: names 1 video (1 label) not in the index {library.path}: other.mp4"),
        ("00000.mp4,1,0,a\n", "row 1: an interval of 'a' in 00000.mp4 ends at 0 s, before it begins at 1 s"),
        ("00000.mp4,0,0.1,a\n00001.mp4,0,0.75,b\n", "lies by more than half in 'a' alone: label longer stretches"),
    ):
        (tmp_path / "wrong.csv").write_text("file,start,end,label\n" + rows)
        assert sentence in refused(*asked, "--labels", tmp_path / "wrong.csv")
    (tmp_path / "words.json").write_text('{"words": 1}')
    assert "words.json is of no known format" in refused(*asked, "--labels", tmp_path / "words.json")
    assert "is no classifier of this version of kinema" in refused(*asked, "--classifier", encoder)

    for name, change in {
        "weights": {"seed": 2},
        "readout": {"seed": 1, "stage": "layer1"},
    }.items():
        strange = Library(tmp_path / name, made_encoder(tmp_path / f"{name}.safetensors", **change))
        strange.add(videos)
        asked_there = ["--index", strange.path, "--classifier", kept, "--out", out]
        for words in (["label"], ["watch", strange.videos()[0].path]):
            sentence = refused(*words, *asked_there)
            assert "the classifier was trained with another encoder than" in sentence
            assert "or another readout, clip or crop of it; train it on this index" in sentence
    known = Classifier.load(kept)
    elsewhere = replace(known, fingerprint=known.fingerprint.partition(" ")[0] + " another basis")
    sentence = refused(*asked, "--classifier", elsewhere.save(tmp_path / "elsewhere.safetensors"))
    assert "the classifier was trained on another index than" in sentence
    assert not out.exists() and known.classes == ("first", "second")


def test_labels_of_another_index_are_told(library, labels, encoder, synthetic_videos, refused, tmp_path, capsys):
    """The index's own labels, carried into an index of other videos as a file, and as the index that they are in."""
    mine = Library(shutil.copytree(library.path, tmp_path / "mine"))
    with closing(Labels(mine.path)) as kept:
        kept.add_intervals(read_intervals(labels)[1])
    other = Library(tmp_path / "other", encoder)
    other.add(synthetic_videos / "test")
    shutil.copy(mine.path / FILE, other.path)
    assert run("labels", "list", "--index", other.path) == 0
    assert "note: 8 of the 8 labels are of videos that the index does not hold now\n" in capsys.readouterr().out
    for words in (["label"], ["labels", "export"], ["labels", "snippets"]):
        target = [tmp_path / "o.csv"] if words[0] == "labels" else ["--out", tmp_path / "o.csv"]
        sentence = refused(*words, *target, "--index", other.path)
        assert "has no labels of" in sentence and ("8 labels of" in sentence or words[0] == "labels")
    for source in (mine.path, mine.path / FILE):
        sentence = refused("labels", "import", source, "--index", other.path)
        assert f"{source} " in sentence and "`kinema labels export FILE --index INDEX`" in sentence
    assert not (tmp_path / "o.csv").exists() and Labels(other.path).version() == 1


def test_files_that_have_nothing_in_common(refused, tmp_path):
    for name, row in (("a", "v.mp4,0,1,x"), ("b", "w.mp4,0,1,x"), ("c", "v.avi,0,1,y")):
        (tmp_path / f"{name}.csv").write_text(f"file,start,end,label\n{row}\n")
    a, b, c = (tmp_path / f"{name}.csv" for name in "abc")
    assert "have no video in common: there are v.mp4 in the one, and w.mp4 in the other" in refused(
        "labels", "compare", a, b
    )
    assert "have no class in common: there are x in the one, and y in the other" in refused("labels", "compare", a, c)
